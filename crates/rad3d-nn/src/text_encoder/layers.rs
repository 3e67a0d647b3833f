//! One block over several texts laid end to end.

use std::ops::Range;

use super::config::{EncoderActivation, TextEncoderConfig};
use super::weights::{Block, Linear, Norm, Weights};
use crate::cpu::{Isa, add_bias, gelu, relu, softmax, sum_of, vectorised};
use crate::matmul::{Matrix, matmul, matmul_into};

impl Linear {
    /// `x · weightᵀ + bias`: `x` `[tokens, inputs]`, result `[tokens, outputs]`.
    pub(super) fn apply(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        let outputs = self.bias.len();
        let inputs = self.weight.len() / outputs;
        let tokens = x.len() / inputs;
        let mut out = vec![0.0; tokens * outputs];
        let weight = Matrix::new(&self.weight, outputs, inputs).transposed();
        matmul(Matrix::new(x, tokens, inputs), weight, &mut out, false);
        for row in out.chunks_exact_mut(outputs) {
            add_bias(isa, row, &self.bias);
        }
        out
    }
}

impl Norm {
    /// Normalises each row of `x` `[tokens, width]`.
    fn apply(&self, isa: Isa, epsilon: f32, x: &mut [f32]) {
        for row in x.chunks_exact_mut(self.gain.len()) {
            normalise(isa, row, &self.gain, &self.shift, epsilon);
        }
    }
}

/// What enters the first block, `[tokens, width]`; `texts` are token ids within the vocabulary.
pub(super) fn embed(
    isa: Isa,
    config: &TextEncoderConfig,
    weights: &Weights,
    texts: &[&[u32]],
) -> Vec<f32> {
    let width = config.width;
    let row = |at: usize| -> Range<usize> { at * width..(at + 1) * width };
    let mut x = Vec::with_capacity(texts.iter().map(|text| text.len() * width).sum());
    for text in texts {
        for (place, &id) in text.iter().enumerate() {
            let start = x.len();
            let position = row(config.first_position + place);
            x.extend_from_slice(&weights.tokens[row(id as usize)]);
            add_bias(isa, &mut x[start..], &weights.positions[position]);
            if let Some(types) = &weights.token_types {
                add_bias(isa, &mut x[start..], &types[..width]);
            }
        }
    }
    weights.norm.apply(isa, config.norm_epsilon, &mut x);
    x
}

impl Block {
    /// `x` `[tokens, width]` after this block; the texts' lengths add up to `tokens`.
    pub(super) fn apply(
        &self,
        isa: Isa,
        config: &TextEncoderConfig,
        lengths: &[usize],
        x: &mut [f32],
    ) {
        let gathered = self.attend(isa, config, lengths, x);
        add_bias(isa, x, &self.output.apply(isa, &gathered));
        self.attention_norm.apply(isa, config.norm_epsilon, x);
        let mut hidden = self.up.apply(isa, x);
        match config.activation {
            EncoderActivation::Gelu => gelu_in_place(isa, &mut hidden),
            EncoderActivation::Relu => relu(isa, &mut hidden),
        }
        add_bias(isa, x, &self.down.apply(isa, &hidden));
        self.mlp_norm.apply(isa, config.norm_epsilon, x);
    }

    /// What each token gathers from its own text, `[tokens, width]`, heads side by side.
    fn attend(
        &self,
        isa: Isa,
        config: &TextEncoderConfig,
        lengths: &[usize],
        x: &[f32],
    ) -> Vec<f32> {
        let (width, head_width) = (config.width, config.head_width());
        let linears = [&self.query, &self.key, &self.value];
        let [queries, keys, values] = linears.map(|linear| linear.apply(isa, x));
        let scale = 1.0 / (head_width as f32).sqrt();
        let mut gathered = vec![0.0; x.len()];
        let mut shares = Vec::new();
        let mut first = 0;
        for &length in lengths {
            shares.resize(length * length, 0.0);
            for head in 0..config.heads {
                let start = first * width + head * head_width;
                let [queries, keys, values] = [&queries, &keys, &values]
                    .map(|all| Matrix::with_step(&all[start..], length, head_width, width));
                matmul_into(
                    queries,
                    keys.transposed(),
                    &mut shares,
                    length,
                    scale,
                    false,
                );
                for row in shares.chunks_exact_mut(length) {
                    softmax(isa, row);
                }
                let shares = Matrix::new(&shares, length, length);
                let out = &mut gathered[start..];
                matmul_into(shares, values, out, width, 1.0, false);
            }
            first += length;
        }
        gathered
    }
}

vectorised! {
    /// LayerNorm of one row in place: `(x − mean) / √(variance + ε) · gain + shift`.
    fn normalise(x: &mut [f32], gain: &[f32], shift: &[f32], epsilon: f32) {
        let n = x.len() as f32;
        let mean = sum_of(x, |v| v) / n;
        let variance = sum_of(x, |v| (v - mean) * (v - mean)) / n;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for ((x, &gain), &shift) in x.iter_mut().zip(gain).zip(shift) {
            *x = crate::cpu::fma::<FMA>((*x - mean) * scale, gain, shift);
        }
    }

    /// `x · Φ(x)` of each value.
    fn gelu_in_place(x: &mut [f32]) {
        for x in x {
            *x = gelu::<FMA>(*x);
        }
    }
}
