//! The files that sheets save.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Fault, ReaderStudyError, Result};

const FORMAT: &str = "rad3d-reader-study-answers";
const VERSION: u32 = 1;

/// What a reader answered, as a sheet saves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    format: String,
    version: u32,
    /// The study's name, see [`Key::study`](crate::Key::study).
    pub study: String,
    /// The reader's name.
    pub reader: String,
    /// When the file was saved, as the reader's browser said.
    #[serde(default)]
    pub saved: Option<String>,
    /// Whether the sheet called itself complete; the analysis counts for itself.
    pub complete: bool,
    /// The readings, in order.
    pub readings: Vec<ReadingAnswers>,
}

/// What a reader answered of one case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingAnswers {
    /// The answers by letter.
    pub reports: BTreeMap<String, ReportAnswers>,
}

/// What a reader answered of one report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportAnswers {
    /// 1 to 5 by scale; values are checked when answers are unblinded.
    pub scores: BTreeMap<String, Value>,
    /// Errors found, or [`NO_ERROR`](crate::questions::NO_ERROR) alone; empty is not answered.
    pub tags: Vec<String>,
    /// The other error in words.
    pub other: String,
    /// Anything else in words.
    pub comment: String,
}

impl Answers {
    /// Answers of one reader of a study.
    #[must_use]
    pub fn new(study: String, reader: String, readings: Vec<ReadingAnswers>) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            study,
            reader,
            saved: None,
            complete: false,
            readings,
        }
    }

    /// Reads a file of answers.
    ///
    /// # Errors
    /// It cannot be read, or is no such file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ReaderStudyError::unreadable(path, error))?;
        let hint = "give the file that a reader's sheet saved, unchanged";
        let fault = |what: String| ReaderStudyError::new(Fault::Answers, path, what, hint);
        let answers: Self = serde_json::from_str(&text)
            .map_err(|error| fault("holds no answers of a reader".into()).because(error))?;
        if (answers.format.as_str(), answers.version) != (FORMAT, VERSION) {
            let what = format!("is \"{}\" {}", answers.format, answers.version);
            return Err(fault(format!("{what}, expected \"{FORMAT}\" {VERSION}")));
        }
        Ok(answers)
    }
}
