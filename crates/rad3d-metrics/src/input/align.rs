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
    let mut by_id: HashMap<String, ReportText> = others
        .into_iter()
        .map(|report| (report.id.clone(), report))
        .collect();
    let mut missing = Vec::new();
    let mut aligned = Vec::with_capacity(references.len());
    for reference in references {
        match by_id.remove(&reference.id) {
            Some(report) => aligned.push(report),
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
