//! Text encoders: BERT, RoBERTa and DistilBERT, for metrics that compare tokens in context, and
//! classifiers on top of them.
//!
//! ```text
//! token ids → token + position + type → LayerNorm → blocks → hidden states
//! ```
//!
//! A block adds what its attention gathers, normalises, adds what its feed-forward part makes,
//! and normalises again. Texts are laid end to end, each attending to itself alone, so that no
//! padding is computed and the length of one text changes nothing in another.

pub mod classifier;
mod config;
mod layers;
mod weights;

use std::path::{Path, PathBuf};

use rad3d_weights::Checkpoint;
use rayon::prelude::*;

use crate::cpu::Isa;
use crate::{Fault, NnError, Result};

pub use classifier::TextClassifier;
pub use config::{EncoderActivation, EncoderFamily, TextEncoderConfig};
use weights::Weights;

/// Tokens that one task works on: enough rows for the matrix product, few enough for the cache.
const TOKENS_TOGETHER: usize = 512;

/// A text encoder on the CPU, in f32, on all cores.
#[derive(Debug)]
pub struct TextEncoder {
    config: TextEncoderConfig,
    weights: Weights,
    isa: Isa,
}

impl TextEncoder {
    /// Opens a Hugging Face folder: `config.json` and weights (safetensors or PyTorch).
    ///
    /// # Errors
    /// [`Fault::Config`] for a configuration that is missing or not supported, [`Fault::Weights`]
    /// for weights that are missing, damaged or of other shapes.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let (path, text) = read_config(folder)?;
        let config = TextEncoderConfig::from_hf(&path, &text)?;
        let checkpoint = open_checkpoint(folder)?;
        let mut loader = weights::loader(&checkpoint);
        let root = weights::root_of(&checkpoint)?;
        let weights = Weights::take(&config, &mut loader, &root)?;
        weights::finish(loader)?;
        Ok(Self::new(config, weights))
    }

    fn new(config: TextEncoderConfig, weights: Weights) -> Self {
        Self {
            config,
            weights,
            isa: Isa::detect(),
        }
    }

    /// Its sizes.
    #[must_use]
    pub fn config(&self) -> &TextEncoderConfig {
        &self.config
    }

    /// Hidden states `[tokens, width]` of each text after `layer` blocks; 0 gives what enters the
    /// first.
    ///
    /// # Errors
    /// [`Fault::Tokens`] for an empty text, one longer than [`TextEncoderConfig::context`], an id
    /// beyond the vocabulary, or a layer that the encoder lacks.
    pub fn encode(&self, texts: &[&[u32]], layer: usize) -> Result<Vec<Vec<f32>>> {
        let Some(blocks) = self.weights.blocks.get(..layer) else {
            let what = format!("has {} layers, asked for layer {layer}", self.config.layers);
            let hint = "ask for a layer that it has";
            return Err(NnError::new(Fault::Tokens, "text encoder", what, hint));
        };
        texts.iter().try_for_each(|text| self.check(text))?;
        let batches: Vec<Vec<Vec<f32>>> = batches(texts)
            .into_par_iter()
            .map(|texts| {
                let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
                let mut x = layers::embed(self.isa, &self.config, &self.weights, texts);
                for block in blocks {
                    block.apply(self.isa, &self.config, &lengths, &mut x);
                }
                let mut rest = &x[..];
                let part = |length: usize| {
                    let (own, others) = rest.split_at(length * self.config.width);
                    rest = others;
                    own.to_vec()
                };
                lengths.into_iter().map(part).collect()
            })
            .collect();
        Ok(batches.into_iter().flatten().collect())
    }

    fn check(&self, text: &[u32]) -> Result<()> {
        let fault =
            |what: String, hint: &str| Err(NnError::new(Fault::Tokens, "text encoder", what, hint));
        let (context, vocabulary) = (self.config.context(), self.config.vocabulary);
        if text.is_empty() || text.len() > context {
            let what = format!("got a text of {} tokens, takes 1 to {context}", text.len());
            return fault(what, "cut the text");
        }
        match text.iter().find(|id| **id as usize >= vocabulary) {
            Some(id) => {
                let what = format!("got token {id}, its vocabulary has {vocabulary}");
                fault(
                    what,
                    "tokenizer and encoder must come from the same release",
                )
            }
            None => Ok(()),
        }
    }
}

/// The path and the text of a folder's `config.json`.
fn read_config(folder: &Path) -> Result<(PathBuf, String)> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let hint = "give a Hugging Face folder: config.json, tokenizer.json and weights";
        NnError::at_path(Fault::Config, &path, "cannot be read", hint).because(error)
    })?;
    Ok((path, text))
}

fn open_checkpoint(folder: &Path) -> Result<Checkpoint> {
    Checkpoint::open(folder).map_err(|error| {
        let (what, hint) = (error.what.clone(), error.hint.clone());
        NnError::at_path(Fault::Weights, &error.path, what, hint).because(error)
    })
}

/// Texts in a row, as many as make about [`TOKENS_TOGETHER`] tokens.
fn batches<'a, 'b>(texts: &'b [&'a [u32]]) -> Vec<&'b [&'a [u32]]> {
    let mut batches = Vec::new();
    let mut rest = texts;
    while !rest.is_empty() {
        let mut tokens = 0;
        let fits = |text: &&&[u32]| {
            tokens += text.len();
            tokens <= TOKENS_TOGETHER
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, others) = rest.split_at(count);
        batches.push(batch);
        rest = others;
    }
    batches
}
