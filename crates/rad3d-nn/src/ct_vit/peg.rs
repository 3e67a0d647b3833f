//! The positional convolution ("PEG", spec 2.3).

use rayon::prelude::*;

use super::config::TokenGrid;
use crate::Result;
use crate::cpu::{Isa, fma, vectorised};
use crate::source::{Scope, Weight};

/// Features that are summed in registers at a time.
const CHUNK: usize = 32;

/// Depth-wise 3 × 3 × 3 convolution over the token grid, causal along its first axis.
#[derive(Debug)]
pub(super) struct Peg {
    /// `[tap, dim]`, taps over (t, h, w) with w fastest.
    taps: Vec<f32>,
    bias: Weight,
}

impl Peg {
    pub(super) fn load(mut scope: Scope<'_>, dim: usize) -> Result<Self> {
        let weight = scope.take("dsconv.weight", &[dim, 1, 3, 3, 3])?;
        let taps = (0..27)
            .flat_map(|tap| weight.iter().skip(tap).step_by(27))
            .copied()
            .collect();
        Ok(Self {
            taps,
            bias: scope.take("dsconv.bias", &[dim])?,
        })
    }

    /// `out = x + convolution(x)`, both `[t, h, w, dim]` in memory.
    ///
    /// The temporal stack passes its memory `[h·w, t, dim]` through unchanged: the published
    /// weights were trained with that reshape, so it is no mistake to be put right here.
    pub(super) fn forward(&self, isa: Isa, grid: TokenGrid, x: &[f32], out: &mut [f32]) {
        let TokenGrid { h, w, .. } = grid;
        let row = w * self.bias.len();
        out.par_chunks_mut(row)
            .enumerate()
            .for_each(|(index, out)| {
                let (t, y) = (index / h, index % h);
                let rows: [Option<&[f32]>; 9] = std::array::from_fn(|tap| {
                    let t = (t + tap / 3).checked_sub(2)?;
                    let y = (y + tap % 3).checked_sub(1).filter(|&y| y < h)?;
                    Some(&x[(t * h + y) * row..][..row])
                });
                convolve_row(
                    isa,
                    &rows,
                    &self.taps,
                    &self.bias,
                    &x[index * row..][..row],
                    out,
                );
            });
    }
}

vectorised! {
    /// One row of tokens: `rows` are the 9 rows around it in t and h, `centre` the row itself.
    fn convolve_row(
        rows: &[Option<&[f32]>; 9],
        taps: &[f32],
        bias: &[f32],
        centre: &[f32],
        out: &mut [f32],
    ) {
        let dim = bias.len();
        let whole = dim / CHUNK * CHUNK;
        for channel in (0..whole).step_by(CHUNK) {
            convolve_channels::<FMA, CHUNK>(rows, taps, bias, channel, out);
        }
        for channel in whole..dim {
            convolve_channels::<FMA, 1>(rows, taps, bias, channel, out);
        }
        for (out, x) in out.iter_mut().zip(centre) {
            *out += x;
        }
    }
}

#[inline(always)]
fn convolve_channels<const FMA: bool, const N: usize>(
    rows: &[Option<&[f32]>; 9],
    taps: &[f32],
    bias: &[f32],
    channel: usize,
    out: &mut [f32],
) {
    let dim = bias.len();
    let tokens = out.len() / dim;
    for token in 0..tokens {
        let mut sum = [0.0_f32; N];
        sum.copy_from_slice(&bias[channel..channel + N]);
        for (nine, row) in rows.iter().enumerate() {
            let Some(row) = row else { continue };
            for step in 0..3 {
                let Some(neighbour) = (token + step).checked_sub(1).filter(|&x| x < tokens) else {
                    continue;
                };
                let tap = &taps[(nine * 3 + step) * dim + channel..][..N];
                let x = &row[neighbour * dim + channel..][..N];
                for ((sum, &tap), &x) in sum.iter_mut().zip(tap).zip(x) {
                    *sum = fma::<FMA>(tap, x, *sum);
                }
            }
        }
        out[token * dim + channel..][..N].copy_from_slice(&sum);
    }
}
