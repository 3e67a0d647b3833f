//! The engine's device under test.

use burn::tensor::Device;

/// The CPU, or the device that the variable `RAD3D_TEST_DEVICE` names, if it is built in.
#[expect(clippy::panic, reason = "a device that is not there ends the test")]
pub(crate) fn device() -> Device {
    match std::env::var("RAD3D_TEST_DEVICE").as_deref() {
        #[cfg(feature = "wgpu")]
        Ok("wgpu") => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "cuda")]
        Ok("cuda") => Device::cuda(0),
        Ok("cpu") | Err(_) => Device::flex(),
        Ok(other) => panic!("RAD3D_TEST_DEVICE={other} is not built in"),
    }
}
