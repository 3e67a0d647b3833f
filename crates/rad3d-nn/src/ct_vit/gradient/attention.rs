//! Attention: queries from normalised tokens, keys and values from the tokens themselves (spec 2.3).

use std::ops::Range;

use super::bias::BiasPass;
use super::norm::Normed;
use crate::cpu::{Isa, LENGTH_EPSILON, softmax, softmax_back};
use crate::ct_vit::config::CtVitConfig;
use crate::matmul::{Matrix, matmul, matmul_into};

/// The constant that multiplies q̂·k̂.
const SCORE_SCALE: f32 = 8.0;

/// Ranges of its weights.
#[derive(Debug, Clone)]
pub(super) struct AttentionLayout {
    pub(super) gain: Range<usize>,
    /// A constant.
    pub(super) shift: Range<usize>,
    pub(super) to_q: Range<usize>,
    /// `[2·inner, dim]`: keys, then values.
    pub(super) to_kv: Range<usize>,
    pub(super) q_scale: Range<usize>,
    pub(super) k_scale: Range<usize>,
    pub(super) to_out: Range<usize>,
}

/// What the backward pass needs.
pub(super) struct AttentionKept {
    normed: Normed,
    /// `[tokens, inner]`, as they come from the product.
    queries: Vec<f32>,
    /// `[tokens, 2·inner]`.
    keys_values: Vec<f32>,
    /// `[sequence, head, query, key]`, after the softmax.
    shares: Vec<f32>,
    /// `[tokens, inner]`.
    merged: Vec<f32>,
}

impl AttentionLayout {
    /// `x` `[sequences · length, dim]` plus what each token gathers from its sequence.
    pub(super) fn forward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        x: &[f32],
        length: usize,
        bias: Option<&BiasPass>,
    ) -> (Vec<f32>, AttentionKept) {
        let (dim, inner, head_dim) = (config.dim, config.inner(), config.head_dim);
        let tokens = x.len() / dim;
        let normed = Normed::new(x, dim);
        let input = self.input(weights, &normed);
        let mut queries = vec![0.0; tokens * inner];
        let to_q = Matrix::new(&weights[self.to_q.clone()], inner, dim);
        let input = Matrix::new(&input, tokens, dim);
        matmul(input, to_q.transposed(), &mut queries, false);
        let mut keys_values = vec![0.0; tokens * 2 * inner];
        let to_kv = Matrix::new(&weights[self.to_kv.clone()], 2 * inner, dim);
        let input = Matrix::new(x, tokens, dim);
        matmul(input, to_kv.transposed(), &mut keys_values, false);

        let scaled_queries = scaled(&queries, inner, inner, &weights[self.q_scale.clone()]);
        let scaled_keys = scaled(
            &keys_values,
            2 * inner,
            inner,
            &weights[self.k_scale.clone()],
        );
        let isa = Isa::detect();
        let square = length * length;
        let mut shares = vec![0.0; tokens / length * config.heads * square];
        let mut merged = vec![0.0; tokens * inner];
        for (place, shares) in shares.chunks_exact_mut(square).enumerate() {
            let (sequence, head) = (place / config.heads, place % config.heads);
            let (row, column) = (sequence * length, head * head_dim);
            if let Some(bias) = bias {
                bias.spread(head, shares);
            }
            let queries = part(&scaled_queries, inner, row, column, length, head_dim);
            let keys = part(&scaled_keys, inner, row, column, length, head_dim);
            let keys = keys.transposed();
            matmul_into(queries, keys, shares, length, SCORE_SCALE, true);
            for row in shares.chunks_exact_mut(length) {
                softmax(isa, row);
            }
            let values = part(
                &keys_values,
                2 * inner,
                row,
                inner + column,
                length,
                head_dim,
            );
            let shares = Matrix::new(shares, length, length);
            let out = &mut merged[row * inner + column..];
            matmul_into(shares, values, out, inner, 1.0, false);
        }
        let mut out = x.to_vec();
        let to_out = Matrix::new(&weights[self.to_out.clone()], dim, inner);
        let merged_rows = Matrix::new(&merged, tokens, inner);
        matmul(merged_rows, to_out.transposed(), &mut out, true);
        let kept = AttentionKept {
            normed,
            queries,
            keys_values,
            shares,
            merged,
        };
        (out, kept)
    }

    /// The gradient with respect to the input `x`, from that of the sum; the biases' is added to
    /// `bias_sums`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each thing that a backward pass takes"
    )]
    pub(super) fn backward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        x: &[f32],
        back: Vec<f32>,
        kept: &AttentionKept,
        length: usize,
        bias: Option<(&BiasPass, &mut [f32])>,
        sums: &mut [f32],
    ) -> Vec<f32> {
        let (dim, inner, head_dim) = (config.dim, config.inner(), config.head_dim);
        let tokens = x.len() / dim;
        let errors = Matrix::new(&back, tokens, dim);
        matmul(
            errors.transposed(),
            Matrix::new(&kept.merged, tokens, inner),
            &mut sums[self.to_out.clone()],
            true,
        );
        let mut merged_back = vec![0.0; tokens * inner];
        let to_out = Matrix::new(&weights[self.to_out.clone()], dim, inner);
        matmul(errors, to_out, &mut merged_back, false);

        let (q_scale, k_scale) = (
            &weights[self.q_scale.clone()],
            &weights[self.k_scale.clone()],
        );
        let scaled_queries = scaled(&kept.queries, inner, inner, q_scale);
        let scaled_keys = scaled(&kept.keys_values, 2 * inner, inner, k_scale);
        let mut queries_back = vec![0.0; tokens * inner];
        let mut keys_back = vec![0.0; tokens * inner];
        let mut kv_back = vec![0.0; tokens * 2 * inner];
        let square = length * length;
        let isa = Isa::detect();
        let mut scores_back = vec![0.0; square];
        let (bias, mut bias_sums) = bias.unzip();
        for (place, shares) in kept.shares.chunks_exact(square).enumerate() {
            let (sequence, head) = (place / config.heads, place % config.heads);
            let (row, column) = (sequence * length, head * head_dim);
            let errors = part(&merged_back, inner, row, column, length, head_dim);
            let values = part(
                &kept.keys_values,
                2 * inner,
                row,
                inner + column,
                length,
                head_dim,
            );
            matmul(errors, values.transposed(), &mut scores_back, false);
            let shares_rows = Matrix::new(shares, length, length);
            let out = &mut kv_back[row * 2 * inner + inner + column..];
            matmul_into(shares_rows.transposed(), errors, out, 2 * inner, 1.0, false);
            for (back, shares) in scores_back
                .chunks_exact_mut(length)
                .zip(shares.chunks_exact(length))
            {
                softmax_back(isa, shares, back);
            }
            if let (Some(bias), Some(sums)) = (bias, bias_sums.as_deref_mut()) {
                bias.gather(head, &scores_back, sums);
            }
            let scores = Matrix::new(&scores_back, length, length);
            let queries = part(&scaled_queries, inner, row, column, length, head_dim);
            let keys = part(&scaled_keys, inner, row, column, length, head_dim);
            let out = &mut queries_back[row * inner + column..];
            matmul_into(scores, keys, out, inner, SCORE_SCALE, false);
            let out = &mut keys_back[row * inner + column..];
            matmul_into(scores.transposed(), queries, out, inner, SCORE_SCALE, false);
        }
        let q_sums = &mut sums[self.q_scale.clone()];
        let queries_back = scaled_back(&kept.queries, inner, &queries_back, q_scale, q_sums);
        let k_sums = &mut sums[self.k_scale.clone()];
        let keys_back = scaled_back(&kept.keys_values, 2 * inner, &keys_back, k_scale, k_sums);
        for (both, keys) in kv_back
            .chunks_exact_mut(2 * inner)
            .zip(keys_back.chunks_exact(inner))
        {
            both[..inner].copy_from_slice(keys);
        }

        let mut out = back;
        let errors = Matrix::new(&kv_back, tokens, 2 * inner);
        matmul(
            errors.transposed(),
            Matrix::new(x, tokens, dim),
            &mut sums[self.to_kv.clone()],
            true,
        );
        let to_kv = Matrix::new(&weights[self.to_kv.clone()], 2 * inner, dim);
        matmul(errors, to_kv, &mut out, true);
        let errors = Matrix::new(&queries_back, tokens, inner);
        let input = self.input(weights, &kept.normed);
        matmul(
            errors.transposed(),
            Matrix::new(&input, tokens, dim),
            &mut sums[self.to_q.clone()],
            true,
        );
        let mut input_back = vec![0.0; tokens * dim];
        let to_q = Matrix::new(&weights[self.to_q.clone()], inner, dim);
        matmul(errors, to_q, &mut input_back, false);
        kept.normed
            .backward(&input_back, weights, &self.gain, None, &mut out, sums);
        out
    }

    fn input(&self, weights: &[f32], normed: &Normed) -> Vec<f32> {
        let (gain, shift) = (&weights[self.gain.clone()], &weights[self.shift.clone()]);
        normed.scaled(gain, shift)
    }
}

