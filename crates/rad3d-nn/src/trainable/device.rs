//! The engine's devices by name, and the tower on one of them.

use burn::tensor::{Device, Tensor, TensorData};

use super::ct_vit::CtVitModule;
use crate::source::WeightSource;
use crate::{CtVitConfig, Fault, NnError, Result};

/// The engine's device `name`: `cpu`, or `wgpu` or `cuda` where they were built in.
///
/// # Errors
/// [`Fault::Device`] for a name that this build doesn't know, and where there is no such card.
pub fn engine_device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => {
            let cards = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec();
            if cards.is_empty() {
                let hint = "install a driver for Vulkan, Metal or DirectX, or use the CPU";
                return Err(NnError::new(Fault::Device, "wgpu", "finds no card", hint));
            }
            Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
        }
        #[cfg(feature = "cuda")]
        "cuda" => {
            if Device::enumerate(burn::tensor::DeviceType::Cuda)
                .into_vec()
                .is_empty()
            {
                let hint = "install NVIDIA's driver and CUDA, or use the CPU";
                return Err(NnError::new(Fault::Device, "cuda", "finds no card", hint));
            }
            Ok(Device::cuda(0))
        }
        other => Err(NnError::new(
            Fault::Device,
            other,
            "is not in this build",
            "use \"cpu\", or build with --features wgpu or cuda",
        )),
    }
}

/// The image tower for inference on one of the engine's devices.
///
/// [`CtVit`](crate::CtVit) is the same for the CPU, where it is much faster.
#[derive(Debug)]
pub struct EngineTower {
    module: CtVitModule,
    device: Device,
    config: CtVitConfig,
}

impl EngineTower {
    /// Takes a tower's parameters under CT-CLIP's names and puts them on `device`.
    ///
    /// # Errors
    /// As [`CtVitModule::load`].
    pub fn load(
        config: &CtVitConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self {
            module: CtVitModule::load(config, source, device)?,
            device: device.clone(),
            config: config.clone(),
        })
    }

    /// The embedding `[latent]`, of unit length, of a tensor `[1, 1, D, H, W]`.
    ///
    /// # Errors
    /// [`Fault::Shape`] for another number of voxels, [`Fault::NotFinite`] for voxels or results that
    /// are no numbers, [`Fault::Device`] if nothing can be read back.
    pub fn encode(&self, tensor: &[f32]) -> Result<Vec<f32>> {
        let [d, h, w] = self.config.volume_dhw;
        if tensor.len() != d * h * w {
            return Err(NnError::shape("volume", &[tensor.len()], &[1, 1, d, h, w]));
        }
        let not_finite = |what: &str| {
            let hint = "check the scan and the weights";
            NnError::new(
                Fault::NotFinite,
                what,
                "holds values that are no numbers",
                hint,
            )
        };
        if tensor.iter().any(|value| !value.is_finite()) {
            return Err(not_finite("volume"));
        }
        let data = TensorData::new(tensor.to_vec(), [1, 1, d, h, w]);
        let volumes = Tensor::<5>::from_data(data, &self.device);
        let latent = self.module.forward(volumes).latent.into_data();
        let latent = latent.try_to_vec::<f32>().map_err(|error| {
            let what = format!("cannot be read back from the device ({error:?})");
            NnError::new(Fault::Device, "embedding", what, "try another device")
        })?;
        if latent.iter().any(|value| !value.is_finite()) {
            return Err(not_finite("embedding"));
        }
        Ok(latent)
    }
}
