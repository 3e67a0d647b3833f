//! Matrix products of the engine's modules, in either precision.

use burn::tensor::module::linear;
use burn::tensor::{Device, FloatDType, Tensor};

use crate::EnginePrecision;

impl EnginePrecision {
    /// Whether `device` can compute so.
    #[must_use]
    pub fn run_on(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => device.supports_dtype(FloatDType::BF16),
        }
    }

    /// `x` as a factor, and as it is kept where nothing trains it.
    pub(crate) fn factor<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => x,
            Self::Bf16 => x.cast(FloatDType::BF16),
        }
    }

    /// What a product gave, or a frozen weight, in 32 bits.
    pub(crate) fn widened<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => x,
            Self::Bf16 => x.cast(FloatDType::F32),
        }
    }

    /// `[..., inputs]` to `[..., outputs]`; the weight is `[outputs, inputs]`.
    pub(crate) fn linear<const D: usize>(
        self,
        x: Tensor<D>,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<D> {
        if self == Self::F32 {
            return linear(x, weight.transpose(), bias);
        }
        let weight = self.factor(weight).transpose();
        let product = self.widened(linear(self.factor(x), weight, None));
        match bias {
            Some(bias) => product + bias.unsqueeze::<D>(),
            None => product,
        }
    }

    /// The product of the last two axes.
    pub(crate) fn matmul<const D: usize>(self, a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        self.widened(self.factor(a).matmul(self.factor(b)))
    }
}
