//! Opening files, and naming what lies in them when it is not what was expected.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::error::{Fault, Result, VolumeError};

/// A regular file opened for reading, and its size in bytes.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    // Looked at before it is opened: opening a named pipe waits for a writer.
    let facts = std::fs::metadata(path).map_err(|e| VolumeError::unreadable(path, e))?;
    if !facts.is_file() {
        let what = if facts.is_dir() {
            "is a folder, not a file"
        } else {
            "is no regular file"
        };
        return Err(VolumeError::new(
            Fault::Unreadable,
            path,
            what,
            "give the path of a file",
        ));
    }
    let file = File::open(path).map_err(|e| VolumeError::unreadable(path, e))?;
    Ok((file, facts.len()))
}

/// A file's bytes, mapped into memory so that a compressed stream needs no copy of its own.
///
/// An empty file cannot be mapped; it is an error of [`Fault::Truncated`].
pub(crate) fn map(path: &Path) -> Result<memmap2::Mmap> {
    let (file, size) = open(path)?;
    if size == 0 {
        return Err(VolumeError::new(
            Fault::Truncated,
            path,
            "is empty (0 bytes)",
            "copy or export it again",
        ));
    }
    // SAFETY: the map is only read, and only as bytes, for which any value is valid. Another
    // process that shortens the file meanwhile would end this one (SIGBUS), as for every
    // program that maps its input; reading 73 MB instead costs 60 ms of a 400 ms inflate.
    let map = unsafe { memmap2::Mmap::map(&file) };
    map.map_err(|e| VolumeError::unreadable(path, e))
}

/// The first bytes of a file, `wanted` or all there are.
pub(crate) fn first_bytes(path: &Path, wanted: usize) -> Result<Vec<u8>> {
    let (file, size) = open(path)?;
    let mut bytes = Vec::with_capacity(wanted.min(usize::try_from(size).unwrap_or(wanted)));
    file.take(wanted as u64)
        .read_to_end(&mut bytes)
        .map_err(|e| VolumeError::unreadable(path, e))?;
    Ok(bytes)
}

/// Whether bytes start a gzip stream.
pub(crate) fn is_gzip(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(&[0x1f, 0x8b])
}

/// Names content by its first bytes, for messages: `an HTML page`, `a PNG image`.
pub(crate) fn describe(first_bytes: &[u8]) -> String {
    const SIGNATURES: [(&[u8], &str); 12] = [
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"%PDF", "a PDF document"),
        (b"\x1f\x8b", "a gzip stream"),
        (b"BZh", "a bzip2 stream"),
        (b"\xfd7zXZ", "an xz stream"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard stream"),
        (b"\x89HDF", "an HDF5 file"),
        (b"NRRD", "an NRRD file"),
        (
            b"version https://git-lfs",
            "a Git LFS pointer, not the file it stands for",
        ),
        (b"\x93NUMPY", "a NumPy array"),
    ];
    if first_bytes.is_empty() {
        return "empty".to_owned();
    }
    if let Some((_, name)) = SIGNATURES
        .iter()
        .find(|(magic, _)| first_bytes.starts_with(magic))
    {
        return (*name).to_owned();
    }
    if first_bytes.get(128..132) == Some(b"DICM") {
        return "a DICOM file".to_owned();
    }
    if first_bytes.iter().all(|&byte| byte == 0) {
        return "nothing but zeros".to_owned();
    }
    match readable_text(first_bytes) {
        Some(text)
            if text.to_ascii_lowercase().starts_with("<!doctype html")
                || text.to_ascii_lowercase().starts_with("<html") =>
        {
            "an HTML page".to_owned()
        }
        Some(text) => format!("text that begins `{}`", shorten(text)),
        None => "binary data of an unknown kind".to_owned(),
    }
}

/// The bytes as text, if every one of them is printable.
fn readable_text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A character cut in two by the end of the excerpt.
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&bytes[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(printable).then(|| text.trim_start())
}

/// The first line of a text, cut at 40 characters.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(40).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// Bytes within which a text header must end; real ones take a few hundred.
pub(crate) const TEXT_HEADER_LIMIT: usize = 1 << 20;

/// The data file that a header names, which must lie in the header's folder or below.
///
/// A header may come from anywhere, so it does not get to point at any file of this computer:
/// absolute paths and `..` are refused.
pub(crate) fn data_file(header_path: &Path, name: &str) -> Result<PathBuf> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || !Path::new(name).components().all(inside) {
        return Err(VolumeError::new(
            Fault::Unsupported,
            header_path,
            format!(
                "keeps its voxels in `{}`, outside its own folder",
                shorten(name)
            ),
            "put the data file beside the header and name it there without folders",
        ));
    }
    let path = header_path.parent().unwrap_or(Path::new("")).join(name);
    if !path.exists() {
        return Err(VolumeError::new(
            Fault::Unreadable,
            header_path,
            format!(
                "keeps its voxels in `{}`, which does not exist",
                shorten(name)
            ),
            "put the data file beside the header, under the name that the header gives",
        ));
    }
    Ok(path)
}

/// Numbers between white space; `None` if a word is no number.
pub(crate) fn numbers<T: std::str::FromStr>(text: &str) -> Option<Vec<T>> {
    text.split_ascii_whitespace()
        .map(|word| word.parse().ok())
        .collect()
}

/// Up to `wanted` bytes from `offset` on; fewer, or none, where the file ends before.
pub(crate) fn bytes_at(path: &Path, offset: u64, wanted: u64) -> Result<Vec<u8>> {
    let (mut file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.take(wanted).read_to_end(&mut bytes))
        .map_err(|e| VolumeError::unreadable(path, e))?;
    Ok(bytes)
}

/// Bytes that `lines` lines take from `offset` on.
pub(crate) fn lines_length(path: &Path, offset: u64, lines: u64) -> Result<u64> {
    let map = map(path)?;
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| map.get(offset..))
        .unwrap_or_default();
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    let length = rest
        .split_inclusive(|&byte| byte == b'\n')
        .take(lines)
        .map(<[u8]>::len)
        .sum::<usize>();
    Ok(length as u64)
}
