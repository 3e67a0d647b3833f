//! Devices by name.

use burn::tensor::Device;

use crate::error::{Fault, Result, TrainError};

/// The device `name`, with automatic differentiation.
///
/// # Errors
/// [`Fault::Settings`] for a name that this build doesn't know.
pub fn device(name: &str) -> Result<Device> {
    Ok(plain_device(name)?.autodiff())
}

/// The device `name`, without automatic differentiation: where frozen weights lie.
///
/// # Errors
/// As [`device`].
pub fn plain_device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        other => Err(TrainError::new(
            Fault::Settings,
            "settings",
            format!("fit.device {other:?} is not in this build"),
            "use \"cpu\", or build with --features wgpu or cuda",
        )),
    }
}
