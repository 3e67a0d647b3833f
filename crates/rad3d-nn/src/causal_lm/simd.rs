//! Eight lanes at a time: the operations that the kernels are written in.
//!
//! Each kernel is written once, generic over [`Simd`], and compiled for AVX2 and for any
//! processor. A lane is a row of the weight matrix, so sums never cross lanes.

/// Lanes of a vector, and rows of a panel of weights.
pub(super) const LANES: usize = 8;

/// Instruction sets with kernels of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isa {
    /// Plain Rust.
    Portable,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Isa {
    /// The best set that this processor has.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            return Self::Avx2;
        }
        Self::Portable
    }
}

/// Calls `$kernel::<S, ...>(...)` compiled for the instruction set `$isa`.
///
/// The kernel must be `#[inline(always)]`, so that it takes on the wrapper's features.
macro_rules! dispatch {
    ($isa:expr, $kernel:ident::<$($generic:ty),*>($($name:ident: $type:ty = $value:expr),* $(,)?) $(-> $ret:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2($($name: $type),*) $(-> $ret)? {
            // SAFETY: passed on from the caller; the features are those of this function.
            unsafe { $kernel::<$crate::causal_lm::simd::Avx2, $($generic),*>($($name),*) }
        }
        match $isa {
            $crate::causal_lm::simd::Isa::Portable => {
                $kernel::<$crate::causal_lm::simd::Portable, $($generic),*>($($value),*)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::causal_lm::simd::Isa::Avx2 => avx2($($value),*),
        }
    }};
}
pub(super) use dispatch;

/// Vector operations. Pointers need no alignment.
///
/// # Safety
/// Every method needs the instruction set of its implementor, and pointers valid for the eight
/// floats, or the bytes named, that it reads or writes.
pub(super) trait Simd: Copy {
    /// Eight floats, one a row.
    type F: Copy;
    /// 32 bytes: four neighbouring columns of eight rows, row by row.
    type B: Copy;
    /// 16 words: two columns of eight rows, row by row.
    type W: Copy;
    /// Eight 32-bit whole numbers, one a row.
    type I: Copy;

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn load_f16(from: *const u16) -> Self::F;
    unsafe fn load_bf16(from: *const u16) -> Self::F;
    unsafe fn load_i8(from: *const i8) -> Self::F;
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once where the processor can.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `e^x`, to 2 units in the last place for `x` in -87 to 88, and clamped outside.
    unsafe fn exp(x: Self::F) -> Self::F;

    unsafe fn load_bytes(from: *const u8) -> Self::B;
    /// Asks for the cache line of `from`, which need not be a valid address.
    unsafe fn prefetch(from: *const u8);
    /// `(x & mask) << left` of each byte, or `>> -left`; no bit may leave its byte.
    unsafe fn mask_shift(x: Self::B, mask: u8, left: i32) -> Self::B;
    unsafe fn or(a: Self::B, b: Self::B) -> Self::B;
    /// `a - zero` of each byte.
    unsafe fn minus(a: Self::B, zero: u8) -> Self::B;
    /// The four columns as floats, the bytes being signed or not.
    unsafe fn columns<const SIGNED: bool>(x: Self::B) -> [Self::F; 4];
    /// For each row the sum over `4 * C` columns of weight times activation.
    ///
    /// Weights have `BITS` bits and no sign, or 8 and a sign; `a` points to `4 * C` activations
    /// from -127 to 127.
    unsafe fn dot<const BITS: u32, const C: usize>(weights: [Self::B; C], a: *const i8) -> Self::F;

    /// The first two columns, then the others, the bytes being signed or not.
    unsafe fn widen<const SIGNED: bool>(x: Self::B) -> [Self::W; 2];
    /// The same two words for every row.
    unsafe fn splat_pair(from: *const i16) -> Self::W;
    unsafe fn zeros() -> Self::I;
    /// Adds to each row's sum the products of its two columns.
    unsafe fn add_products(sum: Self::I, weights: Self::W, a: Self::W) -> Self::I;
    unsafe fn to_floats(x: Self::I) -> Self::F;
}

/// Works on every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Simd for Portable {
    type F = [f32; LANES];
    type B = [u8; 32];
    type W = [i16; 16];
    type I = [i32; LANES];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self::F {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        bits.map(|bits| half::f16::from_bits(bits).to_f32())
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::F {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        bits.map(|bits| f32::from_bits(u32::from(bits) << 16))
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self::F {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Self::F>().write_unaligned(x) };
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Not `mul_add`, which is a slow library call where the processor lacks the instruction.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn exp(x: Self::F) -> Self::F {
        x.map(|x| x.clamp(-87.3, 88.3).exp())
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self::B {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::B>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn prefetch(_from: *const u8) {}
    #[inline(always)]
    unsafe fn mask_shift(x: Self::B, mask: u8, left: i32) -> Self::B {
        x.map(|byte| {
            let kept = byte & mask;
            if left >= 0 {
                kept << left
            } else {
                kept >> -left
            }
        })
    }
    #[inline(always)]
    unsafe fn or(a: Self::B, b: Self::B) -> Self::B {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    unsafe fn minus(a: Self::B, zero: u8) -> Self::B {
        a.map(|byte| byte.wrapping_sub(zero))
    }
    #[inline(always)]
    unsafe fn columns<const SIGNED: bool>(x: Self::B) -> [Self::F; 4] {
        std::array::from_fn(|column| {
            std::array::from_fn(|row| {
                let byte = x[4 * row + column];
                if SIGNED {
                    f32::from(byte.cast_signed())
                } else {
                    f32::from(byte)
                }
            })
        })
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const C: usize>(weights: [Self::B; C], a: *const i8) -> Self::F {
        let mut sums = [0i32; LANES];
        for (chunk, bytes) in weights.iter().enumerate() {
            // SAFETY: the caller promises `4 * C` activations.
            let a = unsafe { a.add(4 * chunk).cast::<[i8; 4]>().read_unaligned() };
            for (row, sum) in sums.iter_mut().enumerate() {
                for column in 0..4 {
                    let byte = bytes[4 * row + column];
                    let weight = if BITS == 8 {
                        i32::from(byte.cast_signed())
                    } else {
                        i32::from(byte)
                    };
                    *sum += weight * i32::from(a[column]);
                }
            }
        }
        sums.map(|sum| sum as f32)
    }
    #[inline(always)]
    unsafe fn widen<const SIGNED: bool>(x: Self::B) -> [Self::W; 2] {
        std::array::from_fn(|half| {
            std::array::from_fn(|at| {
                let byte = x[at / 2 * 4 + 2 * half + at % 2];
                if SIGNED {
                    i16::from(byte.cast_signed())
                } else {
                    i16::from(byte)
                }
            })
        })
    }
    #[inline(always)]
    unsafe fn splat_pair(from: *const i16) -> Self::W {
        // SAFETY: the caller's promise.
        let pair = unsafe { from.cast::<[i16; 2]>().read_unaligned() };
        std::array::from_fn(|at| pair[at % 2])
    }
    #[inline(always)]
    unsafe fn zeros() -> Self::I {
        [0; LANES]
    }
    #[inline(always)]
    unsafe fn add_products(sum: Self::I, weights: Self::W, a: Self::W) -> Self::I {
        std::array::from_fn(|row| {
            let product = |at: usize| i32::from(weights[at]) * i32::from(a[at]);
            sum[row] + product(2 * row) + product(2 * row + 1)
        })
    }
    #[inline(always)]
    unsafe fn to_floats(x: Self::I) -> Self::F {
        x.map(|x| x as f32)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::Simd;

    /// AVX2, FMA and F16C.
    #[derive(Clone, Copy)]
    pub(in crate::causal_lm) struct Avx2;

    // SAFETY of every block below: the trait's contract, that the processor has AVX2, FMA and
    // F16C and that pointers are valid for what is read or written.
    #[expect(
        clippy::undocumented_unsafe_blocks,
        reason = "one reason for all, above"
    )]
    impl Simd for Avx2 {
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
        /// Products of neighbouring columns are added in 16 bits. How many such sums fit before
        /// they must be widened follows from the largest: `2 * (2^BITS - 1) * 127`.
        #[inline(always)]
        unsafe fn dot<const BITS: u32, const C: usize>(
            weights: [__m256i; C],
            a: *const i8,
        ) -> __m256 {
            unsafe {
                let ones = _mm256_set1_epi16(1);
                let mut total = _mm256_setzero_si256();
                if BITS == 8 {
                    for (chunk, weights) in weights.into_iter().enumerate() {
                        let a = _mm256_set1_epi32(a.add(4 * chunk).cast::<i32>().read_unaligned());
                        // `maddubs` wants its first factor without sign: move the sign over.
                        let size = _mm256_abs_epi8(weights);
                        let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(a, weights));
                        total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, ones));
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
            unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(weights, a)) }
        }
        #[inline(always)]
        unsafe fn to_floats(x: __m256i) -> __m256 {
            unsafe { _mm256_cvtepi32_ps(x) }
        }
    }
}
