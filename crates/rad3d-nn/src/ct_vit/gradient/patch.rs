//! Patches to tokens: LayerNorm over voxels, linear, LayerNorm over features.

use std::ops::Range;

use super::norm::Normed;
use crate::ct_vit::config::CtVitConfig;
use crate::ct_vit::patch::read_patch;
use crate::matmul::{Matrix, matmul};

/// Ranges of the embedding's weights.
#[derive(Debug, Clone)]
pub(super) struct PatchLayout {
    pub(super) voxel_gain: Range<usize>,
    pub(super) voxel_shift: Range<usize>,
    pub(super) weight: Range<usize>,
    pub(super) bias: Range<usize>,
    pub(super) gain: Range<usize>,
    pub(super) shift: Range<usize>,
}

/// What the backward pass needs.
pub(super) struct PatchKept {
    voxels: Normed,
    features: Normed,
}

impl PatchLayout {
    /// A volume `[D, H, W]` to tokens `[t·h·w, dim]`.
    pub(super) fn forward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        volume: &[f32],
    ) -> (Vec<f32>, PatchKept) {
        let (dim, length, tokens) = (config.dim, config.patch_voxels(), config.grid().tokens());
        let mut patches = vec![0.0; tokens * length];
        for (index, patch) in patches.chunks_exact_mut(length).enumerate() {
            read_patch(config, volume, index, patch);
        }
        let voxels = Normed::new(&patches, length);
        drop(patches);
        let input = voxels.scaled(
            &weights[self.voxel_gain.clone()],
            &weights[self.voxel_shift.clone()],
        );
        let mut out = weights[self.bias.clone()].repeat(tokens);
        matmul(
            Matrix::new(&input, tokens, length),
            Matrix::new(&weights[self.weight.clone()], dim, length).transposed(),
            &mut out,
            true,
        );
        let features = Normed::new(&out, dim);
        let out = features.scaled(&weights[self.gain.clone()], &weights[self.shift.clone()]);
        (out, PatchKept { voxels, features })
    }

    /// Gradients of the embedding's weights. Voxels need none, so one product gives them all:
    /// with E the errors and N the normalised voxels, M = Eᵀ·N; the weight's gradient is M times
    /// the voxels' gain plus the errors' sum times their shift, the gain's the sum of M ∘ W.
    pub(super) fn backward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        back: &[f32],
        kept: &PatchKept,
        sums: &mut [f32],
    ) {
        let (dim, length, tokens) = (config.dim, config.patch_voxels(), config.grid().tokens());
        let mut errors = vec![0.0; tokens * dim];
        let shift = Some(&self.shift);
        kept.features
            .backward(back, weights, &self.gain, shift, &mut errors, sums);
        let mut total = vec![0.0; dim];
        for row in errors.chunks_exact(dim) {
            super::add(&mut total, row);
        }
        super::add(&mut sums[self.bias.clone()], &total);
        let mut product = vec![0.0; dim * length];
        matmul(
            Matrix::new(&errors, tokens, dim).transposed(),
            Matrix::new(&kept.voxels.values, tokens, length),
            &mut product,
            false,
        );
        let weight = &weights[self.weight.clone()];
        let (gain, shift) = (
            &weights[self.voxel_gain.clone()],
            &weights[self.voxel_shift.clone()],
        );
        let rows = product.chunks_exact(length).zip(&total);
        for (sum, (row, total)) in sums[self.weight.clone()]
            .chunks_exact_mut(length)
            .zip(rows.clone())
        {
            for (((sum, product), gain), shift) in sum.iter_mut().zip(row).zip(gain).zip(shift) {
                *sum += product * gain + total * shift;
            }
        }
        for ((row, total), weight) in rows.zip(weight.chunks_exact(length)) {
            for ((sum, product), weight) in sums[self.voxel_gain.clone()]
                .iter_mut()
                .zip(row)
                .zip(weight)
            {
                *sum += product * weight;
            }
            for (sum, weight) in sums[self.voxel_shift.clone()].iter_mut().zip(weight) {
                *sum += total * weight;
            }
        }
    }
}
