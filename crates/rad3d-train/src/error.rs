//! What can go wrong while learning, with the place and a way out.

use std::error::Error;
use std::path::{Path, PathBuf};

/// A crate-wide result.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A setting is missing, unknown or impossible.
    Settings,
    /// A table or scan can't be read, or doesn't hold what is needed.
    Data,
    /// The same patient is on both sides of a split.
    Leakage,
    /// A checkpoint belongs to another run, or is broken.
    Checkpoint,
    /// The loss is no longer a number.
    Diverged,
    /// Something can't be written.
    Output,
    /// The network refused: see the source.
    Network,
}

/// A fault: where, what, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct TrainError {
    /// Its kind.
    pub fault: Fault,
    /// The file or setting it concerns.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl TrainError {
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
        Self::new(Fault::Data, path, what, "check the path").because(source)
    }
}

macro_rules! from_library {
    ($($error:ty, $place:ident => $fault:expr),+) => {$(
        impl From<$error> for TrainError {
            fn from(error: $error) -> Self {
                let what = error.what.clone();
                let hint = error.hint.clone();
                Self::new($fault, error.$place.clone(), what, hint).because(error)
            }
        }
    )+};
}

from_library! {
    rad3d_weights::WeightsError, path => Fault::Checkpoint,
    rad3d_embeddings::EmbeddingsError, path => Fault::Data,
    rad3d_report::ReportError, place => Fault::Data,
    rad3d_metrics::MetricsError, place => Fault::Data,
    rad3d_volume::VolumeError, path => Fault::Data,
    rad3d_nn::NnError, place => Fault::Network
}
