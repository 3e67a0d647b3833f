//! The innermost loop of every matrix product: one tile that lives in registers.

use super::isa::{Isa, Kind};

/// `c = [c +] aᵀ·b` for one tile.
///
/// `a` is `[k, tile_rows]` (weights), `b` is `[k, lanes]` (tokens), `c` is `[tile_rows, lanes]`;
/// `k` follows from the length of `b`. With `accumulate` the old content of `c` is added to.
///
/// # Panics
/// If a slice is shorter than these shapes.
#[inline]
pub(crate) fn tile(isa: Isa, a: &[f32], b: &[f32], c: &mut [f32], accumulate: bool) {
    let k = b.len() / isa.lanes();
    assert!(
        a.len() >= k * isa.tile_rows() && c.len() >= isa.tile_rows() * isa.lanes(),
        "tile of depth {k} from {} weights into {} sums",
        a.len(),
        c.len()
    );
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX-512F, or no such `Isa` existed; lengths are checked above.
        Kind::Avx512 => unsafe { x86::tile_avx512(k, a, b, c, accumulate) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX2 and FMA, or no such `Isa` existed; lengths as above.
        Kind::Avx2 => unsafe { x86::tile_avx2(k, a, b, c, accumulate) },
        Kind::Portable => tile_portable(a, b, c, accumulate),
    }
}

fn tile_portable(a: &[f32], b: &[f32], c: &mut [f32], accumulate: bool) {
    const ROWS: usize = 4;
    const LANES: usize = 8;
    let mut sums = [[0.0_f32; LANES]; ROWS];
    for (weights, tokens) in a.chunks_exact(ROWS).zip(b.chunks_exact(LANES)) {
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            for (s, &token) in sum.iter_mut().zip(tokens) {
                *s += weight * token;
            }
        }
    }
    for (row, sum) in c.chunks_exact_mut(LANES).zip(&sums) {
        for (c, &s) in row.iter_mut().zip(sum) {
            *c = if accumulate { *c + s } else { s };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// # Safety
    /// `a` holds `k · 6` values, `b` holds `k · 16`, `c` holds `6 · 16`.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn tile_avx2(
        k: usize,
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
        accumulate: bool,
    ) {
        const ROWS: usize = 6;
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        let (mut weights, mut tokens, out) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: the pointers advance by one tile row in each of `k` steps, which the lengths
        // demanded above cover; unaligned loads and stores are used throughout.
        unsafe {
            if accumulate {
                for (row, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm256_loadu_ps(out.add(row * 16));
                    sum[1] = _mm256_loadu_ps(out.add(row * 16 + 8));
                }
            }
            for _ in 0..k {
                let low = _mm256_loadu_ps(tokens);
                let high = _mm256_loadu_ps(tokens.add(8));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let weight = _mm256_broadcast_ss(&*weights.add(row));
                    sum[0] = _mm256_fmadd_ps(weight, low, sum[0]);
                    sum[1] = _mm256_fmadd_ps(weight, high, sum[1]);
                }
                weights = weights.add(ROWS);
                tokens = tokens.add(16);
            }
            for (row, sum) in sums.iter().enumerate() {
                _mm256_storeu_ps(out.add(row * 16), sum[0]);
                _mm256_storeu_ps(out.add(row * 16 + 8), sum[1]);
            }
        }
    }

    /// # Safety
    /// `a` holds `k · 12` values, `b` holds `k · 32`, `c` holds `12 · 32`.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn tile_avx512(
        k: usize,
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
        accumulate: bool,
    ) {
        const ROWS: usize = 12;
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        let (mut weights, mut tokens, out) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: as in `tile_avx2`.
        unsafe {
            if accumulate {
                for (row, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm512_loadu_ps(out.add(row * 32));
                    sum[1] = _mm512_loadu_ps(out.add(row * 32 + 16));
                }
            }
            for _ in 0..k {
                let low = _mm512_loadu_ps(tokens);
                let high = _mm512_loadu_ps(tokens.add(16));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let weight = _mm512_set1_ps(*weights.add(row));
                    sum[0] = _mm512_fmadd_ps(weight, low, sum[0]);
                    sum[1] = _mm512_fmadd_ps(weight, high, sum[1]);
                }
                weights = weights.add(ROWS);
                tokens = tokens.add(32);
            }
            for (row, sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(out.add(row * 32), sum[0]);
                _mm512_storeu_ps(out.add(row * 32 + 16), sum[1]);
            }
        }
    }
}
