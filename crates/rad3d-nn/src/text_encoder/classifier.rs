//! A text encoder with a classification head: one logit a label.
//!
//! ```text
//! state of the first token → linear → tanh or ReLU → linear → logits
//! ```
//!
//! So are all the heads that are known here; they differ in names alone. CT-CLIP's text classifier
//! (spec `metrics` 10) and BERT's use the pooler's linear map as the first, RoBERTa's and
//! DistilBERT's own one of the head. Dropout does nothing once training is over.

use std::path::Path;

use rad3d_weights::{Checkpoint, Loader};
use serde_json::Value;

use super::weights::{self, Linear, Weights};
use super::{TextEncoder, TextEncoderConfig, open_checkpoint, read_config};
use crate::cpu::{Isa, relu};
use crate::{Fault, NnError, Result};

/// Texts whose token states are in memory together: 64 of 512 tokens at a width of 768 are 100 MB.
const TEXTS_TOGETHER: usize = 64;

/// A text classifier on the CPU, in f32, on all cores. Each label is judged by itself.
#[derive(Debug)]
pub struct TextClassifier {
    encoder: TextEncoder,
    head: Head,
    names: Option<Vec<String>>,
    ignored: Vec<String>,
}

/// Between the two linear maps of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadActivation {
    Tanh,
    Relu,
}

#[derive(Debug)]
struct Head {
    /// `[width, width]`.
    dense: Linear,
    activation: HeadActivation,
    /// `[outputs, width]`.
    out: Linear,
}

/// Where a checkpoint keeps its head.
struct HeadNames {
    dense: String,
    activation: HeadActivation,
    out: String,
}

impl TextClassifier {
    /// Opens a folder with `config.json` and weights, of either layout:
    ///
    /// - `*ForSequenceClassification` of Hugging Face, for BERT, RoBERTa and DistilBERT;
    /// - a PyTorch state dict of an encoder with its pooler under any name, with `classifier.weight`
    ///   and `classifier.bias` beside it, as CT-CLIP's.
    ///
    /// # Errors
    /// As [`TextEncoder::open`]; [`Fault::Weights`] if there is no head, [`Fault::Config`] if it
    /// chooses one class a text, or names other labels than it has outputs.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let (path, text) = read_config(folder)?;
        let config = TextEncoderConfig::from_hf(&path, &text)?;
        let checkpoint = open_checkpoint(folder)?;
        let root = weights::root_of(&checkpoint)?;
        let names = HeadNames::find(&checkpoint, &root)?;
        let mut loader = weights::loader(&checkpoint);
        let weights = Weights::take(&config, &mut loader, &root)?;
        let head = Head::take(&names, config.width, &mut loader)?;
        let ignored = weights::finish(loader)?;
        let names = label_names(&path, &text, head.outputs())?;
        Ok(Self {
            encoder: TextEncoder::new(config, weights),
            head,
            names,
            ignored,
        })
    }

    /// The encoder.
    #[must_use]
    pub fn encoder(&self) -> &TextEncoder {
        &self.encoder
    }

    /// How many labels it judges.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.head.outputs()
    }

    /// The labels by `id2label` of `config.json`, in the order of the logits; `None` where it has
    /// none, or only `LABEL_0`, `LABEL_1`, …
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// Tensors of the checkpoint that no logit needs.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Logits `[outputs]` of each text, given by its token ids; a label's probability is the
    /// logistic function of its logit.
    ///
    /// # Errors
    /// As [`TextEncoder::encode`].
    pub fn logits(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let (layers, width) = (self.encoder.config.layers, self.encoder.config.width);
        let mut logits = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TEXTS_TOGETHER) {
            let states = self.encoder.encode(texts, layers)?;
            let first = states.iter().map(|states| &states[..width]);
            logits.extend(first.map(|state| self.head.apply(self.encoder.isa, state)));
        }
        Ok(logits)
    }
}

