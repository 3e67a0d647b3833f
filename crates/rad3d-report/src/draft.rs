//! A draft report with everything a reader needs to judge it.

use serde::{Deserialize, Serialize};

use crate::agreement::{Agreement, Classified};
use crate::confidence::Writing;
use crate::error::Result;
use crate::labeler::Labeler;
use crate::report::Report;

/// The line that stands on every draft, in every format.
pub const RESEARCH_NOTICE: &str = "Research draft, no diagnosis. Written by a program; \
                                   a radiologist must read the scan.";

/// A step of the work and the time it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The step, as a person would call it.
    pub step: String,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// One line of what the draft was made from: files, versions, hashes, settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How far the scan's embedding lies from those of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingDistance {
    /// The distance, in the unit in which the limit was fitted.
    pub distance: f64,
    /// The median distance of scans like those of training.
    pub typical: f64,
    /// The distance beyond which no draft is written unless that is insisted on.
    pub limit: f64,
}

impl EmbeddingDistance {
    /// Whether the scan is unlike those of training.
    pub fn is_beyond(&self) -> bool {
        self.distance > self.limit
    }
}

/// A draft report of one scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// What the reader knows the scan by.
    pub scan: String,
    /// The model that wrote it.
    pub model: String,
    /// Findings and impression.
    pub report: Report,
    /// The classifier's probabilities and thresholds.
    pub classified: Classified,
    /// The text held against the classifier.
    pub agreement: Agreement,
    /// Mean natural-log probability a token, if the language model gave one.
    pub mean_token_log_probability: Option<f64>,
    /// How the text was generated, if it was.
    pub writing: Option<Writing>,
    /// How unusual the scan is for the model, if that was measured.
    pub embedding: Option<EmbeddingDistance>,
    /// What the reader must know first: a demo model, a cropped scan, a doubtful rescaling.
    pub warnings: Vec<String>,
    /// What it was made from.
    pub provenance: Vec<Provenance>,
    /// How long each step took.
    pub timings: Vec<Timing>,
}

impl Draft {
    /// A draft of `scan` by `model`: labels the report and holds it against the classifier. The
    /// remaining fields are empty, to be filled by the caller.
    ///
    /// # Errors
    /// Labeler and classifier are made for different label sets.
    pub fn new(
        scan: impl Into<String>,
        model: impl Into<String>,
        report: Report,
        classified: Classified,
        labeler: &Labeler,
    ) -> Result<Self> {
        let agreement = Agreement::check(&labeler.label(&report), &classified)?;
        Ok(Self {
            scan: scan.into(),
            model: model.into(),
            report,
            classified,
            agreement,
            mean_token_log_probability: None,
            writing: None,
            embedding: None,
            warnings: Vec::new(),
            provenance: Vec::new(),
            timings: Vec::new(),
        })
    }

    /// The time of all steps together, in seconds.
    pub fn total_seconds(&self) -> f64 {
        self.timings.iter().map(|timing| timing.seconds).sum()
    }
}
