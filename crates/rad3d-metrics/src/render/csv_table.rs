//! `scores.csv`: one row a score, for spreadsheets.

use crate::bootstrap::Estimate;
use crate::error::{Fault, MetricsError, Result};
use crate::evaluation::Evaluation;

/// One row a score of the corpus and one a label's F1: `score, value, low, high`, and with a
/// baseline `baseline, difference, difference_low, difference_high, p_two_sided, p_holm,
/// p_one_sided`. Empty where a score is undefined.
///
/// # Errors
/// None but those of memory.
pub fn csv(evaluation: &Evaluation) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| {
        MetricsError::new(Fault::Data, "scores.csv", error.to_string(), "try again")
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["score", "value", "low", "high"];
    if evaluation.comparison.is_some() {
        header.extend([
            "baseline",
            "difference",
            "difference_low",
            "difference_high",
            "p_two_sided",
            "p_holm",
            "p_one_sided",
        ]);
    }
    let width = header.len();
    let mut write = |mut row: Vec<String>| {
        row.resize(width, String::new());
        writer.write_record(row).map_err(|error| failed(&error))
    };
    write(header.into_iter().map(str::to_owned).collect())?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let ends = |estimate: Option<Estimate>| {
        [
            number(estimate.map(|one| one.low)),
            number(estimate.map(|one| one.high)),
        ]
    };
    for &(key, value) in &evaluation.corpus.0 {
        let mut row = vec![key.to_owned(), number(value)];
        row.extend(ends(evaluation.intervals.get(key).copied().flatten()));
        let compared = evaluation.comparison.as_ref();
        if let Some(one) = compared.and_then(|all| all.get(key).copied().flatten()) {
            let comparison = one.comparison;
            row.push(number(Some(comparison.baseline.value)));
            row.push(number(Some(comparison.difference.value)));
            row.extend(ends(Some(comparison.difference)));
            row.push(number(Some(comparison.p_two_sided)));
            row.push(number(Some(one.p_holm)));
            row.push(number(Some(comparison.p_one_sided)));
        }
        write(row)?;
    }
    for (name, label) in evaluation.labels.iter() {
        let mut row = vec![format!("f1 {name}"), number(Some(label.f1))];
        row.extend(ends(label.f1_interval));
        write(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}
