//! Chest CT volumes: readers, geometry, Hounsfield units, and preprocessing as data.
//!
//! ```text
//! scan on disk ─read→ Volume (stored values + geometry) ─recipe→ model input
//! ```
//!
//! The crate holds no tensor engine and no command line.

mod chest;
mod content;
mod dicom;
mod error;
mod geometry;
mod histogram;
mod hu;
mod hu_guard;
mod inflate;
mod input;
mod metadata;
pub mod metaimage;
pub mod nifti;
pub mod nrrd;
mod orientation;
mod prepare;
mod recipe;
mod stored;
mod summary;
mod volume;
mod voxels;
pub mod write;

pub use chest::ChestCheck;
pub use error::{Fault, Result, VolumeError};
pub use geometry::{Geometry, GeometryFault, Vec3, clean_mm};
pub use histogram::{Histogram, Sample};
pub use hu::{Hu, Rescale};
pub use hu_guard::{HuDecision, HuEvidence, HuMode, decide_hu};
pub use input::{Input, IrregularGap, SeriesSummary, SliceGaps};
pub use metadata::MetadataRow;
pub use orientation::{AxisCode, AxisMap, Orientation, OrientationParseError};
pub use prepare::{GeometrySource, PrepareOptions, Prepared, prepare};
pub use recipe::{AxisPlan, Clip, OrientationMode, Plan, Recipe, Scale, resampled_len};
pub use summary::Summary;
pub use volume::{Format, ScanFacts, Volume};
pub use voxels::{Voxel, VoxelType, Voxels};
