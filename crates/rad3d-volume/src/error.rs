//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// Result of everything in this crate that touches a file.
pub type Result<T, E = VolumeError> = std::result::Result<T, E>;

/// What kind of fault stopped the work; for programs that want to react differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The file could not be opened, read or listed.
    Unreadable,
    /// No reader recognises the content.
    UnknownFormat,
    /// The file ends, or its compressed stream breaks, before the data its header promises.
    Truncated,
    /// A header field is missing, contradictory or absurd.
    Header,
    /// Spacing, orientation or position make no usable grid.
    Geometry,
    /// The voxels themselves are unusable (NaN, colour, undecodable).
    Voxels,
    /// The format is known, this flavour of it is not supported.
    Unsupported,
    /// The slices do not form one volume: missing, doubled, uneven, or of several patients.
    Series,
    /// It cannot be told whether the stored values are Hounsfield units.
    AmbiguousHu,
    /// The scan is not a CT of the chest.
    NotChestCt,
    /// A metadata table or a recipe is wrong.
    Settings,
    /// The output could not be written.
    Output,
}

/// A fault, the file it lies in, and what the user can do about it.
///
/// Displays as `path: what`; the caller prints [`VolumeError::hint`] on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct VolumeError {
    /// The file or folder at fault.
    pub path: PathBuf,
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

impl VolumeError {
    /// A fault of `path`; `what` says what was found, `hint` what the user can do.
    pub fn new(
        fault: Fault,
        path: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            fault,
            what: what.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// Keeps the error that another library raised; its text joins [`VolumeError::what`].
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