impl Head {
    fn take(names: &HeadNames, width: usize, loader: &mut Loader<'_>) -> Result<Self> {
        // The number of labels is whatever the file has.
        let out = format!("{}.weight", names.out);
        let out = loader.checkpoint().info(&out);
        let outputs = out
            .and_then(|info| info.shape.first().copied())
            .unwrap_or(0);
        Ok(Self {
            dense: Linear::take(loader, &names.dense, width, width)?,
            activation: names.activation,
            out: Linear::take(loader, &names.out, outputs, width)?,
        })
    }

    fn outputs(&self) -> usize {
        self.out.bias.len()
    }

    fn apply(&self, isa: Isa, state: &[f32]) -> Vec<f32> {
        let mut hidden = self.dense.apply(isa, state);
        match self.activation {
            HeadActivation::Tanh => hidden.iter_mut().for_each(|x| *x = x.tanh()),
            HeadActivation::Relu => relu(isa, &mut hidden),
        }
        self.out.apply(isa, &hidden)
    }
}

impl HeadNames {
    /// Looks beside the encoder, whose names begin with `root`, and then beside what wraps it.
    fn find(checkpoint: &Checkpoint, root: &str) -> Result<Self> {
        let has = |name: &str| checkpoint.contains(&format!("{name}.weight"));
        let ends = root.match_indices('.').map(|(at, _)| &root[..=at]);
        let around: Vec<&str> = std::iter::once("").chain(ends).collect();
        let fault = |what: &str| {
            let hint = "give a classifier: *ForSequenceClassification of Hugging Face, or an \
                        encoder with pooler.dense and classifier";
            NnError::at_path(Fault::Weights, checkpoint.path(), what, hint)
        };
        for outer in around.into_iter().rev() {
            let name = |part: &str| format!("{outer}{part}");
            if has(&name("classifier.out_proj")) {
                return Ok(Self {
                    dense: name("classifier.dense"),
                    activation: HeadActivation::Tanh,
                    out: name("classifier.out_proj"),
                });
            }
            if !has(&name("classifier")) {
                continue;
            }
            let (own, pooler) = (name("pre_classifier"), format!("{root}pooler.dense"));
            let (dense, activation) = if has(&own) {
                (own, HeadActivation::Relu)
            } else if has(&pooler) {
                (pooler, HeadActivation::Tanh)
            } else {
                let what = "has a classifier, but no linear map before it (pooler.dense)";
                return Err(fault(what));
            };
            return Ok(Self {
                dense,
                activation,
                out: name("classifier"),
            });
        }
        Err(fault("has no classification head (classifier.weight)"))
    }
}

/// `id2label` of a `config.json`, where it says more than numbers.
fn label_names(path: &Path, text: &str, outputs: usize) -> Result<Option<Vec<String>>> {
    let fault = |what: String, hint: &str| NnError::at_path(Fault::Config, path, what, hint);
    // Read once already, as an encoder's.
    let config: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(kind) = config["problem_type"].as_str()
        && kind != "multi_label_classification"
    {
        return Err(fault(
            format!("problem_type is {kind:?}: it chooses one class a text"),
            "give a classifier that judges each label by itself (multi_label_classification)",
        ));
    }
    let Some(written) = config["id2label"].as_object() else {
        return Ok(None);
    };
    let name = |id: usize| Some(written.get(&id.to_string())?.as_str()?.to_owned());
    let names: Option<Vec<String>> = (0..outputs).map(name).collect();
    let names = names.filter(|_| written.len() == outputs).ok_or_else(|| {
        let what = format!(
            "id2label holds {} names; {outputs} outputs need one each, from \"0\" on",
            written.len()
        );
        fault(what, "take the config.json that came with the weights")
    })?;
    let numbered = names
        .iter()
        .enumerate()
        .all(|(id, name)| *name == format!("LABEL_{id}"));
    Ok((!numbered).then_some(names))
}
