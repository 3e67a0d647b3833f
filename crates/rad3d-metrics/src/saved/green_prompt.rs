//! What GREEN's language model is asked (spec `metrics` 6).

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Fault, MetricsError, Result};
use crate::text::Tokens;

/// Stands for the reference in a template.
const REFERENCE: &str = "{reference}";
/// Stands for the report that is judged.
const CANDIDATE: &str = "{candidate}";
/// Words of a report that are shown to the model, as in the authors' program.
const WORDS: usize = 300;

/// A template with the places of both reports.
///
/// The authors' wording is theirs to give; whoever runs their model takes it from their package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreenPrompt {
    path: PathBuf,
    template: String,
}

impl GreenPrompt {
    /// Reads a template from a text file. One line break at its end is the editor's, not the
    /// template's.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, or lacks `{reference}` or `{candidate}`.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| MetricsError::unreadable(path, error))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            let hint = "save the file as UTF-8";
            MetricsError::new(Fault::Data, path, "is not UTF-8", hint)
        })?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Self::new(path, text.strip_suffix('\r').unwrap_or(text))
    }

    /// A template; `path` is what errors and provenance call it.
    ///
    /// # Errors
    /// It lacks `{reference}` or `{candidate}`.
    pub fn new(path: &Path, template: &str) -> Result<Self> {
        let places = [REFERENCE, CANDIDATE];
        let lacking = places.into_iter().filter(|place| !template.contains(place));
        let lacking: Vec<&str> = lacking.collect();
        if !lacking.is_empty() {
            let what = format!("has no {}", lacking.join(" and no "));
            let hint = "write {reference} and {candidate} where the two reports belong";
            return Err(MetricsError::new(Fault::Data, path, what, hint));
        }
        Ok(Self {
            path: path.to_owned(),
            template: template.to_owned(),
        })
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the template, in hex.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex_sha256(&[&self.template])
    }

    /// The whole text that the model goes on with: the template with the first 300 words of each
    /// report, one space between them, in the chat of the authors' model (which has an empty turn
    /// before the answer).
    #[must_use]
    pub fn chat(&self, reference: &str, candidate: &str) -> String {
        let prompt = self.filled(&first_words(reference), &first_words(candidate));
        format!("<|user|>\n{prompt}</s>\n<|assistant|>\n</s>\n<|assistant|>\n")
    }

    /// In one pass, so that braces in a report stay what they are.
    fn filled(&self, reference: &str, candidate: &str) -> String {
        let mut filled = String::new();
        let mut rest = self.template.as_str();
        loop {
            let places = [(REFERENCE, reference), (CANDIDATE, candidate)];
            let found = places.into_iter().filter_map(|(place, text)| {
                let (before, after) = rest.split_once(place)?;
                Some((before, text, after))
            });
            let Some((before, text, after)) = found.min_by_key(|(before, ..)| before.len()) else {
                filled.push_str(rest);
                return filled;
            };
            filled.push_str(before);
            filled.push_str(text);
            rest = after;
        }
    }
}

fn first_words(report: &str) -> String {
    let words = Tokens::white_space(report);
    words.iter().take(WORDS).collect::<Vec<_>>().join(" ")
}

/// SHA-256 of the parts with a byte between them that no text holds, in hex.
pub(super) fn hex_sha256(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hasher.update([0xff]);
        }
        hasher.update(part);
    }
    let digest = hasher.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
