//! The one error type of this crate.

use std::path::{Path, PathBuf};

use rad3d_volume::VolumeError;

/// Result of everything in this crate that writes files.
pub type Result<T, E = PhantomError> = std::result::Result<T, E>;

/// Why no phantom was written.
///
/// Displays as `path: what`; the caller prints [`PhantomError::hint`] on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct PhantomError {
    /// The file or folder at fault.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
    /// The error underneath, if another library raised one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PhantomError {
    /// A fault of `path`; `what` says what was found, `hint` what the user can do.
    pub fn new(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            what: what.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// The file or folder could not be written; `source` says why.
    pub(crate) fn unwritable(
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = source.into();
        let what = format!("cannot be written ({source})");
        let hint = "check the folder's permissions and the room on the disk";
        Self {
            source: Some(source),
            ..Self::new(path, what, hint)
        }
    }
}

impl From<VolumeError> for PhantomError {
    fn from(error: VolumeError) -> Self {
        Self {
            path: error.path.clone(),
            what: error.what.clone(),
            hint: error.hint.clone(),
            source: Some(Box::new(error)),
        }
    }
}
