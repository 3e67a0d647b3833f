//! A batch of vectors, rounded to whole numbers for products with quantised weights.

use super::pool::Pool;
use super::rows::Rows;
use super::simd::{Isa, Simd, dispatch};

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
    pub(super) fn new(isa: Isa, rows: &Rows, kind: CodeKind, pool: &Pool) -> Self {
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
        pool.for_each(&mut rounded.each_row(rows), &|row| {
            // SAFETY: `isa` was detected.
            unsafe { dispatch!(isa, round_row::<>(row: &mut RoundedRow<'_> = row)) }
        });
        rounded
    }

    /// Everything that belongs to one row of `rows`, for all of them.
    fn each_row<'a>(&'a mut self, rows: &'a Rows) -> Vec<RoundedRow<'a>> {
        let (width, blocks) = (self.width.max(1), (self.width / BLOCK).max(1));
        let codes: Vec<RowCodes<'a>> = match &mut self.codes {
            Codes::Bytes(bytes) => bytes.chunks_exact_mut(width).map(RowCodes::Bytes).collect(),
            Codes::Digits { high, low } => high
                .chunks_exact_mut(width)
                .zip(low.chunks_exact_mut(width))
                .map(|(high, low)| RowCodes::Digits { high, low })
                .collect(),
            Codes::Words(words) => words.chunks_exact_mut(width).map(RowCodes::Words).collect(),
        };
        let mut byte_sums = self.byte_sums.chunks_exact_mut(blocks);
        codes
            .into_iter()
            .zip(self.scales.chunks_exact_mut(blocks))
            .zip(self.sums_16.chunks_exact_mut(blocks * BLOCK / SUM_GROUP))
            .zip(self.sums_32.chunks_exact_mut(blocks))
            .enumerate()
            .map(
                |(index, (((codes, scales), sums_16), sums_32))| RoundedRow {
                    values: rows.row(index),
                    codes,
                    scales,
                    byte_sums: byte_sums.next().unwrap_or_default(),
                    sums_16,
                    sums_32,
                },
            )
            .collect()
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

/// One row of [`RoundedRows`], and what it is made from.
struct RoundedRow<'a> {
    values: &'a [f32],
    codes: RowCodes<'a>,
    scales: &'a mut [f32],
    /// Empty for words.
    byte_sums: &'a mut [[i32; 2]],
    sums_16: &'a mut [f32],
    sums_32: &'a mut [f32],
}

/// One row of [`Codes`].
enum RowCodes<'a> {
    Bytes(&'a mut [i8]),
    Digits {
        high: &'a mut [i8],
        low: &'a mut [i8],
    },
    Words(&'a mut [i16]),
}

/// Plain loops over arrays, which the compiler turns into vector code for the instruction set of `S`.
#[inline(always)]
unsafe fn round_row<S: Simd>(row: &mut RoundedRow<'_>) {
    let (blocks, _) = row.values.as_chunks();
    match &mut row.codes {
        RowCodes::Bytes(bytes) => {
            let (bytes, _) = bytes.as_chunks_mut::<BLOCK>();
            for (block, (values, bytes)) in blocks.iter().zip(bytes).enumerate() {
                let rounded = RoundedBlock::new(values, LARGEST_DIGIT);
                *bytes = rounded.codes.map(|code| code as i8);
                let sum = rounded.keep_sums(block, row.scales, row.sums_16, row.sums_32);
                row.byte_sums[block] = [sum, 0];
            }
        }
        RowCodes::Digits { high, low } => {
            let (high, _) = high.as_chunks_mut::<BLOCK>();
            let (low, _) = low.as_chunks_mut::<BLOCK>();
            for (block, ((values, high), low)) in blocks.iter().zip(high).zip(low).enumerate() {
                let rounded = RoundedBlock::new(values, LARGEST_CODE);
                let mut uppers = [0; BLOCK];
                for i in 0..BLOCK {
                    let code = rounded.codes[i];
                    uppers[i] = nearest(code as f32 * (1.0 / DIGIT_BASE as f32));
                    high[i] = uppers[i] as i8;
                    low[i] = (code - DIGIT_BASE * uppers[i]) as i8;
                }
                let sum = rounded.keep_sums(block, row.scales, row.sums_16, row.sums_32);
                let [first, second] = sums_of_halves(&uppers);
                let high_sum = first + second;
                row.byte_sums[block] = [high_sum, sum - DIGIT_BASE * high_sum];
            }
        }
        RowCodes::Words(words) => {
            let (words, _) = words.as_chunks_mut::<BLOCK>();
            for (block, (values, words)) in blocks.iter().zip(words).enumerate() {
                let rounded = RoundedBlock::new(values, LARGEST_CODE);
                *words = rounded.codes.map(|code| code as i16);
                rounded.keep_sums(block, row.scales, row.sums_16, row.sums_32);
            }
        }
    }
}

/// A block of values as whole numbers: `value ≈ scale * code`.
struct RoundedBlock {
    codes: [i32; BLOCK],
    scale: f32,
}

impl RoundedBlock {
    #[inline(always)]
    fn new(values: &[f32; BLOCK], largest_code: i32) -> Self {
        let largest = largest_size(values);
        let largest_code = largest_code as f32;
        let inverse = if largest > 0.0 {
            largest_code / largest
        } else {
            0.0
        };
        let mut codes = [0; BLOCK];
        for i in 0..BLOCK {
            codes[i] = nearest(values[i] * inverse);
        }
        Self {
            codes,
            scale: largest / largest_code,
        }
    }

    /// Stores scale and sums of block number `block`, and returns the sum of its codes.
    #[inline(always)]
    fn keep_sums(
        &self,
        block: usize,
        scales: &mut [f32],
        sums_16: &mut [f32],
        sums_32: &mut [f32],
    ) -> i32 {
        let [first, second] = sums_of_halves(&self.codes);
        scales[block] = self.scale;
        sums_16[2 * block] = self.scale * first as f32;
        sums_16[2 * block + 1] = self.scale * second as f32;
        sums_32[block] = self.scale * (first + second) as f32;
        first + second
    }
}

/// Sums of the first and of the last 16 codes, halved again and again rather than one after the
/// other, which is four additions of vectors.
#[inline(always)]
fn sums_of_halves(codes: &[i32; BLOCK]) -> [i32; 2] {
    let mut sums = *codes;
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
            sums[SUM_GROUP + i] += sums[SUM_GROUP + i + half];
        }
    }
    [sums[0], sums[SUM_GROUP]]
}

/// Largest absolute value, found by halving.
#[inline(always)]
fn largest_size(values: &[f32; BLOCK]) -> f32 {
    let mut sizes = values.map(f32::abs);
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            // Not `max`, which asks for more care with NaN than one instruction takes.
            let other = sizes[i + half];
            sizes[i] = if other > sizes[i] { other } else { sizes[i] };
        }
    }
    sizes[0]
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

    fn pool() -> Pool {
        Pool::new(2).unwrap()
    }

    #[test]
    fn codes_are_the_nearest_whole_numbers() {
        let values: Vec<f32> = (0..96)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.13)
            .collect();
        let rows = Rows::from_packed(96, &values);
        for kind in [CodeKind::Bytes, CodeKind::Digits, CodeKind::Words] {
            for isa in Isa::available() {
                let rounded = RoundedRows::new(isa, &rows, kind, &pool());
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
        let digits = RoundedRows::new(Isa::detect(), &rows, CodeKind::Digits, &pool());
        let words = RoundedRows::new(Isa::detect(), &rows, CodeKind::Words, &pool());
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
            let rounded = RoundedRows::new(Isa::detect(), &Rows::zeros(2, 32), kind, &pool());
            assert!((0..32).all(|column| rounded.code(1, column) == 0));
            assert!(rounded.sums_16.iter().all(|&sum| sum == 0.0));
        }
    }
}
