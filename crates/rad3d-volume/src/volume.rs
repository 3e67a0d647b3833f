//! A volume as a file keeps it: stored values, the line to Hounsfield units, the grid.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Fault, Result, VolumeError};
use crate::geometry::Geometry;
use crate::hu::Rescale;
use crate::voxels::Voxels;

/// The file formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Format {
    /// DICOM, classic (one file a slice) or enhanced (multi-frame).
    #[serde(rename = "DICOM")]
    Dicom,
    /// NIfTI-1 or NIfTI-2, plain or gzipped.
    #[serde(rename = "NIfTI")]
    Nifti,
    /// MetaImage, `.mha` or `.mhd` with its data file.
    MetaImage,
    /// NRRD, attached or detached header.
    #[serde(rename = "NRRD")]
    Nrrd,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dicom => "DICOM",
            Self::Nifti => "NIfTI",
            Self::MetaImage => "MetaImage",
            Self::Nrrd => "NRRD",
        })
    }
}

/// What a scan says of itself besides voxels; `None` where the format or the file is silent.
///
/// Nothing here identifies the patient: names and numbers stay in the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ScanFacts {
    /// DICOM modality, `CT` for what is wanted here.
    pub modality: Option<String>,
    /// DICOM body part examined, upper case as stored.
    pub body_part: Option<String>,
    /// DICOM image type values, such as `ORIGINAL`, `PRIMARY`, `AXIAL`.
    pub image_type: Vec<String>,
    /// DICOM series description.
    pub series_description: Option<String>,
    /// DICOM series instance UID.
    pub series_uid: Option<String>,
    /// Reconstruction kernel.
    pub kernel: Option<String>,
    /// Scanner manufacturer and model.
    pub scanner: Option<String>,
}

/// A volume in its stored type, with its grid.
///
/// `voxels` hold `i` fastest, then `j`, then `k`: the value at `(i, j, k)` is element
/// `i + dims[0] * (j + dims[1] * k)`.
#[derive(Debug, Clone)]
pub struct Volume {
    /// The file or folder it was read from.
    pub path: PathBuf,
    /// The format it was read as.
    pub format: Format,
    /// Stored values.
    pub voxels: Voxels,
    /// Grid in the patient.
    pub geometry: Geometry,
    /// Whether the header says where the voxels lie. A blank NIfTI header (identity affine) or a
    /// MetaImage without spacing does not, and then a metadata table may.
    pub geometry_declared: bool,
    /// The line from stored values to what the file calls its values: DICOM's rescale, NIfTI's
    /// `scl_slope` and `scl_inter`.
    pub rescale: Rescale,
    /// The **stored** value that fills pixels outside the scanner's field of view, where declared
    /// (DICOM pixel padding value); a closed range when a range limit is declared too.
    pub padding: Option<(f64, f64)>,
    /// Other facts of the scan.
    pub facts: ScanFacts,
    /// Things a careful reader should know: interpolated gaps, ignored fields.
    pub warnings: Vec<String>,
}

impl Volume {
    /// Checks that voxels and grid agree in number.
    ///
    /// # Errors
    /// [`Fault::Header`] when they do not.
    pub fn checked(self) -> Result<Self> {
        let (have, want) = (self.voxels.len(), self.geometry.voxel_count());
        if have == want {
            return Ok(self);
        }
        let [i, j, k] = self.geometry.dims_ijk();
        Err(VolumeError::new(
            Fault::Header,
            &self.path,
            format!("holds {have} voxels, its header says {i} × {j} × {k} = {want}"),
            "the file is damaged; export it again",
        ))
    }
}
