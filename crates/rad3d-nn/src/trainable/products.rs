//! In which precision modules multiply matrices.

use burn::tensor::module::linear;
use burn::tensor::{Device, FloatDType, Tensor};

/// Precision of the factors of a module's matrix products.
///
/// Everything else stays f32: parameters that are trained, norms, softmax, the residual stream, the
/// gradients that the optimiser gets. bfloat16 has the range of f32, so that no loss has to be
/// scaled.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Products {
    /// 32 bits.
    #[default]
    F32,
    /// Factors are rounded to bfloat16 as they are multiplied, forwards and backwards, which newer GPUs
    /// have units for. Frozen weights are kept so, in half the memory.
    Bf16,
}

impl Products {
    /// `f32` or `bf16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether `device` can compute so.
    #[must_use]
    pub fn run_on(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => device.supports_dtype(FloatDType::BF16),
        }
    }

    /// `x` as a factor.
    fn factor<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => x,
            Self::Bf16 => x.cast(FloatDType::BF16),
        }
    }

    /// `x` as it is kept where nothing trains it.
    pub(crate) fn frozen<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        self.factor(x)
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
