//! A model folder's mapper: its kind, what it takes, what it writes, what it belongs to.

use serde::{Deserialize, Serialize};

use super::manifest::FileRecord;

/// The prefix mapper's file, and the tower and the language model it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MapperPart {
    /// Which mapper it is.
    #[serde(default)]
    pub kind: MapperKind,
    /// What it takes; left out, the input's width tells ([`Manifest::mapper_inputs`](super::Manifest::mapper_inputs)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<MapperInputs>,
    /// What it was trained to write.
    #[serde(default)]
    pub target: MapperTarget,
    /// The text around the prefix that it was trained with, `<ImageHere>` in the prefix's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Safetensors under the names of its kind.
    pub file: FileRecord,
    /// SHA-256 of the tower file whose embeddings it was trained on.
    pub tower_sha256: String,
    /// [`LlmPart::sha256`](super::LlmPart::sha256) of the language model it was trained through, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm_sha256: Option<String>,
    /// The mapper's sizes.
    pub config: MapperConfig,
}

/// How a prefix is made of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapperKind {
    /// ClipCap's transformer mapper (spec section 5).
    #[default]
    Transformer,
    /// One linear layer.
    Linear,
    /// A linear layer and LayerNorm, as R2GenGPT has it.
    #[serde(rename = "r2gengpt")]
    R2GenGpt,
}

/// What a mapper takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapperInputs {
    /// The embedding.
    Embedding,
    /// The embedding, and the head's raw logits behind it: the priors of V-2 and V-3.
    EmbeddingAndLogits,
    /// The raw logits without the image: the cue-only baseline.
    Logits,
}

impl MapperInputs {
    /// Width of the input for an embedding of `latent` values and a head of `labels` outputs.
    #[must_use]
    pub fn width(self, latent: usize, labels: usize) -> usize {
        match self {
            Self::Embedding => latent,
            Self::EmbeddingAndLogits => latent + labels,
            Self::Logits => labels,
        }
    }
}

/// Which sections of a report a mapper was trained to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapperTarget {
    /// Findings only.
    Findings,
    /// Impression only.
    Impression,
    /// `Findings: …`, a line break, `Impression: …`.
    #[default]
    Both,
}

/// Sizes of a mapper; a transformer has all of them, the other kinds have no clip and no layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MapperConfig {
    /// Width of the input: the latent, and the logits if it takes them.
    pub input_dim: usize,
    /// Width of the language model.
    pub width: usize,
    /// Tokens made of the input.
    #[serde(default)]
    pub clip_length: usize,
    /// Tokens given to the language model.
    pub prefix_length: usize,
    /// Transformer layers.
    #[serde(default)]
    pub layers: usize,
    /// Attention heads; 8, as in the paper, if left out.
    #[serde(default = "paper_heads")]
    pub heads: usize,
}

/// Heads of ClipCap's mapper.
pub(super) const fn paper_heads() -> usize {
    8
}
