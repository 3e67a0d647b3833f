//! Pre-training of a small language model of our own, on reports without images.
//!
//! LLaMA's architecture with a vocabulary learnt from the same reports. A part of the reports is
//! preceded by what was known before the scan, so that the model learns to write in the light of
//! what stands before the report, which is where a prefix will stand.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use rad3d_nn::causal_lm::gradient::{GradientDecoder, Sequence};
use rad3d_nn::causal_lm::{CausalLm, LmOptions};
use rad3d_nn::trainable::Exported;
use rad3d_report::LabelSet;
use rad3d_weights::{MapperTarget, Tokenizer};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::batch::TokenBatch;
use super::decoder::{Decoder, TrainedDecoder};
use super::save::{Storage, save};
use super::{fingerprint, write_settings};
use crate::bpe::train_tokenizer;
use crate::data::{read_cases, split_by_patient};
use crate::engine::{Fit, Outcome, Progress, StepLoss, Task, Validation, device, scalar};
use crate::error::{Fault, Result, TrainError};
use crate::random::Draw;
use crate::settings::FitSettings;
use crate::text::{target_text, target_tokens};

/// Settings of `train lm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LmSettings {
    /// CSV of reports.
    pub reports: PathBuf,
    /// Share of patients kept aside for validation.
    #[serde(default = "default_share")]
    pub validation_share: f64,
    /// Pieces of the vocabulary.
    #[serde(default = "default_pieces")]
    pub vocabulary: usize,
    /// Width of the model.
    pub width: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the MLP.
    pub mlp_width: usize,
    /// Longest text in tokens, all included.
    #[serde(default = "default_context")]
    pub context: usize,
    /// How the results are stored.
    #[serde(default)]
    pub storage: Storage,
    /// The optimiser.
    #[serde(default)]
    pub fit: FitSettings,
}

fn default_share() -> f64 {
    0.02
}

fn default_pieces() -> usize {
    2048
}

fn default_context() -> usize {
    512
}

impl LmSettings {
    /// Trains in `folder`: `llm/` is the result, a Hugging Face folder.
    ///
    /// # Errors
    /// See [`Fit::run`]; and faults of settings and data.
    pub fn run(&self, folder: &Path, resume: bool, show: impl FnMut(Progress)) -> Result<Outcome> {
        let cases = read_cases(&self.reports, None, &LabelSet::ct_rate())?;
        let split = split_by_patient(cases, self.validation_share, self.fit.seed)?;
        write_settings(folder, self)?;
        let llm = folder.join("llm");
        if !llm.join("tokenizer.json").exists() {
            let texts: Vec<String> = split
                .training
                .iter()
                .flat_map(|case| {
                    [
                        case.context.clone(),
                        target_text(MapperTarget::Both, &case.report),
                    ]
                })
                .collect();
            train_tokenizer(&texts, self.vocabulary, &llm)?;
        }
        let tokenizer = Tokenizer::from_folder(&llm)?;
        self.start(&llm)?;
        let begin = tokenizer.special().bos.unwrap_or(0);
        let tokens = |cases: &[crate::data::Case]| -> Result<Vec<Vec<u32>>> {
            let mut all = Vec::with_capacity(cases.len());
            for case in cases {
                let mut tokens = vec![begin];
                if !case.context.is_empty() {
                    tokens.extend(tokenizer.encode(&format!("{}\n", case.context), false)?);
                }
                let text = target_text(MapperTarget::Both, &case.report);
                tokens.extend(target_tokens(&tokenizer, &text, self.context)?);
                tokens.truncate(self.context);
                all.push(tokens);
            }
            Ok(all)
        };
        let model = CausalLm::open(&llm, LmOptions::default())?;
        let device = device(&self.fit.device)?;
        let decoder = Decoder::new(&model, &self.fit, false)?;
        let start = decoder.trained(&model, &device);
        let task = LmTask {
            training: tokens(&split.training)?,
            validation: tokens(&split.validation)?,
            batch: self.fit.batch_size,
            decoder,
            device: device.clone(),
            storage: self.storage,
        };
        let fit = Fit {
            task: &task,
            settings: &self.fit,
            folder: folder.to_owned(),
            fingerprint: fingerprint(self, &[&split.sha256])?,
            device,
        };
        fit.run(start, resume, show)
    }

