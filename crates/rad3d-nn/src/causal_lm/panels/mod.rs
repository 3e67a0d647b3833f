//! Quantised weights rearranged for eight-lane kernels, still quantised.
//!
//! Eight rows form a panel. In a panel, 32 columns of 4-bit codes are 128 bytes: vector `c` (of
//! four) has in its low nibbles columns `4c..4c + 4` of each row, in its high nibbles columns
//! `16 + 4c..`. Fifth (and sixth) bits lie in one (two) further vectors: bit `c` of byte `4r + i`
//! belongs to row `r`, column `4c + i`. A sum over columns then stays in one lane for each row,
//! and nothing has to be added across lanes.

mod bytes;
mod fill;
mod read;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;
mod words;

use std::ops::Range;

use super::blocks::{BlockFormat, Layout, TILE, with_layout};
use super::pool::Pool;
use super::rounded::{Codes, RoundedRows};
use super::rows::SharedRows;
use super::simd::{Isa, LANES, dispatch};
use bytes::{OneDigit, TwoDigits, multiply_bytes};
use fill::SharedParts;
use read::{Panel, unpack};
use words::multiply_words;

/// A matrix `[rows, columns]` of block-quantised weights.
pub(super) struct QuantPanels {
    format: BlockFormat,
    columns: usize,
    /// Low nibbles, or whole bytes of `Q8_0`: `[panel, tile, 128 or 256]`.
    low: Vec<u8>,
    /// Fifth and sixth bits: `[panel, tile, 0, 32 or 64]`.
    high: Vec<u8>,
    /// Scales as 16-bit floats: `[panel, tile or block of 256, row]`.
    scales: Vec<u16>,
    /// Minima, as scales; empty if the format has none.
    mins: Vec<u16>,
    /// Multiples of nested scales: `[panel, group, row]`; else empty.
    scale_steps: Vec<i8>,
    /// Multiples of nested minima: `[panel, tile, row]`; else empty.
    min_steps: Vec<i8>,
}

/// How many bytes or numbers each part of a panel takes.
#[derive(Clone, Copy)]
struct PanelSizes {
    low: usize,
    high: usize,
    scales: usize,
    mins: usize,
    scale_steps: usize,
    min_steps: usize,
}

impl PanelSizes {
    fn new<L: Layout>(columns: usize) -> Self {
        let tiles = columns / TILE;
        let high_bytes = match L::BITS {
            5 => 32,
            6 => 64,
            _ => 0,
        };
        let scales = LANES
            * if L::NESTED {
                columns / L::FORMAT.block_columns()
            } else {
                tiles
            };
        Self {
            low: tiles * if L::BITS == 8 { 256 } else { 128 },
            high: tiles * high_bytes,
            scales,
            mins: if L::MINS { scales } else { 0 },
            scale_steps: if L::NESTED {
                LANES * columns / L::GROUP
            } else {
                0
            },
            min_steps: if L::NESTED && L::MINS {
                LANES * tiles
            } else {
                0
            },
        }
    }
}

impl QuantPanels {
    /// Rearranges `bytes`, the blocks of `rows` rows of `columns` weights, row after row.
    ///
    /// The caller has checked that `columns` is a multiple of the block and `bytes` long enough.
    pub(super) fn pack(
        format: BlockFormat,
        rows: usize,
        columns: usize,
        bytes: &[u8],
        pool: &Pool,
    ) -> Self {
        let sizes = with_layout!(format, L => PanelSizes::new::<L>(columns));
        let panels = rows.div_ceil(LANES);
        let mut packed = Self {
            format,
            columns,
            low: vec![0; panels * sizes.low],
            high: vec![0; panels * sizes.high],
            scales: vec![0; panels * sizes.scales],
            mins: vec![0; panels * sizes.mins],
            scale_steps: vec![0; panels * sizes.scale_steps],
            min_steps: vec![0; panels * sizes.min_steps],
        };
        let row_bytes = columns / format.block_columns() * format.block_bytes();
        let parts = packed.shared_parts();
        pool.for_ranges(panels, 8, &|range| {
            for index in range {
                // SAFETY: each panel index is visited once, and its parts lie inside the vectors.
                let mut panel = unsafe { parts.panel(index, sizes) };
                for lane in 0..LANES.min(rows - index * LANES) {
                    let row = &bytes[(index * LANES + lane) * row_bytes..][..row_bytes];
                    with_layout!(format, L => panel.fill_row::<L>(lane, columns, row));
                }
            }
        });
        packed
    }

