//! Matrices packed for the register tile, and the product with panels of tokens.

use std::ops::Range;

use super::isa::Isa;
use super::parallel::with_pair_scratch;
use super::precision::{Kernel, Products, bf16_pair, panels_to_pairs};
use super::tile::{tile, tile_bf16};

/// Depth of one pass: a panel of tokens this deep (16 KiB with AVX2) stays in the L1 cache.
const PASS_DEPTH: usize = 256;
/// Weights of one pass that stay in the L2 cache, in values (240 KiB).
const PASS_WEIGHTS: usize = 60 * 1024;

/// A weight matrix `[outputs, inputs]`, packed for one instruction set.
///
/// Stored as panels `[inputs, tile_rows]`, the last one filled up with zeros.
#[derive(Debug, Clone)]
pub struct PackedMatrix {
    kernel: Kernel,
    outputs: usize,
    inputs: usize,
    data: Data,
}

/// Weights as they lie in memory.
#[derive(Debug, Clone)]
enum Data {
    F32(Vec<f32>),
    /// Pairs of bfloat16, of an even input and the odd one after it: `[inputs / 2, tile_rows]`.
    Bf16(Vec<u32>),
}

impl PackedMatrix {
    /// Packs the row-major matrix `weights` of shape `[outputs, inputs]`.
    #[must_use]
    pub fn new(kernel: impl Into<Kernel>, weights: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut packed = Self::zeros(kernel, outputs, inputs);
        packed.fill(|output, row| {
            row.copy_from_slice(&weights[output * inputs..(output + 1) * inputs]);
        });
        packed
    }

    /// A matrix of zeros, to be [filled](Self::fill).
    #[must_use]
    pub fn zeros(kernel: impl Into<Kernel>, outputs: usize, inputs: usize) -> Self {
        let kernel = kernel.into();
        let rows = outputs.next_multiple_of(kernel.isa().tile_rows());
        let data = match kernel.products() {
            Products::F32 => Data::F32(vec![0.0; rows * inputs]),
            _ => Data::Bf16(vec![0; rows * inputs.div_ceil(2)]),
        };
        Self {
            kernel,
            outputs,
            inputs,
            data,
        }
    }

    /// Fills every row: `row_of(output, row)` writes the `inputs` values of one output.
    pub fn fill(&mut self, mut row_of: impl FnMut(usize, &mut [f32])) {
        let rows = self.isa().tile_rows();
        let mut row = vec![0.0; self.inputs];
        for output in 0..self.outputs {
            row_of(output, &mut row);
            let (panel, slot) = (output / rows * rows, output % rows);
            match &mut self.data {
                Data::F32(data) => {
                    let slots = data[panel * self.inputs..][slot..].iter_mut().step_by(rows);
                    for (slot, &value) in slots.zip(&row) {
                        *slot = value;
                    }
                }
                Data::Bf16(data) => {
                    let panel = &mut data[panel * self.inputs.div_ceil(2)..];
                    let slots = panel[slot..].iter_mut().step_by(rows);
                    for (slot, pair) in slots.zip(row.chunks(2)) {
                        *slot = bf16_pair(pair[0], pair.get(1).copied().unwrap_or(0.0));
                    }
                }
            }
        }
    }

    /// The instruction set it was packed for.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.kernel.isa()
    }

    /// Number of input features.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of output features.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Output features with the zeros that fill the last panel.
    #[must_use]
    pub fn padded_outputs(&self) -> usize {
        self.outputs.next_multiple_of(self.isa().tile_rows())
    }

    /// Multiplies the output features `features` with panels of tokens.
    ///
    /// `tokens` is `[panels, inputs, lanes]`, `product` becomes `[panels, features, lanes]`.
    /// `features` starts and ends at multiples of [`Isa::tile_rows`].
    pub(crate) fn multiply(&self, features: Range<usize>, tokens: &[f32], product: &mut [f32]) {
        let isa = self.isa();
        debug_assert!(
            features.start.is_multiple_of(isa.tile_rows())
                && features.end.is_multiple_of(isa.tile_rows())
        );
        if self.inputs == 0 || features.is_empty() {
            product.fill(0.0);
            return;
        }
        match &self.data {
            Data::F32(data) => sweep(
                isa,
                features,
                self.inputs,
                data,
                tokens,
                product,
                |w, t, p, add| {
                    tile(isa, w, t, p, add);
                },
            ),
            Data::Bf16(data) => {
                let depth = self.inputs.div_ceil(2);
                let panels = tokens.len() / (self.inputs * isa.lanes());
                with_pair_scratch(panels * depth * isa.lanes(), |pairs| {
                    panels_to_pairs(isa, tokens, self.inputs, pairs);
                    sweep(
                        isa,
                        features,
                        depth,
                        data,
                        pairs,
                        product,
                        |w, t, p, add| {
                            tile_bf16(self.kernel, w, t, p, add);
                        },
                    );
                });
            }
        }
    }

    /// Multiplies all output features: `product` becomes `[panels, padded_outputs, lanes]`.
    pub(crate) fn multiply_all(&self, tokens: &[f32], product: &mut [f32]) {
        self.multiply(0..self.padded_outputs(), tokens, product);
    }
}

