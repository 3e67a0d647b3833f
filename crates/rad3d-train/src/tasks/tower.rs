//! A tower and its head, trained together on labelled scans.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use rad3d_nn::ct_vit::gradient::GradientTower;
use rad3d_nn::trainable::{HeadModule, InitialWeights};
use rad3d_nn::{CtVitConfig, EnginePrecision};
use rad3d_report::LabelSet;
use rad3d_volume::Recipe;
use rad3d_weights::TowerConfig;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::decoder::with_gradient;
use super::save::{Storage, save};
use super::scores::{Calibrated, calibrate, classifier_scores};
use super::trained_tower::{TrainedTower, fresh};
use super::{fingerprint, write_settings};
use crate::data::{Case, TensorCache, read_cases, scans_by_name, split_by_patient};
use crate::engine::{
    Fit, Outcome, Progress, StepLoss, Task, Validation, device, host, precision, scalar,
};
use crate::error::{Fault, Result, TrainError};
use crate::random::Draw;
use crate::settings::FitSettings;

/// Scans that are embedded at a time; bounds the memory.
const GROUP: usize = 16;

/// Settings of `train tower`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TowerSettings {
    /// Folder that is searched for the scans.
    pub scans: PathBuf,
    /// CSV of reports; gives ids and patients.
    pub reports: PathBuf,
    /// CSV of labels.
    pub labels: PathBuf,
    /// Share of patients kept aside.
    #[serde(default = "default_share")]
    pub validation_share: f64,
    /// Path of a recipe, or the name of a built-in one.
    pub recipe: String,
    /// Sizes of the tower.
    pub tower: TowerConfig,
    /// Each training tensor is moved by up to this many voxels along each axis.
    #[serde(default)]
    pub shift_voxels: usize,
    /// Standard deviation of noise added to training tensors, in the network's units.
    #[serde(default)]
    pub noise: f64,
    /// How it learns.
    #[serde(default)]
    pub method: TowerMethod,
    /// How the results are stored.
    #[serde(default)]
    pub storage: Storage,
    /// The optimiser.
    #[serde(default)]
    pub fit: FitSettings,
}

/// How a tower learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TowerMethod {
    /// All of it by gradient descent.
    #[default]
    Gradient,
    /// Layers stay random; projection and head are fitted to the labels. Minutes on a CPU where
    /// gradient descent takes days.
    ClosedForm,
}

fn default_share() -> f64 {
    0.1
}

