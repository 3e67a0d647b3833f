//! A [`Draft`] as text, Markdown, JSON or HTML: pure functions, nothing is written to disk.
//!
//! All four say the same: the report, every probability with its threshold, every disagreement
//! between text and classifier, and [`RESEARCH_NOTICE`](crate::draft::RESEARCH_NOTICE).

mod html;
mod json;
mod plain;

pub use html::{Picture, Window, html};
pub use json::json;
pub use plain::{markdown, text};
