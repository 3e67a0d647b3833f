//! `claim.md`: whether the paper's claims show, in words that the numbers choose.

use std::fmt::Write as _;

use super::{gaps, probability, score_name};
use crate::claims::{Claim, Finding, Verdict};
use crate::summary::Summary;

/// The claims, what each test says of them, and every difference.
#[must_use]
pub fn claim(summary: &Summary, findings: &[Finding]) -> String {
    let mut text = String::from("# Do the paper's claims show here?\n");
    for claim in Claim::ALL {
        let _ = write!(text, "\n## {}\n\n", claim.text());
        for line in answers(summary, claim, findings) {
            let _ = writeln!(text, "- {line}");
        }
        table(
            &mut text,
            findings.iter().filter(|f| f.claim == Some(claim)),
        );
    }
    if findings.iter().any(|finding| finding.claim.is_none()) {
        text.push_str("\n## The best system against the baselines\n\n");
        for line in against_baselines(summary, findings) {
            let _ = writeln!(text, "- {line}");
        }
        table(&mut text, findings.iter().filter(|f| f.claim.is_none()));
    }
    text.push('\n');
    text.push_str(&caution(summary));
    text.push('\n');
    text
}

/// What each test says of a claim, a sentence a test.
pub(super) fn answers(summary: &Summary, claim: Claim, findings: &[Finding]) -> Vec<String> {
    let of_test = |test: &str| {
        let decisive = findings
            .iter()
            .filter(|f| f.claim == Some(claim) && f.is_decisive && f.test == test);
        let parts: Vec<String> = decisive.map(|f| answer(claim, f, findings)).collect();
        match parts.is_empty() {
            true => format!("{test}: the cells that would tell are not there"),
            false => format!("{test}: {}", parts.join("; ")),
        }
    };
    summary.tests().into_iter().map(of_test).collect()
}

/// One score's answer.
fn answer(claim: Claim, finding: &Finding, findings: &[Finding]) -> String {
    let (score, name) = (finding.difference.score, score_name(finding.score));
    let word = match (claim, finding.verdict()) {
        (_, Verdict::Unclear) => "no difference beyond chance",
        (Claim::GainShrinks, verdict) => change(verdict, finding, findings),
        (_, Verdict::Shows) => "yes",
        (_, Verdict::Reverse) => "the other way",
    };
    let doubt = match finding.verdict() != Verdict::Unclear && !finding.stands() {
        true => ", though not among so many differences",
        false => "",
    };
    format!(
        "**{word}{doubt}** by {name} ({}: {:+.3}, {:+.3} to {:+.3}, p {})",
        finding.what,
        score.value,
        score.low,
        score.high,
        equal_or_less(finding.difference.p)
    )
}

/// How the gain changes with size, in words. What never was a gain can't shrink.
fn change(verdict: Verdict, finding: &Finding, findings: &[Finding]) -> &'static str {
    let same = |f: &&Finding| {
        f.claim == Some(Claim::SmallGain) && f.test == finding.test && f.score == finding.score
    };
    let smallest = findings.iter().find(same).map(Finding::verdict);
    let largest = findings.iter().rfind(same).map(Finding::verdict);
    match (verdict, smallest, largest) {
        (Verdict::Reverse, ..) => "the other way: it grows",
        (_, Some(Verdict::Shows), Some(Verdict::Reverse)) => "yes, it reverses",
        (_, Some(Verdict::Shows), Some(Verdict::Shows)) => "yes, it shrinks, and stays a gain",
        (_, Some(Verdict::Shows), _) => "yes, it shrinks to none that is sure",
        _ => "training does less for the larger, but there was no gain to shrink",
    }
}

/// The best system against each baseline, in words, by F1 macro.
pub(super) fn against_baselines(summary: &Summary, findings: &[Finding]) -> Vec<String> {
    let of_test = |test: &str| {
        let all = findings
            .iter()
            .filter(|f| f.claim.is_none() && f.test == test && f.score == "f1_macro");
        let parts: Vec<String> = all
            .map(|finding| {
                let score = finding.difference.score;
                let word = match finding.verdict() {
                    Verdict::Shows => "better",
                    Verdict::Reverse => "worse",
                    Verdict::Unclear => "no different beyond chance",
                };
                format!(
                    "**{word}** ({}: {:+.3}, {:+.3} to {:+.3}, p {})",
                    finding.what,
                    score.value,
                    score.low,
                    score.high,
                    equal_or_less(finding.difference.p)
                )
            })
            .collect();
        format!("{test}, F1 macro: {}", parts.join("; "))
    };
    summary.tests().into_iter().map(of_test).collect()
}

fn equal_or_less(p: f64) -> String {
    let text = probability(p);
    match text.starts_with('<') {
        true => text,
        false => format!("= {text}"),
    }
}

fn table<'a>(text: &mut String, findings: impl Iterator<Item = &'a Finding>) {
    text.push_str(
        "\n| Test | Difference of | Score | | 95 % interval | p | p, Holm |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for finding in findings {
        let score = finding.difference.score;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:+.4} | {:+.4} to {:+.4} | {} | {} |",
            finding.test,
            finding.what,
            score_name(finding.score),
            score.value,
            score.low,
            score.high,
            probability(finding.difference.p),
            probability(finding.p_holm)
        );
    }
}

/// What the numbers can't say.
pub(super) fn caution(summary: &Summary) -> String {
    let seeds = match summary.study.matrix.seed.len() {
        1 => "Each system was trained once".to_owned(),
        count => format!("Each system was trained with {count} seeds"),
    };
    let evaluation = &summary.study.evaluation;
    let mut text = format!(
        "Differences are means over all pairs of cells that differ in nothing else, by the paired \
         bootstrap over the test reports ({} resamples, seed {}); p is two-sided, Holm's is \
         adjusted for every difference of this page. {seeds}, and the intervals hold the draw of \
         the reports alone, not that of the training. The best system was chosen on the first \
         test, which flatters it there. A difference is called one where its interval leaves out 0; \
         where Holm's p is 0.05 or more, it is said not to stand among so many.",
        evaluation.resamples, evaluation.seed
    );
    for gap in gaps(summary) {
        let _ = write!(text, " Left out: {gap}.");
    }
    text
}