impl TowerSettings {
    /// Trains in `folder`: `tower.safetensors`, `head.safetensors` and `calibration.csv`.
    ///
    /// # Errors
    /// See [`Fit::run`]; and faults of settings and data.
    pub fn run(
        &self,
        folder: &Path,
        resume: bool,
        mut prepared: impl FnMut(usize, usize),
        show: impl FnMut(Progress),
    ) -> Result<Outcome> {
        let labels = LabelSet::ct_rate();
        let cases = read_cases(&self.reports, Some(&self.labels), &labels)?;
        let split = split_by_patient(cases, self.validation_share, self.fit.seed)?;
        let recipe = Recipe::find(&self.recipe)?;
        if recipe.size != self.tower.volume_dhw {
            let what = format!(
                "recipe {} makes {:?} voxels, the tower takes {:?}",
                recipe.name, recipe.size, self.tower.volume_dhw
            );
            let hint = "make them equal";
            return Err(TrainError::new(Fault::Settings, "settings", what, hint));
        }
        write_settings(folder, self)?;
        let scans = scans_by_name(&self.scans)?;
        let mut cache = |name: &str, cases: &[Case]| -> Result<TensorCache> {
            let mut paths = Vec::with_capacity(cases.len());
            for case in cases {
                let path = scans.get(&case.id).ok_or_else(|| {
                    let what = format!("holds no scan {}", case.id);
                    TrainError::new(Fault::Data, &self.scans, what, "check data and tables")
                })?;
                paths.push(path.clone());
            }
            let file = folder.join(format!("{name}.f16"));
            TensorCache::open(&file, &paths, &recipe, |done| prepared(done, paths.len()))
        };
        let truth = |cases: &[Case]| -> Vec<bool> {
            let all = cases.iter().filter_map(|case| case.labels.as_ref());
            all.flatten().copied().collect()
        };
        let device = device(&self.fit.device)?;
        let config = CtVitConfig::from(self.tower);
        let mut weights = InitialWeights::new(self.fit.seed);
        let precision = precision(&self.fit)?;
        let written_out = self.method == TowerMethod::Gradient
            && self.fit.device == "cpu"
            && precision == EnginePrecision::F32;
        let (tower, gradient) = fresh(&config, &mut weights, written_out, precision, &device)?;
        let ids = |cases: &[Case]| cases.iter().map(|case| case.id.clone()).collect();
        let task = TowerTask {
            settings: self.clone(),
            recipe: recipe.clone(),
            ids: [ids(&split.training), ids(&split.validation)],
            gradient,
            training: cache("training", &split.training)?,
            validation: cache("validation", &split.validation)?,
            positive_weights: positive_weights(&truth(&split.training), labels.len()),
            training_truth: truth(&split.training),
            validation_truth: truth(&split.validation),
            labels,
            device: device.clone(),
        };
        let model = TowerModel {
            tower,
            head: HeadModule::load(config.latent, task.labels.len(), &mut weights, &device)?,
        };
        if self.method == TowerMethod::ClosedForm {
            return super::closed_form::run(&task, model, folder, prepared);
        }
        let fit = Fit {
            task: &task,
            settings: &self.fit,
            folder: folder.to_owned(),
            fingerprint: fingerprint(self, &[&split.sha256])?,
            device,
        };
        fit.run(model, resume, show)
    }
}

/// Negatives over positives of each label, at most 10, so that a rare label counts.
pub(super) fn positive_weights(truth: &[bool], labels: usize) -> Vec<f32> {
    let cases = (truth.len() / labels.max(1)) as f32;
    (0..labels)
        .map(|label| {
            let present = truth.iter().skip(label).step_by(labels).filter(|p| **p);
            let present = (present.count() as f32).max(1.0);
            ((cases - present) / present).clamp(0.1, 10.0)
        })
        .collect()
}

/// Binary cross-entropy of logits `[batch, labels]`, positives weighted by label; the mean.
pub(super) fn weighted_bce(
    logits: Tensor<2>,
    truth: &[bool],
    weights: &[f32],
    device: &Device,
) -> Tensor<1> {
    let shape = logits.dims();
    let value = |x: bool| if x { 1.0_f32 } else { 0.0 };
    let positive: Vec<f32> = truth
        .iter()
        .zip(weights.iter().cycle())
        .map(|(&present, weight)| value(present) * weight)
        .collect();
    let negative: Vec<f32> = truth.iter().map(|&present| value(!present)).collect();
    let tensor = |values| Tensor::<2>::from_data(TensorData::new(values, shape), device);
    let present = log_sigmoid(logits.clone()) * tensor(positive);
    let absent = log_sigmoid(logits.neg()) * tensor(negative);
    (present + absent).mean().neg()
}

/// Tower and head.
#[derive(Module, Debug)]
pub struct TowerModel {
    pub(super) tower: TrainedTower,
    pub(super) head: HeadModule,
}

/// Labels of scans.
pub struct TowerTask {
    pub(super) settings: TowerSettings,
    pub(super) recipe: Recipe,
    /// Of the training and of the validation scans.
    pub(super) ids: [Vec<String>; 2],
    /// The written-out gradient, where it serves.
    pub(super) gradient: Option<GradientTower>,
    pub(super) training: TensorCache,
    pub(super) validation: TensorCache,
    pub(super) training_truth: Vec<bool>,
    pub(super) validation_truth: Vec<bool>,
    pub(super) positive_weights: Vec<f32>,
    pub(super) labels: LabelSet,
    pub(super) device: Device,
}

