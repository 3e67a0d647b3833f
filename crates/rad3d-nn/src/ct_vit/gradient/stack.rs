//! A stack of layers and its last norm.

use std::ops::Range;

use super::bias::BiasPass;
use super::layer::{LayerKept, LayerLayout};
use super::norm::Normed;
use crate::ct_vit::config::CtVitConfig;

/// Ranges of a stack's weights.
#[derive(Debug, Clone)]
pub(super) struct StackLayout {
    pub(super) layers: Vec<LayerLayout>,
    pub(super) gain: Range<usize>,
    /// A constant.
    pub(super) shift: Range<usize>,
}

/// What the backward pass needs.
pub(super) struct StackKept {
    /// Tokens of a sequence.
    length: usize,
    layers: Vec<LayerKept>,
    normed: Normed,
}

impl StackLayout {
    /// Rows `[sequences · length, dim]` to the same shape; attention stays within a sequence.
    pub(super) fn forward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        mut x: Vec<f32>,
        length: usize,
        bias: Option<&BiasPass>,
    ) -> (Vec<f32>, StackKept) {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (next, kept) = layer.forward(config, weights, x, length, bias);
            layers.push(kept);
            x = next;
        }
        let normed = Normed::new(&x, config.dim);
        let out = normed.scaled(&weights[self.gain.clone()], &weights[self.shift.clone()]);
        let kept = StackKept {
            length,
            layers,
            normed,
        };
        (out, kept)
    }

    pub(super) fn backward(
        &self,
        config: &CtVitConfig,
        weights: &[f32],
        back: Vec<f32>,
        kept: StackKept,
        bias: Option<&BiasPass>,
        sums: &mut super::Sums,
    ) -> Vec<f32> {
        let mut out = vec![0.0; back.len()];
        kept.normed.backward(
            &back,
            weights,
            &self.gain,
            None,
            &mut out,
            &mut sums.weights,
        );
        for (layer, layer_kept) in self.layers.iter().zip(&kept.layers).rev() {
            out = layer.backward(config, weights, out, layer_kept, kept.length, bias, sums);
        }
        out
    }
}

/// `[a, b, dim]` as `[b, a, dim]`.
pub(super) fn regroup(x: &[f32], a: usize, b: usize, dim: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for j in 0..b {
        for i in 0..a {
            out.extend_from_slice(&x[(i * b + j) * dim..][..dim]);
        }
    }
    out
}
