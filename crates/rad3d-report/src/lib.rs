//! Chest CT reports as data: label sets, the rule-based labeler, the agreement check, and drafts
//! written as text, Markdown, JSON or one HTML page.
//!
//! The path through the crate: a [`Report`] (findings and impression) goes through the
//! [`Labeler`] and comes out as [`LabeledReport`] (who says what, and where); held against the
//! classifier it makes an [`Agreement`], and with all a reader needs a [`Draft`], which `render`
//! writes down.

pub mod agreement;
pub mod confidence;
pub mod draft;
pub mod error;
pub mod evaluate;
pub mod label_set;
pub mod labeler;
pub mod render;
pub mod report;
mod sentences;
pub mod table;

pub use agreement::{Agreement, CheckedSentence, Claim, Classified, ClassifiedLabel, Verdict};
pub use confidence::{Writing, WrittenToken};
pub use draft::{Draft, EmbeddingDistance, Provenance, RESEARCH_NOTICE, Timing};
pub use error::{Fault, ReportError, Result};
pub use evaluate::{Confusion, Evaluation};
pub use label_set::{CT_RATE_LABELS, LabelSet, LabelValues};
pub use labeler::{LabeledReport, LabeledSentence, Labeler, Mention, Status};
pub use render::{Picture, Window};
pub use report::{Report, Section, Sentence, Span};
pub use table::{LabelWriter, ReportRow, ReportTable};
