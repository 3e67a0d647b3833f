//! Target texts and their tokens.

use rad3d_report::Report;
use rad3d_weights::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result, TrainError};

/// What of a report is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The findings section.
    Findings,
    /// The impression section.
    Impression,
    /// Both, each behind its heading.
    #[default]
    Both,
}

impl Target {
    /// The text that the language model is to write.
    #[must_use]
    pub fn text(self, report: &Report) -> String {
        let Report {
            findings,
            impression,
        } = report;
        match self {
            Self::Findings => findings.clone(),
            Self::Impression => impression.clone(),
            Self::Both => format!("Findings: {findings}\nImpression: {impression}"),
        }
    }
}

/// The tokens of `text` and the token that ends it, at most `longest` in all.
///
/// # Errors
/// [`Fault::Settings`] for a tokenizer that names no end of text; whatever it reports itself.
pub fn target_tokens(tokenizer: &Tokenizer, text: &str, longest: usize) -> Result<Vec<u32>> {
    let Some(&end) = tokenizer.special().eos.first() else {
        let what = "names no token that ends a text";
        let hint = "set eos_token in its tokenizer_config.json";
        return Err(TrainError::new(Fault::Settings, "tokenizer", what, hint));
    };
    let mut tokens = tokenizer.encode(text, false)?;
    tokens.push(end);
    tokens.truncate(longest);
    Ok(tokens)
}
