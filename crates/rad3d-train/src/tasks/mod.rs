//! What can be learnt: language model, tower, classifier, mapper.

mod batch;
mod classifier;
mod closed_form;
mod decoder;
mod lm;
mod mapper;
mod save;
mod scores;
mod tables;
mod tower;
mod trained_tower;

pub use classifier::{ClassifierSettings, ClassifierTask};
pub use decoder::TrainedDecoder;
pub use lm::{LmSettings, LmTask};
pub use mapper::{LlmMode, MapperSettings, MapperTask, RunModel};
pub use save::Storage;
pub use scores::{Calibrated, calibrate};
pub use tower::{TowerMethod, TowerModel, TowerSettings, TowerTask};
pub use trained_tower::TrainedTower;

use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Result, TrainError};

/// SHA-256 of settings and of what the data are: two runs of one fingerprint are one run.
fn fingerprint(settings: &impl Serialize, data: &[&str]) -> Result<String> {
    let settings =
        serde_json::to_string(settings).map_err(|e| TrainError::unwritable("settings", e))?;
    let mut hasher = Sha256::new();
    hasher.update(settings);
    for part in data {
        hasher.update("\n");
        hasher.update(part);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect())
}

/// Leaves the resolved settings beside a run's results.
fn write_settings(folder: &Path, settings: &impl Serialize) -> Result<()> {
    let path = folder.join("settings.toml");
    let text = toml::to_string_pretty(settings).map_err(|e| TrainError::unwritable(&path, e))?;
    std::fs::create_dir_all(folder).map_err(|e| TrainError::unwritable(folder, e))?;
    std::fs::write(&path, text).map_err(|e| TrainError::unwritable(&path, e))
}
