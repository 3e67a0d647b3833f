//! Text to token ids and back, from a `tokenizer.json` or from a GGUF's own vocabulary.

mod folder;
mod from_gguf;
mod stream;

use std::path::{Path, PathBuf};

pub use stream::TextStream;

use crate::error::{Fault, Result, WeightsError};
use crate::{Checkpoint, Format};

/// A language model's tokenizer, with its special tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    /// Put before and after a text by us; for a `tokenizer.json` its own post-processor does it.
    wrap: Wrap,
    longest: Option<usize>,
}

/// The token ids with a meaning of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<u32>,
    /// Each of them ends a text.
    pub eos: Vec<u32>,
    /// Stands for what the vocabulary lacks.
    pub unknown: Option<u32>,
    /// Fills up a batch.
    pub padding: Option<u32>,
    /// A Jinja template for chats, as the model's authors wrote it.
    pub chat_template: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Wrap {
    bos: bool,
    eos: bool,
}

impl Tokenizer {
    /// Reads the tokenizer that belongs to a model: of a GGUF file its own vocabulary, of a
    /// Hugging Face folder `tokenizer.json`.
    ///
    /// # Errors
    /// [`Fault::Tokenizer`] if there is none, or none that is known.
    pub fn of_model(checkpoint: &Checkpoint) -> Result<Self> {
        match checkpoint.format() {
            Format::Gguf => Self::from_gguf(checkpoint),
            _ if checkpoint.path().is_dir() => Self::from_folder(checkpoint.path()),
            _ => {
                let hint = "give the Hugging Face folder that holds tokenizer.json";
                let what = "comes without a tokenizer";
                Err(WeightsError::new(
                    Fault::Tokenizer,
                    checkpoint.path(),
                    what,
                    hint,
                ))
            }
        }
    }

    /// Reads a single `tokenizer.json`; special tokens stay unknown.
    ///
    /// # Errors
    /// [`Fault::Tokenizer`] if it can't be read or is no tokenizer.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|source| WeightsError::unreadable(path, source))?;
        Self::from_json(path, &text, SpecialTokens::default(), Wrap::default())
    }

    fn from_json(path: &Path, json: &[u8], special: SpecialTokens, wrap: Wrap) -> Result<Self> {
        let broken = |source| {
            let hint = "fetch tokenizer.json again from the model's page";
            WeightsError::new(Fault::Tokenizer, path, "holds no usable tokenizer", hint)
                .because(source)
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(broken)?;
        // Left over from the run that saved the file; `transformers` sets both anew for each call.
        inner.with_truncation(None).map_err(broken)?;
        inner.with_padding(None);
        Ok(Self {
            path: path.to_owned(),
            inner,
            special,
            wrap,
            longest: None,
        })
    }

    /// Token ids of `text`. With `special`, the tokens that the model wants around every text
    /// (often a BOS) are added; special tokens spelt out in the text become themselves either way.
    ///
    /// # Errors
    /// [`Fault::Tokenizer`] if the text has characters that the vocabulary can't express.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, special).map_err(|source| {
            let hint = "the tokenizer's vocabulary lacks a piece; check the file";
            WeightsError::new(Fault::Tokenizer, &self.path, "cannot encode a text", hint)
                .because(source)
        })?;
        let mut ids = Vec::with_capacity(encoding.len() + 2);
        if special && self.wrap.bos {
            ids.extend(self.special.bos);
        }
        ids.extend_from_slice(encoding.get_ids());
        if special && self.wrap.eos {
            ids.extend(self.special.eos.first());
        }
        Ok(ids)
    }

    /// Text of token ids; with `skip_special` the special tokens leave no trace.
    ///
    /// Bytes that form no character become U+FFFD; ids beyond the vocabulary are skipped.
    ///
    /// # Errors
    /// [`Fault::Tokenizer`] if the decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.inner.decode(ids, skip_special).map_err(|source| {
            let hint = "check the tokenizer's file";
            WeightsError::new(Fault::Tokenizer, &self.path, "cannot decode tokens", hint)
                .because(source)
        })
    }

    /// Decodes token by token, as they are generated.
    #[must_use]
    pub fn stream(&self, skip_special: bool) -> TextStream<'_> {
        TextStream::new(self, skip_special)
    }

    /// The most tokens that the model takes, its own around the text included, where
    /// `tokenizer_config.json` says so (`model_max_length`).
    #[must_use]
    pub fn longest_text(&self) -> Option<usize> {
        self.longest
    }

    /// The special tokens.
    #[must_use]
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// Id of a token spelt exactly so.
    #[must_use]
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Number of tokens, added ones included.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The largest id that encoding may give.
    #[must_use]
    pub fn largest_id(&self) -> Option<u32> {
        self.inner.get_vocab(true).into_values().max()
    }

    /// Checks that each token has a row in an embedding of `rows` rows.
    ///
    /// An embedding may have more rows than the tokenizer has tokens (padding to a round number
    /// is usual), never fewer.
    ///
    /// # Errors
    /// [`Fault::Tokenizer`] if a token has no row.
    pub fn check_fits(&self, rows: usize) -> Result<()> {
        let special = self.special.bos.iter().chain(&self.special.eos);
        let ids = special.copied().chain(self.largest_id());
        match ids.max() {
            Some(id) if id as usize >= rows => {
                let hint = "tokenizer and language model must come from the same release";
                let what = format!(
                    "has token {id}, where the language model's vocabulary has {rows} rows"
                );
                Err(WeightsError::new(Fault::Tokenizer, &self.path, what, hint))
            }
            Some(_) => Ok(()),
            None => {
                let hint = "fetch the tokenizer again";
                Err(WeightsError::new(
                    Fault::Tokenizer,
                    &self.path,
                    "has no tokens",
                    hint,
                ))
            }
        }
    }
}
