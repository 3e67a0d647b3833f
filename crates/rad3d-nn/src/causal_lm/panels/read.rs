//! Reading a panel: codes, scales and minima of one tile at a time.

use std::ops::Range;

use super::QuantPanels;
use crate::causal_lm::blocks::{Layout, TILE};
use crate::causal_lm::simd::{LANES, Simd};

/// Bytes that arrive from memory together.
const CACHE_LINE: usize = 64;
/// How far ahead codes are asked for: what is worked through while memory answers.
const PREFETCH_AHEAD: usize = 3072;

/// One panel's parts, to be read.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) low: *const u8,
    pub(super) low_bytes: usize,
    pub(super) high: *const u8,
    pub(super) scales: *const u16,
    pub(super) mins: *const u16,
    pub(super) scale_steps: *const i8,
    pub(super) min_steps: *const i8,
}

impl Panel {
    /// The codes of a tile, four columns in each vector.
    #[inline(always)]
    pub(super) unsafe fn codes<S: Simd, L: Layout>(self, tile: usize) -> [S::B; 8] {
        // Loops rather than `array::from_fn`: the body of a closure is a function of its own, which
        // lacks the features of the kernel, and is not always taken into it.
        // SAFETY: the caller has checked the tile's index; the parts are as long as it says.
        unsafe {
            let mut codes = [S::load_bytes(self.low.add(tile * 128)); 8];
            for c in 0..4 {
                let [first, second] = self.codes_of_chunk::<S, L>(tile, c);
                codes[c] = first;
                codes[c + 4] = second;
            }
            codes
        }
    }

    /// Vectors `chunk` and `chunk + 4` of [`Panel::codes`], which lie in the same bytes where a
    /// code takes half of one.
    #[inline(always)]
    pub(super) unsafe fn codes_of_chunk<S: Simd, L: Layout>(
        self,
        tile: usize,
        chunk: usize,
    ) -> [S::B; 2] {
        // SAFETY: as in `codes`.
        unsafe {
            if L::BITS == 8 {
                let bytes = self.low.add(tile * 256 + chunk * 32);
                return [S::load_bytes(bytes), S::load_bytes(bytes.add(128))];
            }
            let low = S::load_bytes(self.low.add(tile * 128 + chunk * 32));
            let codes = [S::mask_shift(low, 0x0f, 0), S::mask_shift(low, 0xf0, -4)];
            match L::BITS {
                5 => {
                    let high = S::load_bytes(self.high.add(tile * 32));
                    let left = 4 - chunk as i32;
                    let first = S::mask_shift(high, 1 << chunk, left);
                    let second = S::mask_shift(high, 16 << chunk, left - 4);
                    [S::or(codes[0], first), S::or(codes[1], second)]
                }
                6 => {
                    let (mask, left) = (3 << (2 * chunk), 4 - 2 * chunk as i32);
                    let high = self.high.add(tile * 64);
                    let first = S::mask_shift(S::load_bytes(high), mask, left);
                    let second = S::mask_shift(S::load_bytes(high.add(32)), mask, left);
                    [S::or(codes[0], first), S::or(codes[1], second)]
                }
                _ => codes,
            }
        }
    }

    /// Asks for the codes of a later tile, so that memory answers while this one is worked on.
    ///
    /// Where `together` panels are worked on at once, what follows a panel is not the next one but
    /// the one `together` further on.
    #[inline(always)]
    pub(super) unsafe fn prefetch<S: Simd, L: Layout>(self, tile: usize, together: usize) {
        let tile_bytes = if L::BITS == 8 { 256 } else { 128 };
        for line in 0..tile_bytes / CACHE_LINE {
            let mut ahead = tile * tile_bytes + PREFETCH_AHEAD + line * CACHE_LINE;
            if ahead >= self.low_bytes {
                ahead += (together - 1) * self.low_bytes;
            }
            // SAFETY: a prefetch takes any address.
            unsafe { S::prefetch(self.low.wrapping_add(ahead)) };
        }
    }

    /// Scale of a group of the tile (0, or 1 for the second half where groups have 16 columns).
    #[inline(always)]
    pub(super) unsafe fn scale<S: Simd, L: Layout>(self, tile: usize, group: usize) -> S::F {
        // SAFETY: as in `codes`.
        unsafe {
            if !L::NESTED {
                return S::load_f16(self.scales.add(tile * LANES));
            }
            let block = tile * TILE / L::FORMAT.block_columns();
            let steps = S::load_i8(
                self.scale_steps
                    .add((tile * (TILE / L::GROUP) + group) * LANES),
            );
            S::mul(S::load_f16(self.scales.add(block * LANES)), steps)
        }
    }

    /// What each unit of activation adds beside its products with codes, `scale` being the group's.
    #[inline(always)]
    pub(super) unsafe fn offset<S: Simd, L: Layout>(self, tile: usize, scale: S::F) -> S::F {
        // SAFETY: as in `codes`.
        unsafe {
            if L::MINS {
                self.min::<S, L>(tile)
            } else {
                S::mul(scale, S::splat(-f32::from(L::ZERO)))
            }
        }
    }

    /// Minimum of the tile; only for formats that have one.
    #[inline(always)]
    pub(super) unsafe fn min<S: Simd, L: Layout>(self, tile: usize) -> S::F {
        // SAFETY: as in `codes`.
        unsafe {
            if !L::NESTED {
                return S::load_f16(self.mins.add(tile * LANES));
            }
            let block = tile * TILE / L::FORMAT.block_columns();
            let steps = S::load_i8(self.min_steps.add(tile * LANES));
            S::mul(S::load_f16(self.mins.add(block * LANES)), steps)
        }
    }
}

/// Weights of whole tiles as floats, `[column, row]`.
///
/// # Safety
/// As for [`QuantPanels::unpack`].
#[inline(always)]
pub(super) unsafe fn unpack<S: Simd, L: Layout>(
    matrix: &QuantPanels,
    panel: usize,
    columns: Range<usize>,
    to: *mut f32,
) {
    let panel = matrix.panel::<L>(panel);
    // SAFETY: the caller's promises.
    unsafe {
        let mut to = to;
        for tile in columns.start / TILE..columns.end / TILE {
            let codes = panel.codes::<S, L>(tile);
            panel.prefetch::<S, L>(tile, 1);
            for (chunk, codes) in codes.into_iter().enumerate() {
                let scale = panel.scale::<S, L>(tile, chunk * 4 / L::GROUP);
                let columns = if L::BITS == 8 {
                    S::columns::<true>(codes)
                } else if L::ZERO > 0 {
                    S::columns::<true>(S::minus(codes, L::ZERO))
                } else {
                    S::columns::<false>(codes)
                };
                for column in columns {
                    let weights = if L::MINS {
                        S::fma(column, scale, panel.min::<S, L>(tile))
                    } else {
                        S::mul(column, scale)
                    };
                    S::store(to, weights);
                    to = to.add(LANES);
                }
            }
        }
    }
}
