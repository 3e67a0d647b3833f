//! The mapper, through a language model that is frozen (V-2, V-3) or trained with it (V-1).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rad3d_embeddings::{EmbeddingTable, read_parquet};
use rad3d_nn::causal_lm::gradient::{GradientDecoder, Sequence};
use rad3d_nn::causal_lm::trainable::DecoderModule;
use rad3d_nn::causal_lm::{CausalLm, LmOptions};
use rad3d_nn::projector::{ImagePrompt, LinearConfig, MapperConfig};
use rad3d_nn::trainable::{Exported, InitialWeights, MapperModule, R2GenGptModule};
use rad3d_report::{LabelSet, Labeler};
use rad3d_weights::{Checkpoint, MapperInputs, MapperKind, MapperTarget, Tokenizer};
use serde::{Deserialize, Serialize};

use super::batch::TokenBatch;
use super::decoder::{Decoder, TrainedDecoder, with_gradient};
use super::save::{Storage, save};
use super::{fingerprint, write_settings};
use crate::data::{Case, read_cases, split_by_patient, split_given};
use crate::engine::{
    Fit, Outcome, Progress, StepLoss, Task, Validation, device, host, plain_device, scalar,
};
use crate::error::{Fault, Result, TrainError};
use crate::random::Draw;
use crate::settings::FitSettings;
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

