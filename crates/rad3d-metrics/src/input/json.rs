//! JSON lines, a JSON array, and the JSON of the VLM3D challenge.

use std::path::Path;

use serde_json::{Map, Value};

use super::{FINDINGS_NAMES, ID_NAMES, IMPRESSION_NAMES, REPORT_NAMES, ReportText, position};
use crate::error::{Fault, MetricsError, Result};

/// The reports of a JSON file, or of one JSON object a line.
pub(super) fn reports(path: &Path, text: &str) -> Result<Vec<ReportText>> {
    let items = items(path, text)?;
    let rows = items.iter().enumerate();
    rows.map(|(row, item)| report(path, row, item)).collect()
}

/// The objects that are reports.
pub(super) fn items(path: &Path, text: &str) -> Result<Vec<Value>> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        // Submissions of the challenge wrap the list once more.
        let wrapped = value.pointer("/0/outputs/0/value/generated_reports");
        let list = wrapped.or_else(|| value.get("generated_reports"));
        if let Some(Value::Array(list)) = list {
            return Ok(list.clone());
        }
        return Ok(match value {
            Value::Array(list) => list,
            single => vec![single],
        });
    }
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                let what = format!("line {}: is no JSON ({error})", number + 1);
                let hint = "give one JSON object a line, or one JSON array";
                MetricsError::new(Fault::Data, path, what, hint)
            })
        })
        .collect()
}

fn report(path: &Path, row: usize, item: &Value) -> Result<ReportText> {
    let (id, fields) = with_id(path, row, item)?;
    let text_of = |names: &[&str]| text_of(path, row, fields, names);
    if let Some(text) = text_of(&REPORT_NAMES)? {
        return Ok(ReportText::whole(id, text));
    }
    match (text_of(&FINDINGS_NAMES)?, text_of(&IMPRESSION_NAMES)?) {
        (None, None) => {
            let hint = "name it report, or give findings and impression";
            Err(fault(path, row, &format!("\"{id}\" has no text"), hint))
        }
        (findings, impression) => Ok(ReportText::sections(
            id,
            &findings.unwrap_or_default(),
            &impression.unwrap_or_default(),
        )),
    }
}

/// A report's id, and the object that holds it.
pub(super) fn with_id<'a>(
    path: &Path,
    row: usize,
    item: &'a Value,
) -> Result<(String, &'a Map<String, Value>)> {
    let Value::Object(fields) = item else {
        let hint = "give objects with id and report";
        return Err(fault(path, row, "is no object", hint));
    };
    let id = text_of(path, row, fields, &ID_NAMES)?.ok_or_else(|| {
        let hint = "name it id (VolumeName and AccessionNo are known)";
        fault(path, row, "has no id", hint)
    })?;
    let id = match fields.contains_key("input_image_name") {
        true => id.rsplit_once('.').map_or(id.as_str(), |(stem, _)| stem),
        false => id.trim(),
    };
    Ok((id.to_owned(), fields))
}

/// The text of the first field of one of these names.
fn text_of(
    path: &Path,
    row: usize,
    fields: &Map<String, Value>,
    names: &[&str],
) -> Result<Option<String>> {
    match field(fields, names) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => {
            let what = format!("{} is no text", names.join(" or "));
            let hint = "give ids and reports as JSON strings";
            Err(fault(path, row, &what, hint))
        }
    }
}

fn fault(path: &Path, row: usize, what: &str, hint: &str) -> MetricsError {
    let what = format!("report {}: {what}", row + 1);
    MetricsError::new(Fault::Data, path, what, hint)
}

fn field<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    let at = position(fields.keys().map(String::as_str), names)?;
    fields.values().nth(at)
}
