//! Quantised weights rearranged for eight-lane kernels, still quantised.
//!
//! Eight rows form a panel. In a panel, 32 columns of 4-bit codes are 128 bytes: vector `c` (of
//! four) has in its low nibbles columns `4c..4c + 4` of each row, in its high nibbles columns
//! `16 + 4c..`. Fifth (and sixth) bits lie in one (two) further vectors: bit `c` of byte `4r + i`
//! belongs to row `r`, column `4c + i`. A sum over columns then stays in one lane for each row,
//! and nothing has to be added across lanes.

use super::blocks::{BlockFormat, Layout, TILE, Tile, tile, with_layout};
use super::pool::Pool;
use super::rows::{BLOCK, DIGIT_BASE, QuantisedRows, SUM_GROUP, SharedRows};
use super::simd::{Isa, LANES, Simd, dispatch};

/// Bytes that arrive from memory together.
const CACHE_LINE: usize = 64;
/// How far ahead codes are asked for: what is worked through while memory answers.
const PREFETCH_AHEAD: usize = 3072;

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

/// One panel's parts, to be read.
#[derive(Clone, Copy)]
struct Panel {
    low: *const u8,
    high: *const u8,
    scales: *const u16,
    mins: *const u16,
    scale_steps: *const i8,
    min_steps: *const i8,
}

