//! The abnormality head as a module.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::layers::{Affine, Exported, Parameters};
use crate::Result;
use crate::source::WeightSource;

/// ReLU and a linear layer: `[batch, embedding]` to logits `[batch, labels]` (spec 2.6).
#[derive(Module, Debug)]
pub struct HeadModule {
    classifier: Affine,
}

impl HeadModule {
    /// Takes `classifier.weight` and `classifier.bias`.
    ///
    /// # Errors
    /// Whatever `source` reports.
    pub fn load(
        embedding: usize,
        labels: usize,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        let mut parameters = Parameters { source, device };
        let shape = [labels, embedding];
        Ok(Self {
            classifier: Affine::load(&mut parameters, "classifier", shape, true)?,
        })
    }

    /// Embeddings `[batch, embedding]` to logits `[batch, labels]`.
    pub fn forward(&self, embeddings: Tensor<2>) -> Tensor<2> {
        self.classifier.forward(relu(embeddings))
    }

    /// The parameters under their published names.
    ///
    /// # Errors
    /// [`Fault::Device`](crate::Fault::Device) if they can't be read back.
    pub fn export(&self) -> Result<Vec<Exported>> {
        let mut out = Vec::new();
        self.classifier.export("classifier", &mut out)?;
        Ok(out)
    }
}
