//! Cutting the volume into patches and embedding them (spec 2.1).

use rayon::prelude::*;

use super::config::CtVitConfig;
use super::layers::{LayerNorm, split};
use crate::Result;
use crate::cpu::{
    Kernel, PackedMatrix, add_bias, normalise_row, panel_to_rows, rows_to_panel, with_scratch,
};
use crate::source::{Scope, Weight};

/// Panels of patches per task; a patch is long, so these are fewer than elsewhere.
const TASK_PANELS: usize = 4;

/// LayerNorm over a patch's voxels, linear, LayerNorm over features.
#[derive(Debug)]
pub(super) struct PatchEmbedding {
    voxel_gain: Weight,
    voxel_shift: Weight,
    linear: PackedMatrix,
    bias: Weight,
    norm: LayerNorm,
}

impl PatchEmbedding {
    pub(super) fn load(mut scope: Scope<'_>, kernel: Kernel, config: &CtVitConfig) -> Result<Self> {
        let (voxels, dim) = (config.patch_voxels(), config.dim);
        let weight = scope.take("2.weight", &[dim, voxels])?;
        Ok(Self {
            voxel_gain: scope.take("1.weight", &[voxels])?,
            voxel_shift: scope.take("1.bias", &[voxels])?,
            linear: PackedMatrix::new(kernel, &weight, dim, voxels),
            bias: scope.take("2.bias", &[dim])?,
            norm: LayerNorm::load(scope.scope("3"), "weight", "bias", dim)?,
        })
    }

    /// Embeds `volume` `[D, H, W]` into `tokens` `[t, h, w, dim]`, reading it in place.
    pub(super) fn forward(&self, config: &CtVitConfig, volume: &[f32], tokens: &mut [f32]) {
        let isa = self.linear.isa();
        let lanes = isa.lanes();
        let (dim, voxels) = (config.dim, config.patch_voxels());
        let size = self.linear.padded_outputs() * lanes;
        let sizes = [
            voxels,
            lanes * voxels,
            TASK_PANELS * lanes * voxels,
            TASK_PANELS * size,
            dim,
        ];
        let count = TASK_PANELS * lanes;
        tokens
            .par_chunks_mut(count * dim)
            .enumerate()
            .for_each(|(task, tokens)| {
                with_scratch(sizes.iter().sum(), |scratch| {
                    let [patch, rows, input, product, row] = split(scratch, sizes);
                    let patches = tokens.len() / dim;
                    let panels = patches.div_ceil(lanes);
                    for (panel, input) in input
                        .chunks_exact_mut(lanes * voxels)
                        .take(panels)
                        .enumerate()
                    {
                        let first = panel * lanes;
                        let rows = &mut rows[..lanes.min(patches - first) * voxels];
                        for (offset, row) in rows.chunks_exact_mut(voxels).enumerate() {
                            read_patch(config, volume, task * count + first + offset, patch);
                            normalise_row(isa, patch, &self.voxel_gain, &self.voxel_shift, row);
                        }
                        rows_to_panel(isa, rows.chunks_exact(voxels), voxels, input);
                    }
                    let input = &input[..panels * lanes * voxels];
                    self.linear
                        .multiply_all(input, &mut product[..panels * size]);
                    let groups = product
                        .chunks_exact(size)
                        .zip(tokens.chunks_mut(lanes * dim));
                    for (product, tokens) in groups {
                        panel_to_rows(isa, product, dim, tokens, dim);
                        for token in tokens.chunks_exact_mut(dim) {
                            add_bias(isa, token, &self.bias);
                            self.norm.row(isa, token, row);
                            token.copy_from_slice(row);
                        }
                    }
                });
            });
    }
}

/// Copies the voxels of patch `index` (in `[t, h, w]` order) out of the volume.
pub(super) fn read_patch(config: &CtVitConfig, volume: &[f32], index: usize, patch: &mut [f32]) {
    let grid = config.grid();
    let [_, height, width] = config.volume_dhw;
    let [_, patch_h, patch_w] = config.patch_dhw;
    let (t, y, x) = (
        index / grid.slab(),
        index % grid.slab() / grid.w,
        index % grid.w,
    );
    for (line, out) in patch.chunks_exact_mut(patch_w).enumerate() {
        let slice = t * config.patch_dhw[0] + line / patch_h;
        let row = y * patch_h + line % patch_h;
        let start = (slice * height + row) * width + x * patch_w;
        out.copy_from_slice(&volume[start..start + patch_w]);
    }
}
