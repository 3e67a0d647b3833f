//! Causal language models: one decoder for LLaMA, Qwen, GPT-2, GPT-NeoX, OPT and BioGPT.
//!
//! Plain Rust without a tensor engine. Weights stay in the precision of their file, 32-bit,
//! bfloat16 or block-quantised, rearranged into panels of eight rows for eight-lane kernels.
//!
//! Sequences need not be of one length: a batch is a list of [`Segment`]s, each the next tokens
//! (or embeddings) of one sequence, and no padding ever enters the computation.

mod attention;
mod blocks;
mod cache;
mod config;
mod config_gguf;
mod config_hf;
mod elementwise;
mod forward;
pub mod gradient;
mod load;
mod matrix;
mod names;
mod panels;
mod pool;
mod rotary;
mod rounded;
mod rows;
mod simd;
#[cfg(feature = "burn")]
pub mod trainable;

use std::num::NonZero;
use std::path::Path;

use rad3d_weights::{Checkpoint, Loaded};

pub use cache::KvCache;
pub use config::{
    Activation, Biases, DecoderConfig, Family, Mlp, Norm, NormPlace, Pairing, Positions, Residual,
    Rotary, RotaryScaling,
};
pub use matrix::Arithmetic;

use cache::Place;
use load::Weights;
use pool::Pool;
use rows::Rows;
use simd::Isa;

use crate::{Fault, NnError, Result};

/// How a model is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LmOptions {
    /// How quantised weights meet activations.
    pub arithmetic: Arithmetic,
    /// Threads; `None` for one a processor.
    pub threads: Option<NonZero<usize>>,
}

/// A causal language model, ready to run.
///
/// Sharing one between threads is safe; calls take turns.
pub struct CausalLm {
    config: DecoderConfig,
    weights: Weights,
    loaded: Loaded,
    arithmetic: Arithmetic,
    isa: Isa,
    pool: Pool,
}

/// The next tokens of one sequence of a [`KvCache`].
///
/// A pass may hold several segments of a sequence; they follow each other in the order given.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Which sequence of the cache goes on.
    pub sequence: usize,
    /// What comes next in it.
    pub input: SegmentInput<'a>,
}

/// Tokens, by number or by their vectors.
#[derive(Debug, Clone, Copy)]
pub enum SegmentInput<'a> {
    /// Token ids.
    Ids(&'a [u32]),
    /// Vectors in the place of token embeddings: `[tokens, embedding width]`, row after row.
    Embeddings(&'a [f32]),
}

/// For which tokens of a pass logits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitsOf {
    /// The last token of each segment that ends its sequence's part of the pass.
    Last,
    /// Every token.
    All,
}

/// Scores of the vocabulary, before softmax.
#[derive(Debug, Clone)]
pub struct Logits {
    rows: Rows,
}

impl Logits {
    /// Number of tokens scored.
    pub fn count(&self) -> usize {
        self.rows.count()
    }

    /// Scores `[vocabulary]` of what follows a token. With [`LogitsOf::All`], tokens are counted
    /// through all segments; with [`LogitsOf::Last`], sequences in the order of their first segment.
    ///
    /// # Panics
    /// If `index` is not below [`Logits::count`].
    pub fn row(&self, index: usize) -> &[f32] {
        self.rows.row(index)
    }

    /// All scores, `[count, vocabulary]`.
    pub fn to_vec(&self) -> Vec<f32> {
        self.rows.to_packed()
    }
}

impl CausalLm {
    /// Builds the model that `config` describes from the tensors of `checkpoint`.
    ///
    /// # Errors
    /// [`Fault::Weights`] that lists every missing, unexpected, mis-shaped or non-finite tensor;
    /// [`Fault::Config`] for contradictory settings; [`Fault::Device`] if no threads can be started.
    pub fn new(config: DecoderConfig, checkpoint: &Checkpoint, options: LmOptions) -> Result<Self> {
        config.validate(&checkpoint.path().display().to_string())?;
        let threads = match options.threads {
            Some(threads) => threads.get(),
            None => std::thread::available_parallelism().map_or(1, NonZero::get),
        };
        let pool = Pool::new(threads)?;
        let (weights, loaded) = Weights::load(&config, checkpoint, &pool)?;
        Ok(Self {
            config,
            weights,
            loaded,
            arithmetic: options.arithmetic,
            isa: Isa::detect(),
            pool,
        })
    }

