//! The scaling study of the paper as a matrix: which systems there are, how far each has come, and
//! what their scores say.
//!
//! [`Study`] is the settings, [`Cell`] a system, [`CellRecord`] what it left behind,
//! [`StudyFolder`] where; [`Summary`] puts the finished ones together, for [`render`] and
//! [`pictures`]. This crate trains nothing: `rad3d study run` does the work of a cell.

pub mod claims;
pub mod error;
pub mod folder;
pub mod matrix;
pub mod observed;
pub mod pca;
pub mod pictures;
pub mod record;
pub mod render;
pub mod settings;
pub mod summary;

pub use claims::{Claim, Finding, Verdict, findings};
pub use error::{Fault, Result, StudyError};
pub use folder::{Lock, StudyFolder, WorkFolder, hash_of};
pub use matrix::{Cell, MapperCell, Mode, Shard};
pub use observed::{Difference, Draws, Observed, contrast};
pub use record::{CellRecord, Finished, Judged, Outcome, Prefixes, Score, TestRecord};
pub use settings::{Llm, Study, Test};
pub use summary::{Row, Summary};
