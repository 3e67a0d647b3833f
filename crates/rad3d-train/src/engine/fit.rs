//! The loop: epochs, steps, validation, checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::adam::Adam;
use super::checkpoint::Checkpointed;
use super::events::{Event, Events};
use super::params::{parameters, restore, scalar};
use crate::error::{Fault, Result, TrainError};
use crate::random::Draw;
use crate::settings::FitSettings;

/// Loss of a batch.
pub struct StepLoss {
    /// The mean, to be differentiated; or something with the same gradient.
    pub loss: Tensor<1>,
    /// The mean itself, where `loss` only has its gradient.
    pub value: Option<f64>,
    /// Tokens, or examples, that it is the mean of.
    pub items: usize,
}

/// Scores of a validation by name; `loss` is always among them.
pub type Validation = BTreeMap<String, f64>;

/// Something to learn.
pub trait Task {
    /// What is trained.
    type Model: Module;

    /// Number of training examples.
    fn examples(&self) -> usize;

    /// The loss of the training examples `batch`; `step` names the place in the run for draws.
    ///
    /// # Errors
    /// Whatever hinders the forward pass.
    fn loss(&self, model: &Self::Model, batch: &[usize], step: u64) -> Result<StepLoss>;

    /// Scores on the validation examples; `model` is without automatic differentiation.
    ///
    /// # Errors
    /// Whatever hinders the forward pass.
    fn validate(&self, model: &Self::Model) -> Result<Validation>;

    /// Writes the trained parts into `folder` for use.
    ///
    /// # Errors
    /// [`Fault::Output`].
    fn export(&self, model: &Self::Model, folder: &Path) -> Result<()>;
}

/// Where a run stands, for whoever shows it.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Steps made and to be made.
    pub step: usize,
    /// Steps of the whole run.
    pub steps: usize,
    /// Loss of the step.
    pub loss: f64,
    /// Tokens or examples a second since the run began here.
    pub items_per_second: f64,
    /// Seconds left, at this pace.
    pub seconds_left: f64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Steps made.
    pub steps: usize,
    /// The chosen score of the best epoch, and the epoch.
    pub best: Option<(f64, usize)>,
    /// Whether patience ended it early.
    pub stopped_early: bool,
}

/// A run in a folder.
pub struct Fit<'a, T: Task> {
    /// What is learnt.
    pub task: &'a T,
    /// How.
    pub settings: &'a FitSettings,
    /// Where checkpoints, events and results go.
    pub folder: PathBuf,
    /// SHA-256 of settings and data.
    pub fingerprint: String,
    /// With automatic differentiation.
    pub device: Device,
}

