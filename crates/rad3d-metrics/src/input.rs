//! Reports and labels from files, matched by id.
//!
//! Nothing is dropped: whatever is missing, doubled or unreadable is an error that lists the ids.

mod align;
mod json;
mod labels;
mod records;
mod table;

use std::collections::HashMap;
use std::path::Path;

use rad3d_report::Report;

use crate::error::{Fault, MetricsError, Result};

pub use align::align;
pub use labels::{read_labels, read_scores};
pub(crate) use records::records;

/// A report as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportText {
    /// What it is matched by.
    pub id: String,
    /// The whole text as it stood in the file; findings and impression with a space between them
    /// where the file has them apart.
    pub text: String,
    /// The text in sections.
    pub report: Report,
}

impl ReportText {
    /// From a whole text.
    pub fn whole(id: impl Into<String>, text: impl Into<String>) -> Self {
        let (id, text) = (id.into(), text.into());
        let report = Report::parse(&text);
        Self { id, text, report }
    }

    /// From its sections; CT-RATE's placeholder `Not given.` counts as empty.
    pub fn sections(id: impl Into<String>, findings: &str, impression: &str) -> Self {
        let report = Report::from_sections(findings, impression);
        let both = [report.findings.as_str(), report.impression.as_str()];
        let text = both.join(" ").trim().to_owned();
        let id = id.into();
        Self { id, text, report }
    }
}

/// Names of the identity, best first, compared without case.
const ID_NAMES: [&str; 6] = [
    "id",
    "VolumeName",
    "AccessionNo",
    "study_id",
    "input_image_name",
    "impression_id",
];
/// Names of the whole report.
const REPORT_NAMES: [&str; 4] = ["report", "report_text", "text", "generated_report"];
/// Names of the findings.
const FINDINGS_NAMES: [&str; 2] = ["findings", "Findings_EN"];
/// Names of the impression.
const IMPRESSION_NAMES: [&str; 3] = ["impression", "Impressions_EN", "impressions"];

/// Reads reports: a CSV table, JSON lines, a JSON array, or VLM3D's JSON (told apart by content).
///
/// Each report has an id and a text: `report` (or `report_text`, `text`), or `findings` and
/// `impression` (CT-RATE: `Findings_EN`, `Impressions_EN`). VLM3D's ids lose their extension, as
/// in the challenge.
///
/// # Errors
/// The file cannot be read, is empty, lacks these names, or doubles ids (all are listed).
pub fn read_reports(path: &Path) -> Result<Vec<ReportText>> {
    let text = read_text(path)?;
    let reports = if text.trim_start().starts_with(['{', '[']) {
        json::reports(path, &text)?
    } else {
        table::reports(path, &text)?
    };
    if reports.is_empty() {
        let hint = "give at least one report";
        return Err(MetricsError::new(
            Fault::Empty,
            path,
            "holds no report",
            hint,
        ));
    }
    unique(path, reports.iter().map(|report| report.id.as_str()))?;
    Ok(reports)
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| MetricsError::unreadable(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to());
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        let what = format!("line {line}: is not UTF-8");
        let hint = "save the file as UTF-8 (in spreadsheets: \"CSV UTF-8\")";
        MetricsError::new(Fault::Data, path, what, hint)
    })?;
    if text.trim().is_empty() {
        let hint = "give a CSV table with the columns id and report, or JSON";
        return Err(MetricsError::new(Fault::Empty, path, "is empty", hint));
    }
    let bare = text.strip_prefix('\u{feff}').map(str::to_owned);
    Ok(bare.unwrap_or(text))
}

/// Checks that no id is empty or comes twice.
fn unique<'a>(path: &Path, ids: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut doubled = Vec::new();
    for (row, id) in ids.enumerate() {
        if id.is_empty() {
            let what = format!("report {} has an empty id", row + 1);
            let hint = "give every report its own id";
            return Err(MetricsError::new(Fault::Data, path, what, hint));
        }
        let times = seen.entry(id).or_insert(0);
        *times += 1;
        if *times == 2 {
            doubled.push(id);
        }
    }
    if doubled.is_empty() {
        return Ok(());
    }
    let what = format!("doubles {}", listed(&doubled));
    let hint = "give every report its own id, or remove the doubles";
    Err(MetricsError::new(Fault::Data, path, what, hint))
}

/// Ids as an error lists them: all up to 50, then how many more.
pub(crate) fn listed(ids: &[&str]) -> String {
    const MOST: usize = 50;
    let shown = ids.get(..MOST).unwrap_or(ids).join(", ");
    let noun = if ids.len() == 1 { "id" } else { "ids" };
    match ids.len().saturating_sub(MOST) {
        0 => format!("{} {noun}: {shown}", ids.len()),
        more => format!("{} {noun}: {shown} and {more} more", ids.len()),
    }
}

/// Position of the first of `wanted` among `names`, without case.
fn position<'a>(names: impl Iterator<Item = &'a str> + Clone, wanted: &[&str]) -> Option<usize> {
    let find = |want: &&str| {
        names
            .clone()
            .position(|name| name.trim().eq_ignore_ascii_case(want))
    };
    wanted.iter().find_map(find)
}
