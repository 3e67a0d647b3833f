//! NIfTI-1 and NIfTI-2, plain or gzipped, one file (`.nii`) or two (`.hdr` and `.img`).
//!
//! Field meanings: the `nifti1.h` and `nifti2.h` headers of the NIfTI Data Format Working Group.
//! Where they leave a choice, the choice is nibabel's, since CT-CLIP reads with nibabel.

mod affine;
mod header;

use std::path::{Path, PathBuf};

use crate::content;
use crate::error::{Fault, Result, VolumeError};
use crate::inflate::{self, Wrapper};
use crate::stored::{Encoding, Start, StoredVoxels};
use crate::summary::Summary;
use crate::volume::{Format, ScanFacts, Volume};

use header::{Header, LONGEST_HEADER};

/// Whether a file's first bytes (512 are plenty), gzipped or not, start a NIfTI header.
#[must_use]
pub fn looks_like(first_bytes: &[u8]) -> bool {
    if content::is_gzip(first_bytes) {
        Header::is_header(&inflate::prefix(Wrapper::Gzip, first_bytes, LONGEST_HEADER))
    } else {
        Header::is_header(first_bytes)
    }
}

/// Reads a volume with its voxels in their stored type.
///
/// The rescale is `scl_slope` and `scl_inter`; a slope of 0, NaN or infinity switches both off
/// (spec 1, step 1). The grid is the sform if its code is set, else the qform, else `pixdim`.
///
/// # Errors
/// Names the file, what is wrong with it and what to do; kinds as in [`Fault`].
pub fn read(path: &Path) -> Result<Volume> {
    let file = NiftiFile::open(path)?;
    let summary = file.summary()?;
    let stored = StoredVoxels {
        path: &file.data_path,
        start: Start::Offset(if file.gzipped {
            0
        } else {
            file.header.vox_offset
        }),
        inflated_skip: file.header.vox_offset,
        encoding: if file.gzipped {
            Encoding::Deflated(Wrapper::Gzip)
        } else {
            Encoding::Raw
        },
        element: file.header.element(path)?,
        big_endian: file.header.big_endian,
        count: file.header.voxel_count(path)?,
    };
    Volume {
        path: path.to_owned(),
        format: Format::Nifti,
        voxels: stored.read()?,
        geometry: summary.geometry,
        geometry_declared: summary.geometry_declared,
        rescale: summary.rescale,
        padding: None,
        facts: ScanFacts::default(),
        warnings: summary.warnings,
    }
    .checked()
}

/// Reads the header only.
///
/// # Errors
/// As [`read`], but for what only the voxels could show.
pub fn summary(path: &Path) -> Result<Summary> {
    NiftiFile::open(path)?.summary()
}

/// A header, and where the voxels it speaks of lie.
struct NiftiFile {
    path: PathBuf,
    header: Header,
    data_path: PathBuf,
    gzipped: bool,
}

impl NiftiFile {
    fn open(path: &Path) -> Result<Self> {
        let path = &header_path(path);
        let first_bytes = content::first_bytes(path, LONGEST_HEADER)?;
        let header = if content::is_gzip(&first_bytes) {
            let compressed = content::map(path)?;
            Header::parse(
                path,
                &inflate::prefix(Wrapper::Gzip, &compressed, LONGEST_HEADER),
            )?
        } else {
            Header::parse(path, &first_bytes)?
        };
        let data_path = if header.voxels_apart {
            image_path(path)?
        } else {
            path.clone()
        };
        let gzipped = content::is_gzip(&content::first_bytes(&data_path, 2)?);
        Ok(Self {
            path: path.clone(),
            header,
            data_path,
            gzipped,
        })
    }

    fn summary(&self) -> Result<Summary> {
        let header = &self.header;
        let element = header.element(&self.path)?;
        let rescale = header.rescale(&self.path)?;
        let grid = affine::grid(&self.path, header)?;
        Ok(Summary {
            format: Format::Nifti,
            geometry: grid.geometry,
            geometry_declared: grid.declared,
            voxel_type: element.voxel_type(),
            rescale,
            warnings: grid.warnings,
        })
    }
}

/// The header of a pair, whichever of the two files was named.
fn header_path(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let headers: &[&str] = match name.as_str() {
        name if name.ends_with(".img") => &["hdr"],
        name if name.ends_with(".img.gz") => &["hdr.gz", "hdr"],
        _ => return path.to_owned(),
    };
    beside(path, headers).unwrap_or_else(|| path.to_owned())
}

fn image_path(header_path: &Path) -> Result<PathBuf> {
    beside(header_path, &["img", "img.gz"]).ok_or_else(|| {
        VolumeError::new(
            Fault::Unreadable,
            header_path,
            "is the header of a two-file NIfTI image, and no .img file lies beside it",
            "put the .img file into the same folder, or convert the pair to .nii.gz",
        )
    })
}

/// The first of `extensions` (in lower or upper case) that exists beside `path`.
fn beside(path: &Path, extensions: &[&str]) -> Option<PathBuf> {
    let gz = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    let stem = if gz {
        path.with_extension("")
    } else {
        path.to_owned()
    };
    extensions
        .iter()
        .flat_map(|extension| [(*extension).to_owned(), extension.to_uppercase()])
        .map(|extension| stem.with_extension(extension))
        .find(|candidate| candidate.is_file())
}
