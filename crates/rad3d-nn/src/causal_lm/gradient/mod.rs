//! The loss of a LLaMA-like decoder and its gradient, written out for CPUs.
//!
//! A general engine keeps every intermediate result of a batch and works through element-wise
//! operations on one core. Here each core works off a stack of two sequences at a time, without
//! padding; a frozen model keeps six arrays a block and no gradient of weights is computed; and
//! logits exist for predicted tokens alone.
//!
//! Floating-point operations of a sequence of `n` tokens through a frozen model of `p` parameters
//! in blocks and head: `2·n·p` forwards and `2·n·p` backwards (gradients of activations), beside
//! attention; a trained model adds `2·n·p` for the weights. [`GradientDecoder::operations`] says it
//! exactly, [`BatchGradient::operations`] counts what was done.

mod block;
mod layout;
mod ops;

use std::ops::Range;

use rayon::prelude::*;

use super::CausalLm;
use super::config::{Activation, DecoderConfig, Mlp, Norm, NormPlace, Positions, Residual};
use super::rotary::RotaryTable;
use crate::cpu::Isa;
use crate::matmul::Matrix;
use block::{Block, Kept, Operations};
pub use layout::Parameter;
use layout::{BlockLayout, Layout};
use ops::{add, add_rms_norm_back, cross_entropy, rms_norm};

/// Sequences that go through the model together: weights are fetched and packed once for them, and
/// what is kept for the way back still fits several times in memory. Fixed, as the next.
const STACK: usize = 2;
/// Stacks are gathered in so many sums of gradients, which are then added in order: results
/// don't depend on the number of cores.
const GROUPS: usize = 4;

/// A decoder's weights in one row of numbers, and its loss with gradients.
#[derive(Debug, Clone)]
pub struct GradientDecoder {
    config: DecoderConfig,
    layout: Layout,
    epsilon: f32,
    isa: Isa,
    weights: Vec<f32>,
}

/// One sequence to learn.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Embeddings `[tokens, width]`.
    pub embeddings: Vec<f32>,
    /// Token of each embedding that came from the token table: its row's gradient is added to.
    pub ids: Vec<Option<u32>>,
    /// What is predicted: at which position, and which token.
    pub targets: Vec<(usize, u32)>,
    /// How much each target counts in the mean; empty where all count the same.
    pub weights: Vec<f32>,
}

/// The result for a batch.
#[derive(Debug, Clone)]
pub struct BatchGradient {
    /// Mean cross-entropy over all targets, by their weights.
    pub loss: f64,
    /// Its gradient with respect to each sequence's embeddings.
    pub embeddings: Vec<Vec<f32>>,
    /// And to the weights, in the order of [`GradientDecoder::weights`]; empty if not asked for.
    pub weights: Vec<f32>,
    /// Floating-point operations of the matrix products that it took.
    pub operations: u64,
}

/// Where gradients of weights go.
struct Weights<'a> {
    gradient: &'a mut [f32],
    /// See [`Block::accumulate`].
    accumulate: bool,
}

/// A prediction of a stack.
struct Target {
    /// The predicting row of the stack.
    row: usize,
    /// The right answer.
    token: usize,
    /// How much it counts.
    weight: f32,
}

/// What one group of a batch's stacks gives.
struct Group {
    /// Sum of losses and gradients of the embeddings, stack by stack.
    found: Vec<(f64, Vec<Vec<f32>>)>,
    /// Sum of gradients of the weights.
    weights: Vec<f32>,
}

impl GradientDecoder {
    /// The weights of `model` as floats; `None` for a family that only the general engine trains
    /// (anything but LLaMA's: RMSNorm, rotation, gated SiLU, no biases).
    #[must_use]
    pub fn new(model: &CausalLm) -> Option<Self> {
        let config = model.config.clone();
        let Norm::RmsNorm { eps } = config.norm else {
            return None;
        };
        let biases = config.biases.qkv || config.biases.output || config.biases.mlp;
        let is_llama = matches!(config.positions, Positions::Rotary(_))
            && config.mlp == Mlp::Gated(Activation::Silu)
            && config.norm_place == NormPlace::Before
            && config.residual == Residual::Sequential
            && config.final_norm
            && !biases
            && !config.query_key_norm
            && config.embedding_width == config.width
            && config.embedding_scale == 1.0;
        if !is_llama {
            return None;
        }
        let layout = Layout::new(&config);
        let weights = layout.gather(&model.weights);
        Some(Self {
            config,
            layout,
            epsilon: eps,
            isa: Isa::detect(),
            weights,
        })
    }

    /// The model's settings.
    #[must_use]
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// All weights.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Puts other weights in their place; a row of another length is refused.
    #[must_use]
    pub fn set_weights(&mut self, weights: Vec<f32>) -> bool {
        let fits = weights.len() == self.weights.len();
        if fits {
            self.weights = weights;
        }
        fits
    }

