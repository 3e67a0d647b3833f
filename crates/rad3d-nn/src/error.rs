//! The one error type of this crate.

use std::path::Path;

/// Result of everything in this crate that can fail.
pub type Result<T, E = NnError> = std::result::Result<T, E>;

/// What kind of fault stopped the work; for programs that want to react differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// A weight file could not be read, or holds something unusable.
    Weights,
    /// A tensor has another shape than the network needs.
    Shape,
    /// A number that must be finite is not.
    NotFinite,
    /// A network's settings contradict each other.
    Config,
    /// Token ids, lengths or generation settings are out of range.
    Tokens,
    /// The device or the processor cannot do what was asked.
    Device,
}

/// A fault, where it lies, and what the user can do about it.
///
/// Displays as `place: what`; the caller prints [`NnError::hint`] on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct NnError {
    /// The file, tensor, setting or input at fault.
    pub place: String,
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

impl NnError {
    /// A fault at `place`; `what` says what was found, `hint` what the user can do.
    pub fn new(
        fault: Fault,
        place: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            fault,
            what: what.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// A fault of the file `path`.
    pub fn at_path(
        fault: Fault,
        path: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(fault, path.as_ref().display().to_string(), what, hint)
    }

    /// Keeps the error that another library raised; its text joins [`NnError::what`].
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        self.what = format!("{} ({source})", self.what);
        self.source = Some(source);
        self
    }

    /// `place` has the shape `met` where `expected` is needed.
    pub fn shape(place: impl Into<String>, met: &[usize], expected: &[usize]) -> Self {
        Self::new(
            Fault::Shape,
            place,
            format!("has shape {met:?}, needed {expected:?}"),
            "check that weights, settings and input belong together",
        )
    }
}
