//! A draft for terminals and for Markdown readers.

use std::fmt::Write;

use crate::agreement::{CheckedSentence, Verdict};
use crate::draft::{Draft, RESEARCH_NOTICE};
use crate::labeler::Status;
use crate::report::Section;

/// The draft as plain text of at most 80 columns, but for long words.
pub fn text(draft: &Draft) -> String {
    let mut out = String::new();
    heading(
        &mut out,
        &format!("Chest CT, draft report: {}", tame(&draft.scan)),
        '=',
    );
    out.push_str(&wrapped(RESEARCH_NOTICE, ""));
    out.push_str(&wrapped(&format!("Model: {}", tame(&draft.model)), ""));
    for warning in &draft.warnings {
        out.push_str(&wrapped(&format!("! {}", tame(warning)), "  "));
    }
    for (section, name) in SECTIONS {
        heading(&mut out, name, '-');
        if draft.report.section(section).is_empty() {
            out.push_str("(none)\n");
        }
        for sentence in sentences(draft, section) {
            let words = tame(draft.report.text_of(&sentence.sentence));
            out.push_str(&wrapped(&format!("{} {words}", mark(sentence)), "    "));
            for note in disagreements(sentence) {
                out.push_str(&wrapped(&format!("    -> {note}"), "       "));
            }
        }
    }
    heading(&mut out, "Text against classifier", '-');
    for line in summary(draft) {
        out.push_str(&wrapped(&line, "  "));
    }
    heading(&mut out, "Classifier", '-');
    let widest = draft
        .classified
        .labels()
        .names()
        .map(|n| n.chars().count())
        .max()
        .unwrap_or(0);
    for row in draft.classified.rows() {
        let (p, t) = (row.probability, row.threshold);
        let yes = if row.positive { "yes" } else { "no" };
        let filled = (p * 16.0).round() as usize;
        let bar: String = (0..16)
            .map(|cell| if cell < filled { '#' } else { '.' })
            .collect();
        let _ = writeln!(
            out,
            "{:<widest$}  {bar}  {p:>5.3}  (from {t:.3})  {yes}",
            tame(row.label)
        );
    }
    heading(&mut out, "How it was made", '-');
    for line in made(draft) {
        out.push_str(&wrapped(&tame(&line), "  "));
    }
    out
}

/// The draft as Markdown; nothing in the report can turn into markup.
pub fn markdown(draft: &Draft) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# Chest CT, draft report: {}\n", escaped(&draft.scan));
    let _ = writeln!(out, "> **{RESEARCH_NOTICE}**\n");
    let _ = writeln!(out, "Model: {}\n", escaped(&draft.model));
    for warning in &draft.warnings {
        let _ = writeln!(out, "> **Warning:** {}\n", escaped(warning));
    }
    for (section, name) in SECTIONS {
        let _ = writeln!(out, "## {name}\n");
        if draft.report.section(section).is_empty() {
            out.push_str("(none)\n");
        }
        for sentence in sentences(draft, section) {
            let words = escaped(draft.report.text_of(&sentence.sentence));
            let _ = writeln!(out, "- {words}");
            for note in disagreements(sentence) {
                let _ = writeln!(out, "  - **Disagreement:** {}", escaped(&note));
            }
        }
        out.push('\n');
    }
    out.push_str("## Text against classifier\n\n");
    for line in summary(draft) {
        let _ = writeln!(out, "- {}", escaped(&line));
    }
    out.push_str("\n## Classifier\n\n| Finding | Probability | Threshold | Positive |\n");
    out.push_str("|---|---:|---:|---|\n");
    for row in draft.classified.rows() {
        let (label, p, t) = (escaped(row.label), row.probability, row.threshold);
        let yes = if row.positive { "**yes**" } else { "no" };
        let _ = writeln!(out, "| {label} | {p:.3} | {t:.3} | {yes} |");
    }
    out.push_str("\n## How it was made\n\n");
    for line in made(draft) {
        let _ = writeln!(out, "- {}", escaped(&line));
    }
    out
}

const SECTIONS: [(Section, &str); 2] = [
    (Section::Findings, "Findings"),
    (Section::Impression, "Impression"),
];

/// The sentences of one section.
fn sentences(draft: &Draft, section: Section) -> impl Iterator<Item = &CheckedSentence> {
    draft
        .agreement
        .sentences
        .iter()
        .filter(move |checked| checked.sentence.section == section)
}

