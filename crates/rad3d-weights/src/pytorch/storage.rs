//! Storages: the bytes that PyTorch's tensors are views of.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::error::{Result, WeightsError};
use crate::{Bytes, DType, TensorView};

/// DEFLATE cannot shrink data more than this; a larger claim is a lie.
const MAX_DEFLATE_RATIO: usize = 1032;

/// The bytes of one storage, inflated when first asked for.
#[derive(Debug)]
pub(crate) struct StorageData {
    file: Arc<Path>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Stored(Bytes),
    Deflated {
        compressed: Bytes,
        length: usize,
        inflated: OnceLock<Bytes>,
    },
}

impl StorageData {
    pub(crate) fn stored(file: Arc<Path>, bytes: Bytes) -> Self {
        let kind = Kind::Stored(bytes);
        Self { file, kind }
    }

    /// A deflated archive member that claims to be `length` bytes long.
    ///
    /// # Errors
    /// [`Fault::Header`](crate::Fault::Header) if no stream of that size could inflate to as much.
    pub(crate) fn deflated(file: Arc<Path>, compressed: Bytes, length: usize) -> Result<Self> {
        if length / MAX_DEFLATE_RATIO > compressed.len() {
            let what = format!(
                "{} compressed bytes claim to hold {length}",
                compressed.len()
            );
            return Err(WeightsError::header(file, what));
        }
        let kind = Kind::Deflated {
            compressed,
            length,
            inflated: OnceLock::new(),
        };
        Ok(Self { file, kind })
    }

    pub(crate) fn len(&self) -> usize {
        match &self.kind {
            Kind::Stored(bytes) => bytes.len(),
            Kind::Deflated { length, .. } => *length,
        }
    }

    pub(crate) fn bytes(&self) -> Result<Bytes> {
        match &self.kind {
            Kind::Stored(bytes) => Ok(bytes.clone()),
            Kind::Deflated {
                compressed,
                length,
                inflated,
            } => {
                if let Some(bytes) = inflated.get() {
                    return Ok(bytes.clone());
                }
                let bytes = inflate(&self.file, compressed, *length)?;
                Ok(inflated.get_or_init(|| bytes).clone())
            }
        }
    }
}

fn inflate(file: &Path, compressed: &[u8], length: usize) -> Result<Bytes> {
    let mut bytes = Vec::with_capacity(length);
    // One byte more than promised would show a stream that is too long.
    let read = flate2::read::DeflateDecoder::new(compressed)
        .take(length as u64 + 1)
        .read_to_end(&mut bytes);
    match read {
        Ok(read) if read == length => Ok(bytes.into()),
        Ok(read) => {
            let what =
                format!("a compressed member holds {read} bytes where {length} are promised");
            Err(WeightsError::truncated(file, what))
        }
        Err(source) => {
            let what = "a compressed member is damaged";
            Err(WeightsError::truncated(file, what).because(source))
        }
    }
}

/// A tensor as a view of a storage. All counts are in elements of `dtype`, and are checked
/// against the storage's size when the view is made.
#[derive(Debug, Clone)]
pub(crate) struct StridedView {
    storage: Arc<StorageData>,
    dtype: DType,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl StridedView {
    /// Checks that the view lies within its storage, and shows no element twice.
    ///
    /// `Err` is what is wrong, for a message.
    pub(crate) fn new(
        storage: Arc<StorageData>,
        dtype: DType,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, String> {
        let size = dtype.block().1;
        let held = storage.len() / size;
        let elements = crate::dtype::element_count(&shape)
            .ok_or_else(|| format!("its shape {shape:?} is absurd"))?;
        if elements > held {
            return Err(format!(
                "its shape {shape:?} has {elements} elements, its storage {held}"
            ));
        }
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |at, (&axis, &stride)| {
                at.checked_add(axis.saturating_sub(1).checked_mul(stride)?)
            });
        if elements > 0 && last.is_none_or(|last| last >= held) {
            return Err(format!(
                "shape {shape:?} with strides {strides:?} from element {offset} reaches beyond \
                 its storage of {held}"
            ));
        }
        Ok(Self {
            storage,
            dtype,
            offset,
            shape,
            strides,
        })
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// The contiguous tensor: a slice of the storage if it is one already, else gathered.
    /// `None` never happens for a view that [`StridedView::new`] let pass.
    pub(crate) fn tensor(&self) -> Result<Option<TensorView>> {
        let storage = self.storage.bytes()?;
        let size = self.dtype.block().1;
        let elements = crate::dtype::element_count(&self.shape).unwrap_or(0);
        let data = if elements == 0 {
            Some(Vec::new().into())
        } else if self.is_contiguous() {
            let start = self.offset * size;
            storage.slice(start..start + elements * size)
        } else {
            self.gather(&storage, elements * size).map(Bytes::from)
        };
        Ok(data.and_then(|data| TensorView::new(self.shape.clone(), self.dtype, data)))
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&axis, &stride)| {
                let fits = axis == 1 || stride == expected;
                expected *= axis;
                fits
            })
    }

    /// Copies the elements in row-major order, counting through the axes like an odometer.
    fn gather(&self, storage: &[u8], length: usize) -> Option<Vec<u8>> {
        let size = self.dtype.block().1;
        let mut data = Vec::with_capacity(length);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        while data.len() < length {
            data.extend_from_slice(storage.get(at.checked_mul(size)?..)?.get(..size)?);
            for axis in (0..self.shape.len()).rev() {
                index[axis] += 1;
                // An axis of length 1 may have any stride; it is added and taken off again.
                at = at.wrapping_add(self.strides[axis]);
                if index[axis] < self.shape[axis] {
                    break;
                }
                at = at.wrapping_sub(self.strides[axis].wrapping_mul(self.shape[axis]));
                index[axis] = 0;
            }
        }
        Some(data)
    }
}
