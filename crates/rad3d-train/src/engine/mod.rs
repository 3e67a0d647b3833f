//! The trainer: parameters by name, Adam, checkpoints, the loop.

mod adam;
mod checkpoint;
mod device;
mod events;
mod fit;
mod params;

pub use adam::Adam;
pub use checkpoint::Checkpointed;
pub use device::{device, plain_device, precision};
pub use fit::{Fit, Outcome, Progress, StepLoss, Task, Validation};
pub use params::{NamedParameter, parameters, restore};
pub(crate) use params::{host, scalar};