impl TowerTask {
    /// Embeddings `[batch, latent]` of tensors, by the engine.
    fn embedded(
        &self,
        model: &TowerModel,
        tensors: &[Vec<f32>],
        device: &Device,
    ) -> Result<Tensor<2>> {
        let [d, h, w] = self.settings.tower.volume_dhw;
        let data = TensorData::new(tensors.concat(), [tensors.len(), 1, d, h, w]);
        let volumes = Tensor::<5>::from_data(data, device);
        let module = model.tower.tensors.as_ref().ok_or_else(Self::nothing)?;
        Ok(module.forward(volumes).latent)
    }

    /// What the projection sees of one tensor.
    pub(super) fn pooled(&self, model: &TowerModel, tensor: Vec<f32>) -> Result<Vec<f32>> {
        let [d, h, w] = self.settings.tower.volume_dhw;
        let data = TensorData::new(tensor, [1, 1, d, h, w]);
        let device = self.device.clone().inner();
        let volumes = Tensor::<5>::from_data(data, &device);
        let module = model.tower.tensors.as_ref().ok_or_else(Self::nothing)?;
        Ok(host(module.pooled(volumes)))
    }

    /// Latents `[cases, latent]` and logits `[cases, labels]` of all scans; `model` is without
    /// automatic differentiation.
    fn outputs(&self, model: &TowerModel, cache: &TensorCache) -> Result<[Vec<f32>; 2]> {
        let device = self.device.clone().inner();
        let current = self.gradient.as_ref().map(|shape| {
            let mut current = model.tower.current(shape);
            // As they will be read back.
            if self.settings.storage == Storage::F16 {
                let stored = current.weights().iter();
                let stored = stored.map(|&x| half::f16::from_f32(x).to_f32()).collect();
                let fits = current.set_weights(stored);
                debug_assert!(fits, "as many weights as before");
            }
            current
        });
        let (mut latents, mut logits) = (Vec::new(), Vec::new());
        let indices: Vec<usize> = (0..cache.len()).collect();
        for indices in indices.chunks(GROUP) {
            let tensors: Vec<Vec<f32>> = indices.iter().map(|&i| cache.tensor(i)).collect();
            let found = match &current {
                Some(tower) => tower.embed(&tensors).concat(),
                None => host(self.embedded(model, &tensors, &device)?),
            };
            let data = TensorData::new(found.clone(), [tensors.len(), self.settings.tower.latent]);
            logits.extend(host(model.head.forward(Tensor::from_data(data, &device))));
            latents.extend(found);
        }
        Ok([latents, logits])
    }

    pub(super) fn nothing() -> TrainError {
        let what = "has no tower";
        TrainError::new(Fault::Network, "model", what, "report this as a bug")
    }

    fn bce(&self, model: &TowerModel, latents: Tensor<2>, truth: &[bool]) -> Tensor<1> {
        let logits = model.head.forward(latents);
        weighted_bce(logits, truth, &self.positive_weights, &self.device)
    }

    /// A tensor moved and made noisier.
    fn augmented(&self, index: usize, step: u64) -> Vec<f32> {
        let tensor = self.training.tensor(index);
        let mut draw = Draw::new(self.settings.fit.seed, "augment", step << 20 | index as u64);
        let reach = self.settings.shift_voxels;
        if reach == 0 && self.settings.noise == 0.0 {
            return tensor;
        }
        let [d, h, w] = self.settings.tower.volume_dhw;
        let mut shift = |size: usize| {
            let by = draw.below(2 * reach + 1) as isize - reach as isize;
            move |at: usize| (at as isize + by).clamp(0, size as isize - 1) as usize
        };
        let (z, y, x) = (shift(d), shift(h), shift(w));
        let mut out = Vec::with_capacity(tensor.len());
        for k in 0..d {
            for j in 0..h {
                let row = (z(k) * h + y(j)) * w;
                out.extend((0..w).map(|i| tensor[row + x(i)]));
            }
        }
        if self.settings.noise > 0.0 {
            // Uniform noise of that deviation: the shape of noise matters little, its cost does.
            let width = self.settings.noise * 12.0_f64.sqrt();
            for value in &mut out {
                *value += ((draw.unit() - 0.5) * width) as f32;
            }
        }
        out
    }
}

