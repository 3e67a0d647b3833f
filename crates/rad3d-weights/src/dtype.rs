//! Element types of tensors, the block-quantised ones of GGUF among them.

/// How the elements of a tensor are stored.
///
/// The quantised types store blocks of 32 or 256 elements along the last axis; their layouts are
/// described in [`quant`](crate::quant).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    missing_docs,
    reason = "the names are the customary names of the types"
)]
pub enum DType {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
    #[serde(rename = "q4_0")]
    Q4_0,
    #[serde(rename = "q4_1")]
    Q4_1,
    #[serde(rename = "q5_0")]
    Q5_0,
    #[serde(rename = "q5_1")]
    Q5_1,
    #[serde(rename = "q8_0")]
    Q8_0,
    #[serde(rename = "q4_k")]
    Q4K,
    #[serde(rename = "q5_k")]
    Q5K,
    #[serde(rename = "q6_k")]
    Q6K,
}

impl DType {
    /// Elements and bytes of one block; one element for the plain types.
    #[must_use]
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F64 | Self::I64 => (1, 8),
            Self::F32 | Self::I32 => (1, 4),
            Self::F16 | Self::BF16 | Self::I16 => (1, 2),
            Self::I8 | Self::U8 | Self::Bool => (1, 1),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// Whether elements are stored in blocks with shared scales.
    #[must_use]
    pub const fn is_quantised(self) -> bool {
        self.block().0 > 1
    }

    /// Whether the elements stand for real numbers, so that they can be read as `f32`.
    #[must_use]
    pub const fn is_real(self) -> bool {
        self.is_quantised() || matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::BF16)
    }

    /// Bytes that a tensor of `shape` (slowest axis first) takes.
    ///
    /// `None` if the size overflows, or if the last axis is no whole number of blocks.
    #[must_use]
    pub fn bytes_of(self, shape: &[usize]) -> Option<usize> {
        let (elements, bytes) = self.block();
        if elements > 1 && shape.last().is_none_or(|last| last % elements != 0) {
            return None;
        }
        let count = element_count(shape)?;
        (count / elements).checked_mul(bytes)
    }

    /// The customary name, as `F32` or `Q4_K`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Product of the axes; `None` on overflow. A scalar (`[]`) has one element.
#[must_use]
pub fn element_count(shape: &[usize]) -> Option<usize> {
    // A zero anywhere makes the tensor empty, however large the other axes are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1usize, |n, &axis| n.checked_mul(axis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_whole_blocks_along_the_last_axis() {
        assert_eq!(DType::F32.bytes_of(&[2, 3]), Some(24));
        assert_eq!(DType::F32.bytes_of(&[]), Some(4));
        assert_eq!(DType::Q4_1.bytes_of(&[3, 64]), Some(120));
        assert_eq!(DType::Q4_1.bytes_of(&[64, 3]), None);
        assert_eq!(DType::Q6K.bytes_of(&[256]), Some(210));
        assert_eq!(DType::F32.bytes_of(&[8, 0, usize::MAX]), Some(0));
        assert_eq!(DType::F32.bytes_of(&[usize::MAX, 2]), None);
    }
}