/// The features of one head of one sequence, `[length, head_dim]` of rows `width` long.
fn part(
    values: &[f32],
    width: usize,
    row: usize,
    column: usize,
    length: usize,
    head_dim: usize,
) -> Matrix<'_> {
    Matrix::with_step(&values[row * width + column..], length, head_dim, width)
}

/// The first `used` features of rows `width` long, `[rows, used]`: each head's brought to unit
/// length, times `scale`.
fn scaled(rows: &[f32], width: usize, used: usize, scale: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len() / width * used);
    for row in rows.chunks_exact(width) {
        for head in row[..used].chunks_exact(scale.len()) {
            let inverse = 1.0 / length_of(head);
            out.extend(head.iter().zip(scale).map(|(x, scale)| x * inverse * scale));
        }
    }
    out
}

/// The gradient through [`scaled`]; that of the scale is added to `sums`.
fn scaled_back(
    rows: &[f32],
    width: usize,
    back: &[f32],
    scale: &[f32],
    sums: &mut [f32],
) -> Vec<f32> {
    let head_dim = scale.len();
    let used = back.len() / (rows.len() / width);
    let mut out = Vec::with_capacity(back.len());
    for (row, back) in rows.chunks_exact(width).zip(back.chunks_exact(used)) {
        let heads = row[..used].chunks_exact(head_dim);
        for (head, back) in heads.zip(back.chunks_exact(head_dim)) {
            let inverse = 1.0 / length_of(head);
            let all = head.iter().zip(back).zip(scale);
            let along: f32 = all.clone().map(|((x, b), s)| x * inverse * b * s).sum();
            out.extend(
                all.clone()
                    .map(|((x, b), s)| (b * s - x * inverse * along) * inverse),
            );
            for (sum, ((x, b), _)) in sums.iter_mut().zip(all) {
                *sum += x * inverse * b;
            }
        }
    }
    out
}

fn length_of(x: &[f32]) -> f32 {
    let square: f32 = x.iter().map(|x| x * x).sum();
    square.sqrt().max(LENGTH_EPSILON)
}
