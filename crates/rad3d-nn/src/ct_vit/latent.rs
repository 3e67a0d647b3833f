//! Pooling over time and the projection to the embedding (spec 2.5).

use rayon::prelude::*;

use super::config::TokenGrid;
use crate::Result;
use crate::cpu::{Isa, dot};
use crate::source::{Scope, Weight};

/// The largest matrix of the model, `[latent, h·w·dim]`: 604 MB that are read once per volume,
/// straight from where the weights lie.
#[derive(Debug)]
pub(super) struct LatentProjection {
    weight: Weight,
    inputs: usize,
}

impl LatentProjection {
    pub(super) fn load(mut scope: Scope<'_>, latent: usize, inputs: usize) -> Result<Self> {
        Ok(Self {
            weight: scope.take("weight", &[latent, inputs])?,
            inputs,
        })
    }

    /// Projects `pooled` `[h·w·dim]` to `latent` `[latent]`, not yet of unit length.
    pub(super) fn forward(&self, isa: Isa, pooled: &[f32], latent: &mut [f32]) {
        latent
            .par_iter_mut()
            .zip(self.weight.par_chunks_exact(self.inputs))
            .for_each(|(latent, row)| {
                *latent = dot(isa, row, pooled);
            });
    }
}

/// Mean over t of `tokens` `[t, h, w, dim]`: `[h·w·dim]`.
pub(super) fn pool_over_time(grid: TokenGrid, tokens: &[f32]) -> Vec<f32> {
    let slab = tokens.len() / grid.t;
    let mut pooled = vec![0.0; slab];
    for slice in tokens.chunks_exact(slab) {
        for (sum, token) in pooled.iter_mut().zip(slice) {
            *sum += token;
        }
    }
    for sum in &mut pooled {
        *sum /= grid.t as f32;
    }
    pooled
}
