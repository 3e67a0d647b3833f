//! One of the tower's two stacks of layers (spec 2.3).

use rayon::prelude::*;

use super::attention::{Attention, AttentionBuffers};
use super::config::{CtVitConfig, TokenGrid};
use super::feed_forward::FeedForward;
use super::layers::LayerNorm;
use super::observer::{Stack, Stage};
use super::peg::Peg;
use crate::Result;
use crate::cpu::{AttentionBias, AttentionShape, Isa, Kernel};
use crate::source::Scope;

/// Convolution, attention and feed-forward, each with its residual.
#[derive(Debug)]
struct Layer {
    peg: Peg,
    attention: Attention,
    feed_forward: FeedForward,
}

/// Layers and a last norm.
#[derive(Debug)]
pub(super) struct Transformer {
    isa: Isa,
    stack: Stack,
    grid: TokenGrid,
    shape: AttentionShape,
    layers: Vec<Layer>,
    norm_out: LayerNorm,
}

/// The activations of one volume.
pub(super) struct Activations {
    /// `[token, dim]`, in the order of the stack that works on it.
    pub(super) tokens: Vec<f32>,
    spare: Vec<f32>,
    attention: AttentionBuffers,
}

impl Activations {
    pub(super) fn new(config: &CtVitConfig) -> Self {
        let tokens = config.grid().tokens();
        Self {
            tokens: vec![0.0; tokens * config.dim],
            spare: vec![0.0; tokens * config.dim],
            attention: AttentionBuffers::new(tokens, config.inner()),
        }
    }
}

impl Transformer {
    pub(super) fn load(
        mut scope: Scope<'_>,
        kernel: Kernel,
        config: &CtVitConfig,
        stack: Stack,
    ) -> Result<Self> {
        let grid = config.grid();
        let (depth, sequences, tokens) = match stack {
            Stack::Spatial => (config.spatial_depth, grid.t, grid.slab()),
            Stack::Temporal => (config.temporal_depth, grid.slab(), grid.t),
        };
        let mut layers = Vec::with_capacity(depth);
        for index in 0..depth {
            let mut scope = scope.scope("layers");
            let mut scope = scope.scope(&index.to_string());
            layers.push(Layer {
                peg: Peg::load(scope.scope("0"), config.dim)?,
                attention: Attention::load(scope.scope("1"), kernel, config)?,
                feed_forward: FeedForward::load(scope.scope("3"), kernel, config)?,
            });
        }
        let norm_out = LayerNorm::load(scope.scope("norm_out"), "gamma", "beta", config.dim)?;
        let (heads, head_dim) = (config.heads, config.head_dim);
        let shape = AttentionShape {
            sequences,
            tokens,
            heads,
            head_dim,
        };
        Ok(Self {
            isa: kernel.isa(),
            stack,
            grid,
            shape,
            layers,
            norm_out,
        })
    }

    /// Runs the layers over rows `[sequence, token, dim]`, and leaves the normalised result as
    /// `[token, sequence, dim]`: the order in which the other stack, or the codebook, wants it.
    pub(super) fn forward(
        &self,
        activations: &mut Activations,
        bias: Option<&AttentionBias>,
        observe: &mut dyn FnMut(Stage, &[f32]),
    ) {
        let Activations {
            tokens: x,
            spare,
            attention,
        } = activations;
        for (index, layer) in self.layers.iter().enumerate() {
            observe(Stage::LayerIn(self.stack, index), x);
            layer.peg.forward(self.isa, self.grid, x, spare);
            std::mem::swap(x, spare);
            observe(Stage::AfterPeg(self.stack, index), x);
            layer.attention.forward(self.shape, bias, x, attention);
            observe(Stage::AfterAttention(self.stack, index), x);
            layer.feed_forward.forward(x);
            observe(Stage::AfterLayer(self.stack, index), x);
        }
        self.normalise_and_regroup(x, spare);
        std::mem::swap(x, spare);
    }

    fn normalise_and_regroup(&self, x: &[f32], out: &mut [f32]) {
        let AttentionShape {
            sequences, tokens, ..
        } = self.shape;
        let dim = x.len() / (sequences * tokens);
        out.par_chunks_mut(sequences * dim)
            .enumerate()
            .for_each(|(token, out)| {
                for (sequence, out) in out.chunks_exact_mut(dim).enumerate() {
                    let start = (sequence * tokens + token) * dim;
                    self.norm_out.row(self.isa, &x[start..start + dim], out);
                }
            });
    }
}
