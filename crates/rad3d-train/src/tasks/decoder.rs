//! A language model in training: on the CPU by the gradient written out for it, else by the engine.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rad3d_nn::EnginePrecision;
use rad3d_nn::causal_lm::CausalLm;
use rad3d_nn::causal_lm::gradient::{GradientDecoder, Sequence};
use rad3d_nn::causal_lm::trainable::DecoderModule;
use rad3d_nn::trainable::Exported;

use crate::engine::{StepLoss, host, plain_device, precision};
use crate::error::{Fault, Result, TrainError};
use crate::settings::FitSettings;

/// The trained weights of a decoder.
#[derive(Module, Debug)]
pub struct TrainedDecoder {
    /// All weights in a row, for [`GradientDecoder`].
    flat: Option<Param<Tensor<1>>>,
    /// The same as tensors, where that doesn't do.
    tensors: Option<DecoderModule>,
}

/// What computes a decoder's loss: weights that stay, or the shape for weights that are trained.
pub(super) enum Decoder {
    /// Written out; the CPU, LLaMA's family.
    WrittenOut(Box<GradientDecoder>),
    /// The engine's weights, where they stay.
    Frozen(Box<DecoderModule>),
    /// The engine's, where the weights are those of the trained model.
    Trained(EnginePrecision),
}

impl Decoder {
    /// The fastest way for `model` on the device and in the precision of `settings`.
    pub(super) fn new(model: &CausalLm, settings: &FitSettings, frozen: bool) -> Result<Self> {
        let precision = precision(settings)?;
        if settings.device == "cpu"
            && precision == EnginePrecision::F32
            && let Some(decoder) = GradientDecoder::new(model)
        {
            return Ok(Self::WrittenOut(Box::new(decoder)));
        }
        if !frozen {
            return Ok(Self::Trained(precision));
        }
        let module = DecoderModule::from_model(model, &plain_device(&settings.device)?);
        Ok(Self::Frozen(Box::new(
            module.with_precision(precision).frozen(),
        )))
    }

    /// The weights to be trained.
    pub(super) fn trained(&self, model: &CausalLm, device: &Device) -> TrainedDecoder {
        match self {
            Self::WrittenOut(decoder) => {
                let values = decoder.weights().to_vec();
                let data = TensorData::new(values, [decoder.weights().len()]);
                TrainedDecoder {
                    flat: Some(Param::from_data(data, device)),
                    tensors: None,
                }
            }
            Self::Frozen(_) => TrainedDecoder {
                flat: None,
                tensors: None,
            },
            Self::Trained(precision) => TrainedDecoder {
                flat: None,
                tensors: Some(DecoderModule::from_model(model, device).with_precision(*precision)),
            },
        }
    }
}

/// Something whose gradient with respect to `tensor` is `gradient`: their sum of products.
pub(super) fn with_gradient<const D: usize>(tensor: Tensor<D>, gradient: Vec<f32>) -> Tensor<1> {
    let shape = tensor.dims();
    let gradient = Tensor::from_data(TensorData::new(gradient, shape), &tensor.device().inner());
    (tensor * Tensor::from_inner(gradient)).sum()
}

impl TrainedDecoder {
    /// The engine's module, where that is in use.
    pub(super) fn module(&self) -> Option<&DecoderModule> {
        self.tensors.as_ref()
    }

    /// The decoder with the weights as they are now.
    pub(super) fn current(&self, decoder: &GradientDecoder) -> GradientDecoder {
        let mut current = decoder.clone();
        if let Some(flat) = &self.flat {
            let fits = current.set_weights(host(flat.val().inner()));
            debug_assert!(fits, "as many weights as the decoder was made with");
        }
        current
    }

    /// The gradient of a batch's loss with respect to the weights, and with respect to each
    /// sequence's embeddings.
    pub(super) fn step(
        &self,
        decoder: &GradientDecoder,
        batch: &[Sequence],
    ) -> Result<(StepLoss, Vec<Vec<f32>>)> {
        let Some(flat) = &self.flat else {
            let what = "has no weights in a row";
            return Err(TrainError::new(
                Fault::Network,
                "model",
                what,
                "report this as a bug",
            ));
        };
        let found = self.current(decoder).gradient(batch, true);
        let step = StepLoss {
            loss: with_gradient(flat.val(), found.weights),
            value: Some(found.loss),
            items: batch.iter().map(|sequence| sequence.targets.len()).sum(),
        };
        Ok((step, found.embeddings))
    }

    /// The weights under the family's names.
    pub(super) fn export(&self, decoder: Option<&GradientDecoder>) -> Result<Vec<Exported>> {
        if let Some(module) = &self.tensors {
            return Ok(module.export()?);
        }
        let (Some(decoder), Some(flat)) = (decoder, &self.flat) else {
            return Ok(Vec::new());
        };
        let values = host(flat.val());
        let parameters = decoder.parameters().map(|parameter| Exported {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: values[parameter.range.clone()].to_vec(),
        });
        Ok(parameters.collect())
    }
}
