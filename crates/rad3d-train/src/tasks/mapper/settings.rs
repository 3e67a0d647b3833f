//! Settings of `train mapper`, and the task that they make.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use rad3d_embeddings::{EmbeddingTable, read_parquet};
use rad3d_nn::causal_lm::{CausalLm, LmOptions};
use rad3d_nn::projector::{ImagePrompt, LinearConfig, MapperConfig};
use rad3d_nn::trainable::{InitialWeights, MapperModule, R2GenGptModule};
use rad3d_report::{LabelSet, Labeler};
use rad3d_weights::{Checkpoint, MapperInputs, MapperKind, MapperTarget, Tokenizer};
use serde::{Deserialize, Serialize};

use super::{Example, MapperTask, RunModel};
use crate::data::{Case, read_cases, split_by_patient, split_given};
use crate::engine::{Fit, Outcome, Progress, device, precision};
use crate::error::{Fault, Result, TrainError};
use crate::settings::FitSettings;
use crate::tasks::decoder::Decoder;
use crate::tasks::save::Storage;
use crate::tasks::{fingerprint, write_settings};
use crate::text::{asserting_spans, prompt_of, target_text, target_tokens, token_weights};

/// What happens to the language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LlmMode {
    /// Nothing: no gradient of its weights is computed or kept.
    #[default]
    Frozen,
    /// It is fine-tuned with the projector.
    Trained,
}

/// Settings of `train mapper`. The defaults are V-3, RAD3D-Prefix, as in the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MapperSettings {
    /// Table that `rad3d encode` wrote.
    pub embeddings: PathBuf,
    /// CSV of reports.
    pub reports: PathBuf,
    /// CSV of reports to validate with; left out, patients of `reports` are kept aside.
    pub validation_reports: Option<PathBuf>,
    /// Share of patients kept aside.
    #[serde(default = "default_share")]
    pub validation_share: f64,
    /// Hugging Face folder, or GGUF file if it stays frozen.
    pub llm: PathBuf,
    /// Whether it is trained.
    #[serde(default)]
    pub llm_mode: LlmMode,
    /// Whether the projector sees the logits.
    #[serde(default = "yes")]
    pub priors: bool,
    /// Whether the projector sees the embedding; not, for the cue-only baseline.
    #[serde(default = "yes")]
    pub image: bool,
    /// The projector.
    #[serde(default)]
    pub projector: MapperKind,
    /// Vectors given to the language model.
    #[serde(default = "ten")]
    pub prefix_length: usize,
    /// Vectors that the transformer spreads its input over.
    #[serde(default = "ten")]
    pub clip_length: usize,
    /// Layers of the transformer.
    #[serde(default = "eight")]
    pub layers: usize,
    /// Heads of the transformer.
    #[serde(default = "eight")]
    pub heads: usize,
    /// How often a case's logits are replaced by zeros while training.
    #[serde(default)]
    pub prior_dropout: f64,
    /// A prompt with `<ImageHere>`; R2GenGPT has one of its own.
    pub prompt: Option<String>,
    /// What is learnt of a report.
    #[serde(default)]
    pub target: MapperTarget,
    /// Longest target in tokens.
    #[serde(default = "longest")]
    pub max_tokens: usize,
    /// How much a token counts in a sentence that asserts one of the labels; all others count 1.
    /// A scan's doubtful findings are mostly absent, so a model that is right about how probable
    /// each is never writes them; a weight of w has it write those more probable than 1 / (1 + w).
    #[serde(default = "one")]
    pub assertion_weight: f32,
    /// A projector of the same shape to start from; left out, random weights.
    pub start: Option<PathBuf>,
    /// How the results are stored.
    #[serde(default)]
    pub storage: Storage,
    /// The optimiser.
    #[serde(default)]
    pub fit: FitSettings,
}

fn default_share() -> f64 {
    0.05
}

fn yes() -> bool {
    true
}

fn ten() -> usize {
    10
}

fn eight() -> usize {
    8
}

fn longest() -> usize {
    512
}

fn one() -> f32 {
    1.0
}

impl MapperSettings {
    /// What the projector sees.
    ///
    /// # Errors
    /// [`Fault::Settings`] for a projector that sees nothing.
    pub fn inputs(&self) -> Result<MapperInputs> {
        match (self.image, self.priors) {
            (true, true) => Ok(MapperInputs::EmbeddingAndLogits),
            (true, false) => Ok(MapperInputs::Embedding),
            (false, true) => Ok(MapperInputs::Logits),
            (false, false) => Err(TrainError::new(
                Fault::Settings,
                "settings",
                "image and priors are both false: the mapper would see nothing",
                "set one of them to true",
            )),
        }
    }

    /// Trains in `folder`: `mapper.safetensors` under ClipCap's names, and `llm.safetensors` if
    /// the language model was trained.
    ///
    /// # Errors
    /// See [`Fit::run`]; and faults of settings and data.
    pub fn run(&self, folder: &Path, resume: bool, show: impl FnMut(Progress)) -> Result<Outcome> {
        let (task, model, data) = self.prepare()?;
        write_settings(folder, self)?;
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        let fit = Fit {
            task: &task,
            settings: &self.fit,
            folder: folder.to_owned(),
            fingerprint: fingerprint(self, &data)?,
            device: device(&self.fit.device)?,
        };
        fit.run(model, resume, show)
    }