/// One panel's parts, to be filled.
struct PanelMut<'a> {
    low: &'a mut [u8],
    high: &'a mut [u8],
    scales: &'a mut [u16],
    mins: &'a mut [u16],
    scale_steps: &'a mut [i8],
    min_steps: &'a mut [i8],
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
    pub(super) unsafe fn multiply_quantised(
        &self,
        isa: Isa,
        panels: std::ops::Range<usize>,
        input: &QuantisedRows,
        out: SharedRows,
    ) {
        debug_assert_eq!(input.width, self.columns);
        // SAFETY: passed on from the caller.
        unsafe {
            if input.low.is_empty() {
                with_layout!(self.format, L => dispatch!(isa, multiply_quantised::<L, OneDigit>(
                    matrix: &QuantPanels = self,
                    panels: std::ops::Range<usize> = panels,
                    input: &QuantisedRows = input,
                    out: SharedRows = out,
                )));
            } else {
                with_layout!(self.format, L => dispatch!(isa, multiply_quantised::<L, TwoDigits>(
                    matrix: &QuantPanels = self,
                    panels: std::ops::Range<usize> = panels,
                    input: &QuantisedRows = input,
                    out: SharedRows = out,
                )));
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
        columns: std::ops::Range<usize>,
        to: *mut f32,
    ) {
        // SAFETY: passed on from the caller.
        unsafe {
            with_layout!(self.format, L => dispatch!(isa, unpack::<L>(
                matrix: &QuantPanels = self,
                panel: usize = panel,
                columns: std::ops::Range<usize> = columns,
                to: *mut f32 = to,
            )));
        }
    }
}

/// Pointers to the parts of all panels, for threads that fill one panel each.
struct SharedParts {
    low: *mut u8,
    high: *mut u8,
    scales: *mut u16,
    mins: *mut u16,
    scale_steps: *mut i8,
    min_steps: *mut i8,
}

// SAFETY: plain pointers; see `SharedParts::panel` for who may write.
unsafe impl Sync for SharedParts {}

impl SharedParts {
    /// # Safety
    /// The panel is in range, and no two threads hold the same one.
    unsafe fn panel<'a>(&self, index: usize, sizes: PanelSizes) -> PanelMut<'a> {
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
    fn fill_row<L: Layout>(&mut self, lane: usize, columns: usize, row: &[u8]) {
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

impl Panel {
    /// The codes of a tile, four columns in each vector.
    #[inline(always)]
    unsafe fn codes<S: Simd, L: Layout>(self, tile: usize) -> [S::B; 8] {
        // Loops rather than `array::from_fn`: the body of a closure is a function of its own, which
        // lacks the features of the kernel, and is not always taken into it.
        // SAFETY: the caller has checked the tile's index; the parts are as long as it says.
        unsafe {
            if L::BITS == 8 {
                let mut bytes = [S::load_bytes(self.low.add(tile * 256)); 8];
                for (c, bytes) in bytes.iter_mut().enumerate() {
                    *bytes = S::load_bytes(self.low.add(tile * 256 + c * 32));
                }
                return bytes;
            }
            let mut codes = [S::load_bytes(self.low.add(tile * 128)); 8];
            for c in 0..4 {
                let low = S::load_bytes(self.low.add(tile * 128 + c * 32));
                codes[c] = S::mask_shift(low, 0x0f, 0);
                codes[c + 4] = S::mask_shift(low, 0xf0, -4);
            }
            match L::BITS {
                5 => {
                    let high = S::load_bytes(self.high.add(tile * 32));
                    for (c, codes) in codes.iter_mut().enumerate() {
                        *codes = S::or(*codes, S::mask_shift(high, 1 << c, 4 - c as i32));
                    }
                }
                6 => {
                    for (c, codes) in codes.iter_mut().enumerate() {
                        let high = S::load_bytes(self.high.add(tile * 64 + c / 4 * 32));
                        let field = 2 * (c % 4);
                        let bits = S::mask_shift(high, 3 << field, 4 - field as i32);
                        *codes = S::or(*codes, bits);
                    }
                }
                _ => {}
            }
            codes
        }
    }

    /// Asks for the codes of a later tile, so that memory answers while this one is worked on.
    #[inline(always)]
    unsafe fn prefetch<S: Simd, L: Layout>(self, tile: usize) {
        let tile_bytes = if L::BITS == 8 { 256 } else { 128 };
        for line in 0..tile_bytes / CACHE_LINE {
            let ahead = tile * tile_bytes + PREFETCH_AHEAD + line * CACHE_LINE;
            // SAFETY: a prefetch takes any address.
            unsafe { S::prefetch(self.low.wrapping_add(ahead)) };
        }
    }

    /// Scale of a group of the tile (0, or 1 for the second half where groups have 16 columns).
    #[inline(always)]
    unsafe fn scale<S: Simd, L: Layout>(self, tile: usize, group: usize) -> S::F {
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

    /// Minimum of the tile; only for formats that have one.
    #[inline(always)]
    unsafe fn min<S: Simd, L: Layout>(self, tile: usize) -> S::F {
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

/// Digits of a code of an activation, known when a kernel is compiled.
trait Digits {
    const TWO: bool;
}

/// Codes of 8 bits.
struct OneDigit;

/// Codes of 16 bits.
struct TwoDigits;

impl Digits for OneDigit {
    const TWO: bool = false;
}

impl Digits for TwoDigits {
    const TWO: bool = true;
}

/// One row of quantised activations.
#[derive(Clone, Copy)]
struct InputRow {
    high: *const i8,
    low: *const i8,
    scales: *const f32,
    sums_16: *const f32,
    sums_32: *const f32,
}

impl InputRow {
    fn new<D: Digits>(input: &QuantisedRows, row: usize) -> Self {
        let width = input.width;
        Self {
            high: input.high[row * width..].as_ptr(),
            low: if D::TWO {
                input.low[row * width..].as_ptr()
            } else {
                std::ptr::null()
            },
            scales: input.scales[row * (width / BLOCK)..].as_ptr(),
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
unsafe fn multiply_quantised<S: Simd, L: Layout, D: Digits>(
    matrix: &QuantPanels,
    panels: std::ops::Range<usize>,
    input: &QuantisedRows,
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
    input: &QuantisedRows,
    first_row: usize,
    out: SharedRows,
) {
    let rows: [InputRow; N] = std::array::from_fn(|n| InputRow::new::<D>(input, first_row + n));
    // SAFETY: tiles and groups stay below the matrix's columns, which are the input's width.
    unsafe {
        let mut sums = [S::splat(0.0); N];
        for tile in 0..matrix.columns / TILE {
            let codes = panel.codes::<S, L>(tile);
            panel.prefetch::<S, L>(tile);
            for group in 0..TILE / L::GROUP {
                let scale = panel.scale::<S, L>(tile, group);
                // What each unit of activation adds beside the products with the codes.
                let offset = if L::MINS {
                    panel.min::<S, L>(tile)
                } else {
                    S::mul(scale, S::splat(-f32::from(L::ZERO)))
                };
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

#[inline(always)]
unsafe fn unpack<S: Simd, L: Layout>(
    matrix: &QuantPanels,
    panel: usize,
    columns: std::ops::Range<usize>,
    to: *mut f32,
) {
    let panel = matrix.panel::<L>(panel);
    // SAFETY: the caller's promises.
    unsafe {
        let mut to = to;
        for tile in columns.start / TILE..columns.end / TILE {
            let codes = panel.codes::<S, L>(tile);
            panel.prefetch::<S, L>(tile);
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

impl QuantPanels {
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

#[cfg(test)]
mod tests {
    use half::f16;
    use proptest::prelude::*;
    use rad3d_weights::{DType, quant::dequantise};

    use super::*;
    use crate::causal_lm::rows::Rows;

    const FORMATS: [(BlockFormat, DType); 8] = [
        (BlockFormat::Q4_0, DType::Q4_0),
        (BlockFormat::Q4_1, DType::Q4_1),
        (BlockFormat::Q5_0, DType::Q5_0),
        (BlockFormat::Q5_1, DType::Q5_1),
        (BlockFormat::Q8_0, DType::Q8_0),
        (BlockFormat::Q4K, DType::Q4K),
        (BlockFormat::Q5K, DType::Q5K),
        (BlockFormat::Q6K, DType::Q6K),
    ];

    /// Numbers that look random and are the same everywhere (SplitMix64).
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        /// From -1 to 1.
        fn float(&mut self) -> f32 {
            (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        }
    }

    /// Blocks of random codes, every bit of them possible, with small finite scales.
    fn random_blocks(format: BlockFormat, blocks: usize, noise: &mut Noise) -> Vec<u8> {
        let scales: &[usize] = match format {
            BlockFormat::Q4_0 | BlockFormat::Q5_0 | BlockFormat::Q8_0 => &[0],
            BlockFormat::Q6K => &[208],
            _ => &[0, 2],
        };
        let mut bytes = Vec::new();
        for _ in 0..blocks {
            let mut block: Vec<u8> = (0..format.block_bytes())
                .map(|_| noise.next() as u8)
                .collect();
            for &at in scales {
                let scale = f16::from_f32(0.1 * noise.float());
                block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
            }
            bytes.extend(block);
        }
        bytes
    }

    struct Case {
        packed: QuantPanels,
        rows: usize,
        columns: usize,
        /// By the reader of weight files, which has its own reference: `[rows, columns]`.
        expected: Vec<f32>,
    }

    fn case(format: BlockFormat, dtype: DType, rows: usize, noise: &mut Noise) -> Case {
        let columns = if format.block_columns() == TILE {
            96
        } else {
            512
        };
        let blocks = rows * columns / format.block_columns();
        let bytes = random_blocks(format, blocks, noise);
        let mut expected = vec![0.0; rows * columns];
        assert!(dequantise(dtype, &bytes, &mut expected));
        let pool = Pool::new(2).unwrap();
        let packed = QuantPanels::pack(format, rows, columns, &bytes, &pool);
        Case {
            packed,
            rows,
            columns,
            expected,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn unpacked_weights_are_the_dequantised_ones_to_the_bit(seed: u64, rows in 1usize..20) {
            let mut noise = Noise(seed);
            for (format, dtype) in FORMATS {
                let case = case(format, dtype, rows, &mut noise);
                for isa in [Isa::Portable, Isa::detect()] {
                    for panel in 0..rows.div_ceil(LANES) {
                        let mut met = vec![0.0; case.columns * LANES];
                        // SAFETY: the scratch has eight floats a column.
                        unsafe {
                            case.packed.unpack(isa, panel, 0..case.columns, met.as_mut_ptr());
                        }
                        for lane in 0..LANES.min(rows - panel * LANES) {
                            for column in 0..case.columns {
                                let row = panel * LANES + lane;
                                prop_assert_eq!(
                                    met[column * LANES + lane],
                                    case.expected[row * case.columns + column],
                                    "{:?} {:?} row {} column {}", isa, format, row, column
                                );
                            }
                        }
                    }
                }
                let mut row = vec![0.0; case.columns];
                case.packed.row(rows - 1, &mut row);
                prop_assert_eq!(&row[..], &case.expected[(rows - 1) * case.columns..]);
            }
        }

        #[test]
        fn integer_products_are_those_of_the_dequantised_numbers(
            seed: u64,
            rows in 1usize..20,
            count in 1usize..14,
            sixteen_bits: bool,
        ) {
            let mut noise = Noise(seed);
            for (format, dtype) in FORMATS {
                let case = case(format, dtype, rows, &mut noise);
                let values: Vec<f32> =
                    (0..count * case.columns).map(|_| 3.0 * noise.float()).collect();
                let input = QuantisedRows::new(&Rows::from_packed(case.columns, &values), sixteen_bits);
                for isa in [Isa::Portable, Isa::detect()] {
                    let mut out = Rows::zeros(count, rows);
                    let panels = 0..rows.div_ceil(LANES);
                    // SAFETY: `out` has a row for each input and columns for all panels.
                    unsafe { case.packed.multiply_quantised(isa, panels, &input, out.shared()) };
                    for index in 0..count {
                        for row in 0..case.rows {
                            let (mut sum, mut size) = (0f64, 0f64);
                            for column in 0..case.columns {
                                let at = index * case.columns + column;
                                let code = match input.low.get(at) {
                                    Some(&low) => {
                                        f64::from(DIGIT_BASE) * f64::from(input.high[at]) + f64::from(low)
                                    }
                                    None => f64::from(input.high[at]),
                                };
                                let value = code * f64::from(input.scales[at / BLOCK]);
                                let weight = case.expected[row * case.columns + column];
                                sum += value * f64::from(weight);
                                size += (value * f64::from(weight)).abs();
                            }
                            let gap = (f64::from(out.row(index)[row]) - sum).abs();
                            prop_assert!(
                                gap <= 2e-6 * size + 1e-6,
                                "{:?} {:?} off by {} of {}", isa, format, gap, size
                            );
                        }
                    }
                }
            }
        }
    }

    /// The largest codes with the largest activations: no intermediate sum may overflow.
    #[test]
    fn extreme_codes_do_not_overflow() {
        for (format, _) in FORMATS {
            let columns = format.block_columns();
            for fill in [0x00, 0x7f, 0x80, 0xff] {
                let mut bytes = vec![fill; format.block_bytes() * LANES];
                for block in bytes.chunks_exact_mut(format.block_bytes()) {
                    let one = f16::ONE.to_le_bytes();
                    let at = if format == BlockFormat::Q6K { 208 } else { 0 };
                    block[at..at + 2].copy_from_slice(&one);
                    if !matches!(
                        format,
                        BlockFormat::Q4_0
                            | BlockFormat::Q5_0
                            | BlockFormat::Q8_0
                            | BlockFormat::Q6K
                    ) {
                        block[2..4].copy_from_slice(&one);
                    }
                }
                let pool = Pool::new(1).unwrap();
                let packed = QuantPanels::pack(format, LANES, columns, &bytes, &pool);
                for (sign, sixteen_bits) in [(1.0, false), (-1.0, false), (1.0, true), (-1.0, true)]
                {
                    let values = Rows::from_packed(columns, &vec![sign; columns]);
                    let input = QuantisedRows::new(&values, sixteen_bits);
                    let mut sums = Vec::new();
                    for isa in [Isa::Portable, Isa::detect()] {
                        let mut out = Rows::zeros(1, LANES);
                        // SAFETY: one panel of output.
                        unsafe { packed.multiply_quantised(isa, 0..1, &input, out.shared()) };
                        sums.push(out.row(0).to_vec());
                    }
                    for (portable, detected) in sums[0].iter().zip(&sums[1]) {
                        let gap = (portable - detected).abs();
                        assert!(
                            gap <= 1e-5 * portable.abs() + 1e-4,
                            "{format:?} {fill:x} {sign}"
                        );
                    }
                }
            }
        }
    }
}
