//! Devices by name.

use burn::tensor::Device;
use rad3d_nn::trainable::{Products, engine_device};

use crate::error::{Fault, Result, TrainError};
use crate::settings::{EnginePrecision, FitSettings};

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

/// In which precision matrices are multiplied.
///
/// # Errors
/// [`Fault::Settings`] if the device can't.
pub fn products(settings: &FitSettings) -> Result<Products> {
    let products = match settings.precision {
        EnginePrecision::F32 => Products::F32,
        EnginePrecision::Bf16 => Products::Bf16,
    };
    if products.run_on(&plain_device(&settings.device)?) {
        return Ok(products);
    }
    let (precision, device) = (products.name(), &settings.device);
    Err(TrainError::new(
        Fault::Settings,
        "settings",
        format!("fit.device {device:?} cannot multiply in fit.precision {precision:?}"),
        "leave fit.precision out",
    ))
}
