//! The tables beside the scans, and the manifest.

use std::io::Write;
use std::path::{Path, PathBuf};

use rad3d_report::{LabelSet, Report};
use rad3d_volume::write::AtomicFile;
use serde::Serialize;
use serde_json::json;

use super::{NOTICE, Order, Written};
use crate::error::{PhantomError, Result};
use crate::facts::{FactSheet, Sex};
use crate::grid::Scanner;
use crate::report::Phrasing;
use crate::scene::{Marker, Scene};

/// Tables in memory; a report is a kilobyte, so that thousands fit with ease.
pub(super) struct Tables {
    out: PathBuf,
    phrasing: Phrasing,
    reports: Vec<Vec<String>>,
    labels: Vec<Vec<String>>,
    metadata: Option<Vec<Vec<String>>>,
    facts: Vec<u8>,
}

/// A line of `facts.jsonl`.
#[derive(Serialize)]
struct FactsLine<'a> {
    name: &'a str,
    notice: &'static str,
    facts: &'a FactSheet,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanner: Option<&'a Scanner>,
    markers: &'a [Marker],
}

impl Tables {
    /// Empty tables for `out`.
    pub(super) fn new(out: &Path, phrasing: Phrasing, with_metadata: bool) -> Self {
        let header = |names: &[&str]| vec![names.iter().map(|&name| name.to_owned()).collect()];
        let labels = LabelSet::ct_rate();
        let names: Vec<&str> = std::iter::once("VolumeName")
            .chain(labels.names())
            .collect();
        let metadata = [
            "VolumeName",
            "Manufacturer",
            "SeriesDescription",
            "ManufacturerModelName",
            "PatientSex",
            "PatientAge",
            "Rows",
            "Columns",
            "NumberofSlices",
            "RescaleIntercept",
            "RescaleSlope",
            "XYSpacing",
            "ZSpacing",
        ];
        Self {
            out: out.to_owned(),
            phrasing,
            reports: header(&[
                "VolumeName",
                "ClinicalInformation_EN",
                "Findings_EN",
                "Impressions_EN",
            ]),
            labels: header(&names),
            metadata: with_metadata.then(|| header(&metadata)),
            facts: Vec::new(),
        }
    }

    /// Adds a phantom's rows.
    pub(super) fn add(&mut self, name: &str, scene: &Scene, scanner: &Scanner) -> Result<()> {
        let facts = scene.facts();
        self.add_text(name, facts);
        if let Some(metadata) = &mut self.metadata {
            metadata.push(metadata_row(name, facts, scanner));
        }
        self.add_facts(&FactsLine {
            name,
            notice: NOTICE,
            facts,
            scanner: Some(scanner),
            markers: scene.markers(),
        })
    }

    /// Adds the rows of a phantom that was never scanned.
    pub(super) fn add_without_scan(&mut self, name: &str, facts: &FactSheet) -> Result<()> {
        self.add_text(name, facts);
        self.add_facts(&FactsLine {
            name,
            notice: NOTICE,
            facts,
            scanner: None,
            markers: &[],
        })
    }

    fn add_text(&mut self, name: &str, facts: &FactSheet) {
        let Report {
            findings,
            impression,
        } = facts.report_in(self.phrasing);
        let known = facts.clinical_information(self.phrasing);
        self.reports
            .push(vec![name.to_owned(), known, findings, impression]);
        let labels = facts.labels();
        let cells = labels
            .values()
            .iter()
            .map(|&value| u8::from(value).to_string());
        self.labels
            .push(std::iter::once(name.to_owned()).chain(cells).collect());
    }

    fn add_facts(&mut self, line: &FactsLine<'_>) -> Result<()> {
        let written = serde_json::to_writer(&mut self.facts, line);
        written.map_err(|error| PhantomError::unwritable(&self.out, error))?;
        self.facts.push(b'\n');
        Ok(())
    }

    /// Writes all tables, the manifest last.
    pub(super) fn finish(self, order: &Order, written: &[Written]) -> Result<()> {
        let mut files = vec!["facts.jsonl", "train_labels.csv", "train_reports.csv"];
        self.file("train_reports.csv", &csv(&self.out, &self.reports)?)?;
        self.file("train_labels.csv", &csv(&self.out, &self.labels)?)?;
        if let Some(metadata) = &self.metadata {
            self.file("train_metadata.csv", &csv(&self.out, metadata)?)?;
            files.push("train_metadata.csv");
        }
        self.file("facts.jsonl", &self.facts)?;
        let names: Vec<&str> = written
            .iter()
            .map(|phantom| phantom.name.as_str())
            .collect();
        let manifest = json!({
            "notice": NOTICE,
            "patient": null,
            "generator": concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
            "order": order,
            "phantoms": names,
            "tables": files,
        });
        self.file("manifest.json", format!("{manifest:#}\n").as_bytes())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut file = AtomicFile::create(&self.out.join(name))?;
        file.write_all(bytes).map_err(|error| file.fault(error))?;
        Ok(file.commit()?)
    }
}

fn metadata_row(name: &str, facts: &FactSheet, scanner: &Scanner) -> Vec<String> {
    let [columns, rows, slices] = scanner.dims_ijk;
    let [x, y, z] = scanner.spacing_mm;
    vec![
        name.to_owned(),
        "rad3d".to_owned(),
        "Synthetic phantom, not a patient".to_owned(),
        "phantom".to_owned(),
        if facts.sex == Sex::Female { "F" } else { "M" }.to_owned(),
        format!("{:03}Y", facts.age),
        rows.to_string(),
        columns.to_string(),
        slices.to_string(),
        // The voxels are Hounsfield units already.
        "0".to_owned(),
        "1".to_owned(),
        format!("[{x}, {y}]"),
        z.to_string(),
    ]
}

fn csv(out: &Path, rows: &[Vec<String>]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer
            .write_record(row)
            .map_err(|error| PhantomError::unwritable(out, error))?;
    }
    let bytes = writer.into_inner();
    bytes.map_err(|error| PhantomError::unwritable(out, error.into_error()))
}
