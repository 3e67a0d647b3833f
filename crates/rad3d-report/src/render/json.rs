//! A draft for programs.

use serde::Serialize;

use crate::draft::{Draft, RESEARCH_NOTICE};
use crate::error::{Fault, ReportError, Result};

/// The draft as one JSON object, indented: the notice, then [`Draft`]'s fields. Places in the
/// text are in bytes of the section's UTF-8.
///
/// # Errors
/// A number in the draft is not finite.
pub fn json(draft: &Draft) -> Result<String> {
    #[derive(Serialize)]
    struct Whole<'a> {
        notice: &'a str,
        #[serde(flatten)]
        draft: &'a Draft,
    }
    let numbers = draft
        .timings
        .iter()
        .map(|timing| timing.seconds)
        .chain(draft.mean_token_log_probability)
        .chain(
            draft
                .embedding
                .iter()
                .flat_map(|e| [e.distance, e.typical, e.limit]),
        )
        .chain(
            draft
                .agreement
                .sentences
                .iter()
                .filter_map(|sentence| sentence.mean_token_log_probability),
        );
    // JSON has no word for them, and serde_json would write null without a word.
    if let Some(number) = numbers.into_iter().find(|number| !number.is_finite()) {
        let what = format!("holds the number {number}, which JSON cannot");
        let hint = "this is a fault of the program that made the draft; please report it";
        return Err(ReportError::new(Fault::Draft, "draft", what, hint));
    }
    serde_json::to_string_pretty(&Whole {
        notice: RESEARCH_NOTICE,
        draft,
    })
    .map_err(|error| {
        ReportError::new(
            Fault::Draft,
            "draft",
            "cannot be written as JSON",
            "please report it",
        )
        .because(error)
    })
}
