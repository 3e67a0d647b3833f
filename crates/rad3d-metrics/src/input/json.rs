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
fn items(path: &Path, text: &str) -> Result<Vec<Value>> {
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
    let fault = |what: &str, hint: &str| {
        let what = format!("report {}: {what}", row + 1);
        MetricsError::new(Fault::Data, path, what, hint)
    };
    let Value::Object(fields) = item else {
        return Err(fault("is no object", "give objects with id and report"));
    };
    let text_of = |names: &[&str]| -> Result<Option<String>> {
        match field(fields, names) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(fault(
                &format!("{} is no text", names.join(" or ")),
                "give ids and reports as JSON strings",
            )),
        }
    };
    let id = text_of(&ID_NAMES)?.ok_or_else(|| {
        fault(
            "has no id",
            "name it id (VolumeName and AccessionNo are known)",
        )
    })?;
    let id = match fields.contains_key("input_image_name") {
        true => id.rsplit_once('.').map_or(id.as_str(), |(stem, _)| stem),
        false => id.trim(),
    };
    if let Some(text) = text_of(&REPORT_NAMES)? {
        return Ok(ReportText::whole(id, text));
    }
    match (text_of(&FINDINGS_NAMES)?, text_of(&IMPRESSION_NAMES)?) {
        (None, None) => Err(fault(
            &format!("\"{id}\" has no text"),
            "name it report, or give findings and impression",
        )),
        (findings, impression) => Ok(ReportText::sections(
            id,
            &findings.unwrap_or_default(),
            &impression.unwrap_or_default(),
        )),
    }
}

fn field<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    let at = position(fields.keys().map(String::as_str), names)?;
    fields.values().nth(at)
}
