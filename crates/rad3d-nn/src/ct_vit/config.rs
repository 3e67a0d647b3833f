//! Sizes of a CT-ViT tower.

use serde::{Deserialize, Serialize};

use crate::{Fault, NnError, Result};

/// Sizes of a CT-ViT tower; [`CtVitConfig::default`] is the published one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CtVitConfig {
    /// Voxels of the input volume along D, H, W.
    pub volume_dhw: [usize; 3],
    /// Voxels of one patch along D, H, W; each divides the volume.
    pub patch_dhw: [usize; 3],
    /// Features of a token.
    pub dim: usize,
    /// Layers that attend within a slab of slices.
    pub spatial_depth: usize,
    /// Layers that attend along D.
    pub temporal_depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Features of each head.
    pub head_dim: usize,
    /// Number of codes; without, tokens are pooled as they are.
    pub codebook: Option<usize>,
    /// Length of the embedding.
    pub latent: usize,
}

impl From<rad3d_weights::TowerConfig> for CtVitConfig {
    /// The sizes that a model folder's manifest gives.
    fn from(sizes: rad3d_weights::TowerConfig) -> Self {
        Self {
            volume_dhw: sizes.volume_dhw,
            patch_dhw: sizes.patch_dhw,
            dim: sizes.dim,
            spatial_depth: sizes.spatial_depth,
            temporal_depth: sizes.temporal_depth,
            heads: sizes.heads,
            head_dim: sizes.head_dim,
            codebook: sizes.codebook,
            latent: sizes.latent,
        }
    }
}

impl Default for CtVitConfig {
    fn default() -> Self {
        Self {
            volume_dhw: [240, 480, 480],
            patch_dhw: [10, 20, 20],
            dim: 512,
            spatial_depth: 4,
            temporal_depth: 4,
            heads: 8,
            head_dim: 32,
            codebook: Some(8192),
            latent: 512,
        }
    }
}

/// Tokens of a volume along D, H, W.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenGrid {
    /// Tokens along D: the network's time.
    pub t: usize,
    /// Tokens along H.
    pub h: usize,
    /// Tokens along W.
    pub w: usize,
}

impl TokenGrid {
    /// All tokens.
    #[must_use]
    pub fn tokens(self) -> usize {
        self.t * self.slab()
    }

    /// Tokens that share their place along D.
    #[must_use]
    pub fn slab(self) -> usize {
        self.h * self.w
    }
}

impl CtVitConfig {
    /// Checks the sizes against each other.
    ///
    /// # Errors
    /// [`Fault::Config`] if one is 0, if patches don't divide the volume, or if sizes overflow.
    pub fn check(&self) -> Result<()> {
        let fault = |what: String| {
            Err(NnError::new(
                Fault::Config,
                "tower settings",
                what,
                "correct the model's manifest",
            ))
        };
        let sizes = [
            self.dim,
            self.heads,
            self.head_dim,
            self.latent,
            self.codebook.unwrap_or(1),
        ];
        let sizes = sizes.iter().chain(&self.volume_dhw).chain(&self.patch_dhw);
        if sizes.clone().any(|&size| size == 0) {
            return fault("a size is 0".into());
        }
        for (volume, patch) in self.volume_dhw.into_iter().zip(self.patch_dhw) {
            if !volume.is_multiple_of(patch) {
                return fault(format!(
                    "patches of {:?} voxels don't divide a volume of {:?}",
                    self.patch_dhw, self.volume_dhw
                ));
            }
        }
        if sizes.clone().any(|&size| size > 1 << 20) || self.latent_inputs() > 1 << 30 {
            return fault("a size is beyond reason".into());
        }
        Ok(())
    }

    /// Tokens of one volume.
    #[must_use]
    pub fn grid(&self) -> TokenGrid {
        let [t, h, w] = std::array::from_fn(|axis| self.volume_dhw[axis] / self.patch_dhw[axis]);
        TokenGrid { t, h, w }
    }

    /// Voxels of one volume.
    #[must_use]
    pub fn voxels(&self) -> usize {
        self.volume_dhw.iter().product()
    }

    /// Voxels of one patch.
    #[must_use]
    pub fn patch_voxels(&self) -> usize {
        self.patch_dhw.iter().product()
    }

    /// Features of all heads.
    #[must_use]
    pub fn inner(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Hidden features of the feed-forward: two thirds of four times `dim` (spec 2.3).
    #[must_use]
    pub fn feed_forward_inner(&self) -> usize {
        self.dim * 8 / 3
    }

    /// Values that the embedding is projected from: one pooled token per place in a slab.
    #[must_use]
    pub fn latent_inputs(&self) -> usize {
        self.grid().slab() * self.dim
    }
}
