//! One tensor of a weight file: its shape, its element type, its bytes.

use std::borrow::Cow;

use half::{bf16, f16};
use rayon::prelude::*;

use crate::quant::{block_scales, dequantise};
use crate::{Bytes, DType};

/// What a weight file says of a tensor, without reading it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TensorInfo {
    /// Axes, slowest first (row-major), whatever the file's own order.
    pub shape: Vec<usize>,
    /// How the elements are stored.
    pub dtype: DType,
    /// Bytes of the contiguous tensor.
    pub bytes: usize,
}

impl TensorInfo {
    /// Number of elements.
    #[must_use]
    pub fn elements(&self) -> usize {
        let (elements, bytes) = self.dtype.block();
        self.bytes / bytes * elements
    }
}

/// A contiguous, row-major tensor of little-endian elements or blocks.
///
/// `data.len()` is always what `shape` and `dtype` ask for. Cloning shares the data.
#[derive(Debug, Clone)]
pub struct TensorView {
    shape: Vec<usize>,
    dtype: DType,
    data: Bytes,
}

/// Work below this many blocks is not worth spreading over threads.
const PARALLEL_BLOCKS: usize = 1 << 16;

impl TensorView {
    /// A tensor over `data`; `None` if its length is not what shape and type need.
    #[must_use]
    pub fn new(shape: Vec<usize>, dtype: DType, data: Bytes) -> Option<Self> {
        (dtype.bytes_of(&shape)? == data.len()).then_some(Self { shape, dtype, data })
    }

    /// A tensor of `f32` values; `None` if their number is not what `shape` needs.
    #[must_use]
    pub fn from_f32(shape: Vec<usize>, values: &[f32]) -> Option<Self> {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::new(shape, DType::F32, bytes.into())
    }

    /// A tensor of no elements.
    pub(crate) fn empty() -> Self {
        Self {
            shape: vec![0],
            dtype: DType::F32,
            data: Vec::new().into(),
        }
    }

    /// Axes, slowest first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How the elements are stored.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The stored bytes, shared with the file where it is mapped.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Number of elements.
    #[must_use]
    pub fn elements(&self) -> usize {
        let (elements, bytes) = self.dtype.block();
        self.data.len() / bytes * elements
    }

    /// Row `index` along the first axis, sharing the data; `None` beyond the end or for a scalar.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Self> {
        let (&rows, rest) = self.shape.split_first()?;
        if index >= rows || rest.is_empty() && self.dtype.is_quantised() {
            return None;
        }
        let bytes = self.data.len() / rows;
        let data = self.data.slice(index * bytes..(index + 1) * bytes)?;
        Self::new(rest.to_vec(), self.dtype, data)
    }

    /// All elements as `f32`: exact for F32, F16 and BF16, rounded for F64, expanded for the
    /// quantised types. `None` for integers and booleans, which stand for no real number.
    #[must_use]
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let data: &[u8] = &self.data;
        match self.dtype {
            DType::F32 => Some(match bytemuck::try_cast_slice::<u8, f32>(data) {
                Ok(values) if cfg!(target_endian = "little") => values.to_vec(),
                _ => elements(data, f32::from_le_bytes),
            }),
            DType::F64 => Some(elements(data, |bytes| f64::from_le_bytes(bytes) as f32)),
            DType::F16 => Some(elements(data, |bytes| f16::from_le_bytes(bytes).to_f32())),
            DType::BF16 => Some(elements(data, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            dtype if dtype.is_quantised() => Some(expand(dtype, data, self.elements())),
            _ => None,
        }
    }

    /// The `f32` elements, without a copy where the file holds them aligned.
    #[must_use]
    pub fn as_f32(&self) -> Option<Cow<'_, [f32]>> {
        if self.dtype == DType::F32
            && cfg!(target_endian = "little")
            && let Ok(values) = bytemuck::try_cast_slice(&self.data)
        {
            return Some(Cow::Borrowed(values));
        }
        self.to_f32().map(Cow::Owned)
    }

    /// All elements as `i64`; `None` unless they are integers or booleans.
    #[must_use]
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        let data: &[u8] = &self.data;
        match self.dtype {
            DType::I64 => Some(elements(data, i64::from_le_bytes)),
            DType::I32 => Some(elements(data, |bytes| i32::from_le_bytes(bytes).into())),
            DType::I16 => Some(elements(data, |bytes| i16::from_le_bytes(bytes).into())),
            DType::I8 => Some(elements(data, |bytes| i8::from_le_bytes(bytes).into())),
            DType::U8 | DType::Bool => Some(elements(data, |[byte]: [u8; 1]| byte.into())),
            _ => None,
        }
    }

    /// Index of the first NaN or infinite element; for a quantised type, of the first element
    /// of the first block with such a scale. Integers are always finite.
    #[must_use]
    pub fn first_non_finite(&self) -> Option<usize> {
        let data: &[u8] = &self.data;
        match self.dtype {
            DType::F32 => first(data, |bytes| !f32::from_le_bytes(bytes).is_finite()),
            DType::F64 => first(data, |bytes| !f64::from_le_bytes(bytes).is_finite()),
            DType::F16 => first(data, |bytes| !f16::from_le_bytes(bytes).is_finite()),
            DType::BF16 => first(data, |bytes| !bf16::from_le_bytes(bytes).is_finite()),
            dtype if dtype.is_quantised() => {
                let (elements, bytes) = dtype.block();
                let bad = |block: &[u8]| block_scales(dtype, block).iter().any(|d| !d.is_finite());
                data.par_chunks_exact(bytes)
                    .with_min_len(PARALLEL_BLOCKS)
                    .position_first(bad)
                    .map(|block| block * elements)
            }
            _ => None,
        }
    }
}

