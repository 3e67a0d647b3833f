//! Queries of one token against the keys and values of its sequence.

use super::simd::{Isa, LANES, Simd, dispatch};
use crate::cpu::largest;

/// What queries attend to: the first `length` positions of one head of the cache.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// `[position / 8, component, position % 8]`.
    pub(super) keys: &'a [f32],
    /// `[position, component]`, components padded to whole vectors.
    pub(super) values: &'a [f32],
    pub(super) length: usize,
}

impl Seen<'_> {
    /// Groups of eight positions, the last one maybe not full.
    fn blocks(&self) -> usize {
        self.length.div_ceil(LANES)
    }
}

/// `softmax(query · keys) · values` of each query, `[query, component]` with `width` components; the
/// queries are already divided by the root of their width.
///
/// All queries that share a head of the cache are best given at once: keys and values then come
/// from memory once. Each gets the very numbers that it would get alone. `out` has the shape of
/// `queries`; `scores` is scratch.
pub(super) fn attend(
    isa: Isa,
    width: usize,
    queries: &[f32],
    seen: Seen<'_>,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let padded = width.next_multiple_of(LANES);
    let positions = seen.blocks() * LANES;
    assert!(seen.length > 0 && out.len() == queries.len() && queries.len().is_multiple_of(width));
    assert!(seen.keys.len() >= positions * width);
    assert!(seen.values.len() >= seen.length * padded);
    scores.resize(MOST_QUERIES * positions, 0.0);
    // SAFETY: the lengths were checked just now, and `Isa` was detected.
    unsafe {
        dispatch!(isa, attend_lanes::<>(
            width: usize = width,
            queries: &[f32] = queries,
            seen: Seen<'_> = seen,
            scores: &mut [f32] = scores,
            out: &mut [f32] = out,
        ));
    }
}

/// Queries whose sums stay in 32 registers together; 16 hold those of one.
const MOST_QUERIES: usize = 3;
/// Positions from a value that is used to one that is asked for: some hundred cycles of work.
const VALUES_AHEAD: usize = 16;

#[inline(always)]
unsafe fn attend_lanes<S: Simd>(
    width: usize,
    queries: &[f32],
    seen: Seen<'_>,
    scores: &mut [f32],
    out: &mut [f32],
) {
    // SAFETY: passed on from the caller; each part of `out` belongs to its part of the queries.
    unsafe {
        let mut rest = (queries, out);
        while !rest.0.is_empty() {
            let count = if S::MANY_REGISTERS {
                (rest.0.len() / width).min(MOST_QUERIES)
            } else {
                1
            };
            let (queries, other_queries) = rest.0.split_at(count * width);
            let (out, other_out) = rest.1.split_at_mut(count * width);
            match count {
                MOST_QUERIES => {
                    attend_together::<S, MOST_QUERIES, 4, 8>(width, queries, seen, scores, out)
                }
                2 => attend_together::<S, 2, 4, 8>(width, queries, seen, scores, out),
                _ => attend_together::<S, 1, 4, 8>(width, queries, seen, scores, out),
            }
            rest = (other_queries, other_out);
        }
    }
}

/// `Q` queries, `K` blocks of keys at a time, then `V` vectors of values at a time.
#[inline(always)]
unsafe fn attend_together<S: Simd, const Q: usize, const K: usize, const V: usize>(
    width: usize,
    queries: &[f32],
    seen: Seen<'_>,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let blocks = seen.blocks();
    let positions = blocks * LANES;
    // SAFETY: `attend` has checked all lengths.
    unsafe {
        let mut block = 0;
        while block + K <= blocks {
            key_products::<S, Q, K>(width, queries, seen, block, scores);
            block += K;
        }
        while block < blocks {
            key_products::<S, Q, 1>(width, queries, seen, block, scores);
            block += 1;
        }
        let mut totals = [0.0; Q];
        for (scores, total) in scores.chunks_exact_mut(positions).zip(&mut totals) {
            // Lanes behind the last position count as infinitely far.
            scores[seen.length..].fill(f32::NEG_INFINITY);
            *total = softmax_numerators::<S>(scores);
        }
        let mut first = 0;
        while first + V * LANES <= width {
            weighted_sums::<S, Q, V>(scores, totals, seen, width, first, out);
            first += V * LANES;
        }
        while first < width {
            weighted_sums::<S, Q, 1>(scores, totals, seen, width, first, out);
            first += LANES;
        }
    }
}

