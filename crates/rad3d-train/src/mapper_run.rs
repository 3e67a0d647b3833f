//! The folder of a finished `train mapper` run, as what writes reports needs it.

use std::path::{Path, PathBuf};

use rad3d_weights::{Checkpoint, MapperConfig, MapperInputs, MapperKind, MapperTarget};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Fault, Result, TrainError};
use crate::text::prompt_of;

/// Name of the trained projector in a run's folder.
pub const MAPPER_FILE: &str = "mapper.safetensors";

/// A trained projector, described by its run's settings and its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct MapperRun {
    /// Its weights.
    pub file: PathBuf,
    /// Which projector it is.
    pub kind: MapperKind,
    /// What it sees.
    pub inputs: MapperInputs,
    /// What it was trained to write.
    pub target: MapperTarget,
    /// The text around the prefix.
    pub prompt: Option<String>,
    /// Its sizes.
    pub config: MapperConfig,
}

/// The part of the settings that is needed.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    priors: bool,
    image: bool,
    projector: MapperKind,
    clip_length: usize,
    layers: usize,
    heads: usize,
    target: MapperTarget,
    prompt: Option<String>,
    prefix_length: usize,
}

impl MapperRun {
    /// Reads `run/settings.toml` and the shapes of `run/mapper.safetensors`.
    ///
    /// # Errors
    /// [`Fault::Checkpoint`] where they aren't those of a whole projector; faults of both files.
    pub fn open(run: &Path) -> Result<Self> {
        let settings: Settings = settings_of(run)?;
        let file = run.join(MAPPER_FILE);
        let config = config(run, &settings, &Checkpoint::open(&file)?)?;
        Ok(Self {
            file,
            kind: settings.projector,
            inputs: match (settings.image, settings.priors) {
                (true, true) => MapperInputs::EmbeddingAndLogits,
                (true, false) => MapperInputs::Embedding,
                (false, _) => MapperInputs::Logits,
            },
            target: settings.target,
            prompt: prompt_of(settings.prompt.as_deref(), settings.projector).map(str::to_owned),
            config,
        })
    }
}

fn config(run: &Path, settings: &Settings, weights: &Checkpoint) -> Result<MapperConfig> {
    let shape = |name: &str| {
        weights
            .info(name)
            .map(|info| info.shape)
            .unwrap_or_default()
    };
    let fault = || {
        let hint = "train it again";
        TrainError::new(Fault::Checkpoint, run, "holds no whole mapper", hint)
    };
    match settings.projector {
        MapperKind::Transformer => match (&*shape("linear.weight"), &*shape("prefix_const")) {
            (&[_, input_dim], &[prefix_length, width]) => Ok(MapperConfig {
                input_dim,
                width,
                clip_length: settings.clip_length,
                prefix_length,
                layers: settings.layers,
                heads: settings.heads,
            }),
            _ => Err(fault()),
        },
        MapperKind::Linear | MapperKind::R2GenGpt => {
            let prefix_length = settings.prefix_length;
            let both = [shape("linear.weight"), shape("llama_proj.weight")];
            let found = both
                .iter()
                .find(|shape| shape.len() == 2)
                .ok_or_else(fault)?;
            Ok(MapperConfig {
                input_dim: found[1],
                width: found[0] / prefix_length,
                clip_length: 0,
                prefix_length,
                layers: 0,
                heads: settings.heads,
            })
        }
    }
}

/// The settings that a run left in its folder, as far as `T` asks for them.
pub(crate) fn settings_of<T: DeserializeOwned>(run: &Path) -> Result<T> {
    crate::settings::read_settings(&run.join("settings.toml"), &[])
}
