//! What a study's cells are trained and judged on.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rad3d_embeddings::{EmbeddingRow, Provenance, read_parquet};
use rad3d_metrics::{LabelMatrix, ReportText, read_labels, read_reports};
use rad3d_report::{LabelSet, Labeler, Report};
use rad3d_study::{Cell, Study, Test, hash_of};
use rad3d_train::data::{Case, read_cases};
use rad3d_weights::{LabelPart, MapperTarget, ModelFolder};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::llms::Llms;
use crate::exit::UsageError;
use crate::run_report::sha256_of;

/// A change of how cells are trained or judged is another cell.
const RECIPE: &str = "study cell 1";

/// Everything that is read before the first cell.
pub(super) struct Data {
    /// Reads labels off reports.
    pub(super) labeler: Labeler,
    /// The tests, in the study's order.
    pub(super) tests: Vec<TestData>,
    /// The training reports, and their labels if there are any.
    pub(super) training: Vec<Case>,
    /// Which section is learnt.
    pub(super) target: MapperTarget,
    /// SHA-256 by path.
    hashes: BTreeMap<PathBuf, String>,
}

/// One test.
pub(super) struct TestData {
    /// Its name.
    pub(super) name: String,
    /// What radiologists wrote, of the sections that are learnt.
    pub(super) references: Vec<ReportText>,
    /// True labels in their order.
    pub(super) truth: LabelMatrix,
    /// Embeddings and logits in their order.
    pub(super) rows: Vec<EmbeddingRow>,
}

/// The part of `[mapper]` that is needed here.
#[derive(Deserialize)]
struct TargetOnly {
    #[serde(default)]
    target: MapperTarget,
}

impl Data {
    /// Reads and hashes everything.
    pub(super) fn open(study: &Study) -> anyhow::Result<Self> {
        let labeler = Labeler::ct_rate()?;
        let TargetOnly { target } = study.mapper.clone().try_into().map_err(|error| {
            let what = format!("[mapper] target: {error}");
            UsageError::new(what, "it is findings, impression or both")
        })?;
        let training = &study.training;
        let mut paths = vec![training.embeddings.clone(), training.reports.clone()];
        paths.extend(training.labels.clone());
        for test in &study.test {
            paths.extend([&test.embeddings, &test.reports, &test.labels].map(Clone::clone));
        }
        let hashes = paths
            .into_iter()
            .map(|path| Ok((path.clone(), sha256_of(&path)?)))
            .collect::<anyhow::Result<_>>()?;
        let labels = training.labels.as_deref();
        let made = read_parquet(&training.embeddings)?.provenance;
        Ok(Self {
            tests: study
                .test
                .iter()
                .map(|test| TestData::open(test, &labeler, target, &made))
                .collect::<anyhow::Result<_>>()?,
            training: read_cases(&training.reports, labels, &LabelSet::ct_rate())?,
            labeler,
            target,
            hashes,
        })
    }

    fn hash(&self, path: &Path) -> &str {
        self.hashes.get(path).map_or("", String::as_str)
    }

    /// SHA-256 of all that a cell is made of, wherever it lies.
    pub(super) fn hash_of(
        &self,
        study: &Study,
        cell: &Cell,
        llms: &Llms<'_>,
    ) -> anyhow::Result<String> {
        let settings = match cell {
            Cell::Mapper(mapper) => {
                let mut table = study.mapper_settings(mapper, "".as_ref(), "".as_ref());
                table.remove("embeddings");
                table.remove("start");
                toml::to_string(&table)?
            }
            _ => String::new(),
        };
        let llm = match cell {
            Cell::Mapper(mapper) => llms.hash(&mapper.llm),
            _ => String::new(),
        };
        let thresholds = serde_json::to_string(&thresholds(study)?)?;
        let training = &study.training;
        let mut parts = vec![
            RECIPE.to_owned(),
            serde_json::to_string(cell)?,
            settings,
            llm,
            self.hash(&training.embeddings).to_owned(),
            self.hash(&training.reports).to_owned(),
            toml::to_string(&study.generation)?,
            toml::to_string(&study.evaluation)?,
            format!("{:?} {}", self.target, study.baselines.shuffled),
        ];
        if matches!(cell, Cell::Template) {
            let labels = training
                .labels
                .as_deref()
                .map_or("", |path| self.hash(path));
            parts.extend([thresholds, labels.to_owned()]);
        }
        for test in &study.test {
            parts.push(test.name.clone());
            let files = [&test.embeddings, &test.reports, &test.labels];
            parts.extend(files.map(|path| self.hash(path).to_owned()));
        }
        Ok(hash_of(parts.iter().map(String::as_str)))
    }

