//! `report.html`: one page that needs nothing else, and runs no script.

use askama::Template;

use super::charts;
use crate::bootstrap::Estimate;
use crate::error::{Fault, MetricsError, Result};
use crate::evaluation::{Evaluation, Piece, ReportScores, Subjects, differences};

/// How many of the worst reports are shown.
const WORST: usize = 20;

#[derive(Template)]
#[template(path = "evaluation.html")]
struct Page<'a> {
    evaluation: &'a Evaluation,
    tiles: Vec<Tile>,
    scores: Vec<ScoreRow>,
    programs: Vec<(&'static str, Vec<String>)>,
    labels: Vec<LabelRow<'a>>,
    probabilities: Option<ProbabilityView>,
    histograms: Vec<(&'static str, String)>,
    variety: Vec<(&'static str, String, String)>,
    negation: Vec<NegationRow>,
    worst: Vec<Worst<'a>>,
}

/// A score in large figures.
struct Tile {
    name: String,
    value: String,
    interval: String,
}

/// A row of the table of scores.
struct ScoreRow {
    name: String,
    value: String,
    interval: String,
    bar: String,
    compared: Option<[String; 6]>,
    /// Whether Holm's p-value is below 0.05.
    clear: bool,
}

/// A row of the table of labels.
struct LabelRow<'a> {
    name: &'a str,
    cases: u64,
    precision: String,
    recall: String,
    f1: String,
    interval: String,
    bar: String,
    auroc: Option<String>,
}

/// What the classifier's probabilities show.
struct ProbabilityView {
    auroc: String,
    roc: String,
    calibration: String,
    error: String,
    brier: String,
    bins: Vec<(String, usize, String)>,
}

/// A score of the negation probe.
struct NegationRow {
    name: String,
    value: String,
    bar: String,
}

/// A report side by side.
struct Worst<'a> {
    scores: &'a ReportScores,
    reference: Vec<Piece<'a>>,
    hypothesis: Vec<Piece<'a>>,
    figures: String,
}

/// The evaluation as a page; `subjects` are those it was made of.
///
/// # Errors
/// None but those of memory.
pub fn html(evaluation: &Evaluation, subjects: &Subjects) -> Result<String> {
    let page = Page {
        tiles: tiles(evaluation),
        scores: scores(evaluation),
        programs: programs(evaluation),
        labels: labels(evaluation),
        probabilities: probabilities(evaluation),
        histograms: histograms(evaluation),
        variety: variety(evaluation),
        negation: negation(evaluation),
        worst: worst(evaluation, subjects),
        evaluation,
    };
    page.render().map_err(|error| {
        MetricsError::new(Fault::Data, "report.html", error.to_string(), "try again")
    })
}

/// A key as a person writes it.
fn title(key: &str) -> String {
    let known = match key {
        "meteor" => "METEOR",
        "cider" => "CIDEr",
        "crg" => "CRG",
        "bleu_mean" => "BLEU, mean of 1 to 4",
        "bertscore_f1" => "BERTScore F1",
        "green" => "GREEN",
        "radgraph_f1" => "RadGraph F1",
        "radgraph_simple" => "RadGraph F1, entities",
        "radgraph_complete" => "RadGraph F1, relations",
        "ratescore" => "RaTEScore",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    match key.split_once('_') {
        Some((metric @ ("bleu" | "rouge"), order)) => {
            format!("{}-{}", metric.to_uppercase(), order.to_uppercase())
        }
        Some(("f1", average)) => format!("F1, {average}"),
        Some((metric, average)) => {
            let mut letters = metric.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            let metric: String = first.into_iter().chain(letters).collect();
            format!("{metric}, {average}")
        }
        None => key.to_owned(),
    }
}

fn figure(value: f64) -> String {
    format!("{value:.4}")
}

fn between(estimate: Option<Estimate>) -> String {
    estimate.map_or(String::new(), |one| {
        format!("{:.4} to {:.4}", one.low, one.high)
    })
}

fn probability(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".into()
    } else {
        format!("{p:.3}")
    }
}

