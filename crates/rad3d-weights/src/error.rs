//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// Result of everything in this crate that touches a file or the network.
pub type Result<T, E = WeightsError> = std::result::Result<T, E>;

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
    /// The format is known, this flavour of it is not supported.
    Unsupported,
    /// A pickle asks for something that a weight file has no business with.
    ForbiddenPickle,
    /// The file holds an optimiser's state, no weights.
    OptimiserState,
    /// Tensors are missing, unexpected or have another shape than the network's.
    TensorMismatch,
    /// A tensor holds NaN or infinity.
    NonFinite,
    /// A tensor has an element type that cannot serve here.
    ElementType,
    /// A tokenizer is broken, or does not fit the language model.
    Tokenizer,
    /// A model folder's manifest is wrong.
    Manifest,
    /// A file's content has another hash than the one recorded.
    Hash,
    /// The mapper was trained on the embeddings of another tower.
    TowerMismatch,
    /// The mapper was trained through another language model.
    LlmMismatch,
    /// The Hugging Face hub (or its mirror) refused or failed.
    Hub,
    /// The output could not be written.
    Output,
}

/// A fault, the file (and tensor) it lies in, and what the user can do about it.
///
/// Displays as `path: what`, or `path: tensor NAME: what`; the caller prints
/// [`WeightsError::hint`] on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}{what}", path.display(), tensor_part(tensor))]
pub struct WeightsError {
    /// The file or folder at fault.
    pub path: PathBuf,
    /// The tensor at fault, where it is a single one.
    pub tensor: Option<String>,
    /// The kind of fault.
    pub fault: Fault,
    /// What is wrong, with the values met and the values expected.
    pub what: String,
    /// What to do about it.
    pub hint: String,
    /// The error underneath, if there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

fn tensor_part(tensor: &Option<String>) -> String {
    tensor
        .as_ref()
        .map(|name| format!("tensor {name}: "))
        .unwrap_or_default()
}

impl WeightsError {
    /// A fault of `path`; `what` says what was found, `hint` what the user can do.
    pub fn new(
        fault: Fault,
        path: impl AsRef<Path>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            tensor: None,
            fault,
            what: what.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// Names the tensor at fault.
    #[must_use]
    pub fn in_tensor(mut self, name: impl Into<String>) -> Self {
        self.tensor = Some(name.into());
        self
    }

    /// Keeps the error underneath; its text joins [`WeightsError::what`].
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

    /// The file ends before what its header promises.
    pub fn truncated(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        let hint = "the download or copy was cut short; fetch the file again";
        Self::new(Fault::Truncated, path, what, hint)
    }

    /// The header contradicts itself or the file's size.
    pub fn header(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        let hint = "the file is damaged or was written by a faulty program; fetch it again";
        Self::new(Fault::Header, path, what, hint)
    }

    /// The output could not be written.
    pub fn output(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        let hint = "check that the folder exists, can be written to and has space left";
        Self::new(Fault::Output, path, "cannot be written", hint).because(source)
    }
}
