//! Looking at what passes between the stages of a tower.

use std::fmt;

/// One of the two stacks of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stack {
    /// Attends within a slab; rows are `[t, h·w]`.
    Spatial,
    /// Attends along D; rows are `[h·w, t]`.
    Temporal,
}

/// A place in the tower, for one volume. Displays as the reference values are named (spec 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Embedded patches `[t, h, w, dim]`.
    PatchOut,
    /// Input of a layer, in the stack's rows `[rows, tokens, dim]`.
    LayerIn(Stack, usize),
    /// After the positional convolution and its residual.
    AfterPeg(Stack, usize),
    /// After attention and its residual.
    AfterAttention(Stack, usize),
    /// After the feed-forward and its residual.
    AfterLayer(Stack, usize),
    /// Normalised tokens `[t·h·w, dim]` that go to the codebook.
    CodebookIn,
    /// What replaces them `[t, h, w, dim]`: the codes' raw rows.
    EncodedTokens,
    /// Mean over t, `[h·w·dim]`.
    Pooled,
    /// The embedding before its length is taken off, `[latent]`.
    LatentUnnormalised,
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spatial => "spatial",
            Self::Temporal => "temporal",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PatchOut => f.write_str("patch.out"),
            Self::LayerIn(stack, layer) => write!(f, "{stack}.{layer}.in"),
            Self::AfterPeg(stack, layer) => write!(f, "{stack}.{layer}.after_peg"),
            Self::AfterAttention(stack, layer) => write!(f, "{stack}.{layer}.after_attn"),
            Self::AfterLayer(stack, layer) => write!(f, "{stack}.{layer}.after_layer"),
            Self::CodebookIn => f.write_str("vq.in"),
            Self::EncodedTokens => f.write_str("encoded_tokens"),
            Self::Pooled => f.write_str("pooled_flat"),
            Self::LatentUnnormalised => f.write_str("latent_prenorm"),
        }
    }
}

/// Is shown the values between stages while volumes are encoded.
pub trait StageObserver {
    /// `values` are what leaves `stage` for the volume with index `item` of the batch.
    fn observe(&mut self, item: usize, stage: Stage, values: &[f32]);

    /// `codes` are the codebook's ids `[t, h, w]` for the volume with index `item`.
    fn observe_codes(&mut self, item: usize, codes: &[u32]) {
        let _ = (item, codes);
    }
}

/// Looks at nothing.
impl StageObserver for () {
    fn observe(&mut self, _: usize, _: Stage, _: &[f32]) {}
}