fn tiles(evaluation: &Evaluation) -> Vec<Tile> {
    let keys = [
        "bleu_4", "rouge_l", "meteor", "cider", "f1_macro", "f1_micro", "crg",
    ];
    let tile = |key: &str| {
        let value = evaluation.corpus.get(key).copied().flatten()?;
        let interval = evaluation.intervals.get(key).copied().flatten();
        Some(Tile {
            name: title(key),
            value: format!("{value:.3}"),
            interval: interval.map_or(String::new(), |one| {
                format!("{:.3} to {:.3}", one.low, one.high)
            }),
        })
    };
    keys.into_iter().filter_map(tile).collect()
}

fn scores(evaluation: &Evaluation) -> Vec<ScoreRow> {
    let defined = evaluation.corpus.0.iter();
    defined
        .filter_map(|&(key, value)| Some((key, value?)))
        .map(|(key, value)| {
            let interval = evaluation.intervals.get(key).copied().flatten();
            let compared = evaluation
                .comparison
                .as_ref()
                .and_then(|all| all.get(key).copied().flatten());
            // CIDEr runs to 10.
            let scale = if key == "cider" { 0.1 } else { 1.0 };
            let ends = interval.map(|one| (scale * one.low, scale * one.high));
            ScoreRow {
                name: title(key),
                value: figure(value),
                interval: between(interval),
                bar: charts::bar(scale * value, ends),
                compared: compared.map(|one| {
                    let comparison = one.comparison;
                    [
                        figure(comparison.baseline.value),
                        format!("{:+.4}", comparison.difference.value),
                        format!(
                            "{:+.4} to {:+.4}",
                            comparison.difference.low, comparison.difference.high
                        ),
                        probability(comparison.p_two_sided),
                        probability(one.p_holm),
                        probability(comparison.p_one_sided),
                    ]
                }),
                clear: compared.is_some_and(|one| one.p_holm < 0.05),
            }
        })
        .collect()
}

fn programs(evaluation: &Evaluation) -> Vec<(&'static str, Vec<String>)> {
    let rows = evaluation.bleu_by_program.iter();
    rows.filter_map(|(name, scores)| {
        let scores = (*scores)?;
        Some((*name, scores.iter().map(|&score| figure(score)).collect()))
    })
    .collect()
}

fn labels(evaluation: &Evaluation) -> Vec<LabelRow<'_>> {
    let rows = evaluation.labels.iter();
    rows.map(|(name, label)| LabelRow {
        name,
        cases: label.cases,
        precision: format!("{:.3}", label.precision),
        recall: format!("{:.3}", label.recall),
        f1: format!("{:.3}", label.f1),
        interval: label.f1_interval.map_or(String::new(), |one| {
            format!("{:.3} to {:.3}", one.low, one.high)
        }),
        bar: charts::bar(label.f1, label.f1_interval.map(|one| (one.low, one.high))),
        auroc: label
            .auroc
            .map(|one| format!("{:.3} ({:.3} to {:.3})", one.value, one.low, one.high)),
    })
    .collect()
}

fn probabilities(evaluation: &Evaluation) -> Option<ProbabilityView> {
    let probabilities = evaluation.probabilities.as_ref()?;
    let names = evaluation.labels.labels().names();
    let curves: Vec<_> = names
        .zip(&probabilities.roc)
        .filter_map(|(name, curve)| Some((name, curve.as_ref()?)))
        .collect();
    let bins = probabilities.dependency.bins.iter().map(|bin| {
        (
            format!("{:.1} to {:.1}", bin.from, bin.to),
            bin.decisions(),
            charts::shares(bin),
        )
    });
    Some(ProbabilityView {
        auroc: probabilities.auroc_macro.map_or("undefined".into(), |one| {
            format!("{:.3} ({:.3} to {:.3})", one.value, one.low, one.high)
        }),
        roc: charts::roc(&curves),
        calibration: charts::calibration(&probabilities.calibration),
        error: format!(
            "{:.3}",
            probabilities.calibration.expected_calibration_error
        ),
        brier: format!("{:.3}", probabilities.calibration.brier),
        bins: bins.collect(),
    })
}

