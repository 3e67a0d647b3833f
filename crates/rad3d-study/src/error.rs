//! The one error type of this crate.

use std::error::Error;
use std::path::{Path, PathBuf};

/// A crate-wide result.
pub type Result<T, E = StudyError> = std::result::Result<T, E>;

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A setting is missing, unknown or impossible.
    Settings,
    /// A cell's record can't be read, or doesn't fit the others.
    Record,
    /// Something can't be written.
    Output,
    /// The scores can't be computed: see the source.
    Metrics,
}

/// A fault: where, what, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct StudyError {
    /// Its kind.
    pub fault: Fault,
    /// The file it concerns.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl StudyError {
    /// A fault without a cause beneath.
    pub fn new(
        fault: Fault,
        path: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            fault,
            path: path.as_ref().to_owned(),
            what: what.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// Adds what lies beneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Something that can't be written.
    pub fn unwritable(path: impl AsRef<Path>, source: impl Error + Send + Sync + 'static) -> Self {
        let what = format!("cannot be written: {source}");
        let hint = "check the folder's permissions and the free space";
        Self::new(Fault::Output, path, what, hint).because(source)
    }

    /// Something that can't be read.
    pub fn unreadable(path: impl AsRef<Path>, source: impl Error + Send + Sync + 'static) -> Self {
        let what = format!("cannot be read: {source}");
        Self::new(Fault::Record, path, what, "check the path").because(source)
    }
}

impl From<rad3d_metrics::MetricsError> for StudyError {
    fn from(error: rad3d_metrics::MetricsError) -> Self {
        let (what, hint) = (error.what.clone(), error.hint.clone());
        Self::new(Fault::Metrics, error.place.clone(), what, hint).because(error)
    }
}

impl From<rad3d_report::ReportError> for StudyError {
    fn from(error: rad3d_report::ReportError) -> Self {
        let (what, hint) = (error.what.clone(), error.hint.clone());
        Self::new(Fault::Metrics, error.place.clone(), what, hint).because(error)
    }
}
