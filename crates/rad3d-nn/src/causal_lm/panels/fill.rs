//! Sorting the codes and scales of a row of blocks into its panel.

use super::PanelSizes;
use crate::causal_lm::blocks::{Layout, TILE, Tile, tile};
use crate::causal_lm::simd::LANES;

/// One panel's parts, to be filled.
pub(super) struct PanelMut<'a> {
    low: &'a mut [u8],
    high: &'a mut [u8],
    scales: &'a mut [u16],
    mins: &'a mut [u16],
    scale_steps: &'a mut [i8],
    min_steps: &'a mut [i8],
}

/// Pointers to the parts of all panels, for threads that fill one panel each.
pub(super) struct SharedParts {
    pub(super) low: *mut u8,
    pub(super) high: *mut u8,
    pub(super) scales: *mut u16,
    pub(super) mins: *mut u16,
    pub(super) scale_steps: *mut i8,
    pub(super) min_steps: *mut i8,
}

// SAFETY: plain pointers; see `SharedParts::panel` for who may write.
unsafe impl Sync for SharedParts {}

impl SharedParts {
    /// # Safety
    /// The panel is in range, and no two threads hold the same one.
    pub(super) unsafe fn panel<'a>(&self, index: usize, sizes: PanelSizes) -> PanelMut<'a> {
        // SAFETY: the vectors were made with these sizes for every panel.
        unsafe {
            use std::slice::from_raw_parts_mut as part;
            PanelMut {
                low: part(self.low.add(index * sizes.low), sizes.low),
                high: part(self.high.add(index * sizes.high), sizes.high),
                scales: part(self.scales.add(index * sizes.scales), sizes.scales),
                mins: part(self.mins.add(index * sizes.mins), sizes.mins),
                scale_steps: part(
                    self.scale_steps.add(index * sizes.scale_steps),
                    sizes.scale_steps,
                ),
                min_steps: part(self.min_steps.add(index * sizes.min_steps), sizes.min_steps),
            }
        }
    }
}

impl PanelMut<'_> {
    /// Puts `row`, the blocks of `columns` weights, in place `lane`.
    pub(super) fn fill_row<L: Layout>(&mut self, lane: usize, columns: usize, row: &[u8]) {
        let tiles_in_scale = if L::NESTED {
            L::FORMAT.block_columns() / TILE
        } else {
            1
        };
        for index in 0..columns / TILE {
            let tile = tile(L::FORMAT, row, index);
            self.fill_codes::<L>(lane, index, &tile);
            let scale_at = index / tiles_in_scale * LANES + lane;
            self.scales[scale_at] = tile.scale.to_bits();
            if L::MINS {
                self.mins[scale_at] = tile.min.to_bits();
            }
            if L::NESTED {
                let groups = TILE / L::GROUP;
                for group in 0..groups {
                    self.scale_steps[(index * groups + group) * LANES + lane] =
                        tile.scale_steps[group];
                }
                if L::MINS {
                    self.min_steps[index * LANES + lane] = tile.min_steps;
                }
            }
        }
    }

    fn fill_codes<L: Layout>(&mut self, lane: usize, index: usize, tile: &Tile) {
        if L::BITS == 8 {
            let low = &mut self.low[index * 256..][..256];
            for (chunk, codes) in tile.codes.chunks_exact(4).enumerate() {
                low[chunk * 32 + lane * 4..][..4].copy_from_slice(codes);
            }
            return;
        }
        let low = &mut self.low[index * 128..][..128];
        for chunk in 0..4 {
            let bytes = &mut low[chunk * 32 + lane * 4..][..4];
            for (column, byte) in bytes.iter_mut().enumerate() {
                let at = 4 * chunk + column;
                *byte = tile.codes[at] & 15 | tile.codes[at + 16] << 4;
            }
        }
        if L::BITS == 5 {
            let high = &mut self.high[index * 32 + lane * 4..][..4];
            for (at, code) in tile.codes.iter().enumerate() {
                high[at % 4] |= (code >> 4) << (at / 4);
            }
        }
        if L::BITS == 6 {
            let high = &mut self.high[index * 64..][..64];
            for (at, code) in tile.codes.iter().enumerate() {
                let (chunk, column) = (at / 4, at % 4);
                high[chunk / 4 * 32 + lane * 4 + column] |= (code >> 4) << (2 * (chunk % 4));
            }
        }
    }
}
