//! Settings of a text encoder, from a Hugging Face `config.json`.

use std::path::Path;

use serde::Deserialize;

use crate::{Fault, NnError, Result};

/// How a family lays out its weights and counts its positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncoderFamily {
    /// BERT (Devlin 2018): positions from 0, token types.
    Bert,
    /// RoBERTa (Liu 2019) and XLM-RoBERTa: positions begin after the padding token's id.
    Roberta,
    /// DistilBERT (Sanh 2019): BERT without token types.
    DistilBert,
}

/// Between the two linear maps of a feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncoderActivation {
    /// `x · Φ(x)`, exact.
    Gelu,
    /// `max(x, 0)`.
    Relu,
}

/// Sizes of a post-norm transformer encoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextEncoderConfig {
    /// Whose names and positions.
    pub family: EncoderFamily,
    /// Rows of the token table.
    pub vocabulary: usize,
    /// Features of a token.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads; they divide `width`.
    pub heads: usize,
    /// Features between the two maps of a feed-forward part.
    pub mlp_width: usize,
    /// Rows of the position table.
    pub positions: usize,
    /// Row of a text's first token in the position table.
    pub first_position: usize,
    /// Rows of the token type table; 0 without one. Every token is of type 0.
    pub token_types: usize,
    /// Added to the variance in every LayerNorm.
    pub norm_epsilon: f32,
    /// The activation.
    pub activation: EncoderActivation,
}

/// `config.json` as the families write it; DistilBERT has names of its own.
#[derive(Deserialize)]
struct Written {
    model_type: String,
    vocab_size: usize,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f32,
    #[serde(alias = "activation")]
    hidden_act: String,
    pad_token_id: Option<usize>,
    position_embedding_type: Option<String>,
}

/// What the families' own code takes where the file is silent.
fn default_epsilon() -> f32 {
    1e-12
}

impl TextEncoderConfig {
    /// Reads the text of a `config.json`; `path` only names it in errors.
    ///
    /// Knows the model types `bert`, `roberta`, `xlm-roberta`, `camembert` and `distilbert`.
    ///
    /// # Errors
    /// [`Fault::Config`] if a setting is missing, contradictory, or asks for what is not supported
    /// (relative positions, other activations than `gelu` and `relu`).
    pub fn from_hf(path: impl AsRef<Path>, text: &str) -> Result<Self> {
        let place = path.as_ref().display().to_string();
        let fault = |what: String, hint: &str| NnError::new(Fault::Config, &place, what, hint);
        let written: Written = serde_json::from_str(text).map_err(|error| {
            let what = "is not the configuration of a text encoder".to_owned();
            fault(what, "give the folder of a BERT, RoBERTa or DistilBERT").because(error)
        })?;
        let family = match written.model_type.as_str() {
            "bert" => EncoderFamily::Bert,
            "roberta" | "xlm-roberta" | "camembert" => EncoderFamily::Roberta,
            "distilbert" => EncoderFamily::DistilBert,
            other => {
                return Err(fault(
                    format!("model type {other:?} is not supported"),
                    "supported are bert, roberta, xlm-roberta, camembert and distilbert",
                ));
            }
        };
        let activation = match written.hidden_act.as_str() {
            "gelu" => EncoderActivation::Gelu,
            "relu" => EncoderActivation::Relu,
            other => {
                return Err(fault(
                    format!("activation {other:?} is not supported"),
                    "supported are gelu and relu",
                ));
            }
        };
        if let Some(kind) = written.position_embedding_type.as_deref()
            && kind != "absolute"
        {
            return Err(fault(
                format!("positions of type {kind:?} are not supported"),
                "give an encoder with absolute positions",
            ));
        }
        let config = Self {
            family,
            vocabulary: written.vocab_size,
            width: written.hidden_size,
            layers: written.num_hidden_layers,
            heads: written.num_attention_heads,
            mlp_width: written.intermediate_size,
            positions: written.max_position_embeddings,
            first_position: match family {
                EncoderFamily::Roberta => written.pad_token_id.unwrap_or(1) + 1,
                EncoderFamily::Bert | EncoderFamily::DistilBert => 0,
            },
            token_types: match family {
                EncoderFamily::DistilBert => 0,
                EncoderFamily::Bert | EncoderFamily::Roberta => written.type_vocab_size,
            },
            norm_epsilon: written.layer_norm_eps,
            activation,
        };
        let sizes = [
            config.vocabulary,
            config.width,
            config.layers,
            config.heads,
            config.mlp_width,
        ];
        if sizes.contains(&0) || !config.width.is_multiple_of(config.heads) {
            let what = format!(
                "vocabulary, width, layers, heads and feed-forward width are {sizes:?}; none may \
                 be 0, and heads must divide the width"
            );
            return Err(fault(
                what,
                "take the config.json that came with the weights",
            ));
        }
        if config.context() == 0 {
            let what = format!(
                "has {} positions, of which the first {} are reserved",
                config.positions, config.first_position
            );
            return Err(fault(
                what,
                "take the config.json that came with the weights",
            ));
        }
        Ok(config)
    }

    /// Longest text, in tokens.
    #[must_use]
    pub fn context(&self) -> usize {
        self.positions.saturating_sub(self.first_position)
    }

    /// Features of one head.
    #[must_use]
    pub fn head_width(&self) -> usize {
        self.width / self.heads
    }
}
