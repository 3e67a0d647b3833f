//! A tower in training: on the CPU by the gradient written out for it, else by the engine.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rad3d_nn::ct_vit::gradient::GradientTower;
use rad3d_nn::trainable::{CtVitModule, Exported, InitialWeights};
use rad3d_nn::{CtVitConfig, EnginePrecision, NnError};

use crate::engine::host;
use crate::error::Result;

/// The weights of a tower.
#[derive(Module, Debug)]
pub struct TrainedTower {
    /// All weights in a row, for [`GradientTower`].
    pub(super) flat: Option<Param<Tensor<1>>>,
    /// The same as tensors, where that doesn't do.
    pub(super) tensors: Option<CtVitModule>,
}

/// A tower of fresh weights; with the written-out gradient where it is wanted and serves, which it
/// does without a codebook.
pub(super) fn fresh(
    config: &CtVitConfig,
    seed: &mut InitialWeights,
    written_out: bool,
    precision: EnginePrecision,
    device: &Device,
) -> Result<(TrainedTower, Option<GradientTower>)> {
    if !written_out || config.codebook.is_some() {
        let module = CtVitModule::load(config, seed, device)?;
        let tower = TrainedTower {
            flat: None,
            tensors: Some(module.with_precision(precision)),
        };
        return Ok((tower, None));
    }
    let gradient = GradientTower::load(config, seed)?;
    let weights = gradient.weights().to_vec();
    let data = TensorData::new(weights, [gradient.weights().len()]);
    let tower = TrainedTower {
        flat: Some(Param::from_data(data, device)),
        tensors: None,
    };
    Ok((tower, Some(gradient)))
}

impl TrainedTower {
    /// `shape` with the weights as they are now.
    pub(super) fn current(&self, shape: &GradientTower) -> GradientTower {
        let mut current = shape.clone();
        if let Some(flat) = &self.flat {
            let fits = current.set_weights(host(flat.val().inner()));
            debug_assert!(fits, "as many weights as the tower was made with");
        }
        current
    }

    /// The weights under CT-CLIP's names.
    pub(super) fn export(
        &self,
        shape: Option<&GradientTower>,
    ) -> std::result::Result<Vec<Exported>, NnError> {
        if let Some(module) = &self.tensors {
            return module.export();
        }
        let (Some(shape), Some(flat)) = (shape, &self.flat) else {
            return Ok(Vec::new());
        };
        let values = host(flat.val());
        let parameters = shape.parameters().map(|parameter| Exported {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: values[parameter.range.clone()].to_vec(),
        });
        Ok(parameters.collect())
    }
}