    /// The task, its model, and hashes of what it is made of.
    ///
    /// # Errors
    /// Faults of settings and data.
    pub fn prepare(&self) -> Result<(MapperTask, RunModel, Vec<String>)> {
        let inputs = self.inputs()?;
        let labels = LabelSet::ct_rate();
        let table = read_parquet(&self.embeddings)?;
        let cases = read_cases(&self.reports, None, &labels)?;
        let split = match &self.validation_reports {
            Some(path) => split_given(cases, read_cases(path, None, &labels)?)?,
            None => split_by_patient(cases, self.validation_share, self.fit.seed)?,
        };
        let tokenizer = match self.llm.is_dir() {
            true => Tokenizer::from_folder(&self.llm)?,
            false => Tokenizer::of_model(&Checkpoint::open(&self.llm)?)?,
        };
        let model = CausalLm::open(&self.llm, LmOptions::default())?;
        tokenizer.check_fits(model.config().vocabulary)?;
        let examples = |cases: &[Case]| self.examples(cases, &table, &tokenizer, inputs);
        let (training, validation) = (examples(&split.training)?, examples(&split.validation)?);
        let prompt = prompt_of(self.prompt.as_deref(), self.projector);
        let prompt = prompt.map(ImagePrompt::new).transpose()?;
        let around = match prompt {
            Some(prompt) => [
                tokenizer.encode(&prompt.before, false)?,
                tokenizer.encode(&prompt.after, false)?,
            ],
            None => [Vec::new(), Vec::new()],
        };
        let trained_on = device(&self.fit.device)?;
        let width = model.config().embedding_width;
        let input_dim = training.first().map_or(0, |example| example.input.len());
        let frozen = self.llm_mode == LlmMode::Frozen;
        let decoder = Decoder::new(&model, &self.fit, frozen)?;
        let mut run_model = self.projector(input_dim, width, &trained_on)?;
        if !frozen {
            run_model.llm = Some(decoder.trained(&model, &trained_on));
        }
        let logits = match inputs {
            MapperInputs::Embedding => 0,
            _ => table.provenance.labels.len(),
        };
        let task = MapperTask {
            settings: self.clone(),
            training,
            validation,
            around,
            logits,
            decoder,
            device: trained_on,
        };
        let provenance = &table.provenance;
        let hashes = [split.sha256, provenance.tower_sha256.clone()];
        Ok((task, run_model, hashes.to_vec()))
    }

    fn projector(&self, input_dim: usize, width: usize, device: &Device) -> Result<RunModel> {
        let mut initial = InitialWeights::new(self.fit.seed);
        let precision = precision(&self.fit)?;
        let start = self.start.as_ref().map(Checkpoint::open).transpose()?;
        let mut loader = start
            .as_ref()
            .map(|file| rad3d_weights::Loader::new(file, Vec::new()));
        let source: &mut dyn rad3d_nn::WeightSource = match &mut loader {
            Some(loader) => loader,
            None => &mut initial,
        };
        let linear = LinearConfig {
            input_dim,
            width,
            prefix_length: self.prefix_length,
        };
        let (mut mapper, mut other) = (None, None);
        match self.projector {
            MapperKind::Transformer => {
                let config = MapperConfig {
                    input_dim,
                    width,
                    prefix_length: self.prefix_length,
                    clip_length: self.clip_length,
                    layers: self.layers,
                    heads: self.heads,
                };
                let module = MapperModule::load(&config, source, device)?;
                mapper = Some(module.with_precision(precision));
            }
            MapperKind::Linear => {
                let module = R2GenGptModule::load_linear(&linear, source, device)?;
                other = Some(module.with_precision(precision));
            }
            MapperKind::R2GenGpt => {
                let module = R2GenGptModule::load(&linear, source, device)?;
                other = Some(module.with_precision(precision));
            }
        }
        if let Some(loader) = loader {
            loader.finish()?;
        }
        Ok(RunModel {
            transformer: mapper,
            linear: other,
            llm: None,
        })
    }

    fn examples(
        &self,
        cases: &[Case],
        table: &EmbeddingTable,
        tokenizer: &Tokenizer,
        inputs: MapperInputs,
    ) -> Result<Vec<Example>> {
        let rows: HashMap<&str, &rad3d_embeddings::EmbeddingRow> = table
            .rows
            .iter()
            .map(|row| (row.id.as_str(), row))
            .collect();
        let labeler = Labeler::ct_rate()?;
        let mut examples = Vec::with_capacity(cases.len());
        let mut missing = Vec::new();
        for case in cases {
            let Some(row) = rows.get(case.id.as_str()) else {
                missing.push(case.id.as_str());
                continue;
            };
            let mut input = Vec::new();
            if inputs != MapperInputs::Logits {
                input.extend_from_slice(&row.embedding);
            }
            if inputs != MapperInputs::Embedding {
                input.extend_from_slice(&row.logits);
            }
            let text = target_text(self.target, &case.report);
            let tokens = target_tokens(tokenizer, &text, self.max_tokens)?;
            let weights = match self.assertion_weight {
                1.0 => Vec::new(),
                weight => {
                    let asserting = asserting_spans(self.target, &case.report, &labeler);
                    token_weights(tokenizer, &tokens, &asserting, weight)?
                }
            };
            examples.push(Example {
                input,
                tokens,
                weights,
            });
        }
        if !missing.is_empty() {
            let shown = missing[..missing.len().min(5)].join(", ");
            let what = format!("lacks {} scans of the reports, as {shown}", missing.len());
            let hint = "encode them too, or take them out of the table of reports";
            return Err(TrainError::new(Fault::Data, &self.embeddings, what, hint));
        }
        Ok(examples)
    }
}
