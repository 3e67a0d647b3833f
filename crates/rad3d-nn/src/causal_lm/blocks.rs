//! The block-quantised formats of GGUF files, and how to take a block apart.
//!
//! Layouts after the GGUF specification and the format descriptions of the ggml project.

use half::f16;

/// Columns that are unpacked together; the smallest block of any format.
pub(super) const TILE: usize = 32;
/// Columns of a block of the `K` formats.
const SUPER_BLOCK: usize = 256;

/// A block-quantised format: weights are `scale * (code - zero) + min` over groups of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum BlockFormat {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

/// What a kernel needs to know of a format when it is compiled.
pub(super) trait Layout: Copy {
    const FORMAT: BlockFormat;
    /// Bits of a code. Codes have no sign, except those of 8 bits.
    const BITS: u32;
    /// Code that stands for zero.
    const ZERO: u8;
    /// Columns that share a scale.
    const GROUP: usize;
    /// Whether groups have a minimum.
    const MINS: bool;
    /// Whether scales and minima are 8-bit multiples of one number in 256 columns.
    const NESTED: bool;
}

macro_rules! layouts {
    ($($name:ident: $bits:literal, $zero:literal, $group:literal, $mins:literal, $nested:literal;)*) => {$(
        #[derive(Clone, Copy)]
        pub(super) struct $name;
        impl Layout for $name {
            const FORMAT: BlockFormat = BlockFormat::$name;
            const BITS: u32 = $bits;
            const ZERO: u8 = $zero;
            const GROUP: usize = $group;
            const MINS: bool = $mins;
            const NESTED: bool = $nested;
        }
    )*};
}

layouts! {
    // name: bits, zero, group, minima, nested scales
    Q4_0: 4, 8, 32, false, false;
    Q4_1: 4, 0, 32, true, false;
    Q5_0: 5, 16, 32, false, false;
    Q5_1: 5, 0, 32, true, false;
    Q8_0: 8, 0, 32, false, false;
    Q4K: 4, 0, 32, true, true;
    Q5K: 5, 0, 32, true, true;
    Q6K: 6, 32, 16, false, true;
}

/// Evaluates `$body` with the type `$layout` bound to the [`Layout`] of `$format`.
macro_rules! with_layout {
    ($format:expr, $layout:ident => $body:expr) => {
        match $format {
            $crate::causal_lm::blocks::BlockFormat::Q4_0 => {
                type $layout = $crate::causal_lm::blocks::Q4_0;
                $body
            }
            $crate::causal_lm::blocks::BlockFormat::Q4_1 => {
                type $layout = $crate::causal_lm::blocks::Q4_1;
                $body
            }
            $crate::causal_lm::blocks::BlockFormat::Q5_0 => {
                type $layout = $crate::causal_lm::blocks::Q5_0;
                $body
            }
            $crate::causal_lm::blocks::BlockFormat::Q5_1 => {
                type $layout = $crate::causal_lm::blocks::Q5_1;
                $body
            }
            $crate::causal_lm::blocks::BlockFormat::Q8_0 => {
                type $layout = $crate::causal_lm::blocks::Q8_0;
                $body
            }
            $crate::causal_lm::blocks::BlockFormat::Q4K => {
                type $layout = $crate::causal_lm::blocks::Q4K;
                $body
            }
            $crate::causal_lm::blocks::BlockFormat::Q5K => {
                type $layout = $crate::causal_lm::blocks::Q5K;
                $body
            }
            $crate::causal_lm::blocks::BlockFormat::Q6K => {
                type $layout = $crate::causal_lm::blocks::Q6K;
                $body
            }
        }
    };
}
pub(super) use with_layout;

impl BlockFormat {
    /// Columns of one block.
    pub(super) fn block_columns(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => TILE,
            Self::Q4K | Self::Q5K | Self::Q6K => SUPER_BLOCK,
        }
    }

    /// Bytes of one block.
    pub(super) fn block_bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }
}

/// 32 columns of one row, taken apart. Scales are kept as stored, so that packing loses nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tile {
    /// Codes as stored; those of `Q8_0` are signed bytes.
    pub(super) codes: [u8; TILE],
    /// The block's scale and minimum; the minimum is subtracted in the `K` formats and stored
    /// negated here, so that it is always added.
    pub(super) scale: f16,
    pub(super) min: f16,
    /// Multipliers of scale (for each half of the tile) and minimum in the `K` formats; else 1.
    pub(super) scale_steps: [i8; 2],
    pub(super) min_steps: i8,
}