    /// Opens a Hugging Face folder (with its `config.json`) or a GGUF file.
    ///
    /// # Errors
    /// As [`CausalLm::new`], and [`Fault::Weights`] or [`Fault::Config`] for unreadable files.
    pub fn open(path: impl AsRef<Path>, options: LmOptions) -> Result<Self> {
        let path = path.as_ref();
        let checkpoint = Checkpoint::open(path).map_err(|error| {
            NnError::new(
                Fault::Weights,
                path.display().to_string(),
                "cannot be opened",
                error.hint.clone(),
            )
            .because(error)
        })?;
        let config = if path.is_dir() {
            let file = path.join("config.json");
            let text = std::fs::read_to_string(&file).map_err(|error| {
                let hint = "a Hugging Face folder holds config.json beside its weights";
                NnError::at_path(Fault::Config, &file, "cannot be read", hint).because(error)
            })?;
            DecoderConfig::from_hf(file, &text)?
        } else {
            DecoderConfig::from_gguf(&checkpoint)?
        };
        Self::new(config, &checkpoint, options)
    }

    /// The model's settings.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// What was taken from the checkpoint, and what was left.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// How quantised weights meet activations.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Changes how quantised weights meet activations, from the next pass on.
    pub fn set_arithmetic(&mut self, arithmetic: Arithmetic) {
        self.arithmetic = arithmetic;
    }

    /// Bytes of weights that one token reads: all but the rows of a token table that is not the
    /// head.
    pub fn bytes_per_token(&self) -> usize {
        let linear = |linear: &load::Linear| linear.matrix.bytes();
        let optional = |map: &Option<load::Linear>| map.as_ref().map_or(0, linear);
        let weights = &self.weights;
        let blocks: usize = weights
            .blocks
            .iter()
            .map(|block| {
                [
                    &block.query,
                    &block.key,
                    &block.value,
                    &block.output,
                    &block.up,
                    &block.down,
                ]
                .map(linear)
                .iter()
                .sum::<usize>()
                    + optional(&block.gate)
            })
            .sum();
        let head = weights.head.as_ref().map_or(weights.tokens.bytes(), linear);
        blocks + head + optional(&weights.project_in) + optional(&weights.project_out)
    }

    /// An empty cache for `sequences` sequences of up to `capacity` tokens.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if either is 0 or the model's context is shorter.
    pub fn cache(&self, sequences: usize, capacity: usize) -> Result<KvCache> {
        KvCache::new(&self.config, sequences, capacity)
    }

    /// Rows of the token table, scaled as the model scales them: `[ids, embedding width]`.
    ///
    /// Passing these as [`SegmentInput::Embeddings`] is the same as passing the ids.
    ///
    /// # Errors
    /// [`Fault::Tokens`] if an id is not below the vocabulary's size.
    pub fn embed(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let width = self.config.embedding_width;
        let mut embeddings = vec![0.0; ids.len() * width];
        for (row, &id) in embeddings.chunks_exact_mut(width).zip(ids) {
            self.embed_one(id, row)?;
        }
        Ok(embeddings)
    }

    fn embed_one(&self, id: u32, to: &mut [f32]) -> Result<()> {
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        if index >= self.config.vocabulary {
            return Err(NnError::new(
                Fault::Tokens,
                "token ids",
                format!(
                    "id {id} is outside the vocabulary of {}",
                    self.config.vocabulary
                ),
                "check that tokenizer and weights belong together",
            ));
        }
        self.weights.tokens.row(index, to);
        if self.config.embedding_scale != 1.0 {
            for value in to {
                *value *= self.config.embedding_scale;
            }
        }
        Ok(())
    }

