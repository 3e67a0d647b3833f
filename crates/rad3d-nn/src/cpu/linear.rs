//! Linear layers over a few rows, with the weights read where they lie.
//!
//! A prefix mapper sees a handful of tokens and a gigabyte of weights: reading them once is the
//! whole cost, and packing them would only double the memory.

use rayon::prelude::*;

use super::isa::{Isa, vectorised};
use super::{dot, fma};

/// Partial sums of one inner product.
const PARTIAL: usize = 16;
/// Tokens that share one reading of a weight row.
const TOGETHER: usize = 4;

/// `x · weightᵀ + bias`: `x` `[rows, inputs]`, `weight` `[outputs, inputs]`, result `[rows, outputs]`.
pub(crate) fn linear(
    isa: Isa,
    x: &[f32],
    inputs: usize,
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let rows = x.len() / inputs;
    let outputs = weight.len() / inputs;
    // `[output, row]`, so that each weight row is one task's and read once.
    let mut by_output = vec![0.0; rows * outputs];
    let tasks = by_output
        .par_chunks_mut(rows.max(1))
        .with_min_len(16)
        .enumerate();
    tasks.for_each(|(output, sums)| {
        let weights = &weight[output * inputs..(output + 1) * inputs];
        let tokens = x.chunks(TOGETHER * inputs).zip(sums.chunks_mut(TOGETHER));
        for (tokens, sums) in tokens {
            if sums.len() == TOGETHER {
                sums.copy_from_slice(&dots(isa, weights, tokens));
            } else {
                for (token, sum) in tokens.chunks_exact(inputs).zip(sums) {
                    *sum = dot(isa, weights, token);
                }
            }
        }
        if let Some(bias) = bias {
            for sum in sums {
                *sum += bias[output];
            }
        }
    });
    let mut out = vec![0.0; rows * outputs];
    for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
        for (out, sums) in out.iter_mut().zip(by_output.chunks_exact(rows)) {
            *out = sums[row];
        }
    }
    out
}

vectorised! {
    /// Inner products of one weight row with four tokens, `[4, inputs]`.
    fn dots(weights: &[f32], tokens: &[f32]) -> [f32; TOGETHER] {
        let inputs = weights.len();
        let mut partial = [[0.0_f32; PARTIAL]; TOGETHER];
        let (whole, rest) = weights.as_chunks::<PARTIAL>();
        for (chunk, weights) in whole.iter().enumerate() {
            for (token, partial) in partial.iter_mut().enumerate() {
                let x = &tokens[token * inputs + chunk * PARTIAL..][..PARTIAL];
                for ((sum, &weight), &x) in partial.iter_mut().zip(weights).zip(x) {
                    *sum = fma::<FMA>(weight, x, *sum);
                }
            }
        }
        for (token, partial) in partial.iter_mut().enumerate() {
            let x = &tokens[(token + 1) * inputs - rest.len()..][..rest.len()];
            for ((sum, &weight), &x) in partial.iter_mut().zip(rest).zip(x) {
                *sum = fma::<FMA>(weight, x, *sum);
            }
        }
        partial.map(|partial| partial.iter().sum())
    }
}
