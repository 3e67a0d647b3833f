//! `failures.csv`: the scans that could not be encoded, and why.

use std::path::{Path, PathBuf};

use rad3d_volume::VolumeError;
use rad3d_volume::write::AtomicFile;
use serde::Serialize;

/// A scan that could not be encoded.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) reason: String,
}

/// Writes the list to `path`, or removes an older one when there is nothing to list.
pub(super) fn write(path: &Path, failures: &[Failure]) -> Result<(), VolumeError> {
    if failures.is_empty() {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(VolumeError::unreadable(path, error))
            }
            _ => Ok(()),
        };
    }
    let mut file = AtomicFile::create(path)?;
    let mut table = csv::Writer::from_writer(&mut file);
    let written: Result<(), csv::Error> = failures
        .iter()
        .try_for_each(|failure| table.serialize(failure))
        .and_then(|()| table.flush().map_err(csv::Error::from));
    drop(table);
    written.map_err(|error| file.fault(std::io::Error::other(error)))?;
    file.commit()
}
