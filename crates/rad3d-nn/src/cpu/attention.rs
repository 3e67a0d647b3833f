//! Fused attention with l2-normalised queries and keys: softmax(q̂·k̂ᵀ + bias)·v.
//!
//! One task is one head of one sequence. Scores exist only for one panel of queries at a time,
//! `[key, query lane]`: that is how a tile leaves the first product, how the softmax wants it
//! (lanes never mix), and what the second product takes as its input.

use rayon::prelude::*;

use super::elementwise::{exp, l2_normalise_scaled};
use super::isa::{Isa, vectorised};
use super::panel::{panel_to_rows, rows_to_panel};
use super::parallel::with_scratch;
use super::tile::tile;

/// Keys per pass of the second product: 16 KiB of scores with AVX2.
const PASS_KEYS: usize = 256;

/// The sizes of one attention.
#[derive(Debug, Clone, Copy)]
pub struct AttentionShape {
    /// Independent sequences.
    pub sequences: usize,
    /// Tokens of each sequence; each attends to all.
    pub tokens: usize,
    /// Heads.
    pub heads: usize,
    /// Features of each head.
    pub head_dim: usize,
}

impl AttentionShape {
    /// Features of all heads.
    #[must_use]
    pub fn inner(&self) -> usize {
        self.heads * self.head_dim
    }
}

/// An additive bias `[head, query, key]`, stored as the panels that attention starts its sums from:
/// `[head, query panel, key, query lane]`.
#[derive(Debug, Clone)]
pub struct AttentionBias {
    tokens: usize,
    data: Vec<f32>,
}

impl AttentionBias {
    /// Lays out `bias_of(head, query, key)` for sequences of `tokens` tokens.
    #[must_use]
    pub fn new(
        isa: Isa,
        heads: usize,
        tokens: usize,
        bias_of: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let lanes = isa.lanes();
        let mut data = Vec::with_capacity(heads * tokens.next_multiple_of(lanes) * tokens);
        for head in 0..heads {
            for first in (0..tokens).step_by(lanes) {
                for key in 0..tokens {
                    data.extend((first..first + lanes).map(|query| {
                        if query < tokens {
                            bias_of(head, query, key)
                        } else {
                            0.0
                        }
                    }));
                }
            }
        }
        Self { tokens, data }
    }

    fn panel(&self, isa: Isa, head: usize, panel: usize) -> &[f32] {
        let size = self.tokens * isa.lanes();
        let panels = self.tokens.div_ceil(isa.lanes());
        &self.data[(head * panels + panel) * size..][..size]
    }
}

/// Attention over `qkv` `[sequence · token, 3 · inner]` into `out` `[sequence, head, token, head_dim]`.
///
/// Queries and keys are divided by their length over the head's features, then multiplied by
/// `query_gain` and `key_gain` `[head_dim]` (which hold every further scale of the scores).
pub fn attend(
    isa: Isa,
    shape: AttentionShape,
    qkv: &[f32],
    query_gain: &[f32],
    key_gain: &[f32],
    bias: Option<&AttentionBias>,
    out: &mut [f32],
) {
    let AttentionShape {
        tokens,
        heads,
        head_dim,
        ..
    } = shape;
    let inner = shape.inner();
    let (rows, lanes) = (isa.tile_rows(), isa.lanes());
    let query_panels = tokens.div_ceil(lanes);
    let padded_keys = tokens.next_multiple_of(rows);
    let padded_dim = head_dim.next_multiple_of(rows);

    out.par_chunks_mut(tokens * head_dim)
        .enumerate()
        .for_each(|(task, out)| {
            let (sequence, head) = (task / heads, task % heads);
            let token = |part: usize, index: usize| {
                let row = &qkv[(sequence * tokens + index) * 3 * inner..][..3 * inner];
                &row[part * inner + head * head_dim..][..head_dim]
            };
            let sizes = [
                tokens * head_dim,
                query_panels * head_dim * lanes,
                padded_keys * head_dim,
                tokens * padded_dim,
                padded_keys * lanes,
                padded_dim * lanes,
            ];
            with_scratch(sizes.iter().sum(), |scratch| {
                let [queries, query_panels, keys, values, scores, sums] = split(scratch, sizes);

                for (index, query) in queries.chunks_exact_mut(head_dim).enumerate() {
                    l2_normalise_scaled(isa, token(0, index), query_gain, query);
                }
                let groups = queries.chunks(lanes * head_dim);
                for (group, panel) in groups.zip(query_panels.chunks_exact_mut(head_dim * lanes)) {
                    rows_to_panel(isa, group.chunks_exact(head_dim), head_dim, panel);
                }
                pack_keys(
                    isa,
                    (0..tokens).map(|index| token(1, index)),
                    key_gain,
                    keys,
                );
                pack_values(rows, (0..tokens).map(|index| token(2, index)), values);

                let panels = query_panels.chunks_exact(head_dim * lanes).enumerate();
                for ((panel, queries), out) in panels.zip(out.chunks_mut(lanes * head_dim)) {
                    if let Some(bias) = bias {
                        scores[..tokens * lanes].copy_from_slice(bias.panel(isa, head, panel));
                    }
                    let key_panels = keys.chunks_exact(head_dim * rows);
                    for (keys, scores) in key_panels.zip(scores.chunks_exact_mut(rows * lanes)) {
                        tile(isa, keys, queries, scores, bias.is_some());
                    }
                    let weights = &mut scores[..tokens * lanes];
                    let mut total = [0.0; MAX_LANES];
                    softmax_over_keys(isa, lanes, weights, &mut total);

                    for (pass, weights) in weights.chunks(PASS_KEYS * lanes).enumerate() {
                        let first = pass * PASS_KEYS * rows;
                        for (values, sums) in values
                            .chunks_exact(tokens * rows)
                            .zip(sums.chunks_exact_mut(rows * lanes))
                        {
                            tile(isa, &values[first..], weights, sums, pass > 0);
                        }
                    }
                    for feature in sums.chunks_exact_mut(lanes) {
                        for (sum, total) in feature.iter_mut().zip(&total) {
                            *sum /= total;
                        }
                    }
                    panel_to_rows(isa, sums, head_dim, out, head_dim);
                }
            });
        });
}

