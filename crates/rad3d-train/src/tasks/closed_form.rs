//! A tower whose layers stay random and whose projection is fitted to the labels.
//!
//! Random layers are features; a ridge regression on what they give, pooled, finds one direction
//! a label. The latent holds each of these directions and its opposite (the head begins with a
//! ReLU, which would lose one of the signs), the leading principal components, for what labels
//! don't say, and a constant part, so that scaling to unit length changes little. The head is then
//! fitted to the latents by gradient descent.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use rad3d_nn::trainable::HeadModule;

use super::save::{Storage, save};
use super::scores::{calibrate, classifier_scores};
use super::tower::{TowerModel, TowerTask, weighted_bce, write_calibration};
use crate::data::TensorCache;
use crate::engine::{Adam, Outcome, host};
use crate::error::{Fault, Result, TrainError};
use crate::linear_algebra::{gram, leading, solve};
use crate::settings::FitSettings;

/// Ridges that are tried, as shares of the mean squared length of features.
const RIDGES: [f64; 4] = [3e-3, 1e-2, 1e-1, 1.0];
/// The latent's constant part, in standard deviations of a label's direction.
const CONSTANT: f64 = 8.0;
/// Standard deviation of a principal component beside that of a label's direction.
const COMPONENT: f64 = 0.5;
/// Steps of the head's fit, on all cases at once.
const HEAD_STEPS: usize = 600;

/// Fits, and writes tower, head, calibration and the embeddings of both sides.
pub(super) fn run(
    task: &TowerTask,
    model: TowerModel,
    folder: &Path,
    mut told: impl FnMut(usize, usize),
) -> Result<Outcome> {
    let all = task.training.len() + task.validation.len();
    let plain = model.valid();
    let mut done = 0;
    let mut features = |cache: &TensorCache| {
        let mut out = Vec::new();
        for index in 0..cache.len() {
            out.extend(task.pooled(&plain, cache.tensor(index))?);
            done += 1;
            told(done, all);
        }
        Ok::<_, TrainError>(out)
    };
    let training = features(&task.training)?;
    let validation = features(&task.validation)?;
    let projection = projection(task, &training, &validation)?;
    let storage = task.settings.storage;
    let about = "random layers, fitted projection: rad3d train tower, closed form";
    let module = model.tower.tensors.ok_or_else(TowerTask::nothing)?;
    let tower = module.with_projection(projection.clone())?;
    let tower_file = folder.join("tower.safetensors");
    save(&tower_file, tower.export()?, storage, about)?;
    // Latents by the projection as it is stored.
    let stored: Vec<f32> = match storage {
        Storage::F32 => projection,
        Storage::F16 => projection
            .iter()
            .map(|&x| half::f16::from_f32(x).to_f32())
            .collect(),
    };
    let latent = task.settings.tower.latent;
    let training = latents(&training, &stored, latent);
    let validation = latents(&validation, &stored, latent);
    let head = fit_head(task, model.head, &training)?;
    let head_file = folder.join("head.safetensors");
    save(&head_file, head.export()?, Storage::F32, about)?;
    let logits = |latents: &[f32]| {
        let shape = [latents.len() / latent, latent];
        let data = TensorData::new(latents.to_vec(), shape);
        let tensor = Tensor::<2>::from_data(data, &task.device);
        host(head.forward(tensor).inner())
    };
    let labels = &task.labels;
    let (training_logits, validation_logits) = (logits(&training), logits(&validation));
    let calibrated = calibrate(&validation_logits, &task.validation_truth, labels.len());
    write_calibration(&folder.join("calibration.csv"), labels, &calibrated)?;
    let scores = classifier_scores(labels, &validation_logits, &task.validation_truth)?;
    let path = folder.join("scores.json");
    let text =
        serde_json::to_string_pretty(&scores).map_err(|e| TrainError::unwritable(&path, e))?;
    std::fs::write(&path, text).map_err(|error| TrainError::unwritable(&path, error))?;
    let files = [tower_file, head_file];
    task.write_tables(
        folder,
        &files,
        [&training, &validation],
        [&training_logits, &validation_logits],
    )?;
    Ok(Outcome {
        steps: HEAD_STEPS,
        best: scores.get("auroc").map(|&auroc| (auroc, 0)),
        stopped_early: false,
    })
}