impl<T: Task> Fit<'_, T> {
    /// Trains `model`, from the folder's checkpoint on if `resume` is set and there is one. The
    /// best epoch's parameters are exported into the folder at the end.
    ///
    /// # Errors
    /// [`Fault::Checkpoint`] when the checkpoint belongs to other settings or data,
    /// [`Fault::Diverged`] when the loss is no number any more (the last checkpoint stays),
    /// [`Fault::Output`] when nothing more can be written (likewise).
    pub fn run(
        &self,
        mut model: T::Model,
        resume: bool,
        mut show: impl FnMut(Progress),
    ) -> Result<Outcome> {
        self.settings.check()?;
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| TrainError::unwritable(&self.folder, error))?;
        let mut adam = Adam::new(self.settings);
        let mut state = Checkpointed {
            fingerprint: self.fingerprint.clone(),
            step: 0,
            best: None,
            stale: 0,
            epoch_loss: (0.0, 0),
            parameters: BTreeMap::new(),
            moments: BTreeMap::new(),
        };
        let path = self.folder.join("checkpoint.safetensors");
        if path.exists() {
            if !resume {
                let what = "holds the checkpoint of a run";
                let hint = "go on with --resume, or give another folder";
                return Err(TrainError::new(Fault::Checkpoint, &self.folder, what, hint));
            }
            state = self.resume(&path)?;
            model = restore(model, &state.parameters, &self.device)?;
            adam.restore(state.step as u64, &state.moments, &self.device);
        }
        let mut events = Events::open(&self.folder, state.step)?;
        let group = self.settings.batch_size * self.settings.accumulation;
        let per_epoch = self.task.examples().div_ceil(group);
        let total = per_epoch * self.settings.epochs;
        let (began, first, mut items) = (Instant::now(), state.step, 0);
        let mut stopped_early = false;
        while state.step < total && !stopped_early {
            let (epoch, place) = (state.step / per_epoch, state.step % per_epoch);
            let order = self.order(epoch);
            for step in place..per_epoch {
                let examples = &order[step * group..((step + 1) * group).min(order.len())];
                let rate = self.settings.rate(state.step, total);
                let (loss, length, count);
                (model, loss, length, count) =
                    self.step(model, &mut adam, examples, &state, rate)?;
                items += count;
                state.step += 1;
                state.epoch_loss.0 += loss;
                state.epoch_loss.1 += 1;
                let seconds = began.elapsed().as_secs_f64();
                let progress = Progress {
                    step: state.step,
                    steps: total,
                    loss,
                    items_per_second: items as f64 / seconds,
                    seconds_left: seconds / (state.step - first) as f64
                        * (total - state.step) as f64,
                };
                show(progress);
                if state.step.is_multiple_of(self.settings.log_steps) || state.step == total {
                    events.tell(Event {
                        kind: "step".to_owned(),
                        step: state.step,
                        epoch,
                        values: BTreeMap::from([
                            ("loss".to_owned(), loss),
                            ("rate".to_owned(), rate),
                            ("gradient".to_owned(), length),
                            ("items_per_second".to_owned(), progress.items_per_second),
                        ]),
                    })?;
                }
                let ends = step + 1 == per_epoch;
                if state.step.is_multiple_of(self.settings.checkpoint_steps) && !ends {
                    self.checkpoint(&path, &mut state, &model, &adam)?;
                }
            }
            self.close_epoch(epoch, &model, &mut state, &mut events)?;
            self.checkpoint(&path, &mut state, &model, &adam)?;
            stopped_early = self.settings.patience > 0 && state.stale >= self.settings.patience;
        }
        let best = self.folder.join("best.safetensors");
        if best.exists() {
            model = restore(model, &Checkpointed::read(&best)?.parameters, &self.device)?;
        }
        self.task.export(&model, &self.folder)?;
        Ok(Outcome {
            steps: state.step,
            best: state.best,
            stopped_early,
        })
    }

    fn resume(&self, path: &Path) -> Result<Checkpointed> {
        let state = Checkpointed::read(path)?;
        if state.fingerprint != self.fingerprint {
            let what = "was written by a run with other settings or data";
            let hint = "give the settings of that run, or another folder";
            return Err(TrainError::new(Fault::Checkpoint, path, what, hint));
        }
        Ok(state)
    }

    /// The examples of an epoch in the order in which they are met.
    fn order(&self, epoch: usize) -> Vec<usize> {
        Draw::new(self.settings.seed, "order", epoch as u64).order(self.task.examples())
    }

    /// One optimiser step: model, mean loss, length of the gradient, items.
    fn step(
        &self,
        model: T::Model,
        adam: &mut Adam,
        examples: &[usize],
        state: &Checkpointed,
        rate: f64,
    ) -> Result<(T::Model, f64, f64, usize)> {
        let (mut sum, mut passes, mut items) = (0.0, 0, 0);
        for batch in examples.chunks(self.settings.batch_size) {
            let place = (state.step * self.settings.accumulation + passes) as u64;
            let StepLoss {
                loss,
                value,
                items: count,
            } = self.task.loss(&model, batch, place)?;
            let gradients = loss.backward();
            let value = value.unwrap_or_else(|| scalar(loss.inner()));
            if !value.is_finite() {
                let what = format!("the loss of step {} is {value}", state.step + 1);
                let hint = "lower fit.learning-rate, or set fit.clip-norm = 1.0; the last \
                            checkpoint is whole";
                return Err(TrainError::new(Fault::Diverged, &self.folder, what, hint));
            }
            adam.gather(&model, &gradients);
            sum += value;
            passes += 1;
            items += count;
        }
        let (model, length) = adam.step(model, rate);
        Ok((model, sum / passes.max(1) as f64, length, items))
    }

    fn close_epoch(
        &self,
        epoch: usize,
        model: &T::Model,
        state: &mut Checkpointed,
        events: &mut Events,
    ) -> Result<()> {
        let scores = self.task.validate(&model.valid())?;
        let (sum, count) = std::mem::take(&mut state.epoch_loss);
        let mut values: BTreeMap<String, f64> = scores
            .iter()
            .map(|(name, value)| (format!("validation_{name}"), *value))
            .collect();
        values.insert("training_loss".to_owned(), sum / count.max(1) as f64);
        events.tell(Event {
            kind: "epoch".to_owned(),
            step: state.step,
            epoch,
            values,
        })?;
        events.draw()?;
        let Some(&score) = scores.get(&self.settings.select) else {
            let known: Vec<&str> = scores.keys().map(String::as_str).collect();
            let what = format!("fit.select {:?} is no score", self.settings.select);
            let hint = format!("choose one of {}", known.join(", "));
            return Err(TrainError::new(Fault::Settings, "settings", what, hint));
        };
        let better = state
            .best
            .is_none_or(|(best, _)| self.settings.is_better(score, best));
        if !better {
            state.stale += 1;
            return Ok(());
        }
        state.best = Some((score, epoch));
        state.stale = 0;
        let best = Checkpointed {
            parameters: parameters(model),
            moments: BTreeMap::new(),
            ..state.clone()
        };
        best.write(&self.folder.join("best.safetensors"))
    }

    fn checkpoint(
        &self,
        path: &Path,
        state: &mut Checkpointed,
        model: &T::Model,
        adam: &Adam,
    ) -> Result<()> {
        state.parameters = parameters(model);
        state.moments = adam.state();
        state.write(path)?;
        state.parameters.clear();
        state.moments.clear();
        Ok(())
    }
}
