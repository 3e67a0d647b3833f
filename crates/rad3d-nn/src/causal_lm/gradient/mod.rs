//! The loss of a LLaMA-like decoder and its gradient, written out for CPUs.
//!
//! A general engine keeps every intermediate result of a batch and works through element-wise
//! operations on one core. Here sequences are worked off one at a time on each core, without
//! padding; a frozen model keeps six arrays a block and no gradient of weights is computed; and
//! logits exist for predicted tokens alone.
//!
//! Floating-point operations of a sequence of `n` tokens through a frozen model of `p` parameters
//! in blocks and head: `2·n·p` forwards and `2·n·p` backwards (gradients of activations), beside
//! attention; a trained model adds `2·n·p` for the weights.

mod block;
mod layout;
mod ops;

use rayon::prelude::*;

use super::CausalLm;
use super::config::{Activation, DecoderConfig, Mlp, Norm, NormPlace, Positions, Residual};
use super::rotary::RotaryTable;
use crate::matmul::{Matrix, matmul};
use block::{Block, Kept};
pub use layout::Parameter;
use layout::{BlockLayout, Layout};
use ops::{rms_norm, rms_norm_back};

/// Sequences are gathered in so many sums of gradients, which are then added in order: results
/// don't depend on the number of cores.
const GROUPS: usize = 4;

/// A decoder's weights in one row of numbers, and its loss with gradients.
#[derive(Debug, Clone)]
pub struct GradientDecoder {
    config: DecoderConfig,
    layout: Layout,
    epsilon: f32,
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
}

