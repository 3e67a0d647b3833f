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

const DISTILBERT: Names = Names {
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
    "*cls.*",
    "*lm_head.*",
    "*classifier.*",
    "*pre_classifier.*",
    "*qa_outputs.*",
    "*vocab_*",
];

/// Where a family's token table stands after the encoder's own prefix.
const TOKEN_TABLE: &str = "embeddings.word_embeddings.weight";

/// A loader that lets heads and buffers be.
pub(super) fn loader(checkpoint: &Checkpoint) -> Loader<'_> {
    let rule = |pattern: &&'static str| IgnoreRule::new(*pattern, "no output needs it");
    Loader::new(checkpoint, UNUSED.iter().map(rule).collect())
}

/// Ends the taking; gives the names of what was left in the file.
pub(super) fn finish(loader: Loader<'_>) -> Result<Vec<String>> {
    let place = loader.checkpoint().path().to_owned();
    let loaded = loader.finish().map_err(|error| {
        let (what, hint) = (error.what.clone(), error.hint.clone());
        NnError::at_path(Fault::Weights, place, what, hint).because(error)
    })?;
    Ok(loaded.ignored.into_iter().map(|(name, _)| name).collect())
}

/// What stands before the encoder's names, whoever wrapped it; it ends with a dot or is empty.
pub(super) fn root_of(checkpoint: &Checkpoint) -> Result<String> {
    let roots = checkpoint.names().filter_map(|name| {
        let root = name.strip_suffix(TOKEN_TABLE)?;
        (root.is_empty() || root.ends_with('.')).then_some(root)
    });
    let roots: Vec<&str> = roots.collect();
    let fault =
        |what: String, hint: &str| NnError::at_path(Fault::Weights, checkpoint.path(), what, hint);
    match roots[..] {
        [root] => Ok(root.to_owned()),
        [] => Err(fault(
            format!("has no token table ({TOKEN_TABLE})"),
            "check that configuration and weights belong together",
        )),
        _ => Err(fault(
            format!("has several encoders, called {}", roots.join(", ")),
            "give a file with one encoder",
        )),
    }
}

impl Weights {
    /// Takes everything that `config` needs; `root` stands before the encoder's names.
    pub(super) fn take(
        config: &TextEncoderConfig,
        loader: &mut Loader<'_>,
        root: &str,
    ) -> Result<Self> {
        let names = match config.family {
            EncoderFamily::Bert | EncoderFamily::Roberta => &BERT,
            EncoderFamily::DistilBert => &DISTILBERT,
        };
        Source { loader, root }.weights(config, names)
    }
}

impl Linear {
    /// Takes `name.weight` and `name.bias`.
    pub(super) fn take(
        loader: &mut Loader<'_>,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Self> {
        Ok(Self {
            weight: WeightSource::take(loader, &format!("{name}.weight"), &[outputs, inputs])?,
            bias: WeightSource::take(loader, &format!("{name}.bias"), &[outputs])?,
        })
    }
}

struct Source<'a, 'b> {
    loader: &'a mut Loader<'b>,
    root: &'a str,
}

impl Source<'_, '_> {
    fn weights(&mut self, config: &TextEncoderConfig, names: &Names) -> Result<Weights> {
        let width = config.width;
        let token_types = match config.token_types {
            0 => None,
            types => Some(self.take("embeddings.token_type_embeddings.weight", &[types, width])?),
        };
        Ok(Weights {
            tokens: self.take(TOKEN_TABLE, &[config.vocabulary, width])?,
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
        Linear::take(
            self.loader,
            &format!("{}{name}", self.root),
            outputs,
            inputs,
        )
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
        WeightSource::take(self.loader, &format!("{}{name}", self.root), shape)
    }
}