fn histograms(evaluation: &Evaluation) -> Vec<(&'static str, String)> {
    let reports = &evaluation.reports;
    let given =
        |score: fn(&ReportScores) -> Option<f64>| reports.iter().filter_map(score).collect();
    let all: [(&str, Vec<f64>); 8] = [
        ("BLEU-4", reports.iter().map(|one| one.bleu_4).collect()),
        ("ROUGE-L", reports.iter().map(|one| one.rouge_l).collect()),
        ("METEOR", given(|one| one.meteor)),
        ("BERTScore F1", given(|one| one.bertscore_f1)),
        ("GREEN", given(|one| one.green)),
        ("RadGraph F1", given(|one| one.radgraph_f1)),
        ("RaTEScore", given(|one| one.ratescore)),
        ("F1 of labels", reports.iter().map(|one| one.f1).collect()),
    ];
    let drawn = all.into_iter().filter(|(_, values)| !values.is_empty());
    drawn
        .map(|(name, values)| (name, charts::histogram(name, &values)))
        .collect()
}

fn variety(evaluation: &Evaluation) -> Vec<(&'static str, String, String)> {
    let collapse = &evaluation.collapse;
    let (wanted, given) = (&collapse.references, &collapse.hypotheses);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let own = |score: Option<f64>| score.map_or("-".into(), |score| format!("{score:.3}"));
    vec![
        (
            "Different reports",
            percent(wanted.distinct_reports),
            percent(given.distinct_reports),
        ),
        (
            "Share of the commonest report",
            percent(wanted.commonest_report),
            percent(given.commonest_report),
        ),
        (
            "Different sentences",
            percent(wanted.distinct_sentences),
            percent(given.distinct_sentences),
        ),
        (
            "Reports without a label",
            percent(wanted.normal),
            percent(given.normal),
        ),
        ("Self-BLEU", own(wanted.self_bleu), own(given.self_bleu)),
        (
            "Words a report",
            format!("{:.0}", wanted.words),
            format!("{:.0}", given.words),
        ),
    ]
}

fn negation(evaluation: &Evaluation) -> Vec<NegationRow> {
    let shown = ["precision", "recall", "weighted", "bleu_mean"];
    let scores = evaluation.negation.scores.0.iter();
    scores
        .filter(|(key, _)| !shown.iter().any(|left_out| key.contains(left_out)))
        .filter_map(|&(key, value)| Some((key, value?)))
        .map(|(key, value)| NegationRow {
            name: title(key),
            value: figure(value),
            bar: charts::bar(if key == "cider" { 0.1 * value } else { value }, None),
        })
        .collect()
}

/// The reports whose labels, then whose words, fit worst.
fn worst<'a>(evaluation: &'a Evaluation, subjects: &'a Subjects) -> Vec<Worst<'a>> {
    let texts = subjects.references.iter().zip(&subjects.hypotheses);
    let mut all: Vec<_> = evaluation.reports.iter().zip(texts).collect();
    all.sort_by(|(a, _), (b, _)| {
        let by_score = a.f1.total_cmp(&b.f1).then(a.rouge_l.total_cmp(&b.rouge_l));
        by_score.then_with(|| a.id.cmp(&b.id))
    });
    let shown = all.into_iter().take(WORST);
    shown
        .map(|(scores, (reference, hypothesis))| {
            let (reference, hypothesis) = differences(&reference.text, &hypothesis.text);
            let mut figures = format!(
                "F1 {:.2} · ROUGE-L {:.2} · BLEU-4 {:.2}",
                scores.f1, scores.rouge_l, scores.bleu_4
            );
            if let Some(meteor) = scores.meteor {
                figures += &format!(" · METEOR {meteor:.2}");
            }
            Worst {
                scores,
                reference,
                hypothesis,
                figures,
            }
        })
        .collect()
}
