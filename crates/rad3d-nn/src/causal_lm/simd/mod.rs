//! Eight lanes at a time: the operations that the kernels are written in.
//!
//! Each kernel is written once, generic over [`Simd`] and compiled for AVX2, with
//! and without the neural network instructions of AVX-512, and for any processor. A lane is a row of
//! the weight matrix, so sums never cross lanes.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
pub(super) use portable::Portable;

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
    /// The same, and AVX-512 with its neural network instructions.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Isa {
    /// The best set that this processor has.
    pub(super) fn detect() -> Self {
        Self::available()
            .into_iter()
            .last()
            .unwrap_or(Self::Portable)
    }

    /// Whether batches of 16-bit activations are multiplied fastest as two bytes each, as single
    /// vectors are, rather than as words.
    pub(super) fn multiplies_batches_in_bytes(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Vnni {
            return true;
        }
        false
    }

    /// All sets that this processor has, the best one last.
    pub(super) fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            found.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                found.push(Self::Vnni);
            }
        }
        found
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
            unsafe { $kernel::<$crate::causal_lm::simd::Avx2<false>, $($generic),*>($($name),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(
            enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
        )]
        unsafe fn vnni($($name: $type),*) $(-> $ret)? {
            // SAFETY: as above.
            unsafe { $kernel::<$crate::causal_lm::simd::Avx2<true>, $($generic),*>($($name),*) }
        }
        match $isa {
            $crate::causal_lm::simd::Isa::Portable => {
                $kernel::<$crate::causal_lm::simd::Portable, $($generic),*>($($value),*)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::causal_lm::simd::Isa::Avx2 => avx2($($value),*),
            #[cfg(target_arch = "x86_64")]
            $crate::causal_lm::simd::Isa::Vnni => vnni($($value),*),
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
    /// Whether there are 32 vector registers rather than 16.
    const MANY_REGISTERS: bool;

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
