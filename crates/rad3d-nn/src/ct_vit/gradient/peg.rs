//! The positional convolution: a depthwise 3 × 3 × 3 kernel, causal along the first axis.

use std::ops::Range;

use crate::ct_vit::config::TokenGrid;

/// Places of the kernel.
const TAPS: usize = 27;

/// Ranges of the convolution's weights, `[dim, 27]` and `[dim]`.
#[derive(Debug, Clone)]
pub(super) struct PegLayout {
    pub(super) weight: Range<usize>,
    pub(super) bias: Range<usize>,
}

impl PegLayout {
    /// Adds the convolution of `x` to it. Memory is taken as `[t, h, w, dim]` whatever the stack's
    /// order is (spec 2.2).
    pub(super) fn forward(&self, grid: TokenGrid, weights: &[f32], x: &[f32]) -> Vec<f32> {
        let bias = &weights[self.bias.clone()];
        let dim = bias.len();
        let taps = transposed(&weights[self.weight.clone()], dim);
        let mut out = x.to_vec();
        for row in out.chunks_exact_mut(dim) {
            super::add(row, bias);
        }
        for_each_pair(grid, |tap, from, to| {
            let (taps, x) = (&taps[tap * dim..][..dim], &x[from * dim..][..dim]);
            let out = &mut out[to * dim..][..dim];
            for ((out, x), tap) in out.iter_mut().zip(x).zip(taps) {
                *out += x * tap;
            }
        });
        out
    }

    /// The gradient with respect to `x`, from that of the sum.
    pub(super) fn backward(
        &self,
        grid: TokenGrid,
        weights: &[f32],
        x: &[f32],
        back: &[f32],
        sums: &mut [f32],
    ) -> Vec<f32> {
        let dim = self.bias.len();
        let taps = transposed(&weights[self.weight.clone()], dim);
        let mut tap_sums = vec![0.0; TAPS * dim];
        let mut out = back.to_vec();
        for row in back.chunks_exact(dim) {
            super::add(&mut sums[self.bias.clone()], row);
        }
        for_each_pair(grid, |tap, from, to| {
            let (place, x) = (tap * dim, &x[from * dim..][..dim]);
            let back = &back[to * dim..][..dim];
            let out = &mut out[from * dim..][..dim];
            for ((out, back), tap) in out.iter_mut().zip(back).zip(&taps[place..][..dim]) {
                *out += back * tap;
            }
            for ((sum, back), x) in tap_sums[place..][..dim].iter_mut().zip(back).zip(x) {
                *sum += back * x;
            }
        });
        for (channel, sums) in sums[self.weight.clone()].chunks_exact_mut(TAPS).enumerate() {
            for (tap, sum) in sums.iter_mut().enumerate() {
                *sum += tap_sums[tap * dim + channel];
            }
        }
        out
    }
}

/// `[dim, 27]` as `[27, dim]`, so that a token's features lie together.
fn transposed(weight: &[f32], dim: usize) -> Vec<f32> {
    (0..TAPS * dim)
        .map(|place| weight[place % dim * TAPS + place / dim])
        .collect()
}

/// Calls with a tap, the token it reads and the token it adds to, for all that lie in the grid.
fn for_each_pair(grid: TokenGrid, mut call: impl FnMut(usize, usize, usize)) {
    let TokenGrid { t, h, w } = grid;
    let from = |to: usize, tap: usize, before: usize, size: usize| {
        (to + tap).checked_sub(before).filter(|&at| at < size)
    };
    for tap in 0..TAPS {
        let (a, b, c) = (tap / 9, tap / 3 % 3, tap % 3);
        for k in 0..t {
            let Some(z) = from(k, a, 2, t) else { continue };
            for j in 0..h {
                let Some(y) = from(j, b, 1, h) else { continue };
                for i in 0..w {
                    if let Some(x) = from(i, c, 1, w) {
                        call(tap, (z * h + y) * w + x, (k * h + j) * w + i);
                    }
                }
            }
        }
    }
}
