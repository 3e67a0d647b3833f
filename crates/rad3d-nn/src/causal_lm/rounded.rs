//! A batch of vectors, rounded to whole numbers for products with quantised weights.

use super::rows::Rows;
use super::simd::{Isa, LANES, Simd, dispatch};

/// Columns that share one scale of rounded activations.
pub(super) const BLOCK: usize = 32;
/// Columns of which sums are kept: the smallest group of any weight format.
pub(super) const SUM_GROUP: usize = 16;

/// What the high digit of a 16-bit code counts.
pub(super) const DIGIT_BASE: i32 = 255;
/// Largest digit, and largest code of one digit.
const LARGEST_DIGIT: i32 = 127;
/// Largest code of two digits, and of a word.
const LARGEST_CODE: i32 = LARGEST_DIGIT * DIGIT_BASE;
/// How codes of activations are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeKind {
    /// 8 bits: a byte.
    Bytes,
    /// Nearly 16 bits as two bytes, `255 * high + low`, since a single vector is multiplied fastest
    /// with weights in bytes. With that base both digits lie between -127 and 127, as the kernels
    /// need.
    Digits,
    /// The same numbers as words, for batches, where widening the weights pays.
    Words,
}

/// Codes of all activations, `[count, width]`.
#[derive(Debug, Clone)]
pub(super) enum Codes {
    /// See [`CodeKind::Bytes`].
    Bytes(Vec<i8>),
    /// See [`CodeKind::Digits`].
    Digits { high: Vec<i8>, low: Vec<i8> },
    /// See [`CodeKind::Words`].
    Words(Vec<i16>),
}

/// Rows rounded to whole numbers: in each block of 32 columns, `value ≈ scale * code`.
#[derive(Debug, Clone)]
pub(super) struct RoundedRows {
    pub(super) count: usize,
    pub(super) width: usize,
    pub(super) codes: Codes,
    /// `[count, width / 32]`.
    pub(super) scales: Vec<f32>,
    /// Sums of the bytes that codes are made of, over 32 columns, the high digit first; `[count,
    /// width / 32]`. Empty for words.
    pub(super) byte_sums: Vec<[i32; 2]>,
    /// Sums of `scale * code` over 16 columns; `[count, width / 16]`.
    pub(super) sums_16: Vec<f32>,
    /// The same over 32 columns; `[count, width / 32]`.
    pub(super) sums_32: Vec<f32>,
}

impl RoundedRows {
    /// Rounds `rows`, whose width is a multiple of 32.
    pub(super) fn new(isa: Isa, rows: &Rows, kind: CodeKind) -> Self {
        let (count, width) = (rows.count(), rows.width());
        let values = count * width;
        let mut rounded = Self {
            count,
            width,
            codes: match kind {
                CodeKind::Bytes => Codes::Bytes(vec![0; values]),
                CodeKind::Digits => Codes::Digits {
                    high: vec![0; values],
                    low: vec![0; values],
                },
                CodeKind::Words => Codes::Words(vec![0; values]),
            },
            scales: vec![0.0; values / BLOCK],
            byte_sums: match kind {
                CodeKind::Bytes | CodeKind::Digits => vec![[0; 2]; values / BLOCK],
                CodeKind::Words => Vec::new(),
            },
            sums_16: vec![0.0; values / SUM_GROUP],
            sums_32: vec![0.0; values / BLOCK],
        };
        // SAFETY: `isa` was detected.
        unsafe {
            dispatch!(isa, round_rows::<>(rows: &Rows = rows, to: &mut RoundedRows = &mut rounded));
        }
        rounded
    }

    /// The code of a column, whatever the layout.
    #[cfg(test)]
    pub(super) fn code(&self, row: usize, column: usize) -> i32 {
        let at = row * self.width + column;
        match &self.codes {
            Codes::Bytes(codes) => i32::from(codes[at]),
            Codes::Digits { high, low } => DIGIT_BASE * i32::from(high[at]) + i32::from(low[at]),
            Codes::Words(words) => i32::from(words[at]),
        }
    }
}

/// Plain loops, which the compiler turns into vector code for the instruction set of `S`.
#[inline(always)]
unsafe fn round_rows<S: Simd>(rows: &Rows, to: &mut RoundedRows) {
    let blocks = to.width / BLOCK;
    let largest_code = match to.codes {
        Codes::Bytes(_) => LARGEST_DIGIT,
        Codes::Digits { .. } | Codes::Words(_) => LARGEST_CODE,
    } as f32;
    for row in 0..to.count {
        for (block, values) in rows.row(row).chunks_exact(BLOCK).enumerate() {
            let block = row * blocks + block;
            let largest = largest_size(values);
            let scale = largest / largest_code;
            let inverse = if largest > 0.0 {
                largest_code / largest
            } else {
                0.0
            };
            let mut codes = [0i32; BLOCK];
            for (code, value) in codes.iter_mut().zip(values) {
                *code = nearest(value * inverse);
            }
            to.scales[block] = scale;
            let (first, second) = codes.split_at(SUM_GROUP);
            let halves = [sum_of_group(first), sum_of_group(second)];
            let whole = halves[0] + halves[1];
            to.sums_16[2 * block] = scale * halves[0] as f32;
            to.sums_16[2 * block + 1] = scale * halves[1] as f32;
            to.sums_32[block] = scale * whole as f32;
            let high_sum = to.codes.store(block * BLOCK, &codes);
            if let Some(sums) = to.byte_sums.get_mut(block) {
                *sums = match to.codes {
                    Codes::Digits { .. } => [high_sum, whole - DIGIT_BASE * high_sum],
                    _ => [whole, 0],
                };
            }
        }
    }
}

