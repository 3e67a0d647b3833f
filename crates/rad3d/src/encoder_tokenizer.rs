//! A text encoder's tokenizer: every text between its two end tokens, none too long.

use std::path::Path;

use rad3d_nn::text_encoder::TextEncoderConfig;
use rad3d_weights::{Tokenizer, WeightsError};

use crate::exit::UsageError;

/// The tokenizer of a BERT, RoBERTa or DistilBERT.
#[derive(Debug)]
pub(crate) struct EncoderTokenizer {
    tokenizer: Tokenizer,
    ends: [u32; 2],
    longest: usize,
}

impl EncoderTokenizer {
    /// Reads `tokenizer.json` of the encoder's folder.
    pub(crate) fn open(folder: &Path, encoder: &TextEncoderConfig) -> anyhow::Result<Self> {
        let tokenizer = Tokenizer::from_folder(folder)?;
        tokenizer.check_fits(encoder.vocabulary)?;
        let ends = match tokenizer.encode("", true)?[..] {
            [first, last] => [first, last],
            ref other => {
                let what = format!(
                    "{}: its tokenizer puts {} tokens around a text, not 2",
                    folder.display(),
                    other.len()
                );
                let hint = "give the folder of a BERT, RoBERTa or DistilBERT";
                return Err(UsageError::new(what, hint).into());
            }
        };
        let longest = tokenizer.longest_text().unwrap_or(usize::MAX);
        Ok(Self {
            longest: longest.min(encoder.context()).max(2),
            tokenizer,
            ends,
        })
    }

    /// The tokens that begin and end every text.
    pub(crate) fn ends(&self) -> [u32; 2] {
        self.ends
    }

    /// Most tokens of a text, its ends included.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Token ids with the ends; what is too long loses its last words.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, WeightsError> {
        let mut ids = self.tokenizer.encode(text, true)?;
        if ids.len() > self.longest {
            ids.truncate(self.longest - 1);
            ids.push(self.ends[1]);
        }
        Ok(ids)
    }
}
