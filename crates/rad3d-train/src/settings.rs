//! Settings of a run: one TOML file, with `key=value` over it.

use std::path::Path;

use rad3d_nn::EnginePrecision;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result, TrainError};

/// Reads settings from a TOML file and lays `overrides` (`optimiser.learning-rate=1e-4`) over it.
/// A value that is no TOML is taken as text.
///
/// # Errors
/// [`Fault::Settings`] for unreadable TOML, unknown keys, wrong types, or an override without `=`.
pub fn read_settings<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| TrainError::unreadable(path, e))?;
    let fault = |what: String| {
        let hint = "see docs/reference-training.md for the keys";
        TrainError::new(Fault::Settings, path, what, hint)
    };
    let mut table: toml::Table = toml::from_str(&text).map_err(|e| fault(e.to_string()))?;
    for entry in overrides {
        let Some((key, value)) = entry.split_once('=') else {
            return Err(fault(format!("--set {entry}: expected key=value")));
        };
        let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.to_owned()));
        let mut place = &mut table;
        let mut parts: Vec<&str> = key.trim().split('.').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let inner = place
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let toml::Value::Table(inner) = inner else {
                return Err(fault(format!("--set {entry}: {part} is no table")));
            };
            place = inner;
        }
        place.insert(last.to_owned(), value);
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| fault(error.message().to_owned()))
}

/// How the learning rate goes after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// Down to zero in a straight line.
    Linear,
    /// Down to zero along half a cosine.
    Cosine,
}

/// The optimiser and the length of a run. Defaults are the paper's: Adam, 2e-5, ten epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FitSettings {
    /// Seed of initial weights, order and dropout.
    pub seed: u64,
    /// Passes over the training examples.
    pub epochs: usize,
    /// Examples of one backward pass.
    pub batch_size: usize,
    /// Backward passes of one optimiser step.
    pub accumulation: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps over which the rate rises from zero.
    pub warmup_steps: usize,
    /// How it goes then.
    pub schedule: Schedule,
    /// Adam's decay rates.
    pub betas: [f64; 2],
    /// Adam's epsilon.
    pub epsilon: f64,
    /// Decoupled weight decay; 0 is plain Adam.
    pub weight_decay: f64,
    /// Largest length of the gradient, over all parameters together; 0 for no limit.
    pub clip_norm: f64,
    /// Steps between checkpoints; one is also written after each epoch.
    pub checkpoint_steps: usize,
    /// Steps between lines of `events.jsonl`.
    pub log_steps: usize,
    /// The validation score that says which epoch was best; `loss` and names ending in `_loss`
    /// are better when smaller, all others when larger.
    pub select: String,
    /// Epochs without improvement after which the run ends; 0 for never.
    pub patience: usize,
    /// `cpu`, or `wgpu` or `cuda` where they were built in.
    pub device: String,
    /// In which precision the engine multiplies matrices: `f32`, or `bf16` for mixed precision.
    #[serde(skip_serializing_if = "is_default")]
    pub precision: EnginePrecision,
}

/// Settings that came later are left out where they change nothing, so that older runs can be
/// resumed.
fn is_default(precision: &EnginePrecision) -> bool {
    *precision == EnginePrecision::default()
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 10,
            batch_size: 4,
            accumulation: 1,
            learning_rate: 2e-5,
            warmup_steps: 0,
            schedule: Schedule::Constant,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: 0.0,
            checkpoint_steps: 500,
            log_steps: 10,
            select: "loss".to_owned(),
            patience: 0,
            device: "cpu".to_owned(),
            precision: EnginePrecision::F32,
        }
    }
}

impl FitSettings {
    /// Refuses what makes no run.
    ///
    /// # Errors
    /// [`Fault::Settings`] naming the key.
    pub fn check(&self) -> Result<()> {
        let fault = |key: &str, what: &str| {
            let what = format!("fit.{key} {what}");
            Err(TrainError::new(
                Fault::Settings,
                "settings",
                what,
                "correct it",
            ))
        };
        let positive = [
            ("epochs", self.epochs),
            ("batch-size", self.batch_size),
            ("accumulation", self.accumulation),
            ("checkpoint-steps", self.checkpoint_steps),
            ("log-steps", self.log_steps),
        ];
        for (key, value) in positive {
            if value == 0 {
                return fault(key, "is 0");
            }
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return fault("learning-rate", "is not above 0");
        }
        if !self.betas.iter().all(|beta| (0.0..1.0).contains(beta)) {
            return fault("betas", "are not from 0 to below 1");
        }
        Ok(())
    }

    /// The learning rate of step `step` (from 0) of `total`.
    #[must_use]
    pub fn rate(&self, step: usize, total: usize) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let rest = total.saturating_sub(self.warmup_steps).max(1);
        let part = (step - self.warmup_steps) as f64 / rest as f64;
        self.learning_rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear => (1.0 - part).max(0.0),
                Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * part.min(1.0)).cos()),
            }
    }

    /// Whether score `a` is better than `b`.
    #[must_use]
    pub fn is_better(&self, a: f64, b: f64) -> bool {
        if self.select == "loss" || self.select.ends_with("_loss") {
            a < b
        } else {
            a > b
        }
    }
}
