//! Zip archives, read in place: nothing is unpacked by the names inside.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use zip::ZipArchive;

use crate::content;
use crate::error::{Fault, Result, VolumeError};

/// An open archive; clones share its directory.
#[derive(Clone)]
pub(crate) struct Archive {
    zip: ZipArchive<Cursor<Mapped>>,
    entries: Arc<[Entry]>,
}

/// The archive's bytes.
#[derive(Clone)]
struct Mapped(Arc<Mmap>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// A file in the archive.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its number in the archive.
    pub(crate) index: usize,
    /// Its name, for messages and for the format's extension only.
    pub(crate) name: String,
    /// Its inflated size, as declared.
    pub(crate) len: u64,
}

/// Most files in an archive; the largest CT studies have some ten thousand.
const MOST_ENTRIES: usize = 200_000;
/// An entry that inflates to more than this, by more than [`MOST_RATIO`], is a bomb. CT packs
/// 2 to 4 times; an image that is all one value packs 1000 times, but is small.
const SUSPICIOUS_LEN: u64 = 32 << 20;
const MOST_RATIO: u64 = 100;

impl Archive {
    /// Opens a zip and looks through its directory.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let unusable = |what: String| {
            let hint = "unpack it by hand and give the folder";
            VolumeError::new(Fault::Unsupported, path, what, hint)
        };
        let mapped = Mapped(Arc::new(content::map(path)?));
        let mut zip = ZipArchive::new(Cursor::new(mapped)).map_err(|e| {
            let hint = "the archive is incomplete or damaged; download or make it again";
            VolumeError::new(
                Fault::Truncated,
                path,
                "its zip directory cannot be read",
                hint,
            )
            .because(e)
        })?;
        if zip.len() > MOST_ENTRIES {
            return Err(unusable(format!(
                "holds {} files, more than {MOST_ENTRIES}",
                zip.len()
            )));
        }
        let mut entries = Vec::with_capacity(zip.len());
        let (mut packed, mut inflated) = (0_u64, 0_u64);
        for index in 0..zip.len() {
            let file = zip
                .by_index_raw(index)
                .map_err(|e| unusable(format!("file {index} of it cannot be read ({e})")))?;
            if file.is_dir() {
                continue;
            }
            if file.encrypted() {
                return Err(unusable("is encrypted".into()));
            }
            packed += file.compressed_size();
            inflated = inflated.saturating_add(file.size());
            let bomb = |len, packed: u64| len > SUSPICIOUS_LEN && len / packed.max(1) > MOST_RATIO;
            if bomb(file.size(), file.compressed_size()) || bomb(inflated, packed) {
                return Err(unusable(format!(
                    "`{}` would inflate {} bytes to {}: no image does, so it is not unpacked",
                    file.name().unwrap_or_default(),
                    file.compressed_size(),
                    file.size()
                )));
            }
            let name = file.name().unwrap_or_default().into_owned();
            entries.push(Entry {
                index,
                name,
                len: file.size(),
            });
        }
        Ok(Self {
            zip,
            entries: entries.into(),
        })
    }

    /// The files in it.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The declared size of an entry.
    pub(crate) fn entry_len(&self, index: usize) -> Result<u64> {
        Ok(self
            .entries
            .iter()
            .find(|entry| entry.index == index)
            .map_or(0, |entry| entry.len))
    }

    /// Hands `work` an entry from its first byte on; no more than its declared size comes out.
    pub(crate) fn read<T>(
        &self,
        index: usize,
        path: &Path,
        work: impl FnOnce(&mut dyn BufRead) -> Result<T>,
    ) -> Result<T> {
        let mut zip = self.zip.clone();
        let file = zip.by_index(index).map_err(|e| {
            let hint = "unpack it by hand and give the folder";
            VolumeError::new(Fault::Unsupported, path, "cannot be unpacked", hint).because(e)
        })?;
        let len = file.size();
        work(&mut BufReader::new(file.take(len)))
    }
}