impl Task for TowerTask {
    type Model = TowerModel;

    fn examples(&self) -> usize {
        self.training.len()
    }

    fn loss(&self, model: &TowerModel, batch: &[usize], step: u64) -> Result<StepLoss> {
        let count = self.labels.len();
        let tensors: Vec<Vec<f32>> = batch
            .par_iter()
            .map(|&index| self.augmented(index, step))
            .collect();
        let truth: Vec<bool> = batch
            .iter()
            .flat_map(|&index| &self.training_truth[index * count..][..count])
            .copied()
            .collect();
        let items = batch.len();
        let Some(shape) = &self.gradient else {
            let latents = self.embedded(model, &tensors, &self.device)?;
            let loss = self.bce(model, latents, &truth);
            let value = None;
            return Ok(StepLoss { loss, value, items });
        };
        let mut head = None;
        let gradient = model.tower.current(shape).gradient(&tensors, |latents| {
            let data = TensorData::new(latents.to_vec(), [items, self.settings.tower.latent]);
            let latents = Tensor::<2>::from_data(data, &self.device);
            let probe = latents.clone().require_grad();
            let gradients = self.bce(model, probe.clone(), &truth).backward();
            head = Some(self.bce(model, latents, &truth));
            let errors = probe.grad(&gradients).ok_or_else(Self::nothing)?;
            Ok::<_, TrainError>(host(errors))
        })?;
        let head = head.ok_or_else(Self::nothing)?;
        let flat = model.tower.flat.as_ref().ok_or_else(Self::nothing)?;
        Ok(StepLoss {
            value: Some(scalar(head.clone().inner())),
            loss: head + with_gradient(flat.val(), gradient),
            items,
        })
    }

    fn validate(&self, model: &TowerModel) -> Result<Validation> {
        let [_, logits] = self.outputs(model, &self.validation)?;
        let mut found = classifier_scores(&self.labels, &logits, &self.validation_truth)?;
        let device = self.device.clone().inner();
        let shape = [self.validation.len(), self.labels.len()];
        let tensor = Tensor::<2>::from_data(TensorData::new(logits, shape), &device);
        let truth = &self.validation_truth;
        let loss = weighted_bce(tensor, truth, &self.positive_weights, &device);
        found.insert("loss".to_owned(), scalar(loss));
        Ok(found)
    }

    fn export(&self, model: &TowerModel, folder: &Path) -> Result<()> {
        let about = "trained by rad3d train tower";
        let storage = self.settings.storage;
        let files = ["tower", "head"].map(|part| folder.join(format!("{part}.safetensors")));
        let tower = model.tower.export(self.gradient.as_ref())?;
        save(&files[0], tower, storage, about)?;
        save(&files[1], model.head.export()?, Storage::F32, about)?;
        let model = model.valid();
        let [training, training_logits] = self.outputs(&model, &self.training)?;
        let [validation, logits] = self.outputs(&model, &self.validation)?;
        let latents = [&*training, &*validation];
        self.write_tables(folder, &files, latents, [&training_logits, &logits])?;
        let calibrated = calibrate(&logits, &self.validation_truth, self.labels.len());
        write_calibration(&folder.join("calibration.csv"), &self.labels, &calibrated)
    }
}

/// Writes `label,temperature,threshold`.
pub(super) fn write_calibration(
    path: &Path,
    labels: &LabelSet,
    calibrated: &[Calibrated],
) -> Result<()> {
    let mut text = "label,temperature,threshold\n".to_owned();
    for (name, fitted) in labels.names().zip(calibrated) {
        text.push_str(&format!(
            "{name},{},{}\n",
            fitted.temperature, fitted.threshold
        ));
    }
    std::fs::write(path, text).map_err(|error| TrainError::unwritable(path, error))
}
