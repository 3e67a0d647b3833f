//! Records of any kind, one a report.

use std::path::Path;

use serde_json::{Map, Value};

use super::align::in_order;
use super::table::Table;
use super::{ReportText, json, read_text, unique};
use crate::error::Result;

/// One object a report from a CSV table, JSON lines or a JSON array, in the order of
/// `references`; values of a table are texts.
///
/// # Errors
/// As [`super::read_reports`] and [`super::align`].
pub(crate) fn records(path: &Path, references: &[ReportText]) -> Result<Vec<Map<String, Value>>> {
    let text = read_text(path)?;
    let mut found: Vec<(String, Map<String, Value>)> = Vec::new();
    if text.trim_start().starts_with(['{', '[']) {
        for (row, item) in json::items(path, &text)?.iter().enumerate() {
            let (id, fields) = json::with_id(path, row, item)?;
            found.push((id, fields.clone()));
        }
    } else {
        let table = Table::parse(path, &text)?;
        let id = table.id(path)?;
        for row in &table.rows {
            let names = table.header.iter().map(|name| name.trim().to_owned());
            let cells = row.iter().map(|cell| Value::String(cell.to_owned()));
            let own = row.get(id).unwrap_or_default().trim().to_owned();
            found.push((own, names.zip(cells).collect()));
        }
    }
    unique(path, found.iter().map(|(id, _)| id.as_str()))?;
    in_order(references, found, path)
}
