//! LayerNorm, forwards and backwards.

use std::ops::Range;

use crate::cpu::NORM_EPSILON;

/// Rows before gain and shift, and what each was divided by.
pub(super) struct Normed {
    /// `[rows, features]`, of mean 0 and variance 1.
    pub(super) values: Vec<f32>,
    inverse: Vec<f32>,
}

impl Normed {
    pub(super) fn new(x: &[f32], features: usize) -> Self {
        let mut values = Vec::with_capacity(x.len());
        let mut inverse = Vec::with_capacity(x.len() / features);
        for row in x.chunks_exact(features) {
            let mean = row.iter().sum::<f32>() / features as f32;
            let square: f32 = row.iter().map(|x| (x - mean) * (x - mean)).sum();
            let factor = 1.0 / (square / features as f32 + NORM_EPSILON).sqrt();
            values.extend(row.iter().map(|x| (x - mean) * factor));
            inverse.push(factor);
        }
        Self { values, inverse }
    }

    /// The rows times `gain`, plus `shift`.
    pub(super) fn scaled(&self, gain: &[f32], shift: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.values.len());
        for row in self.values.chunks_exact(gain.len()) {
            let all = row.iter().zip(gain).zip(shift);
            out.extend(all.map(|((x, gain), shift)| x * gain + shift));
        }
        out
    }

    /// Adds the input's gradient to `into`, and those of gain and shift to their places in `sums`;
    /// a shift that is a constant, CT-CLIP's `beta`, is left out.
    pub(super) fn backward(
        &self,
        back: &[f32],
        weights: &[f32],
        gain: &Range<usize>,
        shift: Option<&Range<usize>>,
        into: &mut [f32],
        sums: &mut [f32],
    ) {
        let features = gain.len();
        let gains = &weights[gain.clone()];
        let rows = back
            .chunks_exact(features)
            .zip(self.values.chunks_exact(features))
            .zip(into.chunks_exact_mut(features))
            .zip(&self.inverse);
        let mut gain_sum = vec![0.0; features];
        let mut shift_sum = vec![0.0; features];
        for (((back, normed), into), inverse) in rows {
            let (mut mean, mut along) = (0.0, 0.0);
            for ((b, g), n) in back.iter().zip(gains).zip(normed) {
                mean += b * g;
                along += b * g * n;
            }
            mean /= features as f32;
            along /= features as f32;
            for (((into, b), g), n) in into.iter_mut().zip(back).zip(gains).zip(normed) {
                *into += (b * g - mean - n * along) * inverse;
            }
            for (((gain, shift), b), n) in gain_sum
                .iter_mut()
                .zip(&mut shift_sum)
                .zip(back)
                .zip(normed)
            {
                *gain += b * n;
                *shift += b;
            }
        }
        super::add(&mut sums[gain.clone()], &gain_sum);
        if let Some(shift) = shift {
            super::add(&mut sums[shift.clone()], &shift_sum);
        }
    }
}