    /// Runs the next tokens of some sequences through the model in one pass.
    ///
    /// The result of a sequence does not depend on the others in the batch, nor on how its tokens
    /// are split over passes, but for rounding.
    ///
    /// # Errors
    /// [`Fault::Tokens`] for unknown ids or sequences, empty segments and a full cache;
    /// [`Fault::Shape`] for embeddings of another width; [`Fault::NotFinite`] for NaN or infinite
    /// embeddings. The cache is left as it was.
    pub fn forward(
        &self,
        cache: &mut KvCache,
        segments: &[Segment<'_>],
        wanted: LogitsOf,
    ) -> Result<Logits> {
        let rows = self.embed_segments(segments)?;
        let before: Vec<usize> = (0..cache.sequences()).map(|s| cache.length(s)).collect();
        let places = self.claim_places(cache, segments).inspect_err(|_| {
            for (sequence, &length) in before.iter().enumerate() {
                cache.truncate(sequence, length);
            }
        })?;
        let stream = self.run_blocks(rows, &places, cache);
        let rows = match wanted {
            LogitsOf::All => self.head(&stream),
            LogitsOf::Last => self.head(&stream.select(&last_of_sequences(&places))),
        };
        Ok(Logits { rows })
    }

    fn embed_segments(&self, segments: &[Segment<'_>]) -> Result<Rows> {
        let width = self.config.embedding_width;
        let mut counts = Vec::with_capacity(segments.len());
        for segment in segments {
            let count = match segment.input {
                SegmentInput::Ids(ids) => ids.len(),
                SegmentInput::Embeddings(values) => {
                    if !values.len().is_multiple_of(width) {
                        let met = [values.len()];
                        return Err(NnError::shape("prefix embeddings", &met, &[width]));
                    }
                    if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
                        return Err(NnError::new(
                            Fault::NotFinite,
                            "prefix embeddings",
                            format!("vector {} holds {}", bad / width, values[bad]),
                            "check the model that made the prefix",
                        ));
                    }
                    values.len() / width
                }
            };
            if count == 0 {
                return Err(NnError::new(
                    Fault::Tokens,
                    "segment",
                    format!("sequence {} gets no tokens", segment.sequence),
                    "leave out segments without tokens",
                ));
            }
            counts.push(count);
        }
        let mut rows = Rows::zeros(counts.iter().sum(), width);
        let mut next = 0;
        for (segment, count) in segments.iter().zip(counts) {
            for index in 0..count {
                let row = rows.row_mut(next);
                match segment.input {
                    SegmentInput::Ids(ids) => self.embed_one(ids[index], row)?,
                    SegmentInput::Embeddings(values) => {
                        row.copy_from_slice(&values[index * width..][..width]);
                    }
                }
                next += 1;
            }
        }
        Ok(rows)
    }

    fn claim_places(&self, cache: &mut KvCache, segments: &[Segment<'_>]) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for segment in segments {
            let count = match segment.input {
                SegmentInput::Ids(ids) => ids.len(),
                SegmentInput::Embeddings(values) => values.len() / self.config.embedding_width,
            };
            let sequence = segment.sequence;
            let start = cache.extend(sequence, count)?;
            places.extend((start..start + count).map(|position| Place { sequence, position }));
        }
        Ok(places)
    }
}

/// For each sequence, in order of appearance, the index of its last token.
fn last_of_sequences(places: &[Place]) -> Vec<usize> {
    let mut last: Vec<(usize, usize)> = Vec::new();
    for (index, place) in places.iter().enumerate() {
        match last
            .iter_mut()
            .find(|(sequence, _)| *sequence == place.sequence)
        {
            Some((_, found)) => *found = index,
            None => last.push((place.sequence, index)),
        }
    }
    last.into_iter().map(|(_, index)| index).collect()
}