/// Keys as weights of the first product: `[key panel, head_dim, row]`, zeros in missing rows.
fn pack_keys<'a>(
    isa: Isa,
    keys: impl Iterator<Item = &'a [f32]>,
    gain: &[f32],
    packed: &mut [f32],
) {
    let (rows, head_dim) = (isa.tile_rows(), gain.len());
    let mut count = 0;
    with_scratch(head_dim, |normalised| {
        for (index, key) in keys.enumerate() {
            l2_normalise_scaled(isa, key, gain, normalised);
            let panel = &mut packed[index / rows * rows * head_dim + index % rows..];
            for (slot, &value) in panel.iter_mut().step_by(rows).zip(normalised.iter()) {
                *slot = value;
            }
            count = index + 1;
        }
    });
    for index in count..count.next_multiple_of(rows) {
        let panel = &mut packed[index / rows * rows * head_dim + index % rows..];
        panel
            .iter_mut()
            .step_by(rows)
            .take(head_dim)
            .for_each(|slot| *slot = 0.0);
    }
}

/// Values as weights of the second product: `[feature panel, key, row]`, zeros in missing rows.
fn pack_values<'a>(
    rows: usize,
    values: impl ExactSizeIterator<Item = &'a [f32]>,
    packed: &mut [f32],
) {
    let tokens = values.len();
    for (index, value) in values.enumerate() {
        for (panel, features) in value.chunks(rows).enumerate() {
            let slots = &mut packed[(panel * tokens + index) * rows..][..rows];
            slots[..features.len()].copy_from_slice(features);
            slots[features.len()..].fill(0.0);
        }
    }
}

/// Cuts `scratch` into parts of the given sizes.
fn split<const N: usize>(mut scratch: &mut [f32], sizes: [usize; N]) -> [&mut [f32]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut scratch).split_at_mut(size);
        scratch = rest;
        part
    })
}

/// Widest panel of any instruction set.
const MAX_LANES: usize = 32;

vectorised! {
    /// Turns scores `[key, lane]` into exp(score − largest), and sums them for each lane.
    fn softmax_over_keys(lanes: usize, scores: &mut [f32], total: &mut [f32; MAX_LANES]) {
        match lanes {
            32 => softmax_lanes::<FMA, 32>(scores, total),
            16 => softmax_lanes::<FMA, 16>(scores, total),
            _ => softmax_lanes::<FMA, 8>(scores, total),
        }
    }
}

#[inline(always)]
fn softmax_lanes<const FMA: bool, const LANES: usize>(
    scores: &mut [f32],
    total: &mut [f32; MAX_LANES],
) {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for key in scores.chunks_exact(LANES) {
        for (largest, &score) in largest.iter_mut().zip(key) {
            *largest = if score > *largest { score } else { *largest };
        }
    }
    let mut sum = [0.0; LANES];
    for key in scores.chunks_exact_mut(LANES) {
        for ((score, largest), sum) in key.iter_mut().zip(&largest).zip(&mut sum) {
            *score = exp::<FMA>(*score - largest);
            *sum += *score;
        }
    }
    total[..LANES].copy_from_slice(&sum);
}
