//! Products with batches of activations in words of nearly 16 bits.
//!
//! The codes of a tile are widened to words once for up to eight vectors. Then one instruction
//! multiplies two columns of eight rows, and each broadcast of two activations serves two panels:
//! per 32 columns, panel and vector 16 multiplications, 16 additions and 8 broadcasts. Sums are
//! whole numbers until the scale comes in, so a vector gets the same bits as from two digits.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::QuantPanels;
use super::read::Panel;
use crate::causal_lm::blocks::{Layout, TILE};
use crate::causal_lm::rounded::{BLOCK, Codes, RoundedRows, SUM_GROUP};
use crate::causal_lm::rows::SharedRows;
use crate::causal_lm::simd::{LANES, Simd};

/// Vectors that share one widening of the codes.
const SHARE: usize = 8;
/// Pairs of columns in a tile.
const PAIRS: usize = TILE / 2;
/// Most groups of columns with a scale of their own in a tile.
const GROUPS: usize = TILE / SUM_GROUP;

/// A few rows of rounded activations.
#[derive(Clone, Copy)]
struct InputRows<'a> {
    input: &'a RoundedRows,
    words: *const i16,
    first: usize,
}

/// A tile of `P` panels, widened.
struct WideTile<S: Simd, const P: usize> {
    index: usize,
    /// Written for all pairs; not zeroed before, which would take a tenth of the time.
    words: [[MaybeUninit<S::W>; PAIRS]; P],
    scales: [[S::F; GROUPS]; P],
    offsets: [[S::F; GROUPS]; P],
}

/// Products of all rows of `input`, which hold words, with some panels.
///
/// # Safety
/// As for [`QuantPanels::multiply_rounded`].
#[inline(always)]
pub(super) unsafe fn multiply_words<S: Simd, L: Layout>(
    matrix: &QuantPanels,
    panels: Range<usize>,
    input: &RoundedRows,
    out: SharedRows,
) {
    let Codes::Words(words) = &input.codes else {
        debug_assert!(false, "bytes have kernels of their own");
        return;
    };
    let mut panel = panels.start;
    // SAFETY: the caller's promises.
    unsafe {
        while panel < panels.end {
            for first in (0..input.count).step_by(SHARE) {
                let rows = InputRows {
                    input,
                    words: words.as_ptr(),
                    first,
                };
                if panel + 2 <= panels.end {
                    multiply_panels::<S, L, 2>(matrix, panel, rows, out);
                } else {
                    multiply_panels::<S, L, 1>(matrix, panel, rows, out);
                }
            }
            panel += 2;
        }
    }
}

/// `P` panels with up to eight rows.
#[inline(always)]
unsafe fn multiply_panels<S: Simd, L: Layout, const P: usize>(
    matrix: &QuantPanels,
    first_panel: usize,
    rows: InputRows<'_>,
    out: SharedRows,
) {
    let count = SHARE.min(rows.input.count - rows.first);
    let mut panels = [matrix.panel::<L>(first_panel); P];
    for (p, panel) in panels.iter_mut().enumerate() {
        *panel = matrix.panel::<L>(first_panel + p);
    }
    // SAFETY: tiles stay below the matrix's columns, which are the input's width; rows are below
    // the input's count, which is that of `out`.
    unsafe {
        let mut sums = [[S::splat(0.0); P]; SHARE];
        for index in 0..matrix.columns / TILE {
            let tile = widen::<S, L, P>(panels, index);
            let mut row = 0;
            while row + 4 <= count {
                add_tile::<S, L, P, 4>(&tile, rows, row, &mut sums);
                row += 4;
            }
            if row + 2 <= count {
                add_tile::<S, L, P, 2>(&tile, rows, row, &mut sums);
                row += 2;
            }
            if row < count {
                add_tile::<S, L, P, 1>(&tile, rows, row, &mut sums);
            }
        }
        for (row, sums) in sums.into_iter().enumerate().take(count) {
            for (p, sum) in sums.into_iter().enumerate() {
                S::store(out.at(rows.first + row, (first_panel + p) * LANES), sum);
            }
        }
    }
}

#[inline(always)]
unsafe fn widen<S: Simd, L: Layout, const P: usize>(
    panels: [Panel; P],
    index: usize,
) -> WideTile<S, P> {
    // SAFETY: the caller's tile is in range.
    unsafe {
        let mut tile = WideTile {
            index,
            words: [[const { MaybeUninit::uninit() }; PAIRS]; P],
            scales: [[S::splat(0.0); GROUPS]; P],
            offsets: [[S::splat(0.0); GROUPS]; P],
        };
        for (p, panel) in panels.into_iter().enumerate() {
            panel.prefetch::<S, L>(index, P);
            for (chunk, codes) in panel.codes::<S, L>(index).into_iter().enumerate() {
                let [first, second] = if L::BITS == 8 {
                    S::widen::<true>(codes)
                } else {
                    S::widen::<false>(codes)
                };
                tile.words[p][2 * chunk].write(first);
                tile.words[p][2 * chunk + 1].write(second);
            }
            for group in 0..TILE / L::GROUP {
                let scale = panel.scale::<S, L>(index, group);
                tile.scales[p][group] = scale;
                tile.offsets[p][group] = panel.offset::<S, L>(index, scale);
            }
        }
        tile
    }
}

/// Adds the products of a tile with `N` rows from `row` on to their sums.
#[inline(always)]
unsafe fn add_tile<S: Simd, L: Layout, const P: usize, const N: usize>(
    tile: &WideTile<S, P>,
    rows: InputRows<'_>,
    row: usize,
    sums: &mut [[S::F; P]; SHARE],
) {
    let first_row = rows.first + row;
    let blocks = rows.input.width / BLOCK;
    // SAFETY: the caller's rows and tile are in range; `widen` has written all words.
    unsafe {
        let words = rows
            .words
            .add(first_row * rows.input.width + tile.index * TILE);
        for group in 0..TILE / L::GROUP {
            let mut whole = [[S::zeros(); P]; N];
            for pair in group * (L::GROUP / 2)..(group + 1) * (L::GROUP / 2) {
                for (n, whole) in whole.iter_mut().enumerate() {
                    let a = S::splat_pair(words.add(n * rows.input.width + 2 * pair));
                    for (p, whole) in whole.iter_mut().enumerate() {
                        let weights = tile.words[p][pair].assume_init();
                        *whole = S::add_products(*whole, weights, a);
                    }
                }
            }
            for (n, whole) in whole.into_iter().enumerate() {
                let block = (first_row + n) * blocks + tile.index;
                let scale = S::splat(*rows.input.scales.as_ptr().add(block));
                let activations = if L::GROUP == SUM_GROUP {
                    *rows.input.sums_16.as_ptr().add(block * GROUPS + group)
                } else {
                    *rows.input.sums_32.as_ptr().add(block)
                };
                for (p, whole) in whole.into_iter().enumerate() {
                    let sum = &mut sums[row + n][p];
                    let unit = S::mul(tile.scales[p][group], scale);
                    *sum = S::fma(S::to_floats(whole), unit, *sum);
                    if L::MINS || L::ZERO > 0 {
                        *sum = S::fma(tile.offsets[p][group], S::splat(activations), *sum);
                    }
                }
            }
        }
    }
}
