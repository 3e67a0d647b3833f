//! Target texts and their tokens.

use rad3d_report::Report;
use rad3d_weights::{MapperKind, MapperTarget, Tokenizer};

use crate::error::{Fault, Result, TrainError};

/// R2GenGPT's prompt: the image between its marks, and the request.
const R2GENGPT_PROMPT: &str =
    "Human: <Img><ImageHere></Img> Describe this chest CT in a detailed report. \nAssistant:";

/// The prompt around the prefix, with `<ImageHere>` in the prefix's place: the one given, else
/// R2GenGPT's own for that projector, else none.
#[must_use]
pub fn prompt_of(given: Option<&str>, projector: MapperKind) -> Option<&str> {
    match (given, projector) {
        (None, MapperKind::R2GenGpt) => Some(R2GENGPT_PROMPT),
        (given, _) => given,
    }
}

/// The text of a report that the language model is to write; both sections stand behind their
/// headings, one a line.
#[must_use]
pub fn target_text(target: MapperTarget, report: &Report) -> String {
    let Report {
        findings,
        impression,
    } = report;
    match target {
        MapperTarget::Findings => findings.clone(),
        MapperTarget::Impression => impression.clone(),
        MapperTarget::Both => format!("Findings: {findings}\nImpression: {impression}"),
    }
}

/// The tokens of `text` and the token that ends it, at most `longest` in all.
///
/// # Errors
/// [`Fault::Settings`] for a length of 0 and for a tokenizer that names no end of text; whatever it
/// reports itself.
pub fn target_tokens(tokenizer: &Tokenizer, text: &str, longest: usize) -> Result<Vec<u32>> {
    let Some(&end) = tokenizer.special().eos.first() else {
        let what = "names no token that ends a text";
        let hint = "set eos_token in its tokenizer_config.json";
        return Err(TrainError::new(Fault::Settings, "tokenizer", what, hint));
    };
    if longest == 0 {
        let what = "a target of no tokens can't be learnt";
        let hint = "raise max-tokens or context";
        return Err(TrainError::new(Fault::Settings, "settings", what, hint));
    }
    let mut tokens = tokenizer.encode(text, false)?;
    tokens.push(end);
    tokens.truncate(longest);
    Ok(tokens)
}
