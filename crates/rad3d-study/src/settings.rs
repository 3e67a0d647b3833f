//! Settings of a study: one TOML file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rad3d_metrics::Protocol;
use rad3d_weights::MapperKind;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::{Fault, Result, StudyError};
use crate::matrix::{MapperCell, Mode};

/// What is compared, on what, and how it is judged. Paths are relative to where rad3d is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Study {
    /// Title of tables and page.
    pub name: String,
    /// What is learnt from.
    pub training: Training,
    /// What is judged on; the first is in domain.
    pub test: Vec<Test>,
    /// The language models, smallest first.
    pub llm: Vec<Llm>,
    /// What the cells differ in.
    #[serde(default)]
    pub matrix: Matrix,
    /// What the cells are compared with.
    #[serde(default)]
    pub baselines: Baselines,
    /// Settings of `train lm` that all pre-trained language models share.
    #[serde(default)]
    pub lm: Table,
    /// Settings of `train mapper` that all cells share.
    #[serde(default)]
    pub mapper: Table,
    /// Laid over `mapper` where the language model stays frozen.
    #[serde(default)]
    pub frozen: Table,
    /// Laid over `mapper` where the language model is trained.
    #[serde(default)]
    pub trained: Table,
    /// How reports are written.
    #[serde(default)]
    pub generation: Generation,
    /// How they are judged.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// What the pictures show.
    #[serde(default)]
    pub pictures: Pictures,
}

/// What is learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Training {
    /// Table that `rad3d encode` wrote.
    pub embeddings: PathBuf,
    /// CSV of reports.
    pub reports: PathBuf,
    /// CSV of their labels, for the template baseline.
    pub labels: Option<PathBuf>,
    /// Model folder whose head made the logits: its thresholds say which labels the template
    /// baseline takes for present. Left out, those with a probability of 0.5 and more.
    pub model: Option<PathBuf>,
}

/// Scans that no system has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Test {
    /// Its name in tables.
    pub name: String,
    /// Table that `rad3d encode` wrote.
    pub embeddings: PathBuf,
    /// CSV of reports.
    pub reports: PathBuf,
    /// CSV of true labels.
    pub labels: PathBuf,
}

/// A language model: one that lies somewhere, or one that the study pre-trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Llm {
    /// Its name in tables and folders.
    pub name: String,
    /// Hugging Face folder, or GGUF file where it stays frozen.
    pub folder: Option<PathBuf>,
    /// Settings of `train lm`, laid over the study's `lm`.
    pub train: Option<Table>,
    /// Settings of `train mapper` for this language model alone, laid over all others.
    #[serde(default)]
    pub mapper: Table,
}

/// What the cells differ in; every combination is one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Matrix {
    /// What happens to the language model.
    pub llm_mode: Vec<Mode>,
    /// Whether the projector sees the logits.
    pub priors: Vec<bool>,
    /// The projectors.
    pub projector: Vec<MapperKind>,
    /// Vectors given to the language model.
    pub prefix_length: Vec<usize>,
    /// Shares of the training reports, above 0 up to 1; smaller ones are part of larger ones.
    pub data_share: Vec<f64>,
    /// Seeds of initial weights, order and dropout.
    pub seed: Vec<u64>,
}

impl Default for Matrix {
    fn default() -> Self {
        Self {
            llm_mode: vec![Mode::Frozen, Mode::Trained],
            priors: vec![false, true],
            projector: vec![MapperKind::Transformer],
            prefix_length: vec![10],
            data_share: vec![1.0],
            seed: vec![1],
        }
    }
}

/// What the cells are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Baselines {
    /// The training report whose labels are nearest to the predicted ones.
    pub template: bool,
    /// The commonest training report.
    pub majority: bool,
    /// Every cell's reports, each given to another patient.
    pub shuffled: bool,
    /// Language models whose cells with priors are trained once more without the image.
    pub cue_only: Vec<String>,
}

impl Default for Baselines {
    fn default() -> Self {
        Self {
            template: true,
            majority: true,
            shuffled: true,
            cue_only: Vec::new(),
        }
    }
}

/// How reports are written: greedily.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Generation {
    /// Longest report in tokens.
    pub max_tokens: usize,
    /// Reports written at a time.
    pub batch: usize,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            max_tokens: 400,
            batch: 16,
        }
    }
}

/// How reports are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Evaluation {
    /// Whose text, tokens and programs the scores follow.
    pub protocol: Protocol,
    /// How often the reports are drawn again for intervals.
    pub resamples: usize,
    /// Where the draws start.
    pub seed: u64,
}

impl Default for Evaluation {
    fn default() -> Self {
        let bootstrap = rad3d_metrics::Bootstrap::default();
        Self {
            protocol: Protocol::Paper,
            resamples: bootstrap.resamples,
            seed: bootstrap.seed,
        }
    }
}

/// What the pictures show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pictures {
    /// Labels that prefixes are coloured by; left out, the commonest three of the test.
    pub labels: Vec<String>,
}

/// Settings of `train mapper` that the cell gives.
const OF_THE_CELL: [&str; 9] = [
    "embeddings",
    "reports",
    "validation-reports",
    "llm",
    "llm-mode",
    "priors",
    "image",
    "projector",
    "prefix-length",
];