/// Takes tile `index` of one row apart; `row` holds the row's blocks.
pub(super) fn tile(format: BlockFormat, row: &[u8], index: usize) -> Tile {
    let per_block = format.block_columns() / TILE;
    let block = &row[index / per_block * format.block_bytes()..][..format.block_bytes()];
    let part = index % per_block;
    let number = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]);
    let plain = |codes, min| Tile {
        codes,
        scale: number(0),
        min,
        scale_steps: [1, 1],
        min_steps: 1,
    };
    match format {
        BlockFormat::Q4_0 => plain(nibbles(&block[2..18]), f16::ZERO),
        BlockFormat::Q4_1 => plain(nibbles(&block[4..20]), number(2)),
        BlockFormat::Q5_0 => plain(fifth_bits(nibbles(&block[6..22]), &block[2..6]), f16::ZERO),
        BlockFormat::Q5_1 => plain(fifth_bits(nibbles(&block[8..24]), &block[4..8]), number(2)),
        BlockFormat::Q8_0 => plain(std::array::from_fn(|i| block[2 + i]), f16::ZERO),
        BlockFormat::Q4K | BlockFormat::Q5K => {
            let (high, low) = if format == BlockFormat::Q4K {
                (None, &block[16..])
            } else {
                (Some(&block[16..48]), &block[48..])
            };
            let low = &low[part / 2 * TILE..];
            let codes = std::array::from_fn(|i| {
                let nibble = if part.is_multiple_of(2) {
                    low[i] & 15
                } else {
                    low[i] >> 4
                };
                nibble | high.map_or(0, |high| (high[i] >> part & 1) << 4)
            });
            let (scale, min) = six_bit_steps(&block[4..16], part);
            Tile {
                codes,
                scale: number(0),
                min: -number(2),
                scale_steps: [scale.cast_signed(); 2],
                min_steps: min.cast_signed(),
            }
        }
        BlockFormat::Q6K => {
            let (half, quarter) = (part / 4, part % 4);
            let low = &block[half * 64 + quarter % 2 * TILE..];
            let high = &block[128 + half * TILE..];
            let codes = std::array::from_fn(|i| {
                let nibble = if quarter < 2 {
                    low[i] & 15
                } else {
                    low[i] >> 4
                };
                nibble | (high[i] >> (2 * quarter) & 3) << 4
            });
            let steps = &block[192 + 2 * part..];
            Tile {
                codes,
                scale: number(208),
                min: f16::ZERO,
                scale_steps: [steps[0].cast_signed(), steps[1].cast_signed()],
                min_steps: 1,
            }
        }
    }
}

/// Low nibbles are the first half of the columns, high nibbles the second.
fn nibbles(bytes: &[u8]) -> [u8; TILE] {
    std::array::from_fn(|i| {
        if i < 16 {
            bytes[i] & 15
        } else {
            bytes[i - 16] >> 4
        }
    })
}

/// Adds bit `i` of the little-endian number in `bits` as fifth bit of code `i`.
fn fifth_bits(mut codes: [u8; TILE], bits: &[u8]) -> [u8; TILE] {
    for (i, code) in codes.iter_mut().enumerate() {
        *code |= (bits[i / 8] >> (i % 8) & 1) << 4;
    }
    codes
}

/// Scale and minimum of a part of a `Q4K` or `Q5K` block: twice eight numbers of 6 bits in 12
/// bytes, the upper bits of the last four of each spread over the first eight bytes.
fn six_bit_steps(packed: &[u8], part: usize) -> (u8, u8) {
    if part < 4 {
        (packed[part] & 63, packed[part + 4] & 63)
    } else {
        let low = packed[part + 4];
        (
            low & 15 | packed[part - 4] >> 6 << 4,
            low >> 4 | packed[part] >> 6 << 4,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_the_bits_their_names_promise() {
        for (format, bits) in [
            (BlockFormat::Q4_0, 4.5),
            (BlockFormat::Q4_1, 5.0),
            (BlockFormat::Q5_0, 5.5),
            (BlockFormat::Q5_1, 6.0),
            (BlockFormat::Q8_0, 8.5),
            (BlockFormat::Q4K, 4.5),
            (BlockFormat::Q5K, 5.5),
            (BlockFormat::Q6K, 6.5625),
        ] {
            let met = format.block_bytes() as f64 * 8.0 / format.block_columns() as f64;
            assert_eq!(met, bits, "{format:?}");
        }
    }
}
