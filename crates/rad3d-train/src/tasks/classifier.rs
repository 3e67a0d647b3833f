//! A head alone, on embeddings that exist: what a new label set, or a new data set, needs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use rad3d_embeddings::read_parquet;
use rad3d_nn::EnginePrecision;
use rad3d_nn::trainable::{HeadModule, InitialWeights};
use rad3d_report::LabelSet;
use serde::{Deserialize, Serialize};

use super::save::{Storage, save};
use super::scores::{calibrate, classifier_scores};
use super::tower::{positive_weights, weighted_bce, write_calibration};
use super::{fingerprint, write_settings};
use crate::data::{Case, read_cases, split_by_patient};
use crate::engine::{Fit, Outcome, Progress, StepLoss, Task, Validation, device, host, scalar};
use crate::error::{Fault, Result, TrainError};
use crate::settings::FitSettings;

/// Settings of `train classifier`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassifierSettings {
    /// Table that `rad3d encode` wrote.
    pub embeddings: PathBuf,
    /// CSV of reports; gives ids and patients.
    pub reports: PathBuf,
    /// CSV of labels, if the reports' table has none.
    pub labels: Option<PathBuf>,
    /// Names of the labels; CT-RATE's 18 if left out.
    pub label_names: Option<Vec<String>>,
    /// Share of patients kept aside.
    #[serde(default = "default_share")]
    pub validation_share: f64,
    /// Weighs positives by how rare they are.
    #[serde(default = "yes")]
    pub positive_weights: bool,
    /// The optimiser.
    #[serde(default)]
    pub fit: FitSettings,
}

fn default_share() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

/// Labels of embeddings.
pub struct ClassifierTask {
    labels: LabelSet,
    width: usize,
    training: Vec<f32>,
    validation: Vec<f32>,
    training_truth: Vec<bool>,
    validation_truth: Vec<bool>,
    positive_weights: Vec<f32>,
    device: Device,
}

impl ClassifierSettings {
    /// Trains in `folder`: `head.safetensors` and `calibration.csv`.
    ///
    /// # Errors
    /// See [`Fit::run`]; and faults of settings and data.
    pub fn run(&self, folder: &Path, resume: bool, show: impl FnMut(Progress)) -> Result<Outcome> {
        let labels = match &self.label_names {
            Some(names) => LabelSet::new(names.iter().cloned())?,
            None => LabelSet::ct_rate(),
        };
        let table = read_parquet(&self.embeddings)?;
        let rows: HashMap<&str, &[f32]> = table
            .rows
            .iter()
            .map(|row| (row.id.as_str(), &*row.embedding))
            .collect();
        let cases = read_cases(&self.reports, self.labels.as_deref(), &labels)?;
        let split = split_by_patient(cases, self.validation_share, self.fit.seed)?;
        write_settings(folder, self)?;
        let side = |cases: &[Case]| -> Result<(Vec<f32>, Vec<bool>)> {
            let (mut inputs, mut truth) = (Vec::new(), Vec::new());
            for case in cases {
                let fault = |what: String| {
                    let hint = "encode the scans of this table, and give its labels";
                    TrainError::new(Fault::Data, &self.embeddings, what, hint)
                };
                let row = rows.get(case.id.as_str());
                let row = row.ok_or_else(|| fault(format!("has no row {}", case.id)))?;
                let labels = case.labels.as_ref();
                let labels = labels.ok_or_else(|| fault(format!("{} has no labels", case.id)))?;
                inputs.extend_from_slice(row);
                truth.extend_from_slice(labels);
            }
            Ok((inputs, truth))
        };
        let (training, training_truth) = side(&split.training)?;
        let (validation, validation_truth) = side(&split.validation)?;
        let width = training.len() / split.training.len();
        let weights = match self.positive_weights {
            true => positive_weights(&training_truth, labels.len()),
            false => vec![1.0; labels.len()],
        };
        if self.fit.precision != EnginePrecision::F32 {
            let what = "fit.precision: a classifier is trained in f32";
            let hint = "leave it out: a single layer gains nothing";
            return Err(TrainError::new(Fault::Settings, "settings", what, hint));
        }
        let device = device(&self.fit.device)?;
        let mut initial = InitialWeights::new(self.fit.seed);
        let model = HeadModule::load(width, labels.len(), &mut initial, &device)?;
        let task = ClassifierTask {
            labels,
            width,
            training,
            validation,
            training_truth,
            validation_truth,
            positive_weights: weights,
            device: device.clone(),
        };
        let fit = Fit {
            task: &task,
            settings: &self.fit,
            folder: folder.to_owned(),
            fingerprint: fingerprint(self, &[&split.sha256, &table.provenance.tower_sha256])?,
            device,
        };
        fit.run(model, resume, show)
    }
}

impl ClassifierTask {
    fn validation_logits(&self, model: &HeadModule) -> Tensor<2> {
        let shape = [self.validation.len() / self.width, self.width];
        let data = TensorData::new(self.validation.clone(), shape);
        model.forward(Tensor::from_data(data, &self.device.clone().inner()))
    }
}

impl Task for ClassifierTask {
    type Model = HeadModule;

    fn examples(&self) -> usize {
        self.training.len() / self.width
    }

    fn loss(&self, model: &HeadModule, batch: &[usize], _: u64) -> Result<StepLoss> {
        let count = self.labels.len();
        let inputs: Vec<f32> = batch
            .iter()
            .flat_map(|&index| &self.training[index * self.width..][..self.width])
            .copied()
            .collect();
        let truth: Vec<bool> = batch
            .iter()
            .flat_map(|&index| &self.training_truth[index * count..][..count])
            .copied()
            .collect();
        let data = TensorData::new(inputs, [batch.len(), self.width]);
        let logits = model.forward(Tensor::from_data(data, &self.device));
        Ok(StepLoss {
            loss: weighted_bce(logits, &truth, &self.positive_weights, &self.device),
            value: None,
            items: batch.len(),
        })
    }

    fn validate(&self, model: &HeadModule) -> Result<Validation> {
        let logits = self.validation_logits(model);
        let values = host(logits.clone());
        let mut found = classifier_scores(&self.labels, &values, &self.validation_truth)?;
        let device = self.device.clone().inner();
        let truth = &self.validation_truth;
        let loss = weighted_bce(logits, truth, &self.positive_weights, &device);
        found.insert("loss".to_owned(), scalar(loss));
        Ok(found)
    }

    fn export(&self, model: &HeadModule, folder: &Path) -> Result<()> {
        use burn::module::Module;
        let about = "trained by rad3d train classifier";
        let path = folder.join("head.safetensors");
        save(&path, model.export()?, Storage::F32, about)?;
        let logits = host(self.validation_logits(&model.valid()));
        let calibrated = calibrate(&logits, &self.validation_truth, self.labels.len());
        write_calibration(&folder.join("calibration.csv"), &self.labels, &calibrated)
    }
}
