//! 256-bit vectors of x86-64.

use std::arch::x86_64::*;

use super::Simd;

/// AVX2, FMA and F16C; with `VNNI` also the parts of AVX-512 that multiply bytes and words and add
/// up the products in one instruction.
#[derive(Clone, Copy)]
pub(in crate::causal_lm) struct Avx2<const VNNI: bool>;

// SAFETY of every block below: the trait's contract, that the processor has AVX2, FMA and
// F16C and that pointers are valid for what is read or written.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "one reason for all, above"
)]
impl<const VNNI: bool> Simd for Avx2<VNNI> {
    const MANY_REGISTERS: bool = VNNI;

    type F = __m256;
    type B = __m256i;
    type W = __m256i;
    type I = __m256i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256 {
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m256) {
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    /// `2^n * e^r` with `n` whole and |r| at most ln(2) / 2, `e^r` by its Taylor polynomial of
    /// degree 7 (the next term is 5e-9 at most).
    #[inline(always)]
    unsafe fn exp(x: __m256) -> __m256 {
        // ln(2) in two parts, so that `n * ln(2)` loses no bit.
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        const TERMS: [f32; 7] = [
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0,
        ];
        unsafe {
            let low = _mm256_set1_ps(-87.3);
            let x = _mm256_min_ps(_mm256_max_ps(x, low), _mm256_set1_ps(88.3));
            let n = _mm256_mul_ps(x, _mm256_set1_ps(std::f32::consts::LOG2_E));
            let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(n);
            let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN2_HIGH), x);
            let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN2_LOW), r);
            let mut sum = _mm256_set1_ps(1.0 / 5040.0);
            for term in TERMS {
                sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(term));
            }
            let power = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(sum, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(power)))
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn mask_shift(x: __m256i, mask: u8, left: i32) -> __m256i {
        unsafe {
            let kept = _mm256_and_si256(x, _mm256_set1_epi8(mask.cast_signed()));
            if left >= 0 {
                _mm256_sll_epi16(kept, _mm_cvtsi32_si128(left))
            } else {
                _mm256_srl_epi16(kept, _mm_cvtsi32_si128(-left))
            }
        }
    }
    #[inline(always)]
    unsafe fn or(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn minus(a: __m256i, zero: u8) -> __m256i {
        unsafe { _mm256_sub_epi8(a, _mm256_set1_epi8(zero.cast_signed())) }
    }
    #[inline(always)]
    unsafe fn columns<const SIGNED: bool>(x: __m256i) -> [__m256; 4] {
        unsafe {
            let whole = if SIGNED {
                [
                    _mm256_srai_epi32::<24>(_mm256_slli_epi32::<24>(x)),
                    _mm256_srai_epi32::<24>(_mm256_slli_epi32::<16>(x)),
                    _mm256_srai_epi32::<24>(_mm256_slli_epi32::<8>(x)),
                    _mm256_srai_epi32::<24>(x),
                ]
            } else {
                let byte = _mm256_set1_epi32(0xff);
                [
                    _mm256_and_si256(x, byte),
                    _mm256_and_si256(_mm256_srli_epi32::<8>(x), byte),
                    _mm256_and_si256(_mm256_srli_epi32::<16>(x), byte),
                    _mm256_srli_epi32::<24>(x),
                ]
            };
            [
                _mm256_cvtepi32_ps(whole[0]),
                _mm256_cvtepi32_ps(whole[1]),
                _mm256_cvtepi32_ps(whole[2]),
                _mm256_cvtepi32_ps(whole[3]),
            ]
        }
    }
    /// Without VNNI, products of neighbouring columns are added in 16 bits. How many such sums fit before
    /// they must be widened follows from the largest: `2 * (2^BITS - 1) * 127`.
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const C: usize>(weights: [__m256i; C], a: *const i8) -> __m256 {
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let mut total = _mm256_setzero_si256();
            if BITS == 8 {
                for (chunk, weights) in weights.into_iter().enumerate() {
                    let a = _mm256_set1_epi32(a.add(4 * chunk).cast::<i32>().read_unaligned());
                    // `maddubs` wants its first factor without sign: move the sign over.
                    let size = _mm256_abs_epi8(weights);
                    let a = _mm256_sign_epi8(a, weights);
                    if VNNI {
                        total = _mm256_dpbusd_epi32(total, size, a);
                        continue;
                    }
                    let pairs = _mm256_maddubs_epi16(size, a);
                    total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, ones));
                }
            } else if VNNI {
                for (chunk, weights) in weights.into_iter().enumerate() {
                    let a = _mm256_set1_epi32(a.add(4 * chunk).cast::<i32>().read_unaligned());
                    total = _mm256_dpbusd_epi32(total, weights, a);
                }
            } else {
                let chunks_in_16_bits = match BITS {
                    4 => 8,
                    5 => 4,
                    _ => 2,
                };
                let mut narrow = _mm256_setzero_si256();
                for (chunk, weights) in weights.into_iter().enumerate() {
                    let a = _mm256_set1_epi32(a.add(4 * chunk).cast::<i32>().read_unaligned());
                    narrow = _mm256_add_epi16(narrow, _mm256_maddubs_epi16(weights, a));
                    if (chunk + 1).is_multiple_of(chunks_in_16_bits) {
                        total = _mm256_add_epi32(total, _mm256_madd_epi16(narrow, ones));
                        narrow = _mm256_setzero_si256();
                    }
                }
            }
            _mm256_cvtepi32_ps(total)
        }
    }
    #[inline(always)]
    unsafe fn widen<const SIGNED: bool>(x: __m256i) -> [__m256i; 2] {
        // Byte indices for both words of four rows, lowest byte first; 0x80 gives zero.
        const ROWS: [u32; 4] = [0x8001_8000, 0x8005_8004, 0x8009_8008, 0x800d_800c];
        unsafe {
            let [a, b, c, d] = ROWS.map(u32::cast_signed);
            let low = _mm256_setr_epi32(a, b, c, d, a, b, c, d);
            let rest = _mm256_add_epi8(low, _mm256_set1_epi16(2));
            if SIGNED {
                // Signed bytes go to the upper half of their word and are shifted down.
                let first = _mm256_shuffle_epi8(x, _mm256_slli_epi16::<8>(low));
                let second = _mm256_shuffle_epi8(x, _mm256_slli_epi16::<8>(rest));
                [
                    _mm256_srai_epi16::<8>(first),
                    _mm256_srai_epi16::<8>(second),
                ]
            } else {
                [_mm256_shuffle_epi8(x, low), _mm256_shuffle_epi8(x, rest)]
            }
        }
    }
    #[inline(always)]
    unsafe fn splat_pair(from: *const i16) -> __m256i {
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn zeros() -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn add_products(sum: __m256i, weights: __m256i, a: __m256i) -> __m256i {
        unsafe {
            if VNNI {
                _mm256_dpwssd_epi32(sum, weights, a)
            } else {
                _mm256_add_epi32(sum, _mm256_madd_epi16(weights, a))
            }
        }
    }
    #[inline(always)]
    unsafe fn to_floats(x: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(x) }
    }
}
