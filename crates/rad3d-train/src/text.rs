//! Target texts and their tokens.

use std::ops::Range;

use rad3d_report::{Labeler, Report};
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

/// Where, in bytes of [`target_text`], the sentences lie that assert one of the labels.
#[must_use]
pub fn asserting_spans(
    target: MapperTarget,
    report: &Report,
    labeler: &Labeler,
) -> Vec<Range<usize>> {
    let text = target_text(target, report);
    let labeled = labeler.label(report);
    let mut from = 0;
    let mut spans = Vec::new();
    for labeled in &labeled.sentences {
        let sentence = report.text_of(&labeled.sentence);
        // A sentence of the section that is no target isn't found.
        let Some(found) = text[from..].find(sentence) else {
            continue;
        };
        let span = from + found..from + found + sentence.len();
        from = span.end;
        if labeled.mentions.iter().any(|mention| mention.counts) {
            spans.push(span);
        }
    }
    spans
}

/// `weight` for each token that adds to one of the `spans` of the text, 1 for the others.
///
/// # Errors
/// Whatever the tokenizer reports.
pub fn token_weights(
    tokenizer: &Tokenizer,
    tokens: &[u32],
    spans: &[Range<usize>],
    weight: f32,
) -> Result<Vec<f32>> {
    let mut stream = tokenizer.stream(true);
    let mut end = 0;
    let mut weights = Vec::with_capacity(tokens.len());
    for &token in tokens {
        let start = end;
        end += stream.push(token)?.len();
        let adds = |span: &Range<usize>| start < span.end && end > span.start;
        weights.push(if spans.iter().any(adds) { weight } else { 1.0 });
    }
    Ok(weights)
}
