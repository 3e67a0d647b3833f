//! Chest CT volumes: readers, geometry, Hounsfield units, and preprocessing as data.
//!
//! ```text
//! scan on disk ─read→ Volume (stored values + geometry) ─recipe→ model input
//! ```
//!
//! The crate holds no tensor engine and no command line.

mod error;
mod geometry;
mod hu;
mod orientation;
mod volume;
mod voxels;

pub use error::{Fault, Result, VolumeError};
pub use geometry::{Geometry, GeometryFault, Vec3, clean_mm};
pub use hu::{Hu, Rescale};
pub use orientation::{AxisCode, AxisMap, Orientation, OrientationParseError};
pub use volume::{Format, ScanFacts, Volume};
pub use voxels::{Voxel, VoxelType, Voxels};
