//! Norms and activations, over rows `[feature]` or panels `[feature, lane]`.

use super::fma;
use super::isa::vectorised;

/// Epsilon of every LayerNorm here (spec 2.1 and 5).
pub(crate) const NORM_EPSILON: f32 = 1e-5;
/// Smallest length that an l2 normalisation divides by (spec 2.3).
pub(crate) const LENGTH_EPSILON: f32 = 1e-12;
/// Independent partial sums of a reduction: enough to keep two 512-bit adders busy.
const PARTIAL: usize = 32;

/// Sums `f(x)` over `x` in [`PARTIAL`] independent partial sums.
#[inline(always)]
pub(crate) fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut partial = [0.0_f32; PARTIAL];
    let chunks = x.chunks_exact(PARTIAL);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, &value) in partial.iter_mut().zip(chunk) {
            *sum += f(value);
        }
    }
    for (sum, &value) in partial.iter_mut().zip(rest) {
        *sum += f(value);
    }
    let mut width = PARTIAL / 2;
    while width > 0 {
        for i in 0..width {
            partial[i] += partial[i + width];
        }
        width /= 2;
    }
    partial[0]
}

/// The largest of some values, in 16 strands.
#[inline(always)]
pub(crate) fn largest(values: &[f32]) -> f32 {
    let mut strands = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for (strand, &value) in strands.iter_mut().zip(chunk) {
            *strand = if value > *strand { value } else { *strand };
        }
    }
    strands
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |most, &value| most.max(value))
}

/// `eˣ` for x ≤ 88, relative error below 2e-7; 0 below −87.3.
#[inline(always)]
#[expect(
    clippy::excessive_precision,
    reason = "the split of ln 2 is exact as written"
)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // x = n·ln 2 + r with |r| ≤ ln 2 / 2; ln 2 is split so that n·LN2_HIGH is exact.
    const LN2_HIGH: f32 = 0.693_359_375;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5·2²³ rounds to an integer, and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.3);
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -LN2_HIGH, x);
    let r = fma::<FMA>(n, -LN2_LOW, r);
    // Taylor's series to the 7th power; the next term is below 6e-9 on this interval.
    let mut series = 1.0 / 5040.0;
    series = fma::<FMA>(series, r, 1.0 / 720.0);
    series = fma::<FMA>(series, r, 1.0 / 120.0);
    series = fma::<FMA>(series, r, 1.0 / 24.0);
    series = fma::<FMA>(series, r, 1.0 / 6.0);
    series = fma::<FMA>(series, r, 0.5);
    series = fma::<FMA>(series, r, 1.0);
    series = fma::<FMA>(series, r, 1.0);
    let exponent = (shifted.to_bits() << 23).wrapping_add(0x3F80_0000);
    series * f32::from_bits(exponent)
}

/// `x · Φ(x)`, the exact (erf) GELU; absolute error below 2.5e-7 · max(1, |x|).
#[inline(always)]
pub(crate) fn gelu<const FMA: bool>(x: f32) -> f32 {
    x * share_below::<FMA>(x)
}

/// `Φ(x)`, the share of the normal distribution below x.
///
/// erfc(a) = exp(−p(a)) with p a polynomial fitted to −ln erfc on [0, 4], where it leaves an
/// error of 2.3e-9 in erfc; beyond 4, erfc is below 1.6e-8. Both signs of x use erfc itself, so
/// that nothing cancels in the negative tail.
#[inline(always)]
fn share_below<const FMA: bool>(x: f32) -> f32 {
    #[expect(
        clippy::excessive_precision,
        reason = "the coefficients as they were fitted"
    )]
    const P: [f32; 9] = [
        1.128_379_3,
        0.636_616_1,
        0.102_797_2,
        -0.019_217_14,
        -5.878_837e-5,
        1.576_766_6e-3,
        -5.879_541_3e-4,
        1.060_276e-4,
        -8.043_928_6e-6,
    ];
    let a = (x.abs() * std::f32::consts::FRAC_1_SQRT_2).min(4.0);
    let mut p = P[8];
    for &coefficient in P[..8].iter().rev() {
        p = fma::<FMA>(p, a, coefficient);
    }
    let erfc = exp::<FMA>(-p * a);
    0.5 * if x < 0.0 { erfc } else { 2.0 - erfc }
}

/// The slope of [`gelu`]: Φ(x) + x · φ(x).
#[inline(always)]
pub(crate) fn gelu_slope<const FMA: bool>(x: f32) -> f32 {
    /// 1 / √(2π).
    const DENSITY: f32 = 0.398_942_3;
    fma::<FMA>(x * DENSITY, exp::<FMA>(-0.5 * x * x), share_below::<FMA>(x))
}

