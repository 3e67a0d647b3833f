//! Weight matrices in panels of eight rows, and their product with a batch of vectors.

use std::ops::Range;

use half::{bf16, f16};

use super::blocks::{BlockFormat, TILE};
use super::panels::QuantPanels;
use super::pool::Pool;
use super::rounded::{CodeKind, RoundedRows};
use super::rows::{Rows, SharedRows};
use super::simd::{Isa, LANES, Simd, dispatch};

/// How quantised weights meet activations.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Arithmetic {
    /// Weights are unpacked to 32-bit floats as they are used: the dequantised model's numbers.
    Exact,
    /// Activations are rounded to 16 bits in blocks of 32 and multiplied as integers: an error of
    /// 1/65,000 of the block's largest value. A vector gets the same bits alone and in a batch,
    /// whether its codes are taken as two bytes each or, where the processor lacks AVX-512 VNNI, as
    /// words, and weights widened once for eight vectors.
    #[default]
    Fine,
    /// Activations are rounded to 8 bits in blocks of 32: fastest, with an error of 1/254 of the
    /// block's largest value, which changes texts where two tokens are nearly equal.
    Fast,
}

/// Weights as they lie in memory. Floats: `[panel, column, row in panel]`.
enum Storage {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
    Quantised(QuantPanels),
}

/// A matrix `[rows, columns]`; maps a vector of `columns` to one of `rows`.
pub(super) struct Matrix {
    rows: usize,
    columns: usize,
    storage: Storage,
}

/// Input of a product: vectors, and their rounded form if quantised weights ask for it.
pub(super) struct Input<'a> {
    rows: &'a Rows,
    rounded: Option<RoundedRows>,
}

impl<'a> Input<'a> {
    /// Prepares `rows` for products with `matrices`.
    pub(super) fn new(
        isa: Isa,
        rows: &'a Rows,
        arithmetic: Arithmetic,
        matrices: &[&Matrix],
        pool: &Pool,
    ) -> Self {
        let kind = match arithmetic {
            Arithmetic::Exact => None,
            Arithmetic::Fine if rows.count() == 1 || isa.multiplies_batches_in_bytes() => {
                Some(CodeKind::Digits)
            }
            Arithmetic::Fine => Some(CodeKind::Words),
            Arithmetic::Fast => Some(CodeKind::Bytes),
        };
        let wanted = matrices
            .iter()
            .any(|matrix| matches!(matrix.storage, Storage::Quantised(_)));
        Self {
            rows,
            rounded: kind
                .filter(|_| wanted)
                .map(|kind| RoundedRows::new(isa, rows, kind, pool)),
        }
    }
}

/// Columns that are unpacked at a time: two panels of them are 16 KiB, half of the first cache.
const UNPACKED: usize = 256;

impl Matrix {
    /// From 32-bit floats, row after row.
    pub(super) fn from_f32(rows: usize, columns: usize, weights: &[f32]) -> Self {
        let storage = Storage::F32(into_panels(rows, columns, |at| weights[at]));
        Self {
            rows,
            columns,
            storage,
        }
    }

    /// From bfloat16, kept so.
    pub(super) fn from_bf16(rows: usize, columns: usize, weights: &[bf16]) -> Self {
        let storage = Storage::Bf16(into_panels(rows, columns, |at| weights[at].to_bits()));
        Self {
            rows,
            columns,
            storage,
        }
    }

    /// From 16-bit floats, widened to 32 bits.
    pub(super) fn from_f16(rows: usize, columns: usize, weights: &[f16]) -> Self {
        let storage = Storage::F32(into_panels(rows, columns, |at| weights[at].to_f32()));
        Self {
            rows,
            columns,
            storage,
        }
    }

