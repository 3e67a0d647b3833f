//! What a header alone tells, for listings.

use serde::Serialize;

use crate::geometry::Geometry;
use crate::hu::Rescale;
use crate::volume::Format;
use crate::voxels::VoxelType;

/// A volume's header without its voxels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The format it was read as.
    pub format: Format,
    /// Grid in the patient.
    pub geometry: Geometry,
    /// Whether the header says where the voxels lie, see [`crate::Volume::geometry_declared`].
    pub geometry_declared: bool,
    /// Type of the stored values; 64-bit integers count as `i32`, which they become unless
    /// values need `f64`.
    pub voxel_type: VoxelType,
    /// The line from stored values to the file's values.
    pub rescale: Rescale,
    /// Things a careful reader should know.
    pub warnings: Vec<String>,
}
