//! Synthetic chest CTs with labels and reports. **They show no patient.**
//!
//! A seed becomes a [`FactSheet`] (age, size, which of CT-RATE's 18 abnormalities, where, how
//! much). From the same facts come a [`Scene`], which a [`Scanner`] turns into Hounsfield units,
//! and a report by a grammar. Nothing is taken from anybody's scan or report.
//!
//! ```
//! use rad3d_phantom::{FactSheet, Scanner, Scene};
//!
//! let facts = FactSheet::sample(7);
//! let scanner = Scanner::coarse(&facts, 12.0);
//! let voxels = Scene::new(&facts).scan(&scanner);
//! assert_eq!(voxels.len(), scanner.dims_ijk.iter().product::<usize>());
//! ```

pub mod error;
pub mod facts;
mod grid;
mod random;
mod render;
mod report;
mod scene;
mod write;

pub use error::{PhantomError, Result};
pub use facts::{FactSheet, Finding, Lobe, Severity, Sex, Side};
pub use grid::{Scanner, ScannerKind};
pub use report::Phrasing;
pub use scene::{Marker, Scene};
pub use write::{Layout, NOTICE, Order, Written};
