//! The gated feed-forward of one layer (spec 2.3).

use rayon::prelude::*;

use super::config::CtVitConfig;
use super::layers::{LayerNorm, TASK_PANELS, split};
use crate::Result;
use crate::cpu::{Kernel, PackedMatrix, add_panel_to_rows, geglu, with_scratch};
use crate::source::Scope;

/// Hidden features that are made before they are gated, so that they never leave the L2 cache.
const HIDDEN_BLOCK: usize = 240;

/// LayerNorm, linear, value · gelu(gate), linear.
#[derive(Debug)]
pub(super) struct FeedForward {
    norm: LayerNorm,
    /// Tiles of values and of their gates by turns, both filled up to whole tiles.
    expand: PackedMatrix,
    contract: PackedMatrix,
}

impl FeedForward {
    pub(super) fn load(mut scope: Scope<'_>, kernel: Kernel, config: &CtVitConfig) -> Result<Self> {
        let (dim, inner) = (config.dim, config.feed_forward_inner());
        let rows = kernel.isa().tile_rows();
        let padded = inner.next_multiple_of(rows);

        let weight = scope.take("1.weight", &[2 * inner, dim])?;
        let mut expand = PackedMatrix::zeros(kernel, 2 * padded, dim);
        expand.fill(|output, row| {
            let tile = output / rows;
            let feature = tile / 2 * rows + output % rows;
            if feature < inner {
                let source = if tile.is_multiple_of(2) {
                    feature
                } else {
                    inner + feature
                };
                row.copy_from_slice(&weight[source * dim..(source + 1) * dim]);
            } else {
                row.fill(0.0);
            }
        });

        let weight = scope.take("4.weight", &[dim, inner])?;
        let mut contract = PackedMatrix::zeros(kernel, dim, padded);
        contract.fill(|output, row| {
            row[..inner].copy_from_slice(&weight[output * inner..(output + 1) * inner]);
        });
        let norm = LayerNorm::load(scope.scope("0"), "weight", "bias", dim)?;
        Ok(Self {
            norm,
            expand,
            contract,
        })
    }

    /// `x += feed_forward(x)` for `x` `[token, dim]`.
    pub(super) fn forward(&self, x: &mut [f32]) {
        let isa = self.expand.isa();
        let lanes = isa.lanes();
        let (dim, hidden) = (self.expand.inputs(), self.contract.inputs());
        let pair = 2 * isa.tile_rows();
        let block = (HIDDEN_BLOCK / pair).max(1) * pair;
        let tokens = TASK_PANELS * lanes;
        let size = self.contract.padded_outputs() * lanes;
        let sizes = [
            tokens * dim,
            lanes * dim,
            tokens * block,
            tokens * hidden,
            TASK_PANELS * size,
        ];
        x.par_chunks_mut(tokens * dim).for_each(|x| {
            with_scratch(sizes.iter().sum(), |scratch| {
                let [input, rows, pairs, gated, product] = split(scratch, sizes);
                let panels = (x.len() / dim).div_ceil(lanes);
                let input = &mut input[..panels * dim * lanes];
                let gated = &mut gated[..panels * hidden * lanes];
                self.norm.rows_to_panels(isa, x, rows, input);

                let outputs = self.expand.padded_outputs();
                for start in (0..outputs).step_by(block) {
                    let end = (start + block).min(outputs);
                    let pairs = &mut pairs[..panels * (end - start) * lanes];
                    self.expand.multiply(start..end, input, pairs);
                    let groups = pairs.chunks_exact((end - start) * lanes);
                    for (pairs, gated) in groups.zip(gated.chunks_exact_mut(hidden * lanes)) {
                        let gated = &mut gated[start / 2 * lanes..end / 2 * lanes];
                        let tiles = pairs.chunks_exact(pair * lanes);
                        for (pair, out) in tiles.zip(gated.chunks_exact_mut(pair / 2 * lanes)) {
                            let (value, gate) = pair.split_at(pair.len() / 2);
                            geglu(isa, value, gate, out);
                        }
                    }
                }

                self.contract
                    .multiply_all(gated, &mut product[..panels * size]);
                for (product, x) in product.chunks_exact(size).zip(x.chunks_mut(lanes * dim)) {
                    add_panel_to_rows(isa, product, dim, x, dim);
                }
            });
        });
    }
}
