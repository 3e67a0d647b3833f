//! Products with batches of activations in bytes on processors with AVX-512 VNNI.
//!
//! One instruction multiplies four columns of sixteen rows, two panels, with a digit of four
//! activations. All codes of a tile and the sums of eight vectors stay in registers, so nothing but
//! activations is read between the multiplications.

use std::arch::x86_64::*;
use std::ops::Range;

use super::QuantPanels;
use super::bytes::{Digits, InputRow};
use super::read::Panel;
use crate::causal_lm::blocks::{Layout, TILE};
use crate::causal_lm::rounded::{DIGIT_BASE, RoundedRows};
use crate::causal_lm::rows::SharedRows;
use crate::causal_lm::simd::{Avx2, LANES};

/// The operations on one panel.
type One = Avx2<true>;

/// Products of all rows of `input`, which hold bytes or digits, with some panels.
///
/// # Safety
/// As for [`QuantPanels::multiply_rounded`], and the processor has the features named.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) unsafe fn multiply_batch<L: Layout, D: Digits>(
    matrix: &QuantPanels,
    panels: Range<usize>,
    input: &RoundedRows,
    out: SharedRows,
) {
    let mut first = panels.start;
    while first < panels.end {
        // An odd panel at the end is taken twice, and written once.
        let second = (first + 1).min(panels.end - 1);
        let pair = [matrix.panel::<L>(first), matrix.panel::<L>(second)];
        let tiles = matrix.columns / TILE;
        let whole = second > first;
        let mut row = 0;
        // SAFETY: the caller's promises; rows run below the count of `out`.
        unsafe {
            while row + 8 <= out.count() {
                let sums = pair_times_rows::<L, D, 8>(pair, tiles, input, row);
                store(sums, out, row, first, whole);
                row += 8;
            }
            while row + 4 <= out.count() {
                let sums = pair_times_rows::<L, D, 4>(pair, tiles, input, row);
                store(sums, out, row, first, whole);
                row += 4;
            }
            while row + 2 <= out.count() {
                let sums = pair_times_rows::<L, D, 2>(pair, tiles, input, row);
                store(sums, out, row, first, whole);
                row += 2;
            }
            if row < out.count() {
                let sums = pair_times_rows::<L, D, 1>(pair, tiles, input, row);
                store(sums, out, row, first, whole);
            }
        }
        first += 2;
    }
}

/// Writes the sums of two panels, or of the first of them, for some rows.
#[inline(always)]
unsafe fn store<const N: usize>(
    sums: [__m512; N],
    out: SharedRows,
    first_row: usize,
    panel: usize,
    both: bool,
) {
    // SAFETY: the caller's rows and panels exist.
    unsafe {
        for (n, sums) in sums.into_iter().enumerate() {
            let to = out.at(first_row + n, panel * LANES);
            if both {
                _mm512_storeu_ps(to, sums);
            } else {
                _mm256_storeu_ps(to, _mm512_castps512_ps256(sums));
            }
        }
    }
}

/// Products of `N` rows of activations with the sixteen rows of two panels.
#[inline(always)]
unsafe fn pair_times_rows<L: Layout, D: Digits, const N: usize>(
    pair: [Panel; 2],
    tiles: usize,
    input: &RoundedRows,
    first_row: usize,
) -> [__m512; N] {
    let rows: [InputRow; N] = std::array::from_fn(|n| InputRow::new::<D>(input, first_row + n));
    // SAFETY: tiles and groups stay below the matrix's columns, which are the input's width.
    unsafe {
        let mut sums = [_mm512_setzero_ps(); N];
        for tile in 0..tiles {
            let codes = codes_of_pair::<L>(pair, tile);
            for panel in pair {
                panel.prefetch::<One, L>(tile, 2);
            }
            for group in 0..TILE / L::GROUP {
                let [scale, offset] = scales_of_pair::<L>(pair, tile, group);
                for n in 0..N {
                    let row = rows[n];
                    let first = tile * TILE + group * L::GROUP;
                    let sums_of_bytes = *row.byte_sums.add(tile);
                    let mut products_sum =
                        products::<L>(&codes, group, row.high.add(first), sums_of_bytes[0]);
                    if D::TWO {
                        let low =
                            products::<L>(&codes, group, row.low.add(first), sums_of_bytes[1]);
                        let base = _mm512_set1_ps(DIGIT_BASE as f32);
                        products_sum = _mm512_fmadd_ps(products_sum, base, low);
                    }
                    let unit = _mm512_mul_ps(scale, _mm512_set1_ps(*row.scales.add(tile)));
                    sums[n] = _mm512_fmadd_ps(products_sum, unit, sums[n]);
                    if L::MINS || L::ZERO > 0 {
                        let sum = if L::GROUP == 16 {
                            *row.sums_16.add(tile * 2 + group)
                        } else {
                            *row.sums_32.add(tile)
                        };
                        sums[n] = _mm512_fmadd_ps(offset, _mm512_set1_ps(sum), sums[n]);
                    }
                }
            }
        }
        sums
    }
}

/// Four columns of sixteen rows in each vector, without sign: to codes of 8 bits 128 is added.
#[inline(always)]
unsafe fn codes_of_pair<L: Layout>(pair: [Panel; 2], tile: usize) -> [__m512i; 8] {
    // SAFETY: the caller's tile is in range.
    unsafe {
        let first = pair[0].codes::<One, L>(tile);
        let second = pair[1].codes::<One, L>(tile);
        let mut codes = [_mm512_setzero_si512(); 8];
        for (c, codes) in codes.iter_mut().enumerate() {
            *codes = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first[c]), second[c]);
            if L::BITS == 8 {
                *codes = _mm512_xor_si512(*codes, _mm512_set1_epi8(i8::MIN));
            }
        }
        codes
    }
}

/// Scales and offsets of a group of columns.
#[inline(always)]
unsafe fn scales_of_pair<L: Layout>(pair: [Panel; 2], tile: usize, group: usize) -> [__m512; 2] {
    // SAFETY: the caller's tile and group are in range.
    unsafe {
        let join = |first, second| _mm512_insertf32x8::<1>(_mm512_castps256_ps512(first), second);
        let scales = [
            pair[0].scale::<One, L>(tile, group),
            pair[1].scale::<One, L>(tile, group),
        ];
        let first = pair[0].offset::<One, L>(tile, scales[0]);
        let second = pair[1].offset::<One, L>(tile, scales[1]);
        [join(scales[0], scales[1]), join(first, second)]
    }
}

/// Sums of code times digit over one group of columns, `sum` being that of the digits.
#[inline(always)]
unsafe fn products<L: Layout>(
    codes: &[__m512i; 8],
    group: usize,
    digits: *const i8,
    sum: i32,
) -> __m512 {
    // SAFETY: the caller's pointer has the group's columns.
    unsafe {
        let mut total = if L::BITS == 8 {
            _mm512_set1_epi32(-128 * sum)
        } else {
            _mm512_setzero_si512()
        };
        let chunks = L::GROUP / 4;
        for c in 0..chunks {
            let four = digits.add(4 * c).cast::<i32>().read_unaligned();
            total = _mm512_dpbusd_epi32(total, codes[group * chunks + c], _mm512_set1_epi32(four));
        }
        _mm512_cvtepi32_ps(total)
    }
}
