//! The writer of safetensors.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Fault, Result, WeightsError};
use crate::{TensorView, atomic};

/// Alignment of the first tensor, as the reference writer pads to.
const ALIGNMENT: usize = 8;

/// Writes tensors under their names, with free-text metadata; the file appears whole or not at
/// all. Tensors are written in the order of their names, so the same tensors give the same file.
///
/// # Errors
/// [`Fault::ElementType`] for a quantised tensor (safetensors has no such types),
/// [`Fault::Output`] if the file can't be written.
pub fn write_safetensors(
    path: impl AsRef<Path>,
    tensors: &BTreeMap<String, TensorView>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let path = path.as_ref();
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut at = 0;
    for (name, tensor) in tensors {
        if tensor.dtype().is_quantised() {
            let hint = "keep the GGUF file as it is, or expand the tensor to F32 first";
            let what = format!("safetensors cannot hold type {}", tensor.dtype());
            return Err(WeightsError::new(Fault::ElementType, path, what, hint).in_tensor(name));
        }
        let end = at + tensor.data().len();
        let entry = json!({
            "dtype": tensor.dtype().name(), "shape": tensor.shape(), "data_offsets": [at, end],
        });
        header.insert(name.clone(), entry);
        at = end;
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    atomic::write(path, |out| {
        out.write_all(&(text.len() as u64).to_le_bytes())?;
        out.write_all(&text)?;
        for tensor in tensors.values() {
            out.write_all(tensor.data())?;
        }
        Ok(())
    })
}