    /// Where each parameter lies in the weights, under Hugging Face's names.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.layout.parameters.iter()
    }

    /// Embeddings `[tokens, width]` of token ids.
    #[must_use]
    pub fn embed(&self, ids: &[u32]) -> Vec<f32> {
        let (width, table) = (self.config.width, &self.weights[self.layout.tokens.clone()]);
        ids.iter()
            .flat_map(|&id| &table[id as usize * width..][..width])
            .copied()
            .collect()
    }

    /// The loss of a batch without gradients.
    #[must_use]
    pub fn loss(&self, batch: &[Sequence]) -> f64 {
        let operations = Operations::default();
        let sums: Vec<f64> = batch
            .par_chunks(STACK)
            .map(|stack| self.stack(stack, 1.0, None, false, &operations).0)
            .collect();
        sums.iter().sum::<f64>() / total_weight(batch)
    }

    /// Loss and gradients of a batch; those of the weights only if `train` says so.
    #[must_use]
    pub fn gradient(&self, batch: &[Sequence], train: bool) -> BatchGradient {
        let count = total_weight(batch);
        let share = (1.0 / count) as f32;
        let stacks: Vec<&[Sequence]> = batch.chunks(STACK).collect();
        let operations = Operations::default();
        let groups: Vec<Group> = (0..GROUPS.min(stacks.len()))
            .into_par_iter()
            .map(|group| {
                let mut sum = vec![0.0; if train { self.weights.len() } else { 0 }];
                let members = stacks.iter().skip(group).step_by(GROUPS).enumerate();
                let found = members
                    .map(|(place, stack)| {
                        let weights = train.then_some(Weights {
                            gradient: &mut sum,
                            accumulate: place > 0,
                        });
                        self.stack(stack, share, weights, true, &operations)
                    })
                    .collect();
                Group {
                    found,
                    weights: sum,
                }
            })
            .collect();
        let mut embeddings = vec![Vec::new(); batch.len()];
        let mut weights: Vec<f32> = Vec::new();
        let mut losses = vec![0.0; stacks.len()];
        for (index, group) in groups.into_iter().enumerate() {
            for (place, (loss, gradients)) in group.found.into_iter().enumerate() {
                let stack = index + place * GROUPS;
                losses[stack] = loss;
                for (to, gradient) in embeddings[stack * STACK..].iter_mut().zip(gradients) {
                    *to = gradient;
                }
            }
            if weights.is_empty() {
                weights = group.weights;
            } else {
                add(self.isa, &mut weights, &group.weights);
            }
        }
        BatchGradient {
            loss: losses.iter().sum::<f64>() / count,
            embeddings,
            weights,
            operations: operations.total(),
        }
    }

    /// Floating-point operations of the matrix products of [`GradientDecoder::gradient`], with pencil
    /// and paper: 2 for each weight that each token meets, 2 again for the gradient of what goes in
    /// and, if `train` says so, 2 for the weight's own. Attention has two products of `[tokens, tokens]`
    /// a head forwards, and four backwards.
    #[must_use]
    pub fn operations(&self, batch: &[Sequence], train: bool) -> u64 {
        let config = &self.config;
        let block = |layout: &BlockLayout| {
            let maps = [
                &layout.query,
                &layout.key,
                &layout.value,
                &layout.output,
                &layout.gate,
                &layout.up,
                &layout.down,
            ];
            maps.iter().map(|range| range.len()).sum::<usize>()
        };
        let in_blocks: usize = self.layout.blocks.iter().map(block).sum();
        let in_head = config.vocabulary * config.width;
        let passes = if train { 6 } else { 4 };
        let sequence = |sequence: &Sequence| {
            let tokens = sequence.embeddings.len() / config.width;
            let attention = 12 * tokens * tokens * config.query_width() * config.layers;
            passes * (tokens * in_blocks + sequence.targets.len() * in_head) + attention
        };
        batch.iter().map(sequence).sum::<usize>() as u64
    }

    /// Weighted sum of a stack's losses, and the gradients of `share` times it with respect to the embeddings
    /// of each sequence.
    fn stack(
        &self,
        stack: &[Sequence],
        share: f32,
        weights: Option<Weights<'_>>,
        backward: bool,
        operations: &Operations,
    ) -> (f64, Vec<Vec<f32>>) {
        let (config, layout) = (&self.config, &self.layout);
        let width = config.width;
        let mut tokens = 0;
        let spans: Vec<Range<usize>> = stack
            .iter()
            .map(|sequence| {
                let start = tokens;
                tokens += sequence.embeddings.len() / width;
                start..tokens
            })
            .collect();
        let Positions::Rotary(rotary) = &config.positions else {
            return (f64::NAN, Vec::new());
        };
        let longest = spans.iter().map(Range::len).max().unwrap_or(0);
        let table = RotaryTable::new(rotary, longest);
        let accumulate = weights.as_ref().is_some_and(|weights| weights.accumulate);
        let mut gradient = weights.map(|weights| weights.gradient);
        let block = |layout| Block {
            config,
            layout,
            weights: &self.weights,
            epsilon: self.epsilon,
            isa: self.isa,
            table: &table,
            spans: &spans,
            tokens,
            operations,
            accumulate,
        };
        let mut stream: Vec<f32> = Vec::with_capacity(tokens * width);
        for sequence in stack {
            stream.extend(&sequence.embeddings);
        }
        let mut kept: Vec<Kept> = Vec::new();
        for layout in &layout.blocks {
            let (next, keep) = block(layout).forward(stream, gradient.is_some());
            stream = next;
            if backward {
                kept.push(keep);
            }
        }
        let targets: Vec<Target> = stack
            .iter()
            .zip(&spans)
            .flat_map(|(sequence, span)| {
                let targets = sequence.targets.iter().enumerate();
                targets.map(|(place, &(position, token))| Target {
                    row: span.start + position,
                    token: token as usize,
                    weight: sequence.weight(place),
                })
            })
            .collect();
        let weights = gradient.as_deref_mut().map(|gradient| Weights {
            gradient,
            accumulate,
        });
        let (loss, mut back) = self.head(&stream, &targets, share, weights, backward, operations);
        if !backward {
            return (loss, Vec::new());
        }
        for (layout, keep) in layout.blocks.iter().zip(kept).rev() {
            back = block(layout).backward(back, keep, gradient.as_deref_mut());
        }
        if let Some(gradient) = gradient {
            let table = &mut gradient[layout.tokens.clone()];
            let ids = stack.iter().flat_map(|sequence| &sequence.ids);
            for (row, id) in back.chunks_exact(width).zip(ids) {
                if let Some(id) = id {
                    let place = &mut table[*id as usize * width..][..width];
                    add(self.isa, place, row);
                }
            }
        }
        let parts = spans
            .iter()
            .map(|span| back[span.start * width..span.end * width].to_vec());
        (loss, parts.collect())
    }

    /// Final norm, logits and cross-entropy of the predicting rows; returns the gradient with
    /// respect to the residual stream.
    fn head(
        &self,
        stream: &[f32],
        targets: &[Target],
        share: f32,
        weights: Option<Weights<'_>>,
        backward: bool,
        operations: &Operations,
    ) -> (f64, Vec<f32>) {
        let (config, layout) = (&self.config, &self.layout);
        let (width, vocabulary) = (config.width, config.vocabulary);
        let rows: Vec<f32> = targets
            .iter()
            .flat_map(|target| &stream[target.row * width..][..width])
            .copied()
            .collect();
        let count = targets.len();
        let gain = &self.weights[layout.final_norm.clone()];
        let (normed, inverse) = rms_norm(self.isa, &rows, gain, self.epsilon);
        let table_range = layout.head.clone().unwrap_or(layout.tokens.clone());
        let table = Matrix::new(&self.weights[table_range.clone()], vocabulary, width);
        let mut logits = vec![0.0; count * vocabulary];
        let hidden = Matrix::new(&normed, count, width);
        let into = (&mut *logits, vocabulary);
        operations.product(hidden, table.transposed(), into, 1.0, false);
        let loss = logits
            .chunks_exact_mut(vocabulary)
            .zip(targets)
            .map(|(row, target)| {
                let share = share * target.weight;
                f64::from(target.weight) * cross_entropy(self.isa, row, target.token, share)
            })
            .sum();
        if !backward {
            return (loss, Vec::new());
        }
        let errors = Matrix::new(&logits, count, vocabulary);
        let mut back = vec![0.0; count * width];
        operations.product(errors, table, (&mut back, width), 1.0, false);
        let mut gain_sum = vec![0.0; width];
        let mut through = vec![0.0; count * width];
        let x = (&*rows, &*inverse);
        add_rms_norm_back(self.isa, &back, x, gain, &mut through, &mut gain_sum);
        if let Some(Weights {
            gradient,
            accumulate,
        }) = weights
        {
            let into = (&mut gradient[table_range], width);
            operations.product(errors.transposed(), hidden, into, 1.0, accumulate);
            add(
                self.isa,
                &mut gradient[layout.final_norm.clone()],
                &gain_sum,
            );
        }
        let mut whole = vec![0.0; stream.len()];
        for (through, target) in through.chunks_exact(width).zip(targets) {
            add(self.isa, &mut whole[target.row * width..][..width], through);
        }
        (loss, whole)
    }
}

impl Sequence {
    /// How much the target at `place` counts.
    fn weight(&self, place: usize) -> f32 {
        self.weights.get(place).copied().unwrap_or(1.0)
    }
}

/// The sum of all targets' weights.
fn total_weight(batch: &[Sequence]) -> f64 {
    let weights = batch
        .iter()
        .flat_map(|sequence| (0..sequence.targets.len()).map(|place| sequence.weight(place)));
    let total: f64 = weights.map(f64::from).sum();
    if total > 0.0 { total } else { 1.0 }
}
