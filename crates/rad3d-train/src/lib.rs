//! Learning to report: data, trainer, checkpoints, baselines.
//!
//! The engine needs `--features engine` (Burn, which takes minutes to build); data, splits and
//! baselines do without.

pub mod baselines;
pub mod bpe;
mod curve;
pub mod data;
#[cfg(feature = "engine")]
pub mod engine;
pub mod error;
#[cfg(feature = "engine")]
mod linear_algebra;
pub mod mapper_run;
pub mod pack;
mod random;
pub mod settings;
#[cfg(feature = "engine")]
pub mod tasks;
pub mod text;

pub use curve::loss_curve;
pub use error::{Fault, Result, TrainError};
pub use settings::{FitSettings, Schedule, read_settings};