/// What one group of a batch's sequences gives.
struct Group {
    /// Sum of losses and gradient of the embeddings, sequence by sequence.
    found: Vec<(f64, Vec<f32>)>,
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
        let sums: Vec<f64> = batch
            .par_iter()
            .map(|sequence| self.sequence(sequence, 1.0, None, false).0)
            .collect();
        sums.iter().sum::<f64>() / total_weight(batch)
    }

    /// Loss and gradients of a batch; those of the weights only if `train` says so.
    #[must_use]
    pub fn gradient(&self, batch: &[Sequence], train: bool) -> BatchGradient {
        let count = total_weight(batch);
        let share = (1.0 / count) as f32;
        let groups: Vec<Group> = (0..GROUPS)
            .into_par_iter()
            .map(|group| {
                let mut sum = vec![0.0; if train { self.weights.len() } else { 0 }];
                let members = batch.iter().skip(group).step_by(GROUPS);
                let found = members
                    .map(|sequence| {
                        let weights = train.then_some(&mut *sum);
                        self.sequence(sequence, share, weights, true)
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
        let mut losses = vec![0.0; batch.len()];
        for (
            group,
            Group {
                found,
                weights: sum,
            },
        ) in groups.into_iter().enumerate()
        {
            for (place, (loss, gradient)) in found.into_iter().enumerate() {
                losses[group + place * GROUPS] = loss;
                embeddings[group + place * GROUPS] = gradient;
            }
            if weights.is_empty() {
                weights = sum;
            } else {
                for (total, part) in weights.iter_mut().zip(&sum) {
                    *total += part;
                }
            }
        }
        BatchGradient {
            loss: losses.iter().sum::<f64>() / count,
            embeddings,
            weights,
        }
    }

    /// Weighted sum of a sequence's losses, and the gradient of `share` times it.
    fn sequence(
        &self,
        sequence: &Sequence,
        share: f32,
        mut gradient: Option<&mut [f32]>,
        backward: bool,
    ) -> (f64, Vec<f32>) {
        let (config, layout) = (&self.config, &self.layout);
        let width = config.width;
        let tokens = sequence.embeddings.len() / width;
        let Positions::Rotary(rotary) = &config.positions else {
            return (f64::NAN, Vec::new());
        };
        let table = RotaryTable::new(rotary, tokens);
        let block = |layout| Block {
            config,
            layout,
            weights: &self.weights,
            epsilon: self.epsilon,
            table: &table,
            tokens,
        };
        let mut stream = sequence.embeddings.clone();
        let mut kept: Vec<Kept> = Vec::new();
        for layout in &layout.blocks {
            let (next, keep) = block(layout).forward(stream, gradient.is_some());
            stream = next;
            if backward {
                kept.push(keep);
            }
        }
        let (loss, mut back) =
            self.head(&stream, sequence, share, gradient.as_deref_mut(), backward);
        if !backward {
            return (loss, Vec::new());
        }
        for (layout, keep) in layout.blocks.iter().zip(kept).rev() {
            back = block(layout).backward(back, keep, gradient.as_deref_mut());
        }
        if let Some(gradient) = gradient {
            let table = &mut gradient[layout.tokens.clone()];
            for (row, id) in back.chunks_exact(width).zip(&sequence.ids) {
                if let Some(id) = id {
                    let place = &mut table[*id as usize * width..][..width];
                    for (sum, part) in place.iter_mut().zip(row) {
                        *sum += part;
                    }
                }
            }
        }
        (loss, back)
    }

    /// Final norm, logits and cross-entropy of the predicting positions; returns the gradient
    /// with respect to the residual stream.
    fn head(
        &self,
        stream: &[f32],
        sequence: &Sequence,
        share: f32,
        gradient: Option<&mut [f32]>,
        backward: bool,
    ) -> (f64, Vec<f32>) {
        let (config, layout) = (&self.config, &self.layout);
        let (width, vocabulary) = (config.width, config.vocabulary);
        let rows: Vec<f32> = sequence
            .targets
            .iter()
            .flat_map(|&(position, _)| &stream[position * width..][..width])
            .copied()
            .collect();
        let count = sequence.targets.len();
        let gain = &self.weights[layout.final_norm.clone()];
        let (normed, inverse) = rms_norm(&rows, gain, self.epsilon);
        let table_range = layout.head.clone().unwrap_or(layout.tokens.clone());
        let table = Matrix::new(&self.weights[table_range.clone()], vocabulary, width);
        let mut logits = vec![0.0; count * vocabulary];
        let hidden = Matrix::new(&normed, count, width);
        matmul(hidden, table.transposed(), &mut logits, false);
        let mut loss = 0.0;
        let rows_of_logits = logits.chunks_exact_mut(vocabulary);
        for (place, (row, &(_, token))) in rows_of_logits.zip(&sequence.targets).enumerate() {
            let weight = sequence.weight(place);
            let share = share * weight;
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let wanted = row[token as usize] - most;
            let mut sum = 0.0_f64;
            for value in row.iter_mut() {
                *value = (*value - most).exp();
                sum += f64::from(*value);
            }
            loss += f64::from(weight) * (sum.ln() - f64::from(wanted));
            let factor = share / sum as f32;
            for value in row.iter_mut() {
                *value *= factor;
            }
            row[token as usize] -= share;
        }
        if !backward {
            return (loss, Vec::new());
        }
        let errors = Matrix::new(&logits, count, vocabulary);
        let mut back = vec![0.0; count * width];
        matmul(errors, table, &mut back, false);
        let mut gain_sum = vec![0.0; width];
        let back = rms_norm_back(&back, &rows, gain, &inverse, &mut gain_sum);
        if let Some(gradient) = gradient {
            matmul(
                errors.transposed(),
                hidden,
                &mut gradient[table_range],
                true,
            );
            for (sum, part) in gradient[layout.final_norm.clone()]
                .iter_mut()
                .zip(&gain_sum)
            {
                *sum += part;
            }
        }
        let mut whole = vec![0.0; stream.len()];
        for (row, &(position, _)) in back.chunks_exact(width).zip(&sequence.targets) {
            let place = &mut whole[position * width..][..width];
            for (sum, part) in place.iter_mut().zip(row) {
                *sum += part;
            }
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
