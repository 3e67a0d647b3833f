//! Bytes of a file, mapped or owned, that are cheap to clone and to slice.

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{Result, WeightsError};

/// A slice of a memory-mapped file, or of memory; clones share it.
///
/// A mapped file must not change while it is in use: a program that rewrites it in place would
/// change the weights under us, one that shortens it would end the process with `SIGBUS`.
/// Replacing the file by a rename, as this crate's own writers do, is harmless.
#[derive(Clone)]
pub struct Bytes {
    owner: Owner,
    range: Range<usize>,
}

#[derive(Clone)]
enum Owner {
    Mapped(Arc<Mmap>),
    Memory(Arc<Vec<u8>>),
}

impl Bytes {
    /// Maps the whole of `path`; nothing is read before it is looked at.
    ///
    /// # Errors
    /// [`Fault::Unreadable`](crate::Fault::Unreadable) if the file can't be opened or is a folder.
    pub fn map(path: &Path) -> Result<Self> {
        let unreadable = |source| WeightsError::unreadable(path, source);
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length == 0 {
            return Ok(Self::from(Vec::new()));
        }
        // SAFETY: the map is read-only and private to this process; the file is not to be changed
        // in place while mapped, which the type's documentation demands of the user.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        let range = 0..map.len();
        Ok(Self {
            owner: Owner::Mapped(Arc::new(map)),
            range,
        })
    }

    /// A part of these bytes, sharing the owner; `None` if it reaches beyond the end.
    #[must_use]
    pub fn slice(&self, part: Range<usize>) -> Option<Self> {
        if part.start > part.end || part.end > self.len() {
            return None;
        }
        let start = self.range.start + part.start;
        Some(Self {
            owner: self.owner.clone(),
            range: start..start + part.len(),
        })
    }

    /// Whether the bytes lie in a mapped file, so that they cost no memory of their own.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.owner, Owner::Mapped(_))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self {
            owner: Owner::Memory(Arc::new(bytes)),
            range,
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &self.owner {
            Owner::Mapped(map) => map,
            Owner::Memory(bytes) => bytes,
        };
        &all[self.range.clone()]
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_mapped() { "mapped" } else { "owned" };
        write!(f, "{} bytes, {kind}", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_reads_as_its_content_and_outlives_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::write(&path, b"0123456789").unwrap();
        let bytes = Bytes::map(&path).unwrap();
        assert!(bytes.is_mapped());
        let middle = bytes.slice(3..6).unwrap();
        drop(bytes);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(&*middle, b"345");
        assert_eq!(&*middle.slice(1..3).unwrap(), b"45");
        assert!(middle.slice(1..4).is_none());
    }

    #[test]
    fn an_empty_file_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Bytes::map(file.path()).unwrap().len(), 0);
    }
}
