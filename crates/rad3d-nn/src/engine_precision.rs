//! In which precision the engine multiplies matrices.

/// Precision of the factors of matrix products in the engine's modules.
///
/// Everything else stays f32: parameters that are trained, norms, softmax, the residual stream, the
/// gradients that the optimiser gets. bfloat16 has the range of f32, so that no loss has to be
/// scaled. What it is for inference on the CPU, see [`Precision`](crate::cpu::Precision).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum EnginePrecision {
    /// 32 bits.
    #[default]
    F32,
    /// Factors are rounded to bfloat16 as they are multiplied, forwards and backwards, which newer GPUs
    /// have units for. Frozen weights are kept so, in half the memory.
    Bf16,
}

impl EnginePrecision {
    /// `f32` or `bf16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}
