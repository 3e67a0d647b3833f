//! Plain Rust, which any processor runs.

use super::{LANES, Simd};

/// Works on every processor.
#[derive(Clone, Copy)]
pub(in crate::causal_lm) struct Portable;

impl Simd for Portable {
    const MANY_REGISTERS: bool = false;

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
