//! The mapper, through a language model that is frozen (V-2, V-3) or trained with it (V-1).

mod settings;

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rad3d_nn::causal_lm::gradient::{GradientDecoder, Sequence};
use rad3d_nn::causal_lm::trainable::DecoderModule;
use rad3d_nn::trainable::{Exported, MapperModule, R2GenGptModule};

use super::batch::TokenBatch;
use super::decoder::{Decoder, TrainedDecoder, with_gradient};
use super::save::save;
use crate::engine::{StepLoss, Task, Validation, host, scalar};
use crate::error::{Fault, Result, TrainError};
use crate::random::Draw;
pub use settings::{LlmMode, MapperSettings};

/// Everything that is trained.
#[derive(Module, Debug)]
pub struct RunModel {
    transformer: Option<MapperModule>,
    linear: Option<R2GenGptModule>,
    /// Present where the language model is trained.
    llm: Option<TrainedDecoder>,
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
            (Decoder::Frozen(llm), _) => {
                let plain = device.clone().inner();
                let (loss, items) = self.engine_loss(llm, prefix, rows, &plain);
                let value = None;
                Ok(StepLoss { loss, value, items })
            }
            (Decoder::Trained(_), trained) => {
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
            Decoder::Frozen(_) | Decoder::Trained(_) => {
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
                Decoder::Frozen(_) | Decoder::Trained(_) => None,
            };
            save(&path, llm.export(decoder)?, storage, about)?;
        }
        Ok(())
    }
}
