//! The one error type of this crate.

use std::path::{Path, PathBuf};

use rad3d_metrics::MetricsError;

/// Result of everything in this crate that can fail.
pub type Result<T, E = ReaderStudyError> = std::result::Result<T, E>;

/// What kind of fault stopped the work; for programs that want to react differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// A file could not be opened or read.
    Unreadable,
    /// The study asked for cannot be: doubled names, more cases than there are.
    Design,
    /// The reports are at fault: ids that do not match, no text column.
    Reports,
    /// A picture is missing or is no PNG.
    Picture,
    /// The key is no key, or was changed.
    Key,
    /// A file of answers is malformed, or belongs to another study or reader.
    Answers,
    /// Answers are missing.
    Incomplete,
    /// A page or table could not be written.
    Output,
}

/// A fault, where it lies, and what the user can do about it.
///
/// Displays as `place: what`; the caller prints [`ReaderStudyError::hint`] on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", place.display())]
pub struct ReaderStudyError {
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

impl ReaderStudyError {
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

    /// Keeps the error that another library raised; its text joins [`ReaderStudyError::what`].
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        self.what = format!("{} ({source})", self.what);
        self.source = Some(source);
        self
    }

    /// A file could not be opened or read.
    pub fn unreadable(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        let hint = match source.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check the file's permissions",
            _ => "check the disk or the network share it lies on",
        };
        Self::new(Fault::Unreadable, path, "cannot be read", hint).because(source)
    }

    /// What the program itself made could not be put into words.
    pub(crate) fn output(
        place: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let hint = "this is a fault of the program; please report it";
        Self::new(Fault::Output, place, "cannot be written", hint).because(source)
    }
}

impl From<MetricsError> for ReaderStudyError {
    /// Faults of the reports, or of the statistics made of them.
    fn from(error: MetricsError) -> Self {
        let fault = match error.fault {
            rad3d_metrics::Fault::Unreadable => Fault::Unreadable,
            _ => Fault::Reports,
        };
        Self {
            place: error.place,
            fault,
            what: error.what,
            hint: error.hint,
            source: error.source,
        }
    }
}

/// Names as an error lists them: all up to 20, then how many more.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 20;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
