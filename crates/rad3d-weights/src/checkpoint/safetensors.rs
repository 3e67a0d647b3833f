//! Safetensors: a JSON header, then the tensors.

use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::Found;
use crate::error::{Fault, Result, WeightsError};
use crate::{Bytes, DType, TensorView};

/// What a safetensors file holds: its tensors and its free-text metadata.
pub(crate) struct Contents {
    pub(crate) tensors: Vec<(String, Found)>,
    pub(crate) metadata: Vec<(String, String)>,
}

pub(crate) fn read(path: &Path, file: &Bytes) -> Result<Contents> {
    let (header, metadata) = SafeTensors::read_metadata(file).map_err(|source| match source {
        SafeTensorError::HeaderTooSmall
        | SafeTensorError::InvalidHeaderLength
        | SafeTensorError::MetadataIncompleteBuffer => {
            WeightsError::truncated(path, "ends before what its header promises").because(source)
        }
        source => WeightsError::header(path, "has a broken header").because(source),
    })?;
    let start = 8 + header;
    let tensors = metadata.tensors().into_iter().map(|(name, info)| {
        let Some(dtype) = dtype_of(info.dtype) else {
            let hint = "convert it to F32, F16 or BF16";
            let what = format!("has element type {:?}", info.dtype);
            return Err(WeightsError::new(Fault::ElementType, path, what, hint).in_tensor(name));
        };
        let (from, to) = info.data_offsets;
        let view = file
            .slice(start + from..start + to)
            .and_then(|data| TensorView::new(info.shape.clone(), dtype, data));
        match view {
            Some(view) => Ok((name, Found::Contiguous(view))),
            None => {
                let what = "its place in the file does not go with its shape";
                Err(WeightsError::header(path, what).in_tensor(name))
            }
        }
    });
    Ok(Contents {
        tensors: tensors.collect::<Result<_>>()?,
        metadata: metadata
            .metadata()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    })
}

fn dtype_of(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        _ => return None,
    })
}
