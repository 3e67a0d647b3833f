//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// Result of everything in this crate that touches a file.
pub type Result<T, E = EmbeddingsError> = std::result::Result<T, E>;

/// What kind of fault stopped the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The file could not be opened or read.
    Unreadable,
    /// The file holds no embeddings, or damaged ones.
    Content,
    /// Rows were made by another model, recipe or label set.
    Mismatch,
    /// One scan has two rows.
    Duplicate,
    /// The output could not be written.
    Output,
}

/// A fault, the file it lies in, and what the user can do about it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct EmbeddingsError {
    /// The file at fault.
    pub path: PathBuf,
    /// The kind of fault.
    pub fault: Fault,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl EmbeddingsError {
    pub(crate) fn new(
        fault: Fault,
        path: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let path = path.as_ref().to_owned();
        Self {
            path,
            fault,
            what: what.into(),
            hint: hint.into(),
        }
    }

    pub(crate) fn unreadable(path: impl AsRef<Path>, error: impl std::fmt::Display) -> Self {
        let what = format!("cannot be read ({error})");
        Self::new(
            Fault::Unreadable,
            path,
            what,
            "check the path and its permissions",
        )
    }

    pub(crate) fn unwritable(path: impl AsRef<Path>, error: impl std::fmt::Display) -> Self {
        let what = format!("cannot be written ({error})");
        Self::new(
            Fault::Output,
            path,
            what,
            "check the folder, its permissions and the disk",
        )
    }
}
