//! Matrices packed for the register tile, and the product with panels of tokens.

use std::ops::Range;

use super::isa::Isa;
use super::tile::tile;

/// Depth of one pass: a panel of tokens this deep (16 KiB with AVX2) stays in the L1 cache.
const PASS_DEPTH: usize = 256;
/// Weights of one pass that stay in the L2 cache, in values (240 KiB).
const PASS_WEIGHTS: usize = 60 * 1024;

/// A weight matrix `[outputs, inputs]`, packed for one instruction set.
///
/// Stored as panels `[inputs, tile_rows]`, the last one filled up with zeros.
#[derive(Debug, Clone)]
pub struct PackedMatrix {
    isa: Isa,
    outputs: usize,
    inputs: usize,
    data: Vec<f32>,
}

impl PackedMatrix {
    /// Packs the row-major matrix `weights` of shape `[outputs, inputs]`.
    #[must_use]
    pub fn new(isa: Isa, weights: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut packed = Self::zeros(isa, outputs, inputs);
        packed.fill(|output, row| {
            row.copy_from_slice(&weights[output * inputs..(output + 1) * inputs]);
        });
        packed
    }

    /// A matrix of zeros, to be [filled](Self::fill).
    #[must_use]
    pub fn zeros(isa: Isa, outputs: usize, inputs: usize) -> Self {
        let rows = outputs.next_multiple_of(isa.tile_rows());
        Self {
            isa,
            outputs,
            inputs,
            data: vec![0.0; rows * inputs],
        }
    }

    /// Fills every row: `row_of(output, row)` writes the `inputs` values of one output.
    pub fn fill(&mut self, mut row_of: impl FnMut(usize, &mut [f32])) {
        let rows = self.isa.tile_rows();
        let mut row = vec![0.0; self.inputs];
        for output in 0..self.outputs {
            row_of(output, &mut row);
            let panel = &mut self.data[output / rows * rows * self.inputs..];
            for (slot, &value) in panel[output % rows..].iter_mut().step_by(rows).zip(&row) {
                *slot = value;
            }
        }
    }

    /// The instruction set it was packed for.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
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
        self.outputs.next_multiple_of(self.isa.tile_rows())
    }

    /// Multiplies the output features `features` with panels of tokens.
    ///
    /// `tokens` is `[panels, inputs, lanes]`, `product` becomes `[panels, features, lanes]`.
    /// `features` starts and ends at multiples of [`Isa::tile_rows`].
    pub(crate) fn multiply(&self, features: Range<usize>, tokens: &[f32], product: &mut [f32]) {
        let (rows, lanes) = (self.isa.tile_rows(), self.isa.lanes());
        debug_assert!(features.start.is_multiple_of(rows) && features.end.is_multiple_of(rows));
        let (token_panel, product_panel) = (self.inputs * lanes, features.len() * lanes);
        if self.inputs == 0 || features.is_empty() {
            product.fill(0.0);
            return;
        }
        let passes = self.inputs.div_ceil(PASS_DEPTH);
        let depth = self.inputs.div_ceil(passes);
        let block = (PASS_WEIGHTS / depth / rows).max(1) * rows;

        for block_start in features.clone().step_by(block) {
            let block_end = (block_start + block).min(features.end);
            for start in (0..self.inputs).step_by(depth) {
                let end = (start + depth).min(self.inputs);
                let panels = tokens
                    .chunks_exact(token_panel)
                    .zip(product.chunks_exact_mut(product_panel));
                for (tokens, product) in panels {
                    let tokens = &tokens[start * lanes..end * lanes];
                    for feature in (block_start..block_end).step_by(rows) {
                        let weights = &self.data[feature * self.inputs..][start * rows..end * rows];
                        let sums =
                            &mut product[(feature - features.start) * lanes..][..rows * lanes];
                        tile(self.isa, weights, tokens, sums, start > 0);
                    }
                }
            }
        }
    }

    /// Multiplies all output features: `product` becomes `[panels, padded_outputs, lanes]`.
    pub(crate) fn multiply_all(&self, tokens: &[f32], product: &mut [f32]) {
        self.multiply(0..self.padded_outputs(), tokens, product);
    }
}
