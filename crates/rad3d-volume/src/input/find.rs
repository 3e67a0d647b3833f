//! What lies under a path: every file, told apart by its content.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::archive::Archive;
use crate::dicom::{self, Found, Image, Source};
use crate::error::{Result, VolumeError};
use crate::volume::Format;
use crate::{metaimage, nifti, nrrd};

/// Everything found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) images: Vec<Image>,
    pub(super) volumes: Vec<(Source, Format)>,
    /// DICOM objects without pixels, by kind.
    pub(super) other_dicom: Vec<String>,
    /// Files of no format known here.
    pub(super) foreign: usize,
}

/// Bytes that suffice to tell a file's format; a gzip stream must show the start of its content.
const HEAD: u64 = 4096;

enum Kind {
    Dicom(Found),
    Volume(Format),
    Foreign,
}

/// Looks at files, in parallel.
pub(super) fn sort_out(sources: Vec<Source>) -> Result<Findings> {
    let kinds = sources
        .into_par_iter()
        .map(|source| kind(&source).map(|kind| (source, kind)))
        .collect::<Result<Vec<_>>>()?;
    let mut findings = Findings::default();
    for (source, kind) in kinds {
        match kind {
            Kind::Dicom(Found::Image(image)) => findings.images.push(*image),
            Kind::Dicom(Found::Other(kind)) => findings.other_dicom.push(kind),
            Kind::Volume(format) => findings.volumes.push((source, format)),
            Kind::Foreign | Kind::Dicom(Found::Foreign) => findings.foreign += 1,
        }
    }
    Ok(findings)
}

fn kind(source: &Source) -> Result<Kind> {
    let mut head = Vec::new();
    source.read(|file| {
        let read = file.take(HEAD).read_to_end(&mut head);
        read.map_err(|e| VolumeError::unreadable(source.path(), e))
    })?;
    Ok(match volume_format(&head) {
        Some(format) => Kind::Volume(format),
        None if dicom::looks_like_dicom(&head) => Kind::Dicom(dicom::read_header(source)?),
        None => Kind::Foreign,
    })
}

fn volume_format(head: &[u8]) -> Option<Format> {
    if nifti::looks_like(head) {
        Some(Format::Nifti)
    } else if nrrd::looks_like(head) {
        Some(Format::Nrrd)
    } else if metaimage::looks_like(head) {
        Some(Format::MetaImage)
    } else {
        None
    }
}

/// The format that a file's name promises, for a message of the right reader when the content
/// is something else.
pub(super) fn promised_format(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let ends = |extensions: &[&str]| extensions.iter().any(|ext| name.ends_with(ext));
    if ends(&[".nii", ".nii.gz", ".hdr"]) {
        Some(Format::Nifti)
    } else if ends(&[".mha", ".mhd"]) {
        Some(Format::MetaImage)
    } else if ends(&[".nrrd", ".nhdr"]) {
        Some(Format::Nrrd)
    } else {
        None
    }
}

/// All files under a folder. Links are followed, but no folder is entered twice, so that a loop
/// of links ends.
pub(super) fn files_under(folder: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    let mut entered = HashSet::new();
    let mut pending: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        let unreadable = |e| VolumeError::unreadable(&folder, e);
        if !entered.insert(folder.canonicalize().map_err(unreadable)?) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            // A link to nowhere is no file; a pipe or a device would block.
            match std::fs::metadata(&path) {
                Ok(facts) if facts.is_dir() => pending.push(path),
                Ok(facts) if facts.is_file() => files.push(path),
                Ok(_) => {}
                Err(_) if path.is_symlink() => {}
                Err(e) => return Err(VolumeError::unreadable(&path, e)),
            }
        }
    }
    files.sort();
    Ok(files.into_iter().map(Source::Disk).collect())
}

/// All files in a zip.
pub(super) fn files_in(zip: &Path, archive: &Archive) -> Vec<Source> {
    let source = |entry: &super::archive::Entry| Source::Zipped {
        archive: archive.clone(),
        entry: entry.index,
        path: zip.join(&entry.name),
    };
    archive.entries().iter().map(source).collect()
}

/// Whether a file is a zip.
pub(super) fn is_zip(path: &Path) -> Result<bool> {
    Source::Disk(path.to_owned()).read(|file| {
        let head = file
            .fill_buf()
            .map_err(|e| VolumeError::unreadable(path, e))?;
        Ok(head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06"))
    })
}
