//! Element by element: the norm, the gate and cross-entropy, forwards and backwards.

use std::iter::zip;

use crate::cpu::{Isa, exp, largest, sum_of, vectorised};

/// RMSNorm of rows of `gain`'s width; also each row's inverse root mean square.
pub(super) fn rms_norm(isa: Isa, x: &[f32], gain: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let mut out = vec![0.0; x.len()];
    let rows = zip(x.chunks_exact(gain.len()), out.chunks_exact_mut(gain.len()));
    let inverse = rows
        .map(|(x, out)| rms_norm_row(isa, x, gain, epsilon, out))
        .collect();
    (out, inverse)
}

/// Adds to `out` the gradient through RMSNorm, and to `gain_sum` that of the gain.
pub(super) fn add_rms_norm_back(
    isa: Isa,
    back: &[f32],
    (x, inverse): (&[f32], &[f32]),
    gain: &[f32],
    out: &mut [f32],
    gain_sum: &mut [f32],
) {
    let width = gain.len();
    let rows = zip(back.chunks_exact(width), x.chunks_exact(width));
    let rows = zip(rows, zip(inverse, out.chunks_exact_mut(width)));
    let mut products = vec![0.0; width];
    for ((back, x), (&factor, out)) in rows {
        rms_norm_row_back(isa, back, x, gain, factor, &mut products, out);
        add_gain_back(isa, back, x, factor, gain_sum);
    }
}

vectorised! {
    fn rms_norm_row(x: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) -> f32 {
        let factor = 1.0 / (sum_of(x, |x| x * x) / x.len() as f32 + epsilon).sqrt();
        for (out, (x, gain)) in zip(out, zip(x, gain)) {
            *out = x * factor * gain;
        }
        factor
    }

    /// `products` is scratch of the row's width.
    fn rms_norm_row_back(
        back: &[f32],
        x: &[f32],
        gain: &[f32],
        factor: f32,
        products: &mut [f32],
        out: &mut [f32],
    ) {
        for (product, ((b, g), x)) in zip(&mut *products, zip(zip(back, gain), x)) {
            *product = b * g * x;
        }
        let along = sum_of(products, |product| product);
        let pull = along * factor * factor * factor / x.len() as f32;
        for (out, ((b, g), x)) in zip(out, zip(zip(back, gain), x)) {
            *out += b * g * factor - x * pull;
        }
    }

    fn add_gain_back(back: &[f32], x: &[f32], factor: f32, gain_sum: &mut [f32]) {
        for (sum, (b, x)) in zip(gain_sum, zip(back, x)) {
            *sum += b * x * factor;
        }
    }

    /// `out += x`.
    pub(super) fn add(out: &mut [f32], x: &[f32]) {
        for (out, x) in zip(out, x) {
            *out += x;
        }
    }

    /// `silu(gate) · up`.
    pub(super) fn gated(gate: &[f32], up: &[f32], out: &mut [f32]) {
        for (out, (&gate, up)) in zip(out, zip(gate, up)) {
            *out = gate / (1.0 + exp::<FMA>((-gate).min(88.0))) * up;
        }
    }

    /// From the gradient of `silu(gate) · up`, in both places, to those of gate and up.
    pub(super) fn gated_back(
        gate: &[f32],
        up: &[f32],
        gate_back: &mut [f32],
        up_back: &mut [f32],
    ) {
        for ((gate_back, up_back), (&gate, up)) in zip(zip(gate_back, up_back), zip(gate, up)) {
            let sigmoid = 1.0 / (1.0 + exp::<FMA>((-gate).min(88.0)));
            *gate_back *= up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
            *up_back *= gate * sigmoid;
        }
    }

    /// Cross-entropy of a row of logits whose right answer is `token`; leaves `share` times its
    /// gradient in their place.
    pub(super) fn cross_entropy(logits: &mut [f32], token: usize, share: f32) -> f64 {
        let most = largest(logits);
        let wanted = logits[token] - most;
        for value in logits.iter_mut() {
            *value = exp::<FMA>(*value - most);
        }
        // Sums of short stretches in f32, of those in f64: a vocabulary is long.
        let sum: f64 = logits
            .chunks(1024)
            .map(|stretch| f64::from(sum_of(stretch, |value| value)))
            .sum();
        let factor = share / sum as f32;
        for value in logits.iter_mut() {
            *value *= factor;
        }
        logits[token] -= share;
        sum.ln() - f64::from(wanted)
    }
}
