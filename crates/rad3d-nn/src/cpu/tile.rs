//! The innermost loop of every matrix product: one tile that lives in registers.

use super::isa::{Isa, Kind};
use super::precision::{Kernel, Products};

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

/// As [`tile`], with weights and tokens in pairs of bfloat16: `a` is `[k / 2, tile_rows]`, `b` is
/// `[k / 2, lanes]`.
///
/// # Panics
/// If a slice is shorter than these shapes, or for a kernel whose products are f32.
#[inline]
pub(crate) fn tile_bf16(kernel: Kernel, a: &[u32], b: &[u32], c: &mut [f32], accumulate: bool) {
    let isa = kernel.isa();
    let pairs = b.len() / isa.lanes();
    assert!(
        a.len() >= pairs * isa.tile_rows() && c.len() >= isa.tile_rows() * isa.lanes(),
        "tile of {pairs} pairs from {} weights into {} sums",
        a.len(),
        c.len()
    );
    match kernel.products() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX-512F and AVX-512 BF16, or no such `Kernel` existed; lengths
        // are checked above.
        Products::Bf16Native => unsafe { x86::tile_bf16_avx512(pairs, a, b, c, accumulate) },
        Products::Bf16Emulated => match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => tile_bf16_emulated::<12, 32>(a, b, c, accumulate),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => tile_bf16_emulated::<6, 16>(a, b, c, accumulate),
            Kind::Portable => tile_bf16_emulated::<4, 8>(a, b, c, accumulate),
        },
        Products::F32 => unreachable!("f32 matrices hold no pairs"),
    }
}

/// What the processor's instruction computes: the odd product is added first, then the even one,
/// each sum rounded to f32. (Products of two bfloat16 are exact in f32. The instruction also takes
/// subnormal numbers for zero; this does not.)
fn tile_bf16_emulated<const ROWS: usize, const LANES: usize>(
    a: &[u32],
    b: &[u32],
    c: &mut [f32],
    accumulate: bool,
) {
    let even = |pair: u32| f32::from_bits(pair << 16);
    let odd = |pair: u32| f32::from_bits(pair & 0xffff_0000);
    let mut sums = [[0.0_f32; LANES]; ROWS];
    if accumulate {
        for (sum, c) in sums.iter_mut().zip(c.chunks_exact(LANES)) {
            sum.copy_from_slice(c);
        }
    }
    for (weights, tokens) in a.chunks_exact(ROWS).zip(b.chunks_exact(LANES)) {
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            for (s, &token) in sum.iter_mut().zip(tokens) {
                *s += odd(weight) * odd(token);
                *s += even(weight) * even(token);
            }
        }
    }
    for (row, sum) in c.chunks_exact_mut(LANES).zip(&sums) {
        row.copy_from_slice(sum);
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

    /// Written after the instruction's description and compiled, but never run: none of the
    /// machines that this was developed on has AVX-512 BF16. Where one has, the tests of
    /// [`super::super::PackedMatrix`] compare it with the emulation.
    ///
    /// # Safety
    /// `a` holds `pairs · 12` words, `b` holds `pairs · 32`, `c` holds `12 · 32` values.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn tile_bf16_avx512(
        pairs: usize,
        a: &[u32],
        b: &[u32],
        c: &mut [f32],
        accumulate: bool,
    ) {
        const ROWS: usize = 12;
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        let (mut weights, mut tokens, out) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: as in `tile_avx2`; a register of 32 bfloat16 is one of 16 words under another
        // name.
        unsafe {
            let as_bf16 = |words: __m512i| std::mem::transmute::<__m512i, __m512bh>(words);
            if accumulate {
                for (row, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm512_loadu_ps(out.add(row * 32));
                    sum[1] = _mm512_loadu_ps(out.add(row * 32 + 16));
                }
            }
            for _ in 0..pairs {
                let low = as_bf16(_mm512_loadu_si512(tokens.cast()));
                let high = as_bf16(_mm512_loadu_si512(tokens.add(16).cast()));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let weight = as_bf16(_mm512_set1_epi32((*weights.add(row)).cast_signed()));
                    sum[0] = _mm512_dpbf16_ps(sum[0], weight, low);
                    sum[1] = _mm512_dpbf16_ps(sum[1], weight, high);
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