/// The projection's rows `[latent, width]`.
fn projection(task: &TowerTask, training: &[f32], validation: &[f32]) -> Result<Vec<f32>> {
    let (labels, latent) = (task.labels.len(), task.settings.tower.latent);
    let cases = task.training.len();
    let width = training.len() / cases;
    if latent <= 2 * labels {
        let what = format!("a latent of {latent} has no room for two directions a label");
        let hint = "give tower.latent more than twice the number of labels";
        return Err(TrainError::new(Fault::Settings, "settings", what, hint));
    }
    let mut mean = vec![0.0_f32; width];
    for row in training.chunks_exact(width) {
        for (sum, x) in mean.iter_mut().zip(row) {
            *sum += x / cases as f32;
        }
    }
    let centre = |values: &[f32]| -> Vec<f32> {
        let pairs = values.iter().zip(mean.iter().cycle());
        pairs.map(|(x, mean)| x - mean).collect()
    };
    let (centred, held_out) = (centre(training), centre(validation));
    let matrix = gram(&centred, width);
    let scale = (0..cases).map(|row| matrix[row * cases + row]).sum::<f64>() / cases as f64;
    let targets: Vec<f64> = {
        let share = |label: usize| {
            let column = task.training_truth.iter().skip(label).step_by(labels);
            column.filter(|present| **present).count() as f64 / cases as f64
        };
        let shares: Vec<f64> = (0..labels).map(share).collect();
        let truth = task.training_truth.iter().zip(shares.iter().cycle());
        truth
            .map(|(&present, share)| f64::from(u8::from(present)) - share)
            .collect()
    };
    let mut best: Option<(f64, Vec<Vec<f32>>)> = None;
    for ridge in RIDGES {
        let Some(weights) = solve(&matrix, cases, ridge * scale, &targets) else {
            continue;
        };
        let rows: Vec<Vec<f32>> = (0..labels)
            .map(|label| {
                let column = weights.iter().skip(label).step_by(labels).copied();
                combination(&centred, width, column)
            })
            .collect();
        let scores: Vec<f32> = held_out
            .chunks_exact(width)
            .flat_map(|x| rows.iter().map(|row| product(row, x)).collect::<Vec<f32>>())
            .collect();
        let found = classifier_scores(&task.labels, &scores, &task.validation_truth)?;
        let auroc = found.get("auroc").copied().unwrap_or(0.0);
        if best.as_ref().is_none_or(|(most, _)| auroc > *most) {
            best = Some((auroc, rows));
        }
    }
    let Some((_, directions)) = best else {
        let what = "gives features that no ridge can be fitted to";
        return Err(TrainError::new(
            Fault::Diverged,
            "tower",
            what,
            "change its sizes",
        ));
    };
    let squared = f64::from(product(&mean, &mean)).max(1e-12);
    // A row without the mean's direction has no part that all scans share.
    let finished = |row: &[f32], deviation: f64, sign: f64| -> Vec<f32> {
        let along = f64::from(product(row, &mean)) / squared;
        let flat: Vec<f32> = row
            .iter()
            .zip(&mean)
            .map(|(x, mean)| x - (along * f64::from(*mean)) as f32)
            .collect();
        let values: Vec<f32> = centred
            .chunks_exact(width)
            .map(|x| product(&flat, x))
            .collect();
        let spread = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / cases as f64;
        let factor = sign * deviation / spread.sqrt().max(1e-12);
        flat.iter()
            .map(|x| (f64::from(*x) * factor) as f32)
            .collect()
    };
    let mut rows = Vec::with_capacity(latent * width);
    for direction in &directions {
        rows.extend(finished(direction, 1.0, 1.0));
        rows.extend(finished(direction, 1.0, -1.0));
    }
    rows.extend(
        mean.iter()
            .map(|x| (f64::from(*x) * CONSTANT / squared) as f32),
    );
    for vector in leading(&matrix, cases, latent - 2 * labels - 1) {
        let component = combination(&centred, width, vector.iter().copied());
        rows.extend(finished(&component, COMPONENT, 1.0));
    }
    Ok(rows)
}

/// The sum of rows, each times its weight.
fn combination(rows: &[f32], width: usize, weights: impl Iterator<Item = f64>) -> Vec<f32> {
    let mut sum = vec![0.0_f64; width];
    for (row, weight) in rows.chunks_exact(width).zip(weights) {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += weight * f64::from(*x);
        }
    }
    sum.into_iter().map(|x| x as f32).collect()
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum();
    sum as f32
}

/// Latents of unit length.
fn latents(features: &[f32], projection: &[f32], latent: usize) -> Vec<f32> {
    let width = projection.len() / latent;
    let mut out = Vec::with_capacity(features.len() / width * latent);
    for x in features.chunks_exact(width) {
        let row: Vec<f32> = projection
            .chunks_exact(width)
            .map(|row| product(row, x))
            .collect();
        let length = product(&row, &row).sqrt().max(1e-12);
        out.extend(row.iter().map(|x| x / length));
    }
    out
}

/// The head, by Adam on all training cases at once, positives weighted by label.
fn fit_head(task: &TowerTask, mut head: HeadModule, latents: &[f32]) -> Result<HeadModule> {
    let settings = FitSettings {
        learning_rate: 0.05,
        weight_decay: 0.02,
        ..task.settings.fit.clone()
    };
    let mut adam = Adam::new(&settings);
    let width = task.settings.tower.latent;
    let data = TensorData::new(latents.to_vec(), [latents.len() / width, width]);
    let inputs = Tensor::<2>::from_data(data, &task.device);
    let (truth, weights) = (&task.training_truth, &task.positive_weights);
    for step in 0..HEAD_STEPS {
        let loss = weighted_bce(head.forward(inputs.clone()), truth, weights, &task.device);
        let gradients = loss.backward();
        adam.gather(&head, &gradients);
        let part = step as f64 / HEAD_STEPS as f64;
        head = adam.step(head, settings.learning_rate * (1.0 - part)).0;
    }
    Ok(head)
}