/// Everything that is trained.
#[derive(Module, Debug)]
pub struct RunModel {
    transformer: Option<MapperModule>,
    linear: Option<R2GenGptModule>,
    /// Present where the language model is trained.
    llm: Option<TrainedDecoder>,
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
        let name = &self.fit.device;
        let frozen = self.llm_mode == LlmMode::Frozen;
        let decoder = Decoder::new(&model, name, &plain_device(name)?, frozen);
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
                mapper = Some(MapperModule::load(&config, source, device)?);
            }
            MapperKind::Linear => {
                other = Some(R2GenGptModule::load_linear(&linear, source, device)?);
            }
            MapperKind::R2GenGpt => {
                other = Some(R2GenGptModule::load(&linear, source, device)?);
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

/// An input and what is to be written for it.
struct Example {
    input: Vec<f32>,
    tokens: Vec<u32>,
    /// How much each token counts; empty where all count the same.
    weights: Vec<f32>,
}

/// Reports of embeddings.
pub struct MapperTask {
    settings: MapperSettings,
    training: Vec<Example>,
    validation: Vec<Example>,
    /// Prompt before and after the image.
    around: [Vec<u32>; 2],
    /// How many of an input's last values are logits.
    logits: usize,
    decoder: Decoder,
    device: Device,
}

impl MapperTask {
    fn prefix(&self, model: &RunModel, inputs: Vec<f32>, device: &Device) -> Option<Tensor<3>> {
        let width = self.training.first()?.input.len();
        let shape = [inputs.len() / width, width];
        let inputs = Tensor::<2>::from_data(TensorData::new(inputs, shape), device);
        match (&model.transformer, &model.linear) {
            (Some(mapper), _) => Some(mapper.forward(inputs)),
            (None, Some(linear)) => Some(linear.forward(inputs)),
            (None, None) => None,
        }
    }

    /// The engine's loss: prompt, prefix, prompt and text through the model's tensors.
    fn engine_loss(
        &self,
        llm: &DecoderModule,
        prefix: Tensor<3>,
        rows: &[&Example],
        device: &Device,
    ) -> (Tensor<1>, usize) {
        let tokens: Vec<&[u32]> = rows.iter().map(|row| &*row.tokens).collect();
        let weights: Vec<&[f32]> = rows.iter().map(|row| &*row.weights).collect();
        let batch = TokenBatch::new(&tokens, &weights, device);
        let prompt = |ids: &[u32]| {
            let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
            let data = TensorData::new(ids.repeat(rows.len()), [rows.len(), ids.len()]);
            llm.embed(Tensor::<2, Int>::from_data(data, device))
        };
        let [before, after] = &self.around;
        let mut parts = Vec::with_capacity(4);
        if !before.is_empty() {
            parts.push(prompt(before));
        }
        parts.push(prefix);
        if !after.is_empty() {
            parts.push(prompt(after));
        }
        parts.push(llm.embed(batch.ids.clone()));
        let stream = llm.hidden(Tensor::cat(parts, 1));
        (batch.loss(llm, stream), batch.tokens())
    }

    /// The same as sequences; also where the prefix begins in each.
    fn sequences(
        &self,
        llm: &GradientDecoder,
        prefix: &[f32],
        rows: &[&Example],
    ) -> (Vec<Sequence>, usize) {
        let [before, after] = &self.around;
        let each = prefix.len() / rows.len().max(1);
        let width = llm.config().width;
        let sequences =
            rows.iter()
                .zip(prefix.chunks_exact(each.max(1)))
                .map(|(example, prefix)| {
                    let row = &example.tokens;
                    let given = row.len() - 1;
                    let mut embeddings = llm.embed(before);
                    embeddings.extend_from_slice(prefix);
                    embeddings.extend(llm.embed(after));
                    embeddings.extend(llm.embed(&row[..given]));
                    let mut ids: Vec<Option<u32>> = before.iter().map(|&id| Some(id)).collect();
                    ids.extend(std::iter::repeat_n(None, each / width));
                    ids.extend(after.iter().chain(&row[..given]).map(|&id| Some(id)));
                    let first = before.len() + each / width + after.len() - 1;
                    let targets = row.iter().enumerate();
                    Sequence {
                        embeddings,
                        ids,
                        targets: targets.map(|(place, &id)| (first + place, id)).collect(),
                        weights: example.weights.clone(),
                    }
                });
        (sequences.collect(), before.len() * width)
    }

    /// Loss of a batch with what its gradient needs.
    fn step(
        &self,
        model: &RunModel,
        inputs: Vec<f32>,
        rows: &[&Example],
        device: &Device,
    ) -> Result<StepLoss> {
        let prefix = self
            .prefix(model, inputs, device)
            .ok_or_else(Self::nothing)?;
        match (&self.decoder, &model.llm) {
            (Decoder::WrittenOut(llm), trained) => {
                let values = host(prefix.clone().inner());
                let (found, mut loss, begin) = match trained {
                    Some(trained) => {
                        let current = trained.current(llm);
                        let (batch, begin) = self.sequences(&current, &values, rows);
                        let (step, found) = trained.step(llm, &batch)?;
                        (found, step, begin)
                    }
                    None => {
                        let (batch, begin) = self.sequences(llm, &values, rows);
                        let found = llm.gradient(&batch, false);
                        let step = StepLoss {
                            loss: Tensor::zeros([1], &prefix.device()),
                            value: Some(found.loss),
                            items: rows.iter().map(|row| row.tokens.len()).sum(),
                        };
                        (found.embeddings, step, begin)
                    }
                };
                let each = values.len() / rows.len().max(1);
                let gradient: Vec<f32> = found
                    .iter()
                    .flat_map(|row| row[begin..begin + each].iter().copied())
                    .collect();
                loss.loss = loss.loss + with_gradient(prefix, gradient);
                Ok(loss)
            }
            (Decoder::Engine(Some(llm)), _) => {
                let plain = device.clone().inner();
                let (loss, items) = self.engine_loss(llm, prefix, rows, &plain);
                let value = None;
                Ok(StepLoss { loss, value, items })
            }
            (Decoder::Engine(None), trained) => {
                let llm = trained.as_ref().and_then(TrainedDecoder::module);
                let llm = llm.ok_or_else(Self::nothing)?;
                let (loss, items) = self.engine_loss(llm, prefix, rows, device);
                let value = None;
                Ok(StepLoss { loss, value, items })
            }
        }
    }

    /// Loss of a batch without its gradient; `model` is without automatic differentiation.
    fn validation_loss(
        &self,
        model: &RunModel,
        inputs: Vec<f32>,
        rows: &[&Example],
    ) -> Result<f64> {
        let device = self.device.clone().inner();
        match &self.decoder {
            Decoder::WrittenOut(llm) => {
                let prefix = self
                    .prefix(model, inputs, &device)
                    .ok_or_else(Self::nothing)?;
                let values = host(prefix);
                let current = model.llm.as_ref().map(|trained| trained.current(llm));
                let llm = current.as_ref().unwrap_or(llm);
                Ok(llm.loss(&self.sequences(llm, &values, rows).0))
            }
            Decoder::Engine(_) => {
                let step = self.step(model, inputs, rows, &device)?;
                Ok(scalar(step.loss))
            }
        }
    }

    fn nothing() -> TrainError {
        let what = "has neither projector nor language model";
        TrainError::new(Fault::Network, "model", what, "report this as a bug")
    }
}

impl Task for MapperTask {
    type Model = RunModel;

    fn examples(&self) -> usize {
        self.training.len()
    }

    fn loss(&self, model: &RunModel, batch: &[usize], step: u64) -> Result<StepLoss> {
        let mut draw = Draw::new(self.settings.fit.seed, "priors", step);
        let mut inputs = Vec::new();
        for &index in batch {
            let mut input = self.training[index].input.clone();
            if self.settings.prior_dropout > 0.0 && draw.unit() < self.settings.prior_dropout {
                let first = input.len() - self.logits;
                input[first..].fill(0.0);
            }
            inputs.append(&mut input);
        }
        let rows: Vec<&Example> = batch.iter().map(|&index| &self.training[index]).collect();
        self.step(model, inputs, &rows, &self.device)
    }

    fn validate(&self, model: &RunModel) -> Result<Validation> {
        let (mut sum, mut count) = (0.0, 0);
        for examples in self.validation.chunks(self.settings.fit.batch_size) {
            let inputs = examples
                .iter()
                .flat_map(|e| e.input.iter().copied())
                .collect();
            let rows: Vec<&Example> = examples.iter().collect();
            let items: usize = rows.iter().map(|row| row.tokens.len()).sum();
            sum += self.validation_loss(model, inputs, &rows)? * items as f64;
            count += items;
        }
        let loss = sum / count.max(1) as f64;
        Ok(Validation::from([("loss".to_owned(), loss)]))
    }

    fn export(&self, model: &RunModel, folder: &Path) -> Result<()> {
        let about = "trained by rad3d train mapper";
        let parameters: Vec<Exported> = match (&model.transformer, &model.linear) {
            (Some(mapper), _) => mapper.export()?,
            (None, Some(linear)) => linear.export()?,
            (None, None) => Vec::new(),
        };
        let storage = self.settings.storage;
        save(
            &folder.join("mapper.safetensors"),
            parameters,
            storage,
            about,
        )?;
        if let Some(llm) = &model.llm {
            let path = folder.join("llm.safetensors");
            let decoder = match &self.decoder {
                Decoder::WrittenOut(decoder) => Some(&**decoder),
                Decoder::Engine(_) => None,
            };
            save(&path, llm.export(decoder)?, storage, about)?;
        }
        Ok(())
    }
}
