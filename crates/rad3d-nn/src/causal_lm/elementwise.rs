//! Norms and activation functions.

use super::config::{Activation, Norm};
use super::pool::Pool;
use super::rows::Rows;
use super::simd::{Isa, LANES, Simd, dispatch};

/// Weight and bias of a normalisation; both have the width they normalise over.
pub(super) struct NormWeights {
    pub(super) weight: Vec<f32>,
    /// Absent in root-mean-square norms.
    pub(super) bias: Option<Vec<f32>>,
}

/// Normalises `values` in place.
pub(super) fn normalise(norm: Norm, weights: &NormWeights, values: &mut [f32]) {
    match norm {
        Norm::RmsNorm { eps } => {
            let mean_square = sum(values, |x| x * x) / values.len() as f32;
            let factor = 1.0 / (mean_square + eps).sqrt();
            for (value, weight) in values.iter_mut().zip(&weights.weight) {
                *value *= factor * weight;
            }
        }
        Norm::LayerNorm { eps } => {
            let count = values.len() as f32;
            let mean = sum(values, |x| x) / count;
            let variance = sum(values, |x| (x - mean) * (x - mean)) / count;
            let factor = 1.0 / (variance + eps).sqrt();
            for (value, weight) in values.iter_mut().zip(&weights.weight) {
                *value = (*value - mean) * factor * weight;
            }
            if let Some(bias) = &weights.bias {
                for (value, bias) in values.iter_mut().zip(bias) {
                    *value += bias;
                }
            }
        }
    }
}

/// Normalises every row.
pub(super) fn normalised(norm: Norm, weights: &NormWeights, rows: &Rows, pool: &Pool) -> Rows {
    let mut rows = rows.clone();
    let mut each: Vec<_> = rows.each_mut().collect();
    pool.for_each(&mut each, &|row| normalise(norm, weights, row));
    rows
}

/// Sum of `f(x)` in eight strands, which is both faster and more exact than one.
fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut strands = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|&x| f(x)).sum();
    for chunk in chunks {
        for (strand, &x) in strands.iter_mut().zip(chunk) {
            *strand += f(x);
        }
    }
    strands.iter().sum::<f32>() + rest
}

/// Applies `activation` to `values`, a whole number of vectors, then multiplies by `gated` if
/// there is such.
pub(super) fn activate(
    isa: Isa,
    activation: Activation,
    values: &mut [f32],
    gated: Option<&[f32]>,
) {
    match activation {
        Activation::Relu => {
            for value in values.iter_mut() {
                *value = value.max(0.0);
            }
        }
        Activation::Gelu => {
            for value in values.iter_mut() {
                *value *= 0.5 * (1.0 + libm::erff(*value * std::f32::consts::FRAC_1_SQRT_2));
            }
        }
        Activation::Silu => {
            // SAFETY: `Isa` was detected; the kernel takes whole vectors of the slice only.
            unsafe { dispatch!(isa, silu::<>(values: &mut [f32] = values)) }
        }
        Activation::GeluTanh => {
            // SAFETY: as above.
            unsafe { dispatch!(isa, gelu_tanh::<>(values: &mut [f32] = values)) }
        }
    }
    if let Some(gated) = gated {
        for (value, factor) in values.iter_mut().zip(gated) {
            *value *= factor;
        }
    }
}

/// `x / (1 + e^-x)`.
#[inline(always)]
unsafe fn silu<S: Simd>(values: &mut [f32]) {
    debug_assert!(values.len().is_multiple_of(LANES));
    for chunk in values.chunks_exact_mut(LANES) {
        // SAFETY: a chunk is one vector.
        unsafe {
            let x = S::load(chunk.as_ptr());
            let below = S::add(S::splat(1.0), S::exp(S::mul(x, S::splat(-1.0))));
            S::store(chunk.as_mut_ptr(), S::div(x, below));
        }
    }
}

/// `x / 2 * (1 + tanh(u))` with `u = sqrt(2 / pi) * (x + 0.044715 x^3)`, which is
/// `x / (1 + e^-2u)`.
#[inline(always)]
unsafe fn gelu_tanh<S: Simd>(values: &mut [f32]) {
    debug_assert!(values.len().is_multiple_of(LANES));
    const MINUS_TWICE_ROOT: f32 = -2.0 * 0.797_884_6;
    for chunk in values.chunks_exact_mut(LANES) {
        // SAFETY: a chunk is one vector.
        unsafe {
            let x = S::load(chunk.as_ptr());
            let cubic = S::fma(S::mul(x, x), S::splat(0.044_715), S::splat(1.0));
            let exponent = S::mul(S::mul(x, cubic), S::splat(MINUS_TWICE_ROOT));
            S::store(
                chunk.as_mut_ptr(),
                S::div(x, S::add(S::splat(1.0), S::exp(exponent))),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_equal_their_formulas() {
        let inputs: Vec<f32> = (-400..400).map(|i| i as f32 * 0.05).collect();
        type Formula = fn(f64) -> f64;
        let formulas: [(Activation, Formula); 4] = [
            (Activation::Silu, |x| x / (1.0 + (-x).exp())),
            (Activation::Gelu, |x| {
                x * 0.5 * (1.0 + libm::erf(x / 2f64.sqrt()))
            }),
            (Activation::GeluTanh, |x| {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + u.tanh())
            }),
            (Activation::Relu, |x| x.max(0.0)),
        ];
        for isa in Isa::available() {
            for (activation, formula) in formulas {
                let mut values = inputs.clone();
                activate(isa, activation, &mut values, None);
                for (x, y) in inputs.iter().zip(values) {
                    let expected = formula(f64::from(*x));
                    let gap = (f64::from(y) - expected).abs();
                    assert!(
                        gap <= 1e-6 + 1e-6 * expected.abs(),
                        "{isa:?} {activation:?} {x}"
                    );
                }
            }
        }
    }

    #[test]
    fn exponentials_of_both_instruction_sets_agree() {
        for i in -9000..9000 {
            let x = i as f32 * 0.01;
            let (mut a, mut b) = ([x; LANES], [x; LANES]);
            // SAFETY: one whole vector each.
            unsafe {
                exp_in_place(Isa::Portable, &mut a);
                exp_in_place(Isa::detect(), &mut b);
            }
            assert!((a[0] - b[0]).abs() <= 3e-7 * a[0], "{x}: {} {}", a[0], b[0]);
        }
    }

    unsafe fn exp_in_place(isa: Isa, values: &mut [f32; LANES]) {
        #[inline(always)]
        unsafe fn exp<S: Simd>(values: &mut [f32; LANES]) {
            // SAFETY: the array is one vector.
            unsafe { S::store(values.as_mut_ptr(), S::exp(S::load(values.as_ptr()))) }
        }
        // SAFETY: `isa` was detected.
        unsafe { dispatch!(isa, exp::<>(values: &mut [f32; LANES] = values)) }
    }
}
