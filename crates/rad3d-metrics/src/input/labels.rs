//! Labels and probabilities from CSV tables.

use std::collections::HashMap;
use std::path::Path;

use rad3d_report::LabelSet;

use super::align::expect_none;
use super::table::Table;
use super::{ReportText, listed, read_text, unique};
use crate::error::{Fault, MetricsError, Result};
use crate::labels::{Cell, LabelMatrix, Matrix, ScoreMatrix};

/// Reads 0/1 columns named after the labels, in the order of `references`.
///
/// # Errors
/// As [`crate::input::read_reports`]; label columns missing, ids missing or unknown, values that
/// are neither 0 nor 1 (their ids are listed).
pub fn read_labels(
    path: &Path,
    labels: &LabelSet,
    references: &[ReportText],
) -> Result<LabelMatrix> {
    read(path, labels, references, "0 or 1", |value| match value {
        "0" | "0.0" => Some(false),
        "1" | "1.0" => Some(true),
        _ => None,
    })
}

/// Reads probability columns named after the labels, in the order of `references`.
///
/// # Errors
/// As [`read_labels`], for values outside 0 to 1.
pub fn read_scores(
    path: &Path,
    labels: &LabelSet,
    references: &[ReportText],
) -> Result<ScoreMatrix> {
    read(path, labels, references, "0 to 1", |value| {
        let number: f64 = value.parse().ok()?;
        (0.0..=1.0).contains(&number).then_some(number)
    })
}

fn read<T: Cell>(
    path: &Path,
    labels: &LabelSet,
    references: &[ReportText],
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Matrix<T>> {
    let table = Table::parse(path, &read_text(path)?)?;
    let id = table.id(path)?;
    let columns: Vec<(usize, &str)> = labels
        .names()
        .map(|name| {
            table.column(&[name]).map(|at| (at, name)).ok_or_else(|| {
                let hint = "name one column after every label";
                table.lacks(path, &format!("\"{name}\""), hint)
            })
        })
        .collect::<Result<_>>()?;
    let id_of = |row| csv::StringRecord::get(row, id).unwrap_or_default().trim();
    unique(path, table.rows.iter().map(id_of))?;
    let mut rows: HashMap<&str, &csv::StringRecord> =
        table.rows.iter().map(|row| (id_of(row), row)).collect();
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    let mut met = None;
    let mut values = Vec::with_capacity(references.len() * labels.len());
    for reference in references {
        let Some(row) = rows.remove(reference.id.as_str()) else {
            missing.push(reference.id.as_str());
            continue;
        };
        for &(column, name) in &columns {
            let value = row.get(column).unwrap_or_default().trim();
            match parse(value) {
                Some(value) => values.push(value),
                None => {
                    met.get_or_insert((name, value));
                    wrong.push(reference.id.as_str());
                    break;
                }
            }
        }
    }
    let mut unknown: Vec<&str> = rows.into_keys().collect();
    unknown.sort_unstable();
    expect_none(path, &missing, &unknown)?;
    if let Some((name, value)) = met {
        let what = format!(
            "column \"{name}\" holds \"{value}\", expected {expected}; at fault: {}",
            listed(&wrong)
        );
        let hint = "fill in or remove these reports on all sides";
        return Err(MetricsError::new(Fault::Value, path, what, hint));
    }
    Matrix::new(labels.clone(), values)
}