/// Goes through weights `[panel, depth, tile_rows]` and tokens `[panel, depth, lanes]` in pieces that
/// fit the caches; `tile(weights, tokens, sums, add)` does the innermost product.
fn sweep<T>(
    isa: Isa,
    features: Range<usize>,
    inputs: usize,
    data: &[T],
    tokens: &[T],
    product: &mut [f32],
    tile: impl Fn(&[T], &[T], &mut [f32], bool),
) {
    let (rows, lanes) = (isa.tile_rows(), isa.lanes());
    let (token_panel, product_panel) = (inputs * lanes, features.len() * lanes);
    let passes = inputs.div_ceil(PASS_DEPTH);
    let depth = inputs.div_ceil(passes);
    let block = (PASS_WEIGHTS / depth / rows).max(1) * rows;

    for block_start in features.clone().step_by(block) {
        let block_end = (block_start + block).min(features.end);
        for start in (0..inputs).step_by(depth) {
            let end = (start + depth).min(inputs);
            let panels = tokens
                .chunks_exact(token_panel)
                .zip(product.chunks_exact_mut(product_panel));
            for (tokens, product) in panels {
                let tokens = &tokens[start * lanes..end * lanes];
                for feature in (block_start..block_end).step_by(rows) {
                    let weights = &data[feature * inputs..][start * rows..end * rows];
                    let sums = &mut product[(feature - features.start) * lanes..][..rows * lanes];
                    tile(weights, tokens, sums, start > 0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::super::precision::Precision;
    use super::*;

    /// A number that no rounding to 8 bits leaves alone.
    fn number(at: usize) -> f32 {
        ((at * 7919 % 10_007) as f32 / 5003.0 - 1.0) * 1.7
    }

    /// Product of `[outputs, inputs]` with one panel, by the packed matrix.
    fn packed(kernel: Kernel, outputs: usize, inputs: usize, tokens: &[f32]) -> Vec<f32> {
        let weights: Vec<f32> = (0..outputs * inputs).map(|at| number(at + 31)).collect();
        let matrix = PackedMatrix::new(kernel, &weights, outputs, inputs);
        let mut product = vec![f32::NAN; matrix.padded_outputs() * kernel.isa().lanes()];
        matrix.multiply_all(tokens, &mut product);
        product
    }

    #[test]
    fn bfloat16_products_are_those_of_the_rounded_factors() {
        let round = |x: f32| f64::from(bf16::from_f32(x).to_f32());
        for isa in Isa::available() {
            let kernel = Kernel::new(isa, Precision::Bf16Emulated).unwrap();
            for (outputs, inputs) in [(1, 1), (13, 7), (40, 96), (25, 601)] {
                let lanes = isa.lanes();
                let tokens: Vec<f32> = (0..inputs * lanes).map(number).collect();
                let product = packed(kernel, outputs, inputs, &tokens);
                for output in 0..outputs {
                    for lane in 0..lanes {
                        let terms = (0..inputs).map(|input| {
                            round(number(output * inputs + input + 31))
                                * round(tokens[input * lanes + lane])
                        });
                        let expected: f64 = terms.sum();
                        let gap = (f64::from(product[output * lanes + lane]) - expected).abs();
                        assert!(
                            gap < 2e-7 * inputs as f64 + 1e-6,
                            "{} {outputs} {inputs}: {gap}",
                            isa.name()
                        );
                    }
                }
            }
        }
    }

    /// Runs only where the processor has the instruction; no rounding is left to chance there.
    #[test]
    fn the_processors_bfloat16_products_equal_the_emulated_ones() {
        let isa = Isa::detect();
        let Ok(native) = Kernel::new(isa, Precision::Bf16) else {
            return;
        };
        let emulated = Kernel::new(isa, Precision::Bf16Emulated).unwrap();
        let tokens: Vec<f32> = (0..601 * isa.lanes()).map(number).collect();
        let (a, b) = (
            packed(native, 25, 601, &tokens),
            packed(emulated, 25, 601, &tokens),
        );
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 1e-6 * a.abs() + 1e-5, "{a} {b}");
        }
    }
}
