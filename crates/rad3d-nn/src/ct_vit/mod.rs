//! The CT-ViT image tower of CT-CLIP (spec 2): a chest CT in, an embedding of unit length out.

mod attention;
mod codebook;
mod config;
mod feed_forward;
pub mod gradient;
mod latent;
mod layers;
mod observer;
mod patch;
mod peg;
mod spatial_bias;
mod transformer;

pub use config::{CtVitConfig, TokenGrid};
pub use observer::{Stack, Stage, StageObserver};

use rayon::prelude::*;

use codebook::Codebook;
use latent::{LatentProjection, pool_over_time};
use patch::PatchEmbedding;
use spatial_bias::SpatialBias;
use transformer::{Activations, Transformer};

use crate::cpu::{AttentionBias, Isa, Kernel, Precision, l2_normalise};
use crate::source::{Scope, WeightSource};
use crate::{Fault, NnError, Result};

/// The image tower, ready for inference on the CPU.
///
/// Weights are packed for the processor at load; the projection to the embedding stays where it
/// lies, in a mapped file if that is where it comes from. Safe to share between threads.
#[derive(Debug)]
pub struct CtVit {
    config: CtVitConfig,
    isa: Isa,
    patch: PatchEmbedding,
    spatial: Transformer,
    spatial_bias: AttentionBias,
    temporal: Transformer,
    codebook: Option<Codebook>,
    projection: LatentProjection,
}

impl CtVit {
    /// Loads a tower under CT-CLIP's parameter names (spec 2), for this processor.
    ///
    /// # Errors
    /// [`Fault::Config`] for impossible sizes, and whatever `weights` reports.
    pub fn load(config: &CtVitConfig, weights: &mut dyn WeightSource) -> Result<Self> {
        Self::load_for(Isa::detect(), config, weights)
    }

    /// As [`CtVit::load`], with matrix products in another precision.
    ///
    /// bfloat16 serves the products of all layers. Patches are cut, rows normalised, attention
    /// weighed, codes searched and the embedding projected in f32 all the same.
    ///
    /// # Errors
    /// As [`CtVit::load`], and [`Fault::Device`] for a precision that this processor lacks.
    pub fn load_in(
        precision: Precision,
        config: &CtVitConfig,
        weights: &mut dyn WeightSource,
    ) -> Result<Self> {
        Self::load_with(Kernel::new(Isa::detect(), precision)?, config, weights)
    }

    /// As [`CtVit::load`], with the kernels of another instruction set.
    ///
    /// # Errors
    /// As [`CtVit::load`].
    pub fn load_for(
        isa: Isa,
        config: &CtVitConfig,
        weights: &mut dyn WeightSource,
    ) -> Result<Self> {
        Self::load_with(isa.into(), config, weights)
    }

    fn load_with(
        kernel: Kernel,
        config: &CtVitConfig,
        weights: &mut dyn WeightSource,
    ) -> Result<Self> {
        let isa = kernel.isa();
        config.check()?;
        let mut root = Scope::new(weights, "");
        let projection = LatentProjection::load(
            root.scope("to_visual_latent"),
            config.latent,
            config.latent_inputs(),
        )?;
        let mut tower = root.scope("visual_transformer");
        let stack = |tower: &mut Scope<'_>, name, stack| {
            Transformer::load(tower.scope(name), kernel, config, stack)
        };
        Ok(Self {
            isa,
            patch: PatchEmbedding::load(tower.scope("to_patch_emb"), kernel, config)?,
            spatial: stack(&mut tower, "enc_spatial_transformer", Stack::Spatial)?,
            spatial_bias: SpatialBias::load(tower.scope("spatial_rel_pos_bias"), config)?
                .panels(isa),
            temporal: stack(&mut tower, "enc_temporal_transformer", Stack::Temporal)?,
            codebook: config
                .codebook
                .map(|codes| Codebook::load(tower.scope("vq._codebook"), isa, codes, config.dim))
                .transpose()?,
            projection,
            config: config.clone(),
        })
    }

    /// The sizes it was loaded with.
    #[must_use]
    pub fn config(&self) -> &CtVitConfig {
        &self.config
    }

    /// Embeds volumes `[batch, 1, D, H, W]` (as preprocessed, spec 1) into `[batch, latent]`, each
    /// embedding of unit length. Volumes go one after the other, so that memory does not grow.
    ///
    /// # Errors
    /// [`Fault::Shape`] if the voxels are no whole number of volumes, [`Fault::NotFinite`] if an
    /// embedding is not finite (voxels or weights that are NaN or huge).
    pub fn encode(&self, volumes: &[f32]) -> Result<Vec<f32>> {
        self.encode_observed(volumes, &mut ())
    }

    /// As [`CtVit::encode`], showing `observer` what passes between the stages.
    ///
    /// # Errors
    /// As [`CtVit::encode`].
    pub fn encode_observed(
        &self,
        volumes: &[f32],
        observer: &mut dyn StageObserver,
    ) -> Result<Vec<f32>> {
        let voxels = self.config.voxels();
        if !volumes.len().is_multiple_of(voxels) {
            let [d, h, w] = self.config.volume_dhw;
            return Err(NnError::shape(
                "input volume",
                &[volumes.len()],
                &[1, 1, d, h, w],
            ));
        }
        let mut activations = Activations::new(&self.config);
        let mut latents = vec![0.0; volumes.len() / voxels * self.config.latent];
        let items = volumes
            .chunks_exact(voxels)
            .zip(latents.chunks_exact_mut(self.config.latent));
        for (item, (volume, latent)) in items.enumerate() {
            let finite = self.encode_one(item, volume, &mut activations, latent, observer);
            if !finite {
                return Err(NnError::new(
                    Fault::NotFinite,
                    format!("embedding of volume {item}"),
                    "is not finite",
                    "check the volume for NaN voxels and the weights for damage",
                ));
            }
        }
        Ok(latents)
    }

    /// Says whether all tokens and the embedding are finite.
    fn encode_one(
        &self,
        item: usize,
        volume: &[f32],
        activations: &mut Activations,
        latent: &mut [f32],
        observer: &mut dyn StageObserver,
    ) -> bool {
        self.patch
            .forward(&self.config, volume, &mut activations.tokens);
        observer.observe(item, Stage::PatchOut, &activations.tokens);
        let mut observe = |stage, values: &[f32]| observer.observe(item, stage, values);
        self.spatial
            .forward(activations, Some(&self.spatial_bias), &mut observe);
        self.temporal.forward(activations, None, &mut observe);

        let tokens = &mut activations.tokens;
        observer.observe(item, Stage::CodebookIn, tokens);
        // Asked before the codebook, which would hide a NaN behind an innocent code.
        let finite = tokens.par_iter().all(|value| value.is_finite());
        if let Some(codebook) = &self.codebook {
            let mut codes = vec![0; self.config.grid().tokens()];
            codebook.nearest(tokens, &mut codes);
            observer.observe_codes(item, &codes);
            codebook.look_up(&codes, tokens);
        }
        observer.observe(item, Stage::EncodedTokens, tokens);

        let pooled = pool_over_time(self.config.grid(), tokens);
        observer.observe(item, Stage::Pooled, &pooled);
        self.projection.forward(self.isa, &pooled, latent);
        observer.observe(item, Stage::LatentUnnormalised, latent);
        l2_normalise(self.isa, latent);
        finite && latent.iter().all(|value| value.is_finite())
    }
}