/// Scores of `Q` queries with `K` times eight positions, into `[query, position]`.
#[inline(always)]
unsafe fn key_products<S: Simd, const Q: usize, const K: usize>(
    width: usize,
    queries: &[f32],
    seen: Seen<'_>,
    block: usize,
    scores: &mut [f32],
) {
    let positions = seen.blocks() * LANES;
    // SAFETY: the blocks lie inside `keys` and `scores`.
    unsafe {
        let keys: [*const f32; K] =
            std::array::from_fn(|k| seen.keys.as_ptr().add((block + k) * LANES * width));
        let queries: [*const f32; Q] = std::array::from_fn(|q| queries.as_ptr().add(q * width));
        let mut sums = [[S::splat(0.0); K]; Q];
        for component in 0..width {
            let mut lanes = [S::splat(0.0); K];
            for k in 0..K {
                let from = keys[k].add(component * LANES);
                // The blocks that come next.
                S::prefetch(from.wrapping_add(K * LANES * width).cast());
                lanes[k] = S::load(from);
            }
            for q in 0..Q {
                let value = S::splat(*queries[q].add(component));
                for k in 0..K {
                    sums[q][k] = S::fma(lanes[k], value, sums[q][k]);
                }
            }
        }
        for (q, sums) in sums.into_iter().enumerate() {
            for (k, sum) in sums.into_iter().enumerate() {
                let to = scores.as_mut_ptr().add(q * positions + (block + k) * LANES);
                S::store(to, sum);
            }
        }
    }
}

/// Replaces scores by `e^(score - largest)` and returns their sum.
#[inline(always)]
unsafe fn softmax_numerators<S: Simd>(scores: &mut [f32]) -> f32 {
    let largest = largest(scores);
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

/// `V` times eight components of the weighted means of the values, for `Q` queries.
#[inline(always)]
unsafe fn weighted_sums<S: Simd, const Q: usize, const V: usize>(
    weights: &[f32],
    totals: [f32; Q],
    seen: Seen<'_>,
    width: usize,
    first: usize,
    out: &mut [f32],
) {
    let padded = width.next_multiple_of(LANES);
    let positions = seen.blocks() * LANES;
    // SAFETY: positions and components lie inside `values`, whose rows are padded; each query has
    // a weight for every position.
    unsafe {
        let values = seen.values.as_ptr().add(first);
        let weights: [*const f32; Q] = std::array::from_fn(|q| weights.as_ptr().add(q * positions));
        let mut sums = [[S::splat(0.0); Q]; V];
        for position in 0..seen.length {
            let mut own = [S::splat(0.0); Q];
            for q in 0..Q {
                own[q] = S::splat(*weights[q].add(position));
            }
            let row = values.add(position * padded);
            for (v, sums) in sums.iter_mut().enumerate() {
                S::prefetch(row.wrapping_add(VALUES_AHEAD * padded + v * LANES).cast());
                let value = S::load(row.add(v * LANES));
                for q in 0..Q {
                    sums[q] = S::fma(own[q], value, sums[q]);
                }
            }
        }
        for (v, sums) in sums.into_iter().enumerate() {
            for (q, sum) in sums.into_iter().enumerate() {
                let mut lanes = [0.0; LANES];
                S::store(lanes.as_mut_ptr(), S::mul(sum, S::splat(1.0 / totals[q])));
                let to = &mut out[q * width..][..width][first + v * LANES..];
                let kept = to.len().min(LANES);
                to[..kept].copy_from_slice(&lanes[..kept]);
            }
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
                let mut scratch = Vec::new();
                attend(isa, width, &query, seen, &mut scratch, &mut out);
                // Together with others, the query gets the same bits.
                for count in 2..=6 {
                    let others: Vec<f32> = (0..count * width).map(|i| noise(i + 3)).collect();
                    let queries = [&others[width..], &query].concat();
                    let mut outs = vec![0.0; count * width];
                    attend(isa, width, &queries, seen, &mut scratch, &mut outs);
                    assert_eq!(outs[(count - 1) * width..], out, "{isa:?} {width} {count}");
                }
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
