//! Products with activations in bytes: codes of 8 bits, or the two digits of 16.

use std::ops::Range;

use super::QuantPanels;
use super::read::Panel;
use crate::causal_lm::blocks::{Layout, TILE};
use crate::causal_lm::rounded::{BLOCK, Codes, DIGIT_BASE, RoundedRows, SUM_GROUP};
use crate::causal_lm::rows::SharedRows;
use crate::causal_lm::simd::{LANES, Simd};

/// Digits of a code of an activation, known when a kernel is compiled.
pub(super) trait Digits {
    const TWO: bool;
}

/// Codes of 8 bits.
pub(super) struct OneDigit;

/// Codes of 16 bits.
pub(super) struct TwoDigits;

impl Digits for OneDigit {
    const TWO: bool = false;
}

impl Digits for TwoDigits {
    const TWO: bool = true;
}

/// One row of rounded activations.
#[derive(Clone, Copy)]
pub(super) struct InputRow {
    pub(super) high: *const i8,
    pub(super) low: *const i8,
    pub(super) scales: *const f32,
    pub(super) byte_sums: *const [i32; 2],
    pub(super) sums_16: *const f32,
    pub(super) sums_32: *const f32,
}

impl InputRow {
    pub(super) fn new<D: Digits>(input: &RoundedRows, row: usize) -> Self {
        let width = input.width;
        let (high, low) = match &input.codes {
            Codes::Bytes(codes) => (&codes[row * width..], None),
            Codes::Digits { high, low } => (&high[row * width..], Some(&low[row * width..])),
            // Words have kernels of their own; see `QuantPanels::multiply_rounded`.
            Codes::Words(_) => (&[][..], None),
        };
        debug_assert!(high.len() >= width && low.is_some() == D::TWO);
        Self {
            high: high.as_ptr(),
            low: low.map_or(std::ptr::null(), <[i8]>::as_ptr),
            scales: input.scales[row * (width / BLOCK)..].as_ptr(),
            byte_sums: input.byte_sums[row * (width / BLOCK)..].as_ptr(),
            sums_16: input.sums_16[row * (width / SUM_GROUP)..].as_ptr(),
            sums_32: input.sums_32[row * (width / BLOCK)..].as_ptr(),
        }
    }
}

/// Sums of code times digit over one group of columns.
#[inline(always)]
unsafe fn products<S: Simd, L: Layout>(codes: [S::B; 8], group: usize, digits: *const i8) -> S::F {
    // SAFETY: the caller's pointer has the group's columns.
    unsafe {
        match (L::GROUP, L::BITS) {
            (16, _) => {
                let first = 4 * group;
                let half = [
                    codes[first],
                    codes[first + 1],
                    codes[first + 2],
                    codes[first + 3],
                ];
                S::dot::<6, 4>(half, digits)
            }
            (_, 8) => S::dot::<8, 8>(codes, digits),
            (_, 5) => S::dot::<5, 8>(codes, digits),
            _ => S::dot::<4, 8>(codes, digits),
        }
    }
}

#[inline(always)]
pub(super) unsafe fn multiply_bytes<S: Simd, L: Layout, D: Digits>(
    matrix: &QuantPanels,
    panels: Range<usize>,
    input: &RoundedRows,
    out: SharedRows,
) {
    for index in panels {
        let panel = matrix.panel::<L>(index);
        let mut row = 0;
        // SAFETY: the caller's promises; rows run below the count of `out`.
        unsafe {
            while row + 8 <= out.count() {
                panel_times_rows::<S, L, D, 8>(matrix, panel, index, input, row, out);
                row += 8;
            }
            while row + 4 <= out.count() {
                panel_times_rows::<S, L, D, 4>(matrix, panel, index, input, row, out);
                row += 4;
            }
            while row < out.count() {
                panel_times_rows::<S, L, D, 1>(matrix, panel, index, input, row, out);
                row += 1;
            }
        }
    }
}

/// One panel with `N` rows of activations: codes are unpacked once for all of them.
#[inline(always)]
unsafe fn panel_times_rows<S: Simd, L: Layout, D: Digits, const N: usize>(
    matrix: &QuantPanels,
    panel: Panel,
    index: usize,
    input: &RoundedRows,
    first_row: usize,
    out: SharedRows,
) {
    let rows: [InputRow; N] = std::array::from_fn(|n| InputRow::new::<D>(input, first_row + n));
    // SAFETY: tiles and groups stay below the matrix's columns, which are the input's width.
    unsafe {
        let mut sums = [S::splat(0.0); N];
        for tile in 0..matrix.columns / TILE {
            let codes = panel.codes::<S, L>(tile);
            panel.prefetch::<S, L>(tile, 1);
            for group in 0..TILE / L::GROUP {
                let scale = panel.scale::<S, L>(tile, group);
                let offset = panel.offset::<S, L>(tile, scale);
                for n in 0..N {
                    let row = rows[n];
                    let first = tile * TILE + group * L::GROUP;
                    let mut products_sum = products::<S, L>(codes, group, row.high.add(first));
                    if D::TWO {
                        let low = products::<S, L>(codes, group, row.low.add(first));
                        products_sum = S::fma(products_sum, S::splat(DIGIT_BASE as f32), low);
                    }
                    let unit = S::mul(scale, S::splat(*row.scales.add(tile)));
                    sums[n] = S::fma(products_sum, unit, sums[n]);
                    if L::MINS || L::ZERO > 0 {
                        let sum = if L::GROUP == 16 {
                            *row.sums_16.add(tile * 2 + group)
                        } else {
                            *row.sums_32.add(tile)
                        };
                        sums[n] = S::fma(offset, S::splat(sum), sums[n]);
                    }
                }
            }
        }
        for (n, sum) in sums.into_iter().enumerate() {
            S::store(out.at(first_row + n, index * LANES), sum);
        }
    }
}
