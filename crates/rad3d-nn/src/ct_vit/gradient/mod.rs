//! The tower's gradient, written out for the CPU.
//!
//! A general engine spends most of a small tower's step on moving voxels about; here a patch is
//! read once, and what the backward pass needs of it is kept in the order in which it is needed.
//! Towers without a codebook only: with one, the general engine's straight-through gradient serves.
//!
//! Volumes of a batch are shared out among a fixed number of groups whose gradients are added in
//! order, so that results don't depend on the number of cores.

mod attention;
mod bias;
mod feed_forward;
mod layer;
mod layout;
mod norm;
mod patch;
mod peg;
mod stack;

use rayon::prelude::*;

use super::config::CtVitConfig;
use super::latent::pool_over_time;
use crate::causal_lm::gradient::Parameter;
use crate::cpu::LENGTH_EPSILON;
use crate::matmul::{Matrix, matmul};
use crate::source::WeightSource;
use crate::{Fault, NnError, Result};
use bias::BiasPass;
use layout::Layout;
use patch::PatchKept;
use stack::{StackKept, regroup};

/// Groups that a batch's volumes are shared out to.
const GROUPS: usize = 4;

/// A tower's weights in one row of numbers, and its embeddings with their gradient.
#[derive(Debug, Clone)]
pub struct GradientTower {
    config: CtVitConfig,
    layout: Layout,
    weights: Vec<f32>,
}

/// What the backward pass of one volume needs.
struct Kept {
    patch: PatchKept,
    spatial: StackKept,
    temporal: StackKept,
    /// Mean over slabs `[h·w·dim]`.
    pooled: Vec<f32>,
    /// The embedding, of unit length, and its length before.
    latent: Vec<f32>,
    length: f32,
}

/// Sums of gradients of one group of volumes.
struct Sums {
    weights: Vec<f32>,
    /// Of the biases of offsets.
    bias: Vec<f32>,
}

impl GradientTower {
    /// Takes a tower's parameters under CT-CLIP's names.
    ///
    /// # Errors
    /// [`Fault::Config`] for impossible sizes and for a tower with a codebook; whatever `source`
    /// reports.
    pub fn load(config: &CtVitConfig, source: &mut dyn WeightSource) -> Result<Self> {
        config.check()?;
        if config.codebook.is_some() {
            let what = "has a codebook, whose gradient is not written out";
            let hint = "train it without, or on a GPU";
            return Err(NnError::new(Fault::Config, "tower settings", what, hint));
        }
        let layout = Layout::new(config);
        let mut weights = Vec::new();
        for parameter in &layout.parameters {
            weights.extend_from_slice(&source.take(&parameter.name, &parameter.shape)?);
        }
        Ok(Self {
            config: config.clone(),
            layout,
            weights,
        })
    }

    /// The tower's sizes.
    #[must_use]
    pub fn config(&self) -> &CtVitConfig {
        &self.config
    }

    /// All weights.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Puts other weights in their place; a row of another length is refused.
    #[must_use]
    pub fn set_weights(&mut self, weights: Vec<f32>) -> bool {
        let fits = weights.len() == self.weights.len();
        if fits {
            self.weights = weights;
        }
        fits
    }

