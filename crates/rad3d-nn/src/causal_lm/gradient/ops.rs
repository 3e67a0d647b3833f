//! The norm, forwards and backwards.

/// RMSNorm of rows of `gain`'s width; also each row's inverse root mean square.
pub(super) fn rms_norm(x: &[f32], gain: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let width = gain.len();
    let mut out = Vec::with_capacity(x.len());
    let mut inverse = Vec::with_capacity(x.len() / width);
    for row in x.chunks_exact(width) {
        let square: f32 = row.iter().map(|x| x * x).sum();
        let factor = 1.0 / (square / width as f32 + epsilon).sqrt();
        out.extend(row.iter().zip(gain).map(|(x, gain)| x * factor * gain));
        inverse.push(factor);
    }
    (out, inverse)
}

/// The gradient through RMSNorm; that of the gain is added to `gain_sum`.
pub(super) fn rms_norm_back(
    back: &[f32],
    x: &[f32],
    gain: &[f32],
    inverse: &[f32],
    gain_sum: &mut [f32],
) -> Vec<f32> {
    let width = gain.len();
    let mut out = Vec::with_capacity(x.len());
    let rows = back.chunks_exact(width).zip(x.chunks_exact(width));
    for ((back, x), &factor) in rows.zip(inverse) {
        let both = back.iter().zip(gain).zip(x);
        let along: f32 = both.clone().map(|((b, g), x)| b * g * x).sum();
        let pull = along * factor * factor * factor / width as f32;
        out.extend(both.map(|((b, g), x)| b * g * factor - x * pull));
        for ((sum, b), x) in gain_sum.iter_mut().zip(back).zip(x) {
            *sum += b * x * factor;
        }
    }
    out
}