impl Study {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// [`Fault::Settings`] for unreadable TOML, unknown keys, or settings that make no study.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| StudyError::unreadable(path, e))?;
        Self::parse(path, &text)
    }

    /// The same from a text; `path` is named in errors.
    ///
    /// # Errors
    /// As [`Study::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let hint = "see docs/reference-study.md for the keys";
        let fault = |what: String| StudyError::new(Fault::Settings, path, what, hint);
        let study: Self = toml::from_str(text).map_err(|error| fault(error.to_string()))?;
        study.check().map_err(fault)?;
        Ok(study)
    }

    fn check(&self) -> std::result::Result<(), String> {
        distinct("test", self.test.iter().map(|test| test.name.as_str()))?;
        distinct("llm", self.llm.iter().map(|llm| llm.name.as_str()))?;
        for llm in &self.llm {
            let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
            let name = &llm.name;
            if name.is_empty() || !name.chars().all(plain) {
                return Err(format!(
                    "llm {name:?}: a name is made of letters, digits, dots and dashes"
                ));
            }
            if llm.folder.is_some() == llm.train.is_some() {
                return Err(format!(
                    "llm {name:?}: give either its folder or [llm.train] to pre-train it"
                ));
            }
        }
        let matrix = &self.matrix;
        let axes = [
            ("llm-mode", matrix.llm_mode.len()),
            ("priors", matrix.priors.len()),
            ("projector", matrix.projector.len()),
            ("prefix-length", matrix.prefix_length.len()),
            ("data-share", matrix.data_share.len()),
            ("seed", matrix.seed.len()),
        ];
        if let Some((axis, _)) = axes.iter().find(|(_, length)| *length == 0) {
            return Err(format!("matrix.{axis} is empty"));
        }
        let share = |share: &&f64| !(**share > 0.0 && **share <= 1.0);
        if let Some(share) = matrix.data_share.iter().find(share) {
            return Err(format!("matrix.data-share {share} is not above 0 up to 1"));
        }
        for name in &self.baselines.cue_only {
            if !self.llm.iter().any(|llm| llm.name == *name) {
                return Err(format!(
                    "baselines.cue-only names {name:?}, which is no llm"
                ));
            }
        }
        if self.baselines.template && self.training.labels.is_none() {
            return Err("baselines.template needs training.labels".to_owned());
        }
        let tables = [
            ("mapper", &self.mapper),
            ("frozen", &self.frozen),
            ("trained", &self.trained),
        ];
        let own = self.llm.iter().map(|llm| ("llm.mapper", &llm.mapper));
        for (place, table) in tables.into_iter().chain(own) {
            if let Some(key) = OF_THE_CELL.iter().find(|key| table.contains_key(**key)) {
                return Err(format!(
                    "{place}.{key} is for the study to set, by its matrix"
                ));
            }
            let fit = table.get("fit").and_then(Value::as_table);
            if fit.is_some_and(|fit| fit.contains_key("seed")) {
                return Err(format!(
                    "{place}.fit.seed is for the study to set: matrix.seed"
                ));
            }
        }
        let evaluation = &self.evaluation;
        if !(100..=1_000_000).contains(&evaluation.resamples) {
            return Err("evaluation.resamples is not from 100 to 1000000".to_owned());
        }
        if self.generation.batch == 0 || self.generation.max_tokens == 0 {
            return Err("generation.batch and generation.max-tokens start at 1".to_owned());
        }
        if matrix.prefix_length.contains(&0) {
            return Err("matrix.prefix-length starts at 1".to_owned());
        }
        let labels = rad3d_report::LabelSet::ct_rate();
        let unknown = |name: &&String| labels.index_of(name).is_none();
        if let Some(name) = self.pictures.labels.iter().find(unknown) {
            return Err(format!("pictures.labels names {name:?}, which is no label"));
        }
        Ok(())
    }

    /// The language model of a name.
    #[must_use]
    pub fn llm(&self, name: &str) -> Option<&Llm> {
        self.llm.iter().find(|llm| llm.name == name)
    }

    /// Settings of `train lm` of a language model that the study pre-trains.
    #[must_use]
    pub fn lm_settings(&self, llm: &Llm) -> Option<Table> {
        let mut table = self.lm.clone();
        lay_over(&mut table, llm.train.as_ref()?);
        Some(table)
    }

    /// Settings of `train mapper` of a cell, for the language model at `llm` and the training
    /// reports at `reports`.
    #[must_use]
    pub fn mapper_settings(&self, cell: &MapperCell, llm: &Path, reports: &Path) -> Table {
        let mut table = self.mapper.clone();
        let mode = match cell.mode {
            Mode::Frozen => &self.frozen,
            Mode::Trained => &self.trained,
        };
        lay_over(&mut table, mode);
        if let Some(llm) = self.llm(&cell.llm) {
            lay_over(&mut table, &llm.mapper);
        }
        let text = |path: &Path| Value::String(path.display().to_string());
        let integer = |value: u64| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
        let own = [
            ("embeddings", text(&self.training.embeddings)),
            ("reports", text(reports)),
            ("llm", text(llm)),
            ("llm-mode", Value::String(cell.mode.name().to_owned())),
            ("priors", Value::Boolean(cell.priors)),
            ("image", Value::Boolean(cell.image)),
            ("projector", Value::String(cell.projector_name().to_owned())),
            ("prefix-length", integer(cell.prefix_length as u64)),
        ];
        table.extend(own.map(|(key, value)| (key.to_owned(), value)));
        let fit = table
            .entry("fit")
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(fit) = fit {
            fit.insert("seed".to_owned(), integer(cell.seed));
        }
        table
    }
}

/// Puts every value of `upper` into `lower`; tables are merged.
fn lay_over(lower: &mut Table, upper: &Table) {
    for (key, value) in upper {
        match (lower.get_mut(key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => lay_over(lower, upper),
            _ => {
                lower.insert(key.clone(), value.clone());
            }
        }
    }
}

fn distinct<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
) -> std::result::Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("two [[{what}]] have the name {name:?}"));
        }
    }
    match seen.is_empty() {
        true => Err(format!("has no [[{what}]]")),
        false => Ok(()),
    }
}