    /// The training reports of a share of the patients, those of smaller shares among them; as a
    /// CSV in `folder`, where the share is not all.
    pub(super) fn share(
        &self,
        study: &Study,
        share: f64,
        folder: &Path,
    ) -> anyhow::Result<PathBuf> {
        if share >= 1.0 {
            return Ok(study.training.reports.clone());
        }
        let kept = |case: &&Case| {
            let digest = Sha256::digest(format!("share/{}", case.patient));
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&digest[..8]);
            (u64::from_be_bytes(bytes) as f64 / 2_f64.powi(64)) < share
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["id", "patient", "findings", "impression"])?;
        for case in self.training.iter().filter(kept) {
            let Report {
                findings,
                impression,
            } = &case.report;
            writer.write_record([&case.id, &case.patient, findings, impression])?;
        }
        let path = folder.join("reports.csv");
        rad3d_study::folder::write_whole(&path, &writer.into_inner()?)?;
        Ok(path)
    }
}

impl TestData {
    /// Reads a test whose embeddings were `made` as those of training.
    fn open(
        test: &Test,
        labeler: &Labeler,
        target: MapperTarget,
        made: &Provenance,
    ) -> anyhow::Result<Self> {
        let references = read_reports(&test.reports)?;
        let truth = read_labels(&test.labels, labeler.labels(), &references)?;
        let table = read_parquet(&test.embeddings)?;
        if let Some(conflict) = table.provenance.conflict(made) {
            let place = test.embeddings.display();
            let what = format!("{place}: was made with {conflict} than the training embeddings");
            return Err(UsageError::new(what, "encode both with one model").into());
        }
        let mut by_id: HashMap<String, EmbeddingRow> = table
            .rows
            .into_iter()
            .map(|row| (row.id.clone(), row))
            .collect();
        let mut rows = Vec::with_capacity(references.len());
        let mut missing = Vec::new();
        for reference in &references {
            match by_id.remove(&reference.id) {
                Some(row) => rows.push(row),
                None => missing.push(reference.id.as_str()),
            }
        }
        if !missing.is_empty() {
            let what = format!(
                "{}: lacks {} scans of {}: {}",
                test.embeddings.display(),
                missing.len(),
                test.reports.display(),
                missing.join(", ")
            );
            let hint = "encode them too, or take them out of the table of reports";
            return Err(UsageError::new(what, hint).into());
        }
        let references = references.iter().map(|text| sections(text, target));
        Ok(Self {
            name: test.name.clone(),
            references: references.collect(),
            truth,
            rows,
        })
    }
}

/// The sections of a report that are learnt.
fn sections(text: &ReportText, target: MapperTarget) -> ReportText {
    match target {
        MapperTarget::Both => text.clone(),
        MapperTarget::Findings => ReportText::sections(text.id.clone(), &text.report.findings, ""),
        MapperTarget::Impression => {
            ReportText::sections(text.id.clone(), "", &text.report.impression)
        }
    }
}

/// A written report as what is judged.
pub(super) fn written(id: &str, report: &Report, target: MapperTarget) -> ReportText {
    let whole = ReportText::sections(id, &report.findings, &report.impression);
    sections(&whole, target)
}

/// Temperatures and thresholds of the head's labels, where a model folder tells.
pub(super) fn thresholds(study: &Study) -> anyhow::Result<Vec<LabelPart>> {
    let Some(path) = &study.training.model else {
        return Ok(Vec::new());
    };
    let folder = ModelFolder::open(path)?;
    let head = folder.manifest().head.as_ref();
    Ok(head.map_or(Vec::new(), |head| head.labels.clone()))
}
