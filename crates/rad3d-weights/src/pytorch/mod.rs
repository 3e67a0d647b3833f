//! PyTorch's `.pt` and `.bin` files, read without running their pickles.

mod archive;
mod global;
mod legacy;
mod pickle;
mod state_dict;
mod storage;
mod value;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use archive::Archive;
use pickle::Pickle;
use state_dict::StateDict;
use storage::StorageData;
pub(crate) use storage::StridedView;
use value::{Storage, Value};

use crate::Bytes;
use crate::error::{Fault, Result, WeightsError};

/// The magic number 0x1950a86a20f9469cfc6c of the format before 1.6, lowest byte first.
const LEGACY_MAGIC: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// A pickle larger than this describes no model; the largest published ones take a few megabytes.
const MAX_PICKLE: usize = 256 << 20;

/// The tensors of a file under their dotted names, and what was done to find them.
pub(crate) struct Contents {
    pub(crate) tensors: Vec<(String, StridedView)>,
    pub(crate) notes: Vec<String>,
}

/// Reads a zip container.
pub(crate) fn read_zip(path: &Arc<Path>, file: &Bytes) -> Result<Contents> {
    let archive = Archive::open(path, file)?;
    let Some(data) = archive.member("data.pkl") else {
        let (what, hint) = match archive.member("constants.pkl").is_some() {
            true => (
                "is a TorchScript program",
                "save the module's state_dict() instead",
            ),
            false => (
                "is a zip archive without data.pkl",
                "give a file made by torch.save",
            ),
        };
        return Err(WeightsError::new(Fault::UnknownFormat, path, what, hint));
    };
    if let Some(order) = archive.member("byteorder")
        && order.len() < 16
        && *order.bytes()? != *b"little"
    {
        let hint = "load the file in PyTorch and save its state_dict() again";
        let what = "was written on a big-endian machine";
        return Err(WeightsError::new(Fault::Unsupported, path, what, hint));
    }
    if data.len() > MAX_PICKLE {
        let what = format!("its pickle claims {} bytes", data.len());
        return Err(WeightsError::header(path, what));
    }
    let data = data.bytes()?;
    let pickle = Pickle::read(path, &data)?;
    views(path, &pickle, |key| {
        archive.member(&format!("data/{key}")).cloned()
    })
}

/// Reads the format before 1.6: pickles and storages one after the other.
pub(crate) fn read_legacy(path: &Arc<Path>, file: &Bytes) -> Result<Contents> {
    let start = legacy::skip_preamble(path, file)?;
    let pickle = Pickle::read(path, &file[start..])?;
    let storages: HashMap<String, Arc<StorageData>> =
        legacy::storages(path, file, start + pickle.length, &pickle)?;
    views(path, &pickle, |key| storages.get(key).cloned())
}

/// Reads the pickle machine's program in `data` by itself; what fuzzing calls.
///
/// Gives the number of tensors that the pickle describes.
///
/// # Errors
/// As for opening a `.pt` file with this pickle and no storages.
pub fn count_tensors_in_pickle(path: &Path, data: &[u8]) -> Result<usize> {
    let pickle = Pickle::read(path, data)?;
    Ok(StateDict::find(path, &pickle)?.tensors.len())
}

fn views(
    path: &Path,
    pickle: &Pickle<'_>,
    storage_of: impl Fn(&str) -> Option<Arc<StorageData>>,
) -> Result<Contents> {
    let StateDict { tensors, notes } = StateDict::find(path, pickle)?;
    let tensors = tensors.into_iter().map(|(name, tensor)| {
        let &Value::Storage(Storage {
            key,
            dtype,
            elements,
        }) = pickle.get(tensor.storage)
        else {
            return Err(WeightsError::header(path, "has no storage").in_tensor(name));
        };
        let promised = elements.saturating_mul(dtype.block().1);
        let storage = match storage_of(key) {
            Some(storage) if storage.len() >= promised => storage,
            Some(storage) => {
                let what = format!(
                    "its storage {key} has {} bytes where {promised} are promised",
                    storage.len()
                );
                return Err(WeightsError::truncated(path, what).in_tensor(name));
            }
            // PyTorch writes a member for an empty storage, other writers leave it out.
            None if elements == 0 => Arc::new(StorageData::stored(path.into(), Vec::new().into())),
            None => {
                let what = format!("its storage {key} is not in the file");
                return Err(WeightsError::truncated(path, what).in_tensor(name));
            }
        };
        let (shape, strides) = (tensor.shape.clone(), tensor.strides.clone());
        match StridedView::new(storage, tensor.dtype, tensor.offset, shape, strides) {
            Ok(view) => Ok((name, view)),
            Err(what) => Err(WeightsError::header(path, what).in_tensor(name)),
        }
    });
    let tensors = tensors.collect::<Result<_>>()?;
    Ok(Contents { tensors, notes })
}