impl Codes {
    /// Stores the codes of a block and returns the sum of their high digits.
    #[inline(always)]
    fn store(&mut self, first: usize, codes: &[i32; BLOCK]) -> i32 {
        let mut high_sum = 0;
        match self {
            Self::Bytes(bytes) => {
                for (byte, code) in bytes[first..][..BLOCK].iter_mut().zip(codes) {
                    *byte = *code as i8;
                }
            }
            Self::Digits { high, low } => {
                let high = &mut high[first..][..BLOCK];
                let low = &mut low[first..][..BLOCK];
                let mut uppers = [0; BLOCK];
                let digits = high.iter_mut().zip(low).zip(&mut uppers);
                for (((high, low), kept), code) in digits.zip(codes) {
                    let upper = nearest(*code as f32 * (1.0 / DIGIT_BASE as f32));
                    *high = upper as i8;
                    *low = (code - DIGIT_BASE * upper) as i8;
                    *kept = upper;
                }
                high_sum = sum_of_group(&uppers[..SUM_GROUP]) + sum_of_group(&uppers[SUM_GROUP..]);
            }
            Self::Words(words) => {
                for (word, code) in words[first..][..BLOCK].iter_mut().zip(codes) {
                    *word = *code as i16;
                }
            }
        }
        high_sum
    }
}

/// Sum of 16 codes, halved again and again rather than one after the other, which is four additions
/// of vectors.
#[inline(always)]
fn sum_of_group(codes: &[i32]) -> i32 {
    let mut sums = [0; SUM_GROUP];
    sums.copy_from_slice(codes);
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}

/// Largest absolute value, in eight strands that fit a vector.
#[inline(always)]
fn largest_size(values: &[f32]) -> f32 {
    let mut strands = [0f32; LANES];
    for chunk in values.chunks_exact(LANES) {
        for (strand, value) in strands.iter_mut().zip(chunk) {
            // Not `max`, which asks for more care with NaN than one instruction takes.
            let size = value.abs();
            *strand = if size > *strand { size } else { *strand };
        }
    }
    for half in [4, 2, 1] {
        for i in 0..half {
            let other = strands[i + half];
            strands[i] = if other > strands[i] {
                other
            } else {
                strands[i]
            };
        }
    }
    strands[0]
}

/// The nearest whole number to `x`, which is below 2^22 in size, by pushing the fraction out of
/// the mantissa: several times as fast as `round`.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT).to_bits().cast_signed() - SHIFT.to_bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_nearest_whole_numbers() {
        let values: Vec<f32> = (0..96)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.13)
            .collect();
        let rows = Rows::from_packed(96, &values);
        for kind in [CodeKind::Bytes, CodeKind::Digits, CodeKind::Words] {
            for isa in Isa::available() {
                let rounded = RoundedRows::new(isa, &rows, kind);
                for (column, value) in values.iter().enumerate() {
                    let scale = rounded.scales[column / BLOCK];
                    let gap = (rounded.code(0, column) as f32 * scale - value).abs();
                    assert!(gap <= 0.505 * scale, "{kind:?} {isa:?} {column}");
                }
                for (index, sum) in rounded.sums_16.iter().enumerate() {
                    let columns = index * SUM_GROUP..(index + 1) * SUM_GROUP;
                    let whole: i32 = columns.map(|column| rounded.code(0, column)).sum();
                    assert_eq!(*sum, rounded.scales[index / 2] * whole as f32);
                }
            }
        }
    }

    #[test]
    fn digits_and_words_hold_the_same_numbers_and_no_byte_is_minus_128() {
        let values: Vec<f32> = (0..256)
            .map(|i| (i as f32 * 0.7).sin() * i as f32)
            .collect();
        let rows = Rows::from_packed(128, &values);
        let digits = RoundedRows::new(Isa::detect(), &rows, CodeKind::Digits);
        let words = RoundedRows::new(Isa::detect(), &rows, CodeKind::Words);
        for row in 0..2 {
            for column in 0..128 {
                assert_eq!(digits.code(row, column), words.code(row, column));
            }
        }
        assert_eq!(digits.sums_32, words.sums_32);
        let Codes::Digits { high, low } = digits.codes else {
            panic!("digits were asked for");
        };
        assert!(high.iter().chain(&low).all(|&digit| digit > -128));
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        for kind in [CodeKind::Bytes, CodeKind::Digits, CodeKind::Words] {
            let rounded = RoundedRows::new(Isa::detect(), &Rows::zeros(2, 32), kind);
            assert!((0..32).all(|column| rounded.code(1, column) == 0));
            assert!(rounded.sums_16.iter().all(|&sum| sum == 0.0));
        }
    }
}