/// Decodes elements of `N` bytes each.
fn elements<const N: usize, T: Send>(data: &[u8], decode: impl Fn([u8; N]) -> T + Sync) -> Vec<T> {
    data.par_chunks_exact(N)
        .with_min_len(PARALLEL_BLOCKS)
        .map(|chunk| {
            let mut bytes = [0; N];
            bytes.copy_from_slice(chunk);
            decode(bytes)
        })
        .collect()
}

fn first<const N: usize>(data: &[u8], is_bad: impl Fn([u8; N]) -> bool + Sync) -> Option<usize> {
    data.par_chunks_exact(N)
        .with_min_len(PARALLEL_BLOCKS)
        .position_first(|chunk| {
            let mut bytes = [0; N];
            bytes.copy_from_slice(chunk);
            is_bad(bytes)
        })
}

fn expand(dtype: DType, data: &[u8], elements: usize) -> Vec<f32> {
    /// Blocks that one task expands; a few tens of kilobytes, so that they stay in the cache.
    const TASK: usize = 256;
    let (block_elements, block_bytes) = dtype.block();
    let mut values = vec![0.0; elements];
    values
        .par_chunks_mut(block_elements * TASK)
        .zip(data.par_chunks(block_bytes * TASK))
        .for_each(|(out, blocks)| {
            let whole = dequantise(dtype, blocks, out);
            debug_assert!(whole, "a view holds whole blocks");
        });
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_alike_whatever_their_width_and_alignment() {
        let values = [0.0_f32, 1.0, -2.5, 0.15625];
        let padded = |bytes: Vec<u8>| {
            let all: Bytes = [vec![0xff], bytes].concat().into();
            all.slice(1..all.len()).unwrap()
        };
        let cases = [
            (
                DType::F32,
                values
                    .iter()
                    .flat_map(|v| v.to_le_bytes())
                    .collect::<Vec<_>>(),
            ),
            (
                DType::F64,
                values
                    .iter()
                    .flat_map(|&v| f64::from(v).to_le_bytes())
                    .collect(),
            ),
            (
                DType::F16,
                values
                    .iter()
                    .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                    .collect(),
            ),
            (
                DType::BF16,
                values
                    .iter()
                    .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
                    .collect(),
            ),
        ];
        for (dtype, bytes) in cases {
            let view = TensorView::new(vec![2, 2], dtype, padded(bytes)).unwrap();
            assert_eq!(view.to_f32().unwrap(), values, "{dtype}");
            assert_eq!(
                view.row(1).unwrap().to_f32().unwrap(),
                values[2..],
                "{dtype}"
            );
            assert_eq!(view.first_non_finite(), None);
        }
    }

    #[test]
    fn the_first_nan_is_found() {
        let view = TensorView::from_f32(vec![3], &[1.0, f32::INFINITY, f32::NAN]).unwrap();
        assert_eq!(view.first_non_finite(), Some(1));
        let mut blocks = vec![0_u8; 3 * 34];
        blocks[2 * 34..2 * 34 + 2].copy_from_slice(&f16::NAN.to_le_bytes());
        let view = TensorView::new(vec![3, 32], DType::Q8_0, blocks.into()).unwrap();
        assert_eq!(view.first_non_finite(), Some(64));
    }

    #[test]
    fn a_view_refuses_data_of_another_length() {
        assert!(TensorView::new(vec![2], DType::F32, vec![0; 7].into()).is_none());
        assert!(
            TensorView::new(vec![2], DType::I64, vec![0; 16].into())
                .unwrap()
                .to_f32()
                .is_none()
        );
    }
}
