//! One query against the keys and values of its sequence.

use super::simd::{Isa, LANES, Simd, dispatch};

/// What one query attends to: the first `length` positions of one head of the cache.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// `[position / 8, component, position % 8]`.
    pub(super) keys: &'a [f32],
    /// `[position, component]`, components padded to whole vectors.
    pub(super) values: &'a [f32],
    pub(super) length: usize,
}

/// `softmax(query · keys) · values`; the query is already divided by the root of its width.
///
/// `scores` is scratch for `seen.length` rounded up to whole vectors; `out` has the query's width.
pub(super) fn attend(isa: Isa, query: &[f32], seen: Seen<'_>, scores: &mut [f32], out: &mut [f32]) {
    let blocks = seen.length.div_ceil(LANES);
    assert!(seen.length > 0 && scores.len() >= blocks * LANES && out.len() == query.len());
    assert!(seen.keys.len() >= blocks * LANES * query.len());
    assert!(seen.values.len() >= seen.length * query.len().next_multiple_of(LANES));
    // SAFETY: the lengths were checked just now, and `Isa` was detected.
    unsafe {
        dispatch!(isa, attend_lanes::<>(
            query: &[f32] = query,
            seen: Seen<'_> = seen,
            scores: &mut [f32] = scores,
            out: &mut [f32] = out,
        ));
    }
}

#[inline(always)]
unsafe fn attend_lanes<S: Simd>(
    query: &[f32],
    seen: Seen<'_>,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let width = query.len();
    let blocks = seen.length.div_ceil(LANES);
    // SAFETY: `attend` has checked all lengths.
    unsafe {
        let mut block = 0;
        while block + 4 <= blocks {
            key_products::<S, 4>(query, seen.keys, block, scores);
            block += 4;
        }
        while block < blocks {
            key_products::<S, 1>(query, seen.keys, block, scores);
            block += 1;
        }
        // Lanes behind the last position count as infinitely far.
        scores[seen.length..blocks * LANES].fill(f32::NEG_INFINITY);
        let scores = &mut scores[..blocks * LANES];
        let sum = softmax_numerators::<S>(scores);

        let mut first = 0;
        while first + 8 * LANES <= width {
            weighted_sum::<S, 8>(scores, sum, seen, width, first, out);
            first += 8 * LANES;
        }
        while first < width {
            weighted_sum::<S, 1>(scores, sum, seen, width, first, out);
            first += LANES;
        }
    }
}

/// Scores of `B` times eight positions.
#[inline(always)]
unsafe fn key_products<S: Simd, const B: usize>(
    query: &[f32],
    keys: &[f32],
    block: usize,
    scores: &mut [f32],
) {
    // SAFETY: the blocks lie inside `keys` and `scores`.
    unsafe {
        let keys: [*const f32; B] =
            std::array::from_fn(|b| keys.as_ptr().add((block + b) * LANES * query.len()));
        let mut sums = [S::splat(0.0); B];
        for (component, &value) in query.iter().enumerate() {
            let value = S::splat(value);
            for b in 0..B {
                sums[b] = S::fma(S::load(keys[b].add(component * LANES)), value, sums[b]);
            }
        }
        for (b, sum) in sums.into_iter().enumerate() {
            S::store(scores.as_mut_ptr().add((block + b) * LANES), sum);
        }
    }
}

/// Replaces scores by `e^(score - largest)` and returns their sum.
#[inline(always)]
unsafe fn softmax_numerators<S: Simd>(scores: &mut [f32]) -> f32 {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // SAFETY: `scores` is a whole number of vectors.
    unsafe {
        let shift = S::splat(-largest);
        let mut sum = S::splat(0.0);
        for block in scores.chunks_exact_mut(LANES) {
            let numerators = S::exp(S::add(S::load(block.as_ptr()), shift));
            S::store(block.as_mut_ptr(), numerators);
            sum = S::add(sum, numerators);
        }
        let mut lanes = [0.0; LANES];
        S::store(lanes.as_mut_ptr(), sum);
        lanes.iter().sum()
    }
}

/// `B` times eight components of the weighted mean of the values.
#[inline(always)]
unsafe fn weighted_sum<S: Simd, const B: usize>(
    weights: &[f32],
    total: f32,
    seen: Seen<'_>,
    width: usize,
    first: usize,
    out: &mut [f32],
) {
    let padded = width.next_multiple_of(LANES);
    // SAFETY: positions and components lie inside `values`, whose rows are padded.
    unsafe {
        let values = seen.values.as_ptr().add(first);
        let mut sums = [S::splat(0.0); B];
        for (position, &weight) in weights[..seen.length].iter().enumerate() {
            let weight = S::splat(weight);
            for (b, sum) in sums.iter_mut().enumerate() {
                let value = S::load(values.add(position * padded + b * LANES));
                *sum = S::fma(weight, value, *sum);
            }
        }
        for (b, sum) in sums.into_iter().enumerate() {
            let mut lanes = [0.0; LANES];
            S::store(lanes.as_mut_ptr(), S::mul(sum, S::splat(1.0 / total)));
            let to = &mut out[first + b * LANES..];
            let kept = to.len().min(LANES);
            to[..kept].copy_from_slice(&lanes[..kept]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain attention in 64 bits against both instruction sets, odd sizes included.
    #[test]
    fn equals_the_formula() {
        for (width, length) in [
            (8usize, 1usize),
            (12, 7),
            (64, 33),
            (80, 40),
            (128, 9),
            (5, 64),
        ] {
            let noise = |seed: usize| ((seed * 7919 % 1009) as f32 / 504.5 - 1.0) * 1.5;
            let padded = width.next_multiple_of(LANES);
            let positions = length.next_multiple_of(LANES);
            let query: Vec<f32> = (0..width).map(noise).collect();
            let mut keys = vec![0.0; positions * width];
            let mut values = vec![0.0; positions * padded];
            let mut weights = vec![0f64; length];
            for position in 0..length {
                for component in 0..width {
                    let key = noise(17 + position * width + component);
                    keys[position / 8 * 8 * width + component * 8 + position % 8] = key;
                    values[position * padded + component] = noise(5 + position * 31 + component);
                    weights[position] += f64::from(key) * f64::from(query[component]);
                }
            }
            let largest = weights.iter().copied().fold(f64::MIN, f64::max);
            for weight in &mut weights {
                *weight = (*weight - largest).exp();
            }
            let total: f64 = weights.iter().sum();
            for isa in Isa::available() {
                let seen = Seen {
                    keys: &keys,
                    values: &values,
                    length,
                };
                let mut out = vec![0.0; width];
                attend(isa, &query, seen, &mut vec![0.0; positions], &mut out);
                for component in 0..width {
                    let expected: f64 = (0..length)
                        .map(|p| weights[p] * f64::from(values[p * padded + component]))
                        .sum::<f64>()
                        / total;
                    assert!(
                        (f64::from(out[component]) - expected).abs() < 1e-5,
                        "{isa:?} {width} {length} {component}"
                    );
                }
            }
        }
    }
}
