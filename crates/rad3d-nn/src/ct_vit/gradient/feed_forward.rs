//! The gated feed-forward: LayerNorm, expand, value times GELU of gate, contract.

use std::ops::Range;

use super::norm::Normed;
use crate::cpu::{Isa, geglu, geglu_back};
use crate::matmul::{Matrix, matmul};

/// Ranges of its weights.
#[derive(Debug, Clone)]
pub(super) struct FeedForwardLayout {
    pub(super) gain: Range<usize>,
    pub(super) shift: Range<usize>,
    /// `[2·hidden, dim]`: values, then gates.
    pub(super) expand: Range<usize>,
    /// `[dim, hidden]`.
    pub(super) contract: Range<usize>,
}

/// What the backward pass needs.
pub(super) struct FeedForwardKept {
    normed: Normed,
    /// `[tokens, 2·hidden]`.
    expanded: Vec<f32>,
}

impl FeedForwardLayout {
    fn hidden(&self) -> usize {
        self.contract.len() / self.gain.len()
    }

    /// `x` `[tokens, dim]` plus its feed-forward.
    pub(super) fn forward(&self, weights: &[f32], x: &[f32]) -> (Vec<f32>, FeedForwardKept) {
        let (dim, hidden) = (self.gain.len(), self.hidden());
        let tokens = x.len() / dim;
        let normed = Normed::new(x, dim);
        let input = self.input(weights, &normed);
        let mut expanded = vec![0.0; tokens * 2 * hidden];
        let expand = Matrix::new(&weights[self.expand.clone()], 2 * hidden, dim);
        let input = Matrix::new(&input, tokens, dim);
        matmul(input, expand.transposed(), &mut expanded, false);
        let gated = gated(&expanded, hidden);
        let mut out = x.to_vec();
        let contract = Matrix::new(&weights[self.contract.clone()], dim, hidden);
        let gated = Matrix::new(&gated, tokens, hidden);
        matmul(gated, contract.transposed(), &mut out, true);
        (out, FeedForwardKept { normed, expanded })
    }

    /// The gradient with respect to the input, from that of the sum.
    pub(super) fn backward(
        &self,
        weights: &[f32],
        back: Vec<f32>,
        kept: &FeedForwardKept,
        sums: &mut [f32],
    ) -> Vec<f32> {
        let (dim, hidden) = (self.gain.len(), self.hidden());
        let tokens = back.len() / dim;
        let errors = Matrix::new(&back, tokens, dim);
        let gated = gated(&kept.expanded, hidden);
        matmul(
            errors.transposed(),
            Matrix::new(&gated, tokens, hidden),
            &mut sums[self.contract.clone()],
            true,
        );
        let mut gated_back = vec![0.0; tokens * hidden];
        let contract = Matrix::new(&weights[self.contract.clone()], dim, hidden);
        matmul(errors, contract, &mut gated_back, false);
        let isa = Isa::detect();
        let mut expanded_back = vec![0.0; kept.expanded.len()];
        let rows = kept.expanded.chunks_exact(2 * hidden);
        let rows = rows.zip(gated_back.chunks_exact(hidden));
        for ((row, back), out) in rows.zip(expanded_back.chunks_exact_mut(2 * hidden)) {
            let (values, gates) = row.split_at(hidden);
            let (values_out, gates_out) = out.split_at_mut(hidden);
            geglu_back(isa, values, gates, back, values_out, gates_out);
        }
        let errors = Matrix::new(&expanded_back, tokens, 2 * hidden);
        let input = self.input(weights, &kept.normed);
        matmul(
            errors.transposed(),
            Matrix::new(&input, tokens, dim),
            &mut sums[self.expand.clone()],
            true,
        );
        let mut input_back = vec![0.0; tokens * dim];
        let expand = Matrix::new(&weights[self.expand.clone()], 2 * hidden, dim);
        matmul(errors, expand, &mut input_back, false);
        let mut out = back;
        let shift = Some(&self.shift);
        kept.normed
            .backward(&input_back, weights, &self.gain, shift, &mut out, sums);
        out
    }

    fn input(&self, weights: &[f32], normed: &Normed) -> Vec<f32> {
        let (gain, shift) = (&weights[self.gain.clone()], &weights[self.shift.clone()]);
        normed.scaled(gain, shift)
    }
}

fn gated(expanded: &[f32], hidden: usize) -> Vec<f32> {
    let isa = Isa::detect();
    let mut out = vec![0.0; expanded.len() / 2];
    let rows = expanded.chunks_exact(2 * hidden);
    for (row, out) in rows.zip(out.chunks_exact_mut(hidden)) {
        let (values, gates) = row.split_at(hidden);
        geglu(isa, values, gates, out);
    }
    out
}
