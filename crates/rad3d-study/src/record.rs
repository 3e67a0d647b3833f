//! What a cell leaves behind: `cell.json`.

use std::collections::BTreeMap;

use rad3d_metrics::Estimate;
use serde::{Deserialize, Serialize};

use crate::matrix::Cell;
use crate::observed::Observed;

/// A finished or failed cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// What it is.
    pub cell: Cell,
    /// SHA-256 of its settings and of the files it was made of; another one is another cell.
    pub hash: String,
    /// Version of rad3d.
    pub version: String,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How a cell went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It has scores.
    Done(Box<Finished>),
    /// It has none.
    Failed {
        /// What went wrong.
        what: String,
        /// What to do about it.
        hint: String,
    },
}

/// What a cell cost and what it scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Parameters that were trained: the projector's, and the language model's if it was.
    pub trainable_parameters: u64,
    /// Parameters of projector and language model together. The tower's, which are the same for
    /// all cells, are not among them.
    pub total_parameters: u64,
    /// Parameters of the language model.
    pub llm_parameters: u64,
    /// Seconds of training on this machine, interruptions left out.
    pub training_seconds: f64,
    /// Most memory held while the cell was trained and judged, in bytes; unknown where the
    /// system doesn't tell.
    pub peak_memory_bytes: Option<u64>,
    /// The tests, in the study's order.
    pub tests: Vec<TestRecord>,
}

/// A cell on one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// The test's name.
    pub name: String,
    /// Names of the labels, in the order of the flags in [`Observed`].
    pub labels: Vec<String>,
    /// Seconds of writing a report, on average: what a report costs.
    pub seconds_a_report: f64,
    /// Reports that the model ended by itself.
    pub ended_by_themselves: usize,
    /// Its reports.
    pub own: Judged,
    /// The same reports, each given to another patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffled: Option<Judged>,
    /// Where the prefixes of the scans lie, seen from where they differ most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Prefixes>,
}

/// What reports score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Score and 95 % interval by key, as `rad3d evaluate` names them.
    pub scores: BTreeMap<String, Score>,
    /// Report by report, for differences between cells.
    pub observed: Observed,
}

/// A score and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Of all reports.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl From<Estimate> for Score {
    fn from(estimate: Estimate) -> Self {
        Self {
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
        }
    }
}

/// Prefixes on their first two principal components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prefixes {
    /// Share of the variance along each.
    pub explained: [f64; 2],
    /// One point a report, in the order of [`Observed`].
    pub points: Vec<[f32; 2]>,
}

impl CellRecord {
    /// What it cost and scored, if it finished.
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        match &self.outcome {
            Outcome::Done(finished) => Some(finished),
            Outcome::Failed { .. } => None,
        }
    }
}

impl Finished {
    /// The test of a name.
    #[must_use]
    pub fn test(&self, name: &str) -> Option<&TestRecord> {
        self.tests.iter().find(|test| test.name == name)
    }
}
