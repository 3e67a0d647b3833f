//! Devices by name.

use burn::tensor::Device;
use rad3d_nn::EnginePrecision;
use rad3d_nn::trainable::engine_device;

use crate::error::{Fault, Result, TrainError};
use crate::settings::FitSettings;

/// The device `name`, with automatic differentiation.
///
/// # Errors
/// [`Fault::Network`] for a name that this build doesn't know, and where there is no such card.
pub fn device(name: &str) -> Result<Device> {
    Ok(plain_device(name)?.autodiff())
}

/// The device `name`, without automatic differentiation: where frozen weights lie.
///
/// # Errors
/// As [`device`].
pub fn plain_device(name: &str) -> Result<Device> {
    Ok(engine_device(name)?)
}

/// The precision that `settings` asks for, if their device has it.
///
/// # Errors
/// [`Fault::Settings`] if the device can't.
pub fn precision(settings: &FitSettings) -> Result<EnginePrecision> {
    let precision = settings.precision;
    if precision.run_on(&plain_device(&settings.device)?) {
        return Ok(precision);
    }
    let (precision, device) = (precision.name(), &settings.device);
    Err(TrainError::new(
        Fault::Settings,
        "settings",
        format!("fit.device {device:?} cannot multiply in fit.precision {precision:?}"),
        "leave fit.precision out",
    ))
}
