//! From a checkpoint's tensors to the encoder's weights.

use rad3d_weights::{Checkpoint, IgnoreRule, Loader};

use super::config::{EncoderFamily, TextEncoderConfig};
use crate::source::{Weight, WeightSource};
use crate::{Fault, NnError, Result};

/// A linear map: `weight` `[outputs, inputs]`, `bias` `[outputs]`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Weight,
    pub(super) bias: Weight,
}

/// Gain and shift of a LayerNorm, `[width]` each.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) gain: Weight,
    pub(super) shift: Weight,
}

/// One block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
    pub(super) attention_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) mlp_norm: Norm,
}

/// All weights of an encoder.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[vocabulary, width]`.
    pub(super) tokens: Weight,
    /// `[positions, width]`.
    pub(super) positions: Weight,
    /// `[token_types, width]`.
    pub(super) token_types: Option<Weight>,
    pub(super) norm: Norm,
    pub(super) blocks: Vec<Block>,
}

/// What a family calls its tensors; parts of a block after the block's own prefix.
struct Names {
    /// Before every name, where a task's head was trained on top.
    root: &'static str,
    block: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    output: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    mlp_norm: &'static str,
}

const BERT: Names = Names {
    root: "bert.",
    block: "encoder.layer.",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    mlp_norm: "output.LayerNorm",
};

const ROBERTA: Names = Names {
    root: "roberta.",
    ..BERT
};

const DISTILBERT: Names = Names {
    root: "distilbert.",
    block: "transformer.layer.",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    mlp_norm: "output_layer_norm",
};

/// Heads and buffers that no hidden state needs.
const UNUSED: [&str; 8] = [
    "*pooler.*",
    "*embeddings.position_ids",
    "cls.*",
    "lm_head.*",
    "classifier.*",
    "pre_classifier.*",
    "qa_outputs.*",
    "vocab_*",
];

impl Weights {
    /// Takes everything that `config` needs.
    pub(super) fn load(config: &TextEncoderConfig, checkpoint: &Checkpoint) -> Result<Self> {
        let names = match config.family {
            EncoderFamily::Bert => &BERT,
            EncoderFamily::Roberta => &ROBERTA,
            EncoderFamily::DistilBert => &DISTILBERT,
        };
        let place = checkpoint.path().display().to_string();
        let table = "embeddings.word_embeddings.weight";
        let has = |root: &str| checkpoint.contains(&format!("{root}{table}"));
        let root = [names.root, ""].into_iter().find(|root| has(root));
        let root = root.ok_or_else(|| {
            let what = format!("has no token table ({table})");
            let hint = "check that configuration and weights belong together";
            NnError::new(Fault::Weights, &place, what, hint)
        })?;
        let rule = |pattern: &&'static str| IgnoreRule::new(*pattern, "no hidden state needs it");
        let mut source = Source {
            loader: Loader::new(checkpoint, UNUSED.iter().map(rule).collect()),
            root,
        };
        let weights = source.weights(config, names)?;
        source.loader.finish().map_err(|error| {
            let (what, hint) = (error.what.clone(), error.hint.clone());
            NnError::new(Fault::Weights, place, what, hint).because(error)
        })?;
        Ok(weights)
    }
}

struct Source<'a> {
    loader: Loader<'a>,
    root: &'static str,
}

impl Source<'_> {
    fn weights(&mut self, config: &TextEncoderConfig, names: &Names) -> Result<Weights> {
        let width = config.width;
        let token_types = match config.token_types {
            0 => None,
            types => Some(self.take("embeddings.token_type_embeddings.weight", &[types, width])?),
        };
        Ok(Weights {
            tokens: self.take(
                "embeddings.word_embeddings.weight",
                &[config.vocabulary, width],
            )?,
            positions: self.take(
                "embeddings.position_embeddings.weight",
                &[config.positions, width],
            )?,
            token_types,
            norm: self.norm("embeddings.LayerNorm", width)?,
            blocks: (0..config.layers)
                .map(|index| self.block(config, names, index))
                .collect::<Result<_>>()?,
        })
    }

    fn block(&mut self, config: &TextEncoderConfig, names: &Names, index: usize) -> Result<Block> {
        let (width, mlp) = (config.width, config.mlp_width);
        let name = |part: &str| format!("{}{index}.{part}", names.block);
        Ok(Block {
            query: self.linear(&name(names.query), width, width)?,
            key: self.linear(&name(names.key), width, width)?,
            value: self.linear(&name(names.value), width, width)?,
            output: self.linear(&name(names.output), width, width)?,
            attention_norm: self.norm(&name(names.attention_norm), width)?,
            up: self.linear(&name(names.up), mlp, width)?,
            down: self.linear(&name(names.down), width, mlp)?,
            mlp_norm: self.norm(&name(names.mlp_norm), width)?,
        })
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        Ok(Linear {
            weight: self.take(&format!("{name}.weight"), &[outputs, inputs])?,
            bias: self.take(&format!("{name}.bias"), &[outputs])?,
        })
    }

    /// Checkpoints converted from TensorFlow call gain and shift gamma and beta.
    fn norm(&mut self, name: &str, width: usize) -> Result<Norm> {
        let gamma = format!("{}{name}.gamma", self.root);
        let [gain, shift] = match self.loader.checkpoint().contains(&gamma) {
            true => ["gamma", "beta"],
            false => ["weight", "bias"],
        };
        Ok(Norm {
            gain: self.take(&format!("{name}.{gain}"), &[width])?,
            shift: self.take(&format!("{name}.{shift}"), &[width])?,
        })
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Weight> {
        WeightSource::take(&mut self.loader, &format!("{}{name}", self.root), shape)
    }
}