/// A mark that needs no colour.
fn mark(sentence: &CheckedSentence) -> &'static str {
    match sentence.verdict() {
        Some(Verdict::Disagrees) => "[!]",
        Some(Verdict::Open) => "[?]",
        Some(Verdict::Agrees) => "[=]",
        None => "   ",
    }
}

/// What a sentence and the classifier differ on, label by label.
fn disagreements(sentence: &CheckedSentence) -> impl Iterator<Item = String> {
    let differing = sentence
        .claims
        .iter()
        .filter(|claim| claim.verdict == Verdict::Disagrees);
    differing.map(|claim| {
        let says = if claim.status == Status::Denied {
            "denies"
        } else {
            "asserts"
        };
        let sees = if claim.classifier_positive {
            "sees it"
        } else {
            "does not see it"
        };
        let (label, probability) = (&claim.label, claim.probability);
        format!("the text {says} \"{label}\", the classifier {sees} ({probability:.2})")
    })
}

/// The three lists of the agreement check, or that they are empty.
fn summary(draft: &Draft) -> Vec<String> {
    let agreement = &draft.agreement;
    let lists = [
        (
            "Asserted by the text, not seen by the classifier",
            &agreement.asserted_not_classified,
        ),
        (
            "Denied by the text, seen by the classifier",
            &agreement.denied_but_classified,
        ),
        (
            "Seen by the classifier, not in the text",
            &agreement.classified_but_silent,
        ),
    ];
    let lines = lists.iter().filter(|(_, labels)| !labels.is_empty());
    let mut lines: Vec<_> = lines
        .map(|(what, labels)| format!("{what}: {}", labels.join(", ")))
        .collect();
    if !draft.agreement.has_disagreements() {
        lines.push("The text and the classifier agree.".into());
    } else if lines.is_empty() {
        lines.push("Single sentences differ from the classifier; see the marks above.".into());
    }
    lines
}

/// Confidence, provenance and timings, one line each.
fn made(draft: &Draft) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(mean) = draft.mean_token_log_probability {
        lines.push(format!("Mean log-probability of a token: {mean:.3}"));
    }
    if let Some(writing) = &draft.writing {
        let (tokens, method) = (writing.tokens, &writing.method);
        let ended = if writing.ended_by_itself {
            "ended by the model itself"
        } else {
            "CUT OFF, not ended by the model"
        };
        lines.push(format!("Text: {tokens} tokens, {method}, {ended}"));
    }
    if let Some(embedding) = draft.embedding {
        let beyond = if embedding.is_beyond() {
            ": BEYOND THE LIMIT"
        } else {
            ""
        };
        lines.push(format!(
            "Distance from the training scans: {:.2}{beyond} (typical {:.2}, limit {:.2})",
            embedding.distance, embedding.typical, embedding.limit
        ));
    }
    lines.extend(
        draft
            .provenance
            .iter()
            .map(|line| format!("{}: {}", line.name, line.value)),
    );
    lines.extend(
        draft
            .timings
            .iter()
            .map(|t| format!("{}: {:.2} s", t.step, t.seconds)),
    );
    lines
}

fn heading(out: &mut String, title: &str, rule: char) {
    if !out.is_empty() {
        out.push('\n');
    }
    let line: String = std::iter::repeat_n(rule, title.chars().count().min(80)).collect();
    let _ = writeln!(out, "{title}\n{line}");
}

/// Control characters made harmless: a report must not move the terminal's cursor.
fn tame(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Wraps at 80 columns; lines after the first begin with `indent`. Blanks that lead the text
/// stay.
fn wrapped(text: &str, indent: &str) -> String {
    let lead = text.len() - text.trim_start().len();
    let mut out = text[..lead].to_owned();
    let mut column = lead;
    let mut first = true;
    for word in text[lead..].split_whitespace() {
        let width = word.chars().count();
        if !first && column + 1 + width > 80 {
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
        } else if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
        first = false;
    }
    out.push('\n');
    out
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in tame(text).chars() {
        // Entities, not backslashes: not every reader of Markdown keeps HTML out.
        match char {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            _ => {}
        }
        if "<>&".contains(char) {
            continue;
        }
        if char.is_ascii_punctuation() && !".,;:()'\"?%/=-".contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}
