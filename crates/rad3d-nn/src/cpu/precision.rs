//! In which precision matrix products are taken.

use std::str::FromStr;

use super::isa::{Isa, vectorised};
use crate::{Fault, NnError, Result};

/// Precision of the factors of matrix products; sums are always f32.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// Factors rounded to bfloat16, multiplied by the processor's own instruction for them
    /// (AVX-512 BF16), which takes twice as many products at a time and half the memory.
    ///
    /// On the tiny CT-CLIP tower the tokens before the codebook move by 2.1 % of their root mean
    /// square; all 72 keep their codes, and embedding and logits their bits. Without a codebook the
    /// embedding moves by 7.8e-3 at most in a component (cosine 0.99990), logits by 1.3e-2.
    Bf16,
    /// The arithmetic of [`Precision::Bf16`] in plain code on any processor, to measure what it does
    /// to results. Slower than [`Precision::F32`].
    Bf16Emulated,
}

impl Precision {
    /// `f32`, `bf16` or `bf16-emulated`, which [`Precision::from_str`] reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Bf16Emulated => "bf16-emulated",
        }
    }
}

impl FromStr for Precision {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "bf16-emulated" => Ok(Self::Bf16Emulated),
            _ => Err("expected f32, bf16 or bf16-emulated"),
        }
    }
}

/// An instruction set with a precision that it was found to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    isa: Isa,
    products: Products,
}

/// How a product is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Products {
    F32,
    /// Made only after the processor was asked.
    #[cfg(target_arch = "x86_64")]
    Bf16Native,
    Bf16Emulated,
}

impl Kernel {
    /// Products in `precision` with the kernels of `isa`.
    ///
    /// # Errors
    /// [`Fault::Device`] for [`Precision::Bf16`] on a processor, or an instruction set, without it.
    pub fn new(isa: Isa, precision: Precision) -> Result<Self> {
        let products = match precision {
            Precision::F32 => Products::F32,
            Precision::Bf16Emulated => Products::Bf16Emulated,
            Precision::Bf16 => native(isa).ok_or_else(|| {
                NnError::new(
                    Fault::Device,
                    "precision bf16",
                    format!(
                        "this processor has no bfloat16 products (AVX-512 BF16); its best kernels \
                         are {}",
                        isa.name()
                    ),
                    "use f32, or a processor with AVX-512 BF16 (Zen 4, Cooper Lake, Sapphire \
                     Rapids or later)",
                )
            })?,
        };
        Ok(Self { isa, products })
    }

    pub(crate) fn isa(self) -> Isa {
        self.isa
    }

    pub(crate) fn products(self) -> Products {
        self.products
    }
}

/// Plain 32-bit products.
impl From<Isa> for Kernel {
    fn from(isa: Isa) -> Self {
        Self {
            isa,
            products: Products::F32,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn native(isa: Isa) -> Option<Products> {
    let present = isa.name() == "avx512" && is_x86_feature_detected!("avx512bf16");
    present.then_some(Products::Bf16Native)
}

#[cfg(not(target_arch = "x86_64"))]
fn native(_: Isa) -> Option<Products> {
    None
}

/// `x` rounded to bfloat16, to nearest, ties to even; NaN stays NaN.
#[inline(always)]
pub(super) fn to_bf16(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding may carry a NaN's mantissa away.
    if x.is_nan() {
        (bits >> 16) | 0x40
    } else {
        rounded
    }
}

/// Two bfloat16 in one word: the even feature below, the odd one above.
#[inline(always)]
pub(super) fn bf16_pair(even: f32, odd: f32) -> u32 {
    to_bf16(even) | to_bf16(odd) << 16
}

vectorised! {
    /// Two rows of a panel, each of one feature, as one row of pairs.
    fn pair_rows(even: &[f32], odd: &[f32], pairs: &mut [u32]) {
        for ((pair, &even), &odd) in pairs.iter_mut().zip(even).zip(odd) {
            *pair = bf16_pair(even, odd);
        }
    }
}

/// Panels of tokens `[panel, feature, lane]` as pairs `[panel, feature / 2, lane]`; an odd last
/// feature is paired with zeros.
pub(super) fn panels_to_pairs(isa: Isa, panels: &[f32], features: usize, pairs: &mut [u32]) {
    let lanes = isa.lanes();
    let groups = panels
        .chunks_exact(features * lanes)
        .zip(pairs.chunks_exact_mut(features.div_ceil(2) * lanes));
    for (panel, pairs) in groups {
        for (rows, pairs) in panel.chunks(2 * lanes).zip(pairs.chunks_exact_mut(lanes)) {
            match rows.split_at_checked(lanes) {
                Some((even, odd)) if odd.len() == lanes => pair_rows(isa, even, odd, pairs),
                _ => {
                    for (pair, &even) in pairs.iter_mut().zip(rows) {
                        *pair = bf16_pair(even, 0.0);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn rounding_is_to_nearest_even_for_all_upper_halves_and_every_kind_of_lower_half() {
        for upper in 0..=0xffff_u32 {
            for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(upper << 16 | lower);
                let (ours, expected) = (to_bf16(x), bf16::from_f32(x));
                if x.is_nan() {
                    assert!(
                        f32::from_bits(ours << 16).is_nan(),
                        "{x:?} {upper:x} {lower:x}"
                    );
                } else {
                    assert_eq!(ours, u32::from(expected.to_bits()), "{x:?}");
                }
            }
        }
    }

    #[test]
    fn what_the_processor_lacks_is_refused_with_a_remedy() {
        for isa in Isa::available() {
            assert!(Kernel::new(isa, Precision::F32).is_ok());
            assert!(Kernel::new(isa, Precision::Bf16Emulated).is_ok());
            if isa.name() != "avx512" {
                let error = Kernel::new(isa, Precision::Bf16).unwrap_err();
                assert_eq!(error.fault, Fault::Device);
                assert!(error.hint.contains("f32"), "{}", error.hint);
            }
        }
    }
}
