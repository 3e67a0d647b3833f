//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// Result of everything in this crate that can fail.
pub type Result<T, E = MetricsError> = std::result::Result<T, E>;

/// What kind of fault stopped the work; for programs that want to react differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The file could not be opened, read or written.
    Unreadable,
    /// Nothing is left to score.
    Empty,
    /// Two sides that must match do not: other reports, other labels, other lengths.
    Mismatch,
    /// A value that cannot be scored: NaN, infinite.
    Value,
    /// A dictionary or another data file is malformed.
    Data,
    /// The model behind a metric failed.
    Model,
}

/// A fault, where it lies, and what the user can do about it.
///
/// Displays as `place: what`; the caller prints [`MetricsError::hint`] on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", place.display())]
pub struct MetricsError {
    /// The file at fault, or the name of the in-memory object.
    pub place: PathBuf,
    /// The kind of fault.
    pub fault: Fault,
    /// What is wrong, with the values met and the values expected.
    pub what: String,
    /// What to do about it.
    pub hint: String,
    /// The error underneath, if another library raised one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl MetricsError {
    /// A fault of `place`; `what` says what was found, `hint` what the user can do.
    pub fn new(
        fault: Fault,
        place: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            place: place.as_ref().to_owned(),
            fault,
            what: what.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// Keeps the error that another library raised; its text joins [`MetricsError::what`].
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        self.what = format!("{} ({source})", self.what);
        self.source = Some(source);
        self
    }

    /// The file could not be opened or read.
    pub fn unreadable(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        let hint = match source.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check the file's permissions",
            _ => "check the disk or the network share it lies on",
        };
        Self::new(Fault::Unreadable, path, "cannot be read", hint).because(source)
    }
}