    /// Where each parameter lies in the weights, under CT-CLIP's names.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.layout.parameters.iter()
    }

    /// Embeddings `[latent]` of volumes `[D, H, W]`, each of unit length.
    #[must_use]
    pub fn embed(&self, volumes: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let bias = BiasPass::new(&self.config, &self.layout, &self.weights);
        volumes
            .par_iter()
            .map(|volume| self.forward(volume, &bias).latent)
            .collect()
    }

    /// The gradient of a loss with respect to all weights, in the order of
    /// [`GradientTower::weights`]. `errors` gets the volumes' embeddings, one after the other, and
    /// gives the loss's gradient with respect to them.
    ///
    /// # Errors
    /// Whatever `errors` reports.
    pub fn gradient<E>(
        &self,
        volumes: &[Vec<f32>],
        errors: impl FnOnce(&[f32]) -> std::result::Result<Vec<f32>, E>,
    ) -> std::result::Result<Vec<f32>, E> {
        let bias = BiasPass::new(&self.config, &self.layout, &self.weights);
        let kept: Vec<Kept> = volumes
            .par_iter()
            .map(|volume| self.forward(volume, &bias))
            .collect();
        let latents: Vec<f32> = kept.iter().flat_map(|kept| &kept.latent).copied().collect();
        let errors = errors(&latents)?;
        let pairs: Vec<(Kept, &[f32])> = kept
            .into_iter()
            .zip(errors.chunks_exact(self.config.latent))
            .collect();
        let mut groups: Vec<Vec<(Kept, &[f32])>> = (0..GROUPS).map(|_| Vec::new()).collect();
        for (index, pair) in pairs.into_iter().enumerate() {
            groups[index % GROUPS].push(pair);
        }
        let sums: Vec<Sums> = groups
            .into_par_iter()
            .map(|members| {
                let mut sums = Sums {
                    weights: vec![0.0; self.weights.len()],
                    bias: vec![0.0; bias.table().len()],
                };
                for (kept, errors) in members {
                    self.backward(kept, errors, &bias, &mut sums);
                }
                sums
            })
            .collect();
        let mut weights = vec![0.0; self.weights.len()];
        let mut bias_sum = vec![0.0; bias.table().len()];
        for sums in &sums {
            add(&mut weights, &sums.weights);
            add(&mut bias_sum, &sums.bias);
        }
        bias.backward(&self.layout, &self.weights, &bias_sum, &mut weights);
        Ok(weights)
    }

    fn forward(&self, volume: &[f32], bias: &BiasPass) -> Kept {
        let (config, weights) = (&self.config, &*self.weights);
        let grid = config.grid();
        let (x, patch) = self.layout.patch.forward(config, weights, volume);
        let (x, spatial) = self
            .layout
            .spatial
            .forward(config, weights, x, grid.slab(), Some(bias));
        let x = regroup(&x, grid.t, grid.slab(), config.dim);
        let (x, temporal) = self
            .layout
            .temporal
            .forward(config, weights, x, grid.t, None);
        let pooled = pool_over_time(grid, &regroup(&x, grid.slab(), grid.t, config.dim));

        let mut latent = vec![0.0; config.latent];
        let projection = &weights[self.layout.projection.clone()];
        matmul(
            Matrix::new(projection, config.latent, pooled.len()),
            Matrix::new(&pooled, pooled.len(), 1),
            &mut latent,
            false,
        );
        let square: f32 = latent.iter().map(|x| x * x).sum();
        let length = square.sqrt().max(LENGTH_EPSILON);
        for value in &mut latent {
            *value /= length;
        }
        Kept {
            patch,
            spatial,
            temporal,
            pooled,
            latent,
            length,
        }
    }

    fn backward(&self, kept: Kept, errors: &[f32], bias: &BiasPass, sums: &mut Sums) {
        let (config, weights) = (&self.config, &*self.weights);
        let grid = config.grid();
        let along: f32 = errors.iter().zip(&kept.latent).map(|(e, l)| e * l).sum();
        let errors: Vec<f32> = errors
            .iter()
            .zip(&kept.latent)
            .map(|(error, latent)| (error - latent * along) / kept.length)
            .collect();
        let inputs = kept.pooled.len();
        let projection = Matrix::new(
            &weights[self.layout.projection.clone()],
            config.latent,
            inputs,
        );
        let mut pooled = vec![0.0; inputs];
        matmul(
            Matrix::new(&errors, 1, config.latent),
            projection,
            &mut pooled,
            false,
        );
        matmul(
            Matrix::new(&errors, config.latent, 1),
            Matrix::new(&kept.pooled, 1, inputs),
            &mut sums.weights[self.layout.projection.clone()],
            true,
        );
        // Each slab has the same part in the mean.
        let share = 1.0 / grid.t as f32;
        let slab: Vec<f32> = pooled.iter().map(|x| x * share).collect();
        let back = regroup(&slab.repeat(grid.t), grid.t, grid.slab(), config.dim);
        let back = self
            .layout
            .temporal
            .backward(config, weights, back, kept.temporal, None, sums);
        let back = regroup(&back, grid.slab(), grid.t, config.dim);
        let back =
            self.layout
                .spatial
                .backward(config, weights, back, kept.spatial, Some(bias), sums);
        self.layout
            .patch
            .backward(config, weights, &back, &kept.patch, &mut sums.weights);
    }
}

/// `sum += part`.
fn add(sum: &mut [f32], part: &[f32]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += part;
    }
}
