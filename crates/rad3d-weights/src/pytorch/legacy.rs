//! The format that PyTorch wrote before 1.6 (`_use_new_zipfile_serialization=False`).
//!
//! Five pickles one after the other (a magic number, the version 1001, facts about the writer's
//! machine, the object, the keys of its storages), then for each key, in that order, the number
//! of elements as `i64` and the elements.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::pickle::Pickle;
use super::storage::StorageData;
use super::value::Value;
use crate::Bytes;
use crate::error::{Fault, Result, WeightsError};

/// Where the object's pickle starts.
pub(crate) fn skip_preamble(path: &Path, file: &Bytes) -> Result<usize> {
    let mut at = 0;
    for part in ["magic number", "version", "system"] {
        let pickle = Pickle::read(path, &file[at..])?;
        let is_right = match (part, pickle.root()) {
            ("magic number", Value::Opaque("magic number")) => true,
            ("version", Value::Int(version)) => *version == 1001,
            ("system", Value::Dict(facts)) => {
                let big = facts.iter().any(|&(key, value)| {
                    matches!(pickle.get(key), Value::Text("little_endian"))
                        && matches!(pickle.get(value), Value::Bool(false))
                });
                if big {
                    let hint = "load the file in PyTorch and save its state_dict() again";
                    let what = "was written on a big-endian machine";
                    return Err(WeightsError::new(Fault::Unsupported, path, what, hint));
                }
                true
            }
            _ => false,
        };
        if !is_right {
            let hint = "if it is a plain pickle, load it in Python and save the weights by \
                        torch.save or as safetensors";
            let what = format!("is a pickle, but not one of PyTorch: its {part} is missing");
            return Err(WeightsError::new(Fault::UnknownFormat, path, what, hint));
        }
        at += pickle.length;
    }
    Ok(at)
}

/// The storages behind the object's pickle, which ends at byte `at` of the file.
pub(crate) fn storages(
    path: &Arc<Path>,
    file: &Bytes,
    mut at: usize,
    object: &Pickle<'_>,
) -> Result<HashMap<String, Arc<StorageData>>> {
    let sizes: HashMap<&str, (usize, usize)> = object
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Storage(storage) => {
                Some((storage.key, (storage.elements, storage.dtype.block().1)))
            }
            _ => None,
        })
        .collect();
    let keys = Pickle::read(path, &file[at..])?;
    at += keys.length;
    let Value::List(list) = keys.root() else {
        return Err(WeightsError::header(path, "has no list of its storages"));
    };
    let mut found = HashMap::new();
    for &key in list {
        let &Value::Text(key) = keys.get(key) else {
            return Err(WeightsError::header(path, "a storage's key is no text"));
        };
        let Some(&(elements, size)) = sizes.get(key) else {
            let what = format!("lists storage {key}, which no tensor uses");
            return Err(WeightsError::header(path, what));
        };
        let cut = || WeightsError::truncated(path, format!("ends within storage {key}"));
        let count = file.get(at..at + 8).ok_or_else(cut)?;
        let mut stated = [0; 8];
        stated.copy_from_slice(count);
        if u64::from_le_bytes(stated) != elements as u64 {
            let what = format!(
                "storage {key} has {} elements where its tensors say {elements}",
                u64::from_le_bytes(stated)
            );
            return Err(WeightsError::header(path, what));
        }
        let end = elements
            .checked_mul(size)
            .and_then(|length| length.checked_add(at + 8))
            .ok_or_else(cut)?;
        let bytes = file.slice(at + 8..end).ok_or_else(cut)?;
        found.insert(
            key.to_owned(),
            Arc::new(StorageData::stored(path.clone(), bytes)),
        );
        at = end;
    }
    Ok(found)
}
