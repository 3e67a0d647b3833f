//! The tensor as safetensors, written while it is made.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::AtomicFile;
use crate::error::Result;
use crate::recipe::Plan;
use crate::volume::Volume;

/// Runs `plan` on `volume` and writes the result as the one tensor `volume` of a safetensors
/// file: f32, `[1, 1, D, H, W]` (batch, channel, slices, rows, columns), with `provenance` as the
/// file's metadata.
///
/// Slices go to the file as they are made, so that the tensor is never held in memory.
///
/// # Errors
/// [`crate::Fault::Output`] when the file cannot be written; nothing is left of it then.
pub fn tensor(
    path: &Path,
    plan: &Plan,
    volume: &Volume,
    provenance: &BTreeMap<String, String>,
) -> Result<()> {
    let [d, h, w] = plan.recipe.size;
    let slice_bytes = (h * w * size_of::<f32>()) as u64;
    let header = header(&[1, 1, d, h, w], d as u64 * slice_bytes, provenance);
    let mut file = AtomicFile::create(path)?;
    let written = file.write_all(&header);
    written.map_err(|error| file.fault(error))?;
    let shared = Mutex::new(file);
    plan.for_each_slice(volume, |index, slice| {
        let mut file = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let place = header.len() as u64 + index as u64 * slice_bytes;
        let written = file
            .seek(SeekFrom::Start(place))
            .and_then(|_| file.write_all(&little_endian(slice)));
        written.map_err(|error| file.fault(error))
    })?;
    shared
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .commit_unsynced()
}

/// Length, then JSON padded with spaces so that the data starts at a multiple of 8.
fn header(shape: &[usize], bytes: u64, provenance: &BTreeMap<String, String>) -> Vec<u8> {
    let description = json!({
        "__metadata__": provenance,
        "volume": { "dtype": "F32", "shape": shape, "data_offsets": [0, bytes] },
    });
    let mut text = description.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    header
}

/// The bytes of `values`, borrowed where the machine keeps them in this order anyway.
fn little_endian(values: &[f32]) -> std::borrow::Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        bytemuck::cast_slice(values).into()
    } else {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }
}