vectorised! {
    /// LayerNorm of one row: `out = (x − mean) / √(variance + 1e-5) · gain + shift`.
    pub(crate) fn normalise_row(x: &[f32], gain: &[f32], shift: &[f32], out: &mut [f32]) {
        let n = x.len() as f32;
        let mean = sum_of(x, |v| v) / n;
        let variance = sum_of(x, |v| (v - mean) * (v - mean)) / n;
        let scale = 1.0 / (variance + NORM_EPSILON).sqrt();
        for (((out, &x), &gain), &shift) in out.iter_mut().zip(x).zip(gain).zip(shift) {
            *out = fma::<FMA>((x - mean) * scale, gain, shift);
        }
    }

    /// Divides `x` by its Euclidean length, at least 1e-12, and multiplies by `gain` value by value.
    pub(crate) fn l2_normalise_scaled(x: &[f32], gain: &[f32], out: &mut [f32]) {
        let scale = 1.0 / sum_of(x, |v| v * v).sqrt().max(LENGTH_EPSILON);
        for ((out, &x), &gain) in out.iter_mut().zip(x).zip(gain) {
            *out = x * scale * gain;
        }
    }

    /// Divides `x` by its Euclidean length, at least 1e-12.
    pub(crate) fn l2_normalise(x: &mut [f32]) {
        let scale = 1.0 / sum_of(x, |v| v * v).sqrt().max(LENGTH_EPSILON);
        for x in x {
            *x *= scale;
        }
    }

    /// `out = value · gelu(gate)` for two stretches of equal length.
    pub(crate) fn geglu(value: &[f32], gate: &[f32], out: &mut [f32]) {
        for ((out, &value), &gate) in out.iter_mut().zip(value).zip(gate) {
            *out = value * gelu::<FMA>(gate);
        }
    }

    /// Gradients through [`geglu`] of value and gate, from that of its result.
    pub(crate) fn geglu_back(
        value: &[f32],
        gate: &[f32],
        back: &[f32],
        value_back: &mut [f32],
        gate_back: &mut [f32],
    ) {
        let inputs = value.iter().zip(gate).zip(back);
        let outputs = value_back.iter_mut().zip(gate_back);
        for (((&value, &gate), &back), (value_back, gate_back)) in inputs.zip(outputs) {
            *value_back = back * gelu::<FMA>(gate);
            *gate_back = back * value * gelu_slope::<FMA>(gate);
        }
    }

    /// Softmax of a row.
    pub(crate) fn softmax(row: &mut [f32]) {
        let most = largest(row);
        for value in row.iter_mut() {
            *value = exp::<FMA>(*value - most);
        }
        let inverse = 1.0 / sum_of(row, |value| value);
        for value in row {
            *value *= inverse;
        }
    }

    /// From the gradient `errors` of a row of `softmax` values to that of what went in.
    pub(crate) fn softmax_back(softmax: &[f32], errors: &mut [f32]) {
        for (error, value) in errors.iter_mut().zip(softmax) {
            *error *= value;
        }
        let sum = sum_of(errors, |error| error);
        for (error, value) in errors.iter_mut().zip(softmax) {
            *error -= value * sum;
        }
    }

    /// Inner product of two stretches of equal length, in 32 partial sums.
    pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut partial = [0.0_f32; PARTIAL];
        let (a, a_rest) = a.as_chunks::<PARTIAL>();
        let (b, b_rest) = b.as_chunks::<PARTIAL>();
        for (a, b) in a.iter().zip(b) {
            for ((sum, &a), &b) in partial.iter_mut().zip(a).zip(b) {
                *sum = fma::<FMA>(a, b, *sum);
            }
        }
        for ((sum, &a), &b) in partial.iter_mut().zip(a_rest).zip(b_rest) {
            *sum = fma::<FMA>(a, b, *sum);
        }
        sum_of(&partial, |sum| sum)
    }

    /// Adds `bias` to a row.
    pub(crate) fn add_bias(x: &mut [f32], bias: &[f32]) {
        for (x, &bias) in x.iter_mut().zip(bias) {
            *x += bias;
        }
    }

    /// `max(x, 0)`.
    pub(crate) fn relu(x: &mut [f32]) {
        for x in x {
            *x = x.max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// erfc by its series or continued fraction in f64.
    fn erfc(x: f64) -> f64 {
        if x < 0.0 {
            return 2.0 - erfc(-x);
        }
        if x < 2.5 {
            let (mut term, mut sum, mut n) = (x, x, 0.0);
            while term.abs() > 1e-18 {
                n += 1.0;
                term *= -x * x / n;
                sum += term / (2.0 * n + 1.0);
            }
            1.0 - sum * 2.0 / std::f64::consts::PI.sqrt()
        } else {
            let tail = (1..80)
                .rev()
                .fold(x, |tail, k| x + 0.5 * f64::from(k) / tail);
            (-x * x).exp() / (tail * std::f64::consts::PI.sqrt())
        }
    }

    #[test]
    fn exp_is_close_over_its_range() {
        for i in -870..=870 {
            let x = i as f32 * 0.1;
            let expected = f64::from(x).exp();
            for got in [exp::<true>(x), exp::<false>(x)] {
                assert!(
                    (f64::from(got) / expected - 1.0).abs() < 2e-7,
                    "exp({x}) = {got}"
                );
            }
        }
        assert!(exp::<true>(-1e30) < 2e-38);
    }

    #[test]
    fn the_slope_of_gelu_is_that_of_finite_differences() {
        let gelu = |x: f64| 0.5 * x * erfc(-x / 2f64.sqrt());
        for i in -800..=800 {
            let x = f64::from(i) * 0.01;
            let expected = (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5;
            for got in [gelu_slope::<true>(x as f32), gelu_slope::<false>(x as f32)] {
                assert!((f64::from(got) - expected).abs() < 1e-6, "{x}: {got}");
            }
        }
    }

    #[test]
    fn gelu_is_close_over_its_range() {
        for i in -120_000..=120_000 {
            let x = i as f32 * 1e-4;
            let expected = 0.5 * f64::from(x) * erfc(-f64::from(x) / 2f64.sqrt());
            for got in [gelu::<true>(x), gelu::<false>(x)] {
                let error = (f64::from(got) - expected).abs();
                assert!(
                    error < 2.5e-7 * f64::from(x.abs()).max(1.0),
                    "gelu({x}) = {got}, off {error:e}"
                );
            }
        }
    }
}