    /// Writes `config.json` and initial weights, unless they are there.
    fn start(&self, folder: &Path) -> Result<()> {
        if !self.width.is_multiple_of(self.heads) || self.heads == 0 {
            let what = format!("{} heads in a width of {}", self.heads, self.width);
            let hint = "choose a width that is a multiple of heads";
            return Err(TrainError::new(Fault::Settings, "settings", what, hint));
        }
        let config = json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama",
            "vocab_size": self.vocabulary, "hidden_size": self.width,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads, "head_dim": self.width / self.heads,
            "intermediate_size": self.mlp_width, "max_position_embeddings": self.context,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
            "tie_word_embeddings": true, "attention_bias": false, "mlp_bias": false,
            "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32",
        });
        let path = folder.join("config.json");
        let text = format!("{config:#}\n");
        std::fs::write(&path, text).map_err(|error| TrainError::unwritable(&path, error))?;
        let weights = folder.join("model.safetensors");
        if weights.exists() {
            return Ok(());
        }
        save(&weights, self.initial(), Storage::F32, "initial weights")
    }

    /// Normal weights of deviation 0.02, those that write to the residual stream smaller by the
    /// root of twice the depth (as GPT-2 has it); norms of 1.
    fn initial(&self) -> Vec<Exported> {
        let mut draw = Draw::new(self.fit.seed, "initial", 0);
        let (width, mlp) = (self.width, self.mlp_width);
        let small = 0.02 / (2.0 * self.layers as f64).sqrt();
        let mut out = Vec::new();
        let mut matrix = |name: String, shape: [usize; 2], deviation: f64| {
            let values = (0..shape[0] * shape[1]).map(|_| (draw.normal() * deviation) as f32);
            out.push(Exported {
                name,
                shape: shape.to_vec(),
                values: values.collect(),
            });
        };
        let tokens = "model.embed_tokens.weight".to_owned();
        matrix(tokens, [self.vocabulary, width], 0.02);
        for layer in 0..self.layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            for part in ["q_proj", "k_proj", "v_proj"] {
                matrix(name(&format!("self_attn.{part}")), [width, width], 0.02);
            }
            matrix(name("self_attn.o_proj"), [width, width], small);
            matrix(name("mlp.gate_proj"), [mlp, width], 0.02);
            matrix(name("mlp.up_proj"), [mlp, width], 0.02);
            matrix(name("mlp.down_proj"), [width, mlp], small);
        }
        let norms = (0..self.layers).flat_map(|layer| {
            ["input_layernorm", "post_attention_layernorm"]
                .map(|part| format!("model.layers.{layer}.{part}.weight"))
        });
        for name in norms.chain(["model.norm.weight".to_owned()]) {
            out.push(Exported {
                name,
                shape: vec![width],
                values: vec![1.0; width],
            });
        }
        out
    }
}

/// Next tokens of reports.
pub struct LmTask {
    training: Vec<Vec<u32>>,
    validation: Vec<Vec<u32>>,
    batch: usize,
    decoder: Decoder,
    device: Device,
    storage: Storage,
}

impl LmTask {
    /// The engine's loss of a batch, and how many tokens it is the mean of.
    fn engine_loss(
        &self,
        model: &TrainedDecoder,
        rows: &[&[u32]],
        device: &Device,
    ) -> Result<(Tensor<1>, usize)> {
        let llm = model.module().ok_or_else(|| {
            let what = "has no tensors";
            TrainError::new(Fault::Network, "model", what, "report this as a bug")
        })?;
        // The first token, which begins every text, is given and not predicted.
        let targets: Vec<&[u32]> = rows.iter().map(|row| &row[1..]).collect();
        let begins: Vec<&[u32]> = rows.iter().map(|row| &row[..1]).collect();
        let batch = TokenBatch::new(&targets, &[], device);
        let begin = TokenBatch::new(&begins, &[], device).ids;
        let ids = Tensor::cat(vec![begin, batch.ids.clone()], 1);
        let loss = batch.loss(llm, llm.hidden(llm.embed(ids)));
        Ok((loss, batch.tokens()))
    }
}

/// A text as a sequence: every token but the first is predicted.
fn sequence(decoder: &GradientDecoder, tokens: &[u32]) -> Sequence {
    Sequence {
        embeddings: decoder.embed(&tokens[..tokens.len() - 1]),
        ids: tokens[..tokens.len() - 1]
            .iter()
            .map(|&id| Some(id))
            .collect(),
        targets: tokens[1..].iter().copied().enumerate().collect(),
        weights: Vec::new(),
    }
}

impl Task for LmTask {
    type Model = TrainedDecoder;

    fn examples(&self) -> usize {
        self.training.len()
    }

    fn loss(&self, model: &TrainedDecoder, batch: &[usize], _: u64) -> Result<StepLoss> {
        let rows = batch.iter().map(|&index| &*self.training[index]);
        match &self.decoder {
            Decoder::WrittenOut(decoder) => {
                let current = model.current(decoder);
                let batch: Vec<Sequence> = rows.map(|row| sequence(&current, row)).collect();
                Ok(model.step(decoder, &batch)?.0)
            }
            Decoder::Frozen(_) | Decoder::Trained(_) => {
                let rows: Vec<&[u32]> = rows.collect();
                let (loss, items) = self.engine_loss(model, &rows, &self.device)?;
                Ok(StepLoss {
                    loss,
                    value: None,
                    items,
                })
            }
        }
    }

    fn validate(&self, model: &TrainedDecoder) -> Result<Validation> {
        let (mut sum, mut count) = (0.0, 0);
        for rows in self.validation.chunks(self.batch) {
            let (loss, items) = match &self.decoder {
                Decoder::WrittenOut(decoder) => {
                    let current = model.current(decoder);
                    let batch: Vec<Sequence> =
                        rows.iter().map(|row| sequence(&current, row)).collect();
                    let items = batch.iter().map(|sequence| sequence.targets.len()).sum();
                    (current.loss(&batch), items)
                }
                Decoder::Frozen(_) | Decoder::Trained(_) => {
                    let rows: Vec<&[u32]> = rows.iter().map(|row| &**row).collect();
                    let device = self.device.clone().inner();
                    let (loss, items) = self.engine_loss(model, &rows, &device)?;
                    (scalar(loss), items)
                }
            };
            sum += loss * items as f64;
            count += items;
        }
        let loss = sum / count.max(1) as f64;
        Ok(Validation::from([("loss".to_owned(), loss)]))
    }

    fn export(&self, model: &TrainedDecoder, folder: &Path) -> Result<()> {
        let decoder = match &self.decoder {
            Decoder::WrittenOut(decoder) => Some(&**decoder),
            Decoder::Frozen(_) | Decoder::Trained(_) => None,
        };
        let path = folder.join("llm").join("model.safetensors");
        let about = "pre-trained by rad3d train lm";
        save(&path, model.export(decoder)?, self.storage, about)
    }
}