    /// From quantised blocks, row after row, kept quantised.
    pub(super) fn from_blocks(
        format: BlockFormat,
        rows: usize,
        columns: usize,
        bytes: &[u8],
        pool: &Pool,
    ) -> Self {
        let storage = Storage::Quantised(QuantPanels::pack(format, rows, columns, bytes, pool));
        Self {
            rows,
            columns,
            storage,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn panels(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    /// Bytes of the weights, all of which a product reads.
    pub(super) fn bytes(&self) -> usize {
        match &self.storage {
            Storage::F32(weights) => 4 * weights.len(),
            Storage::Bf16(weights) => 2 * weights.len(),
            Storage::Quantised(panels) => panels.bytes(),
        }
    }

    /// Row `row` as floats.
    pub(super) fn row(&self, row: usize, to: &mut [f32]) {
        let first = row / LANES * self.columns * LANES + row % LANES;
        match &self.storage {
            Storage::F32(weights) => {
                for (value, weight) in to.iter_mut().zip(weights[first..].iter().step_by(LANES)) {
                    *value = *weight;
                }
            }
            Storage::Bf16(weights) => {
                for (value, weight) in to.iter_mut().zip(weights[first..].iter().step_by(LANES)) {
                    *value = bf16::from_bits(*weight).to_f32();
                }
            }
            Storage::Quantised(panels) => panels.row(row, to),
        }
    }

    /// Products of all input vectors with the rows of `panels`, into the same columns of `out`.
    ///
    /// # Safety
    /// `panels` are in range, `input` has this matrix's columns, `out` has a row for each input
    /// and columns for these panels, and nobody else touches those columns meanwhile.
    pub(super) unsafe fn multiply(
        &self,
        isa: Isa,
        panels: Range<usize>,
        input: &Input<'_>,
        out: SharedRows,
    ) {
        debug_assert_eq!(input.rows.width(), self.columns);
        debug_assert_eq!(input.rows.count(), out.count());
        // SAFETY: passed on from the caller.
        unsafe {
            if let (Storage::Quantised(weights), Some(codes)) = (&self.storage, &input.rounded) {
                weights.multiply_rounded(isa, panels, codes, out);
            } else {
                dispatch!(isa, multiply_floats::<>(
                    matrix: &Matrix = self,
                    isa: Isa = isa,
                    panels: Range<usize> = panels,
                    input: &Rows = input.rows,
                    out: SharedRows = out,
                ));
            }
        }
    }

    /// Weights of a panel as floats `[column, row]`, unpacked into `scratch` if need be.
    ///
    /// # Safety
    /// Panel and columns are in range; quantised weights want whole tiles; `scratch` is valid for
    /// eight floats a column.
    #[inline(always)]
    unsafe fn floats<S: Simd>(
        &self,
        isa: Isa,
        panel: usize,
        columns: Range<usize>,
        scratch: *mut f32,
    ) -> *const f32 {
        let first = (panel * self.columns + columns.start) * LANES;
        // SAFETY: the caller's promises.
        unsafe {
            match &self.storage {
                Storage::F32(weights) => weights[first..].as_ptr(),
                Storage::Bf16(weights) => {
                    let weights = weights[first..].as_ptr();
                    for at in (0..columns.len() * LANES).step_by(LANES) {
                        S::store(scratch.add(at), S::load_bf16(weights.add(at)));
                    }
                    scratch
                }
                Storage::Quantised(weights) => {
                    weights.unpack(isa, panel, columns, scratch);
                    scratch
                }
            }
        }
    }
}

/// Rearranges row-major weights to `[panel, column, row in panel]`; missing rows are zero.
fn into_panels<T: Copy + Default>(
    rows: usize,
    columns: usize,
    weight: impl Fn(usize) -> T,
) -> Vec<T> {
    let mut panels = vec![T::default(); rows.div_ceil(LANES) * LANES * columns];
    for (index, panel) in panels.chunks_exact_mut(LANES * columns).enumerate() {
        for lane in 0..LANES.min(rows - index * LANES) {
            let row = (index * LANES + lane) * columns;
            for (column, lanes) in panel.chunks_exact_mut(LANES).enumerate() {
                lanes[lane] = weight(row + column);
            }
        }
    }
    panels
}

#[inline(always)]
unsafe fn multiply_floats<S: Simd>(
    matrix: &Matrix,
    isa: Isa,
    panels: Range<usize>,
    input: &Rows,
    out: SharedRows,
) {
    // A single vector needs more panels at once to keep the multipliers busy.
    // SAFETY: the caller's promises.
    unsafe {
        if input.count() == 1 {
            blocked::<S, 4, 1>(matrix, isa, panels, input, out);
        } else {
            blocked::<S, 2, 6>(matrix, isa, panels, input, out);
        }
    }
}

/// Goes through the panels `P` at a time, the columns in pieces that stay in the first cache, and
/// the input `N` rows at a time. Every sum runs over the columns in order, whatever `P` and `N`.
#[inline(always)]
unsafe fn blocked<S: Simd, const P: usize, const N: usize>(
    matrix: &Matrix,
    isa: Isa,
    panels: Range<usize>,
    input: &Rows,
    out: SharedRows,
) {
    const { assert!(UNPACKED.is_multiple_of(TILE)) };
    let mut scratch = [[0f32; UNPACKED * LANES]; P];
    let mut panel = panels.start;
    while panel < panels.end {
        let together = P.min(panels.end - panel);
        for start in (0..matrix.columns).step_by(UNPACKED) {
            let columns = start..matrix.columns.min(start + UNPACKED);
            // SAFETY: panels and columns are in range, the scratch is large enough.
            unsafe {
                let mut weights = [std::ptr::null(); P];
                for (p, weights) in weights.iter_mut().enumerate().take(together) {
                    let scratch = scratch[p].as_mut_ptr();
                    *weights = matrix.floats::<S>(isa, panel + p, columns.clone(), scratch);
                }
                let mut row = 0;
                while row < input.count() {
                    let step = Step {
                        columns: columns.clone(),
                        row,
                        panel,
                    };
                    let left = input.count() - row;
                    if together < P {
                        for (p, weights) in weights.into_iter().enumerate().take(together) {
                            let step = Step {
                                columns: columns.clone(),
                                row,
                                panel: panel + p,
                            };
                            tile_product::<S, 1, 1>([weights], input, &step, out);
                        }
                        row += 1;
                    } else if left >= N && left != 8 {
                        tile_product::<S, P, N>(weights, input, &step, out);
                        row += N;
                    } else if left >= 4 {
                        tile_product::<S, P, 4>(weights, input, &step, out);
                        row += 4;
                    } else {
                        tile_product::<S, P, 1>(weights, input, &step, out);
                        row += 1;
                    }
                }
            }
        }
        panel += together;
    }
}

/// Where in the product a step stands.
struct Step {
    columns: Range<usize>,
    row: usize,
    panel: usize,
}

/// Adds the products of `P` panels with `N` input rows over some columns to `out`; over the first
/// columns it begins anew.
#[inline(always)]
unsafe fn tile_product<S: Simd, const P: usize, const N: usize>(
    weights: [*const f32; P],
    input: &Rows,
    step: &Step,
    out: SharedRows,
) {
    // SAFETY: the caller has checked rows, columns and panels.
    unsafe {
        let rows: [*const f32; N] = std::array::from_fn(|n| {
            input
                .as_ptr()
                .add((step.row + n) * input.stride() + step.columns.start)
        });
        let mut sums = [[S::splat(0.0); N]; P];
        if step.columns.start > 0 {
            for (p, sums) in sums.iter_mut().enumerate() {
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(out.at(step.row + n, (step.panel + p) * LANES));
                }
            }
        }
        for column in 0..step.columns.len() {
            // Loops rather than `array::from_fn`, whose closure might stay a function of its own.
            let mut lanes = [S::splat(0.0); P];
            for p in 0..P {
                lanes[p] = S::load(weights[p].add(column * LANES));
            }
            for n in 0..N {
                let value = S::splat(*rows[n].add(column));
                for p in 0..P {
                    sums[p][n] = S::fma(lanes[p], value, sums[p][n]);
                }
            }
        }
        for (p, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                S::store(out.at(step.row + n, (step.panel + p) * LANES), sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row `r`, column `c` of a matrix that no rearrangement leaves alone.
    fn weight(r: usize, c: usize) -> f32 {
        ((r * 131 + c * 17) % 89) as f32 / 44.5 - 1.0
    }

    #[test]
    fn products_equal_the_formula_for_all_shapes_and_precisions() {
        for (rows, columns, count) in [
            (1, 1, 1),
            (8, 32, 1),
            (13, 40, 3),
            (35, 300, 1),
            (64, 257, 9),
            (40, 600, 8),
            (70, 33, 23),
        ] {
            let weights: Vec<f32> = (0..rows * columns)
                .map(|i| weight(i / columns, i % columns))
                .collect();
            let rounded: Vec<bf16> = weights.iter().map(|&w| bf16::from_f32(w)).collect();
            let halves: Vec<f16> = weights.iter().map(|&w| f16::from_f32(w)).collect();
            let values: Vec<f32> = (0..count * columns).map(|i| weight(i, 3 * i)).collect();
            let input = Rows::from_packed(columns, &values);
            let from_bf16: Vec<f32> = rounded.iter().map(|w| w.to_f32()).collect();
            let from_f16: Vec<f32> = halves.iter().map(|w| w.to_f32()).collect();
            for (matrix, expected) in [
                (Matrix::from_f32(rows, columns, &weights), &weights),
                (Matrix::from_bf16(rows, columns, &rounded), &from_bf16),
                (Matrix::from_f16(rows, columns, &halves), &from_f16),
            ] {
                let mut row = vec![0.0; columns];
                matrix.row(rows - 1, &mut row);
                assert_eq!(row, expected[(rows - 1) * columns..]);
                for isa in Isa::available() {
                    let pool = Pool::new(2).unwrap();
                    let mut out = Rows::zeros(count, rows);
                    let product_input =
                        Input::new(isa, &input, Arithmetic::Fast, &[&matrix], &pool);
                    let panels = 0..matrix.panels();
                    // SAFETY: `out` has a row for each input and columns for all panels.
                    unsafe { matrix.multiply(isa, panels, &product_input, out.shared()) };
                    for index in 0..count {
                        for row in 0..rows {
                            let sum: f64 = (0..columns)
                                .map(|c| {
                                    f64::from(expected[row * columns + c])
                                        * f64::from(values[index * columns + c])
                                })
                                .sum();
                            let gap = (f64::from(out.row(index)[row]) - sum).abs();
                            assert!(
                                gap < 1e-6 + 1e-7 * columns as f64,
                                "{isa:?} {rows} {columns} {count}: off by {gap}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// The sum's order does not depend on how many vectors come at once.
    #[test]
    fn a_batch_gives_each_vector_the_very_number_it_gets_alone() {
        let (rows, columns, count) = (50, 300, 13);
        let weights: Vec<f32> = (0..rows * columns)
            .map(|i| weight(i / columns, i % columns))
            .collect();
        let matrix = Matrix::from_f32(rows, columns, &weights);
        let values: Vec<f32> = (0..count * columns).map(|i| weight(i, 5 * i)).collect();
        let product = |values: &[f32]| {
            let input = Rows::from_packed(columns, values);
            let mut out = Rows::zeros(input.count(), rows);
            let pool = Pool::new(1).unwrap();
            let product_input =
                Input::new(Isa::detect(), &input, Arithmetic::Exact, &[&matrix], &pool);
            // SAFETY: `out` has a row for each input and columns for all panels.
            unsafe {
                matrix.multiply(
                    Isa::detect(),
                    0..matrix.panels(),
                    &product_input,
                    out.shared(),
                );
            }
            out.to_packed()
        };
        let together = product(&values);
        for index in 0..count {
            let alone = product(&values[index * columns..][..columns]);
            assert_eq!(alone, together[index * rows..][..rows]);
        }
    }
}
