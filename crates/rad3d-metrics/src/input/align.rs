//! Reports of two files, matched by id.

use std::collections::HashMap;
use std::path::Path;

use super::{ReportText, listed};
use crate::error::{Fault, MetricsError, Result};

/// `others` in the order of `references`.
///
/// # Errors
/// Ids that only one side has; the message lists them all, side by side.
pub fn align(
    references: &[ReportText],
    others: Vec<ReportText>,
    path: &Path,
) -> Result<Vec<ReportText>> {
    let others = others.into_iter().map(|report| (report.id.clone(), report));
    in_order(references, others, path)
}

/// What belongs to each reference, found by id.
///
/// # Errors
/// As [`align`].
pub(super) fn in_order<T>(
    references: &[ReportText],
    others: impl IntoIterator<Item = (String, T)>,
    path: &Path,
) -> Result<Vec<T>> {
    let mut by_id: HashMap<String, T> = others.into_iter().collect();
    let mut missing = Vec::new();
    let mut aligned = Vec::with_capacity(references.len());
    for reference in references {
        match by_id.remove(&reference.id) {
            Some(other) => aligned.push(other),
            None => missing.push(reference.id.as_str()),
        }
    }
    let mut unknown: Vec<&str> = by_id.keys().map(String::as_str).collect();
    unknown.sort_unstable();
    expect_none(path, &missing, &unknown)?;
    Ok(aligned)
}

/// The error of ids that only one side has.
pub(super) fn expect_none(path: &Path, missing: &[&str], unknown: &[&str]) -> Result<()> {
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("lacks {}", listed(missing)));
    }
    if !unknown.is_empty() {
        faults.push(format!("has {} that the references lack", listed(unknown)));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let hint = "give both files the same ids; nothing is dropped silently";
    Err(MetricsError::new(
        Fault::Mismatch,
        path,
        faults.join("; "),
        hint,
    ))
}