    fn shared_parts(&mut self) -> SharedParts {
        SharedParts {
            low: self.low.as_mut_ptr(),
            high: self.high.as_mut_ptr(),
            scales: self.scales.as_mut_ptr(),
            mins: self.mins.as_mut_ptr(),
            scale_steps: self.scale_steps.as_mut_ptr(),
            min_steps: self.min_steps.as_mut_ptr(),
        }
    }

    fn panel<L: Layout>(&self, index: usize) -> Panel {
        let sizes = PanelSizes::new::<L>(self.columns);
        Panel {
            low: self.low[index * sizes.low..].as_ptr(),
            low_bytes: sizes.low,
            high: self.high[index * sizes.high..].as_ptr(),
            scales: self.scales[index * sizes.scales..].as_ptr(),
            mins: self.mins[index * sizes.mins..].as_ptr(),
            scale_steps: self.scale_steps[index * sizes.scale_steps..].as_ptr(),
            min_steps: self.min_steps[index * sizes.min_steps..].as_ptr(),
        }
    }

    /// Bytes that a product with one vector reads.
    pub(super) fn bytes(&self) -> usize {
        self.low.len()
            + self.high.len()
            + 2 * (self.scales.len() + self.mins.len())
            + self.scale_steps.len()
            + self.min_steps.len()
    }

    /// Products of rounded activations with the rows of `panels`, into the same columns of `out`.
    ///
    /// # Safety
    /// `panels` are in range, `out` has as many rows as `input` and columns for these panels, and
    /// nobody else touches those columns meanwhile.
    pub(super) unsafe fn multiply_rounded(
        &self,
        isa: Isa,
        panels: Range<usize>,
        input: &RoundedRows,
        out: SharedRows,
    ) {
        debug_assert_eq!(input.width, self.columns);
        // SAFETY: passed on from the caller.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if isa == Isa::Vnni && input.count > 1 {
                match input.codes {
                    Codes::Bytes(_) => with_layout!(self.format, L => {
                        return vnni::multiply_batch::<L, OneDigit>(self, panels, input, out);
                    }),
                    Codes::Digits { .. } => with_layout!(self.format, L => {
                        return vnni::multiply_batch::<L, TwoDigits>(self, panels, input, out);
                    }),
                    Codes::Words(_) => {}
                }
            }
            match input.codes {
                Codes::Bytes(_) => {
                    with_layout!(self.format, L => dispatch!(isa, multiply_bytes::<L, OneDigit>(
                        matrix: &QuantPanels = self,
                        panels: Range<usize> = panels,
                        input: &RoundedRows = input,
                        out: SharedRows = out,
                    )));
                }
                Codes::Digits { .. } => {
                    with_layout!(self.format, L => dispatch!(isa, multiply_bytes::<L, TwoDigits>(
                        matrix: &QuantPanels = self,
                        panels: Range<usize> = panels,
                        input: &RoundedRows = input,
                        out: SharedRows = out,
                    )));
                }
                Codes::Words(_) => {
                    with_layout!(self.format, L => dispatch!(isa, multiply_words::<L>(
                        matrix: &QuantPanels = self,
                        panels: Range<usize> = panels,
                        input: &RoundedRows = input,
                        out: SharedRows = out,
                    )));
                }
            }
        }
    }

    /// Writes the weights of a panel as floats: `[columns, row]` for the columns given, which are
    /// whole tiles.
    ///
    /// # Safety
    /// The panel and the columns are in range; `to` is valid for eight floats a column.
    pub(super) unsafe fn unpack(
        &self,
        isa: Isa,
        panel: usize,
        columns: Range<usize>,
        to: *mut f32,
    ) {
        // SAFETY: passed on from the caller.
        unsafe {
            with_layout!(self.format, L => dispatch!(isa, unpack::<L>(
                matrix: &QuantPanels = self,
                panel: usize = panel,
                columns: Range<usize> = columns,
                to: *mut f32 = to,
            )));
        }
    }

    /// One row as floats, into the first `columns` of `to`.
    pub(super) fn row(&self, row: usize, to: &mut [f32]) {
        let mut panel = vec![0.0; self.columns * LANES];
        // SAFETY: the row, hence its panel, exists; the scratch has eight floats a column.
        unsafe {
            self.unpack(
                Isa::Portable,
                row / LANES,
                0..self.columns,
                panel.as_mut_ptr(),
            )
        };
        for (value, lanes) in to.iter_mut().zip(panel.chunks_exact(LANES)) {
            *value = lanes[row % LANES];
        }
    }
}
