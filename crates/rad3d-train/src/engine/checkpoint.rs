//! A run's state in one file, written beside its place and renamed: whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use rad3d_weights::{Checkpoint, TensorView, write_safetensors};
use serde::{Deserialize, Serialize};

use super::params::NamedParameter;
use crate::error::{Fault, Result, TrainError};

/// The key of the state among the file's metadata.
const KEY: &str = "rad3d.train";

/// Everything a run needs to go on as if it had never stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpointed {
    /// SHA-256 of settings and data: a run is resumed with both or not at all.
    pub fingerprint: String,
    /// Optimiser steps made.
    pub step: usize,
    /// Best validation score so far, and its epoch.
    pub best: Option<(f64, usize)>,
    /// Epochs since then.
    pub stale: usize,
    /// Sum and count of the losses of the epoch so far.
    pub epoch_loss: (f64, usize),
    /// Parameters by path.
    #[serde(skip)]
    pub parameters: BTreeMap<String, NamedParameter>,
    /// Moments of the optimiser.
    #[serde(skip)]
    pub moments: BTreeMap<String, NamedParameter>,
}

impl Checkpointed {
    /// Writes the file.
    ///
    /// # Errors
    /// [`Fault::Output`]; the file that was there before is then still there.
    pub fn write(&self, path: &Path) -> Result<()> {
        let state = serde_json::to_string(self).map_err(|e| TrainError::unwritable(path, e))?;
        let mut tensors = BTreeMap::new();
        for (part, values) in [("model", &self.parameters), ("adam", &self.moments)] {
            for (name, parameter) in values {
                let view = TensorView::from_f32(parameter.shape.clone(), &parameter.values);
                if let Some(view) = view {
                    tensors.insert(format!("{part}.{name}"), view);
                }
            }
        }
        let metadata = BTreeMap::from([(KEY.to_owned(), state)]);
        write_safetensors(path, &tensors, &metadata).map_err(|error| {
            let (what, hint) = (error.what.clone(), error.hint.clone());
            TrainError::new(Fault::Output, path, what, hint).because(error)
        })
    }

    /// Reads a file that [`Checkpointed::write`] wrote.
    ///
    /// # Errors
    /// [`Fault::Checkpoint`] for anything else.
    pub fn read(path: &Path) -> Result<Self> {
        let fault = |what: &str| {
            let hint = "start the run anew without --resume, in another folder";
            TrainError::new(Fault::Checkpoint, path, what, hint)
        };
        let file = Checkpoint::open(path)?;
        let state = file
            .metadata()
            .get(KEY)
            .ok_or_else(|| fault("is no checkpoint of a training run"))?;
        let mut read: Self = serde_json::from_str(state)
            .map_err(|error| fault("has a state that cannot be read").because(error))?;
        for name in file.names() {
            let view = file.tensor(name)?;
            let parameter = NamedParameter {
                shape: view.shape().to_vec(),
                values: view.to_f32().ok_or_else(|| fault("holds no numbers"))?,
            };
            if let Some(name) = name.strip_prefix("model.") {
                read.parameters.insert(name.to_owned(), parameter);
            } else if let Some(name) = name.strip_prefix("adam.") {
                read.moments.insert(name.to_owned(), parameter);
            }
        }
        Ok(read)
    }
}
