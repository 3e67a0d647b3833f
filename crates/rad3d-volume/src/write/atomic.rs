//! A file that appears under its name only when it is complete.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Fault, Result, VolumeError};

/// An output file that others see whole or not at all.
///
/// Bytes go to a hidden file in the same folder. [`AtomicFile::commit`] brings it to the disk
/// and renames it; dropped before that, it is removed and an older file of the name stays.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("scan.json");
/// use std::io::Write;
///
/// let mut file = rad3d_volume::write::AtomicFile::create(&path)?;
/// file.write_all(b"{}")?;
/// assert!(!path.exists());
/// file.commit()?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl AtomicFile {
    /// Starts a file that will be named `path`.
    ///
    /// # Errors
    /// [`Fault::Output`] when `path` is a folder, or its own folder is missing or read-only.
    pub fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let hint = "give the name of a file";
            return Err(VolumeError::new(Fault::Output, path, "is a folder", hint));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".rad3d-").suffix(".part");
        #[cfg(unix)]
        {
            // What any new file gets, less the umask; the default is for secrets.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder
            .tempfile_in(folder)
            .map_err(|e| unwritable(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
        })
    }

    /// The name that the file will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The fault of a failed write to this file.
    #[must_use]
    pub fn fault(&self, source: io::Error) -> VolumeError {
        unwritable(&self.path, source)
    }

    /// Brings the file to the disk and gives it its name, replacing an older file.
    ///
    /// # Errors
    /// [`Fault::Output`] when the disk is full or the name cannot be taken; nothing is left.
    pub fn commit(self) -> Result<()> {
        let synced = self.temporary.as_file().sync_all();
        synced.map_err(|e| unwritable(&self.path, e))?;
        self.commit_unsynced()
    }

    /// As [`AtomicFile::commit`], but leaves it to the system when the bytes reach the disk: for
    /// large outputs that the same command makes again. A program that dies leaves no half file;
    /// a machine that loses power may.
    ///
    /// # Errors
    /// [`Fault::Output`] when the name cannot be taken; nothing is left.
    pub fn commit_unsynced(self) -> Result<()> {
        let Self { path, temporary } = self;
        temporary
            .persist(&path)
            .map_err(|e| unwritable(&path, e.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.temporary.seek(to)
    }
}

fn unwritable(path: &Path, source: io::Error) -> VolumeError {
    let hint = match source.kind() {
        io::ErrorKind::NotFound => "create the folder first",
        io::ErrorKind::PermissionDenied => "check the folder's permissions",
        io::ErrorKind::StorageFull => "free some space on the disk",
        _ => "check the disk and the folder",
    };
    VolumeError::new(Fault::Output, path, "cannot be written", hint).because(source)
}
