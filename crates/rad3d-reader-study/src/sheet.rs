//! A reader's sheet: one page that works offline and saves a file.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rad3d_metrics::ReportText;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::design::ReferenceRole;
use crate::error::{Fault, ReaderStudyError, Result};
use crate::key::{Key, ReaderKey, letter};
use crate::material::{Material, REFERENCE};
use crate::pictures::Pictures;
use crate::questions::{NO_ERROR, OTHER, SCALES, Scale, TAGS, Tag};

/// What the page runs; the policy at its head lets nothing else run.
const SCRIPT: &str = include_str!("../templates/sheet.js");

/// What a sheet is made of.
#[derive(Debug, Clone, Copy)]
pub struct SheetMaker<'a> {
    /// The study.
    pub key: &'a Key,
    /// Its reports.
    pub material: &'a Material,
    /// Its pictures.
    pub pictures: &'a Pictures,
    /// Whether readers see the ids of cases, to find the scans; else they see running numbers.
    pub shows_ids: bool,
}

impl SheetMaker<'_> {
    /// The sheet of a reader as one HTML page without outside resources.
    ///
    /// The page names no system: reports go by their letters. Whatever was read from files is
    /// inert data to it, never markup.
    ///
    /// # Errors
    /// The key speaks of reports that the material lacks.
    pub fn html(&self, reader: &ReaderKey) -> Result<String> {
        let mut store = Vec::new();
        let mut stored: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut readings = Vec::with_capacity(reader.readings.len());
        for reading in &reader.readings {
            let case = reading.case.as_str();
            // A picture that is shown twice is stored once.
            let pictures = match stored.iter().find(|(other, _)| *other == case) {
                Some((_, places)) => places.clone(),
                None => {
                    let own = self.pictures.of(case);
                    let places: Vec<usize> = (store.len()..store.len() + own.len()).collect();
                    store.extend(own.iter().map(String::as_str));
                    stored.push((case, places.clone()));
                    places
                }
            };
            let reports = reading.reports.iter().enumerate().map(|(index, system)| {
                Ok(LetteredReport {
                    letter: letter(index),
                    text: ShownText::of(self.report(system, case)?),
                })
            });
            readings.push(Reading {
                id: self.shows_ids.then_some(case),
                pictures,
                reference: match self.key.reference {
                    ReferenceRole::Shown => Some(ShownText::of(self.report(REFERENCE, case)?)),
                    ReferenceRole::Rated => None,
                },
                reports: reports.collect::<Result<_>>()?,
            });
        }
        let data = Data {
            study: self.key.study()?,
            reader: &reader.name,
            scales: SCALES,
            tags: TAGS,
            no_error: NO_ERROR,
            other: OTHER,
            readings,
            pictures: store,
        };
        let failed = |error: serde_json::Error| ReaderStudyError::output("sheet", error);
        let page = Page {
            reader: &reader.name,
            data: inert(&serde_json::to_string(&data).map_err(failed)?),
            script: SCRIPT,
            script_sha256: STANDARD.encode(Sha256::digest(SCRIPT)),
        };
        page.render()
            .map_err(|error| ReaderStudyError::output("sheet", error))
    }

    fn report(&self, system: &str, case: &str) -> Result<&ReportText> {
        self.material.report(system, case).ok_or_else(|| {
            let what = format!("speaks of a report of \"{case}\" by {system} that is not there");
            let hint = "make the study anew";
            ReaderStudyError::new(Fault::Key, "key", what, hint)
        })
    }
}

/// JSON that ends no script element and starts no comment, whatever its strings hold.
fn inert(json: &str) -> String {
    json.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct Page<'a> {
    reader: &'a str,
    data: String,
    script: &'a str,
    script_sha256: String,
}

/// What the script works on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    study: String,
    reader: &'a str,
    scales: [Scale; SCALES.len()],
    tags: [Tag; TAGS.len()],
    no_error: &'a str,
    other: &'a str,
    readings: Vec<Reading<'a>>,
    pictures: Vec<&'a str>,
}

#[derive(Serialize)]
struct Reading<'a> {
    id: Option<&'a str>,
    pictures: Vec<usize>,
    reference: Option<ShownText<'a>>,
    reports: Vec<LetteredReport<'a>>,
}

#[derive(Serialize)]
struct LetteredReport<'a> {
    letter: char,
    #[serde(flatten)]
    text: ShownText<'a>,
}

/// A report in the one dress that all wear.
#[derive(Serialize)]
struct ShownText<'a> {
    findings: &'a str,
    impression: &'a str,
}

impl<'a> ShownText<'a> {
    fn of(report: &'a ReportText) -> Self {
        let (findings, impression) = (&*report.report.findings, &*report.report.impression);
        // A text of which only headings were understood is shown as it is.
        let findings = match (findings, impression) {
            ("", "") => report.text.trim(),
            _ => findings,
        };
        Self {
            findings,
            impression,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_ends_no_script() {
        let json = serde_json::to_string("</script><!-- & \u{2028}").unwrap();
        let text = inert(&json);
        assert!(!text.contains(['<', '>', '&', '\u{2028}']), "{text}");
        let back: String = serde_json::from_str(&text).unwrap();
        assert_eq!(back, "</script><!-- & \u{2028}");
    }
}
