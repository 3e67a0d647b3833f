//! Where the bytes of one DICOM file come from: the disk, or an entry of a zip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;

use crate::error::{Fault, Result, VolumeError};
use crate::input::Archive;

/// The bytes of one file.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A file on disk.
    Disk(PathBuf),
    /// An entry of a zip archive.
    Zipped {
        /// The archive, open.
        archive: Archive,
        /// Which entry.
        entry: usize,
        /// `archive.zip/name of the entry`, for messages.
        path: PathBuf,
    },
}

/// Where in a file the data set lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Bytes before the data set (preamble and file meta group).
    pub(super) offset: u64,
    /// Whether a raw deflate stream begins there.
    pub(super) deflated: bool,
}

impl Source {
    /// The path for messages.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Disk(path) | Self::Zipped { path, .. } => path,
        }
    }

    /// Size of the file in bytes, as the disk or the archive's directory says.
    pub(super) fn len(&self) -> Result<u64> {
        match self {
            Self::Disk(path) => std::fs::metadata(path)
                .map(|m| m.len())
                .map_err(|e| VolumeError::unreadable(path, e)),
            Self::Zipped { archive, entry, .. } => archive.entry_len(*entry),
        }
    }

    /// Whether any byte can be reached without reading those before it.
    pub(super) fn seekable(&self) -> bool {
        matches!(self, Self::Disk(_))
    }

    /// Hands `work` the file from its first byte on.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&mut dyn BufRead) -> Result<T>) -> Result<T> {
        match self {
            Self::Disk(path) => {
                let file = File::open(path).map_err(|e| VolumeError::unreadable(path, e))?;
                work(&mut BufReader::new(file))
            }
            Self::Zipped {
                archive,
                entry,
                path,
            } => archive.read(*entry, path, work),
        }
    }

    /// Hands `work` the data set, inflated if need be, from byte `offset` of it on.
    pub(super) fn read_data_set<T>(
        &self,
        start: Start,
        offset: u64,
        work: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        if let (Self::Disk(path), false) = (self, start.deflated) {
            // Straight from the file: large reads land in the caller's buffer without a stop.
            let unreadable = |e| VolumeError::unreadable(path, e);
            let mut file = File::open(path).map_err(unreadable)?;
            file.seek(SeekFrom::Start(start.offset + offset))
                .map_err(unreadable)?;
            return work(&mut file);
        }
        self.read(|file| {
            skip(file, start.offset).map_err(|e| truncated(self.path(), e))?;
            if start.deflated {
                let mut inflated = DeflateDecoder::new(file);
                skip(&mut inflated, offset).map_err(|e| truncated(self.path(), e))?;
                work(&mut inflated)
            } else {
                let mut file = file;
                skip(&mut file, offset).map_err(|e| truncated(self.path(), e))?;
                work(&mut file)
            }
        })
    }
}

/// Reads and forgets `count` bytes.
pub(super) fn skip(from: &mut (impl Read + ?Sized), count: u64) -> std::io::Result<()> {
    let skipped = std::io::copy(&mut from.take(count), &mut std::io::sink())?;
    if skipped == count {
        Ok(())
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

/// The error for a file that ends, or breaks, too early.
pub(super) fn truncated(path: &Path, source: std::io::Error) -> VolumeError {
    let hint = "the file is incomplete or damaged; copy or export it again";
    VolumeError::new(
        Fault::Truncated,
        path,
        "ends before the data its header promises",
        hint,
    )
    .because(source)
}
