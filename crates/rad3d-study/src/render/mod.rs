//! What a study says, for people: tables, pictures, claims, and one page of all.

mod claim;
mod csv_table;
mod html;
mod latex;
mod markdown;

pub use claim::claim;
pub use csv_table::csv;
pub use html::html;
pub use latex::latex;
pub use markdown::markdown;

use crate::record::Score;
use crate::summary::{Row, Summary};

/// A cell of a table of scores.
struct Figure {
    score: Score,
    /// Whether no cell that sees the image has more.
    is_best: bool,
}

/// The figures of a row on a test, in the order of the columns.
fn figures(summary: &Summary, row: &Row, test: &str) -> Vec<Option<Figure>> {
    let columns = crate::summary::COLUMNS.iter();
    columns
        .map(|(key, _)| {
            let score = row.score(test, key)?;
            let most = summary.largest(test, key);
            Some(Figure {
                score,
                is_best: !row.is_baseline() && most.is_some_and(|most| score.value >= most),
            })
        })
        .collect()
}

/// What a row cost, as texts: trainable and total parameters, training time, memory, and seconds a
/// report.
fn costs(row: &Row) -> [String; 5] {
    let finished = &row.finished;
    let tests = &finished.tests;
    let seconds: f64 = tests.iter().map(|test| test.seconds_a_report).sum();
    let network = row.cell.mapper().is_some();
    let of_network = |text: String| if network { text } else { "0".to_owned() };
    [
        of_network(count(finished.trainable_parameters)),
        of_network(count(finished.total_parameters)),
        of_network(format!("{:.0}", finished.training_seconds)),
        finished
            .peak_memory_bytes
            .map_or("unknown".to_owned(), |bytes| {
                format!("{:.0}", bytes as f64 / 1e6)
            }),
        format!("{:.4}", seconds / tests.len().max(1) as f64),
    ]
}

/// Titles of [`costs`].
const COSTS: [&str; 5] = [
    "trainable parameters",
    "parameters",
    "training, s",
    "peak memory, MB",
    "a report, s",
];

/// A number of parameters as it is spoken of.
pub(crate) fn count(parameters: u64) -> String {
    let value = parameters as f64;
    match parameters {
        0..1_000 => parameters.to_string(),
        1_000..1_000_000 => format!("{:.0} k", value / 1e3),
        1_000_000..100_000_000 => format!("{:.1} M", value / 1e6),
        100_000_000..1_000_000_000 => format!("{:.0} M", value / 1e6),
        _ => format!("{:.1} G", value / 1e9),
    }
}

fn probability(p: f64) -> String {
    match p < 0.001 {
        true => "< 0.001".to_owned(),
        false => format!("{p:.3}"),
    }
}

/// What cells are missing from the tables, in words; empty where none are.
fn gaps(summary: &Summary) -> Vec<String> {
    let failed = summary.failed.iter();
    let mut gaps: Vec<String> = failed
        .map(|[name, what, _]| format!("{name} failed: {what}"))
        .collect();
    if !summary.missing.is_empty() {
        let names = summary.missing.join(", ");
        gaps.push(format!("not done yet: {names}"));
    }
    gaps
}

/// How a compared score is called in sentences.
fn score_name(key: &str) -> &'static str {
    match key {
        "f1_macro" => "F1 macro",
        "bleu_mean" => "mean BLEU-1 to 4",
        "rouge_l" => "ROUGE-L",
        _ => "another score",
    }
}
