//! Reader studies: radiologists judge reports without knowing who wrote them.
//!
//! [`Design::draw`] decides who reads what in which order and keeps it in a [`Key`];
//! [`SheetMaker`] makes one page a reader that works offline; [`Ratings`] lays the key over the
//! answers that come back, and [`Analysis`] says how far readers agree and which system they rate
//! higher. What is asked stands in [`questions`]. See `docs/how-to-reader-study.md`.

mod analysis;
mod answers;
mod design;
mod error;
mod key;
mod material;
mod pictures;
pub mod questions;
mod random;
mod ratings;
pub mod render;
mod sheet;
pub mod statistics;

pub use analysis::{
    Agreement, Analysis, Comparison, Erring, Kind, Preference, Rank, Remark, SystemMean,
};
pub use answers::{Answers, ReadingAnswers, ReportAnswers};
pub use design::{Design, ReferenceRole};
pub use error::{Fault, ReaderStudyError, Result};
pub use key::{Key, ReaderKey, ReadingKey};
pub use material::{Material, REFERENCE, System};
pub use pictures::Pictures;
pub use ratings::{Owed, Rating, Ratings};
pub use sheet::SheetMaker;
