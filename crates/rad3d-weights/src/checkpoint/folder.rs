//! Hugging Face folders: which files hold the weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Fault, Result, WeightsError};

/// The weight files of a folder, and for a sharded model which tensor the index promises where.
pub(super) struct Shards {
    pub(super) files: Vec<PathBuf>,
    /// Tensor to file name; empty where there is no index.
    pub(super) promised: BTreeMap<String, String>,
}

/// The usual names, best first: safetensors before pickles, one file before shards.
const SINGLE: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
const INDEX: [&str; 2] = [
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
];

/// An index larger than this lists no real model's tensors.
const MAX_INDEX: u64 = 64 << 20;

pub(super) fn find(folder: &Path) -> Result<Shards> {
    for (single, index) in SINGLE.into_iter().zip(INDEX) {
        let (single, index) = (folder.join(single), folder.join(index));
        if index.is_file() {
            return sharded(folder, &index);
        }
        if single.is_file() {
            return Ok(Shards {
                files: vec![single],
                promised: BTreeMap::new(),
            });
        }
    }
    lone(folder)
}

/// What `transformers` and training loops leave beside the weights.
const NO_WEIGHTS: [&str; 5] = [
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "scaler.pt",
    "rng_state.pth",
];

/// The only weight file of a folder, whatever its name; pickles where there is nothing better.
fn lone(folder: &Path) -> Result<Shards> {
    let unreadable = |source| WeightsError::unreadable(folder, source);
    let (mut files, mut pickles) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let has_end = |known: &[&str]| {
            let end = path.extension();
            end.is_some_and(|end| known.iter().any(|known| end == *known))
        };
        let name = path.file_name().unwrap_or_default();
        if has_end(&["safetensors", "gguf"]) {
            files.push(path);
        } else if has_end(&["pt", "pth", "bin"]) && !NO_WEIGHTS.iter().any(|other| name == *other) {
            pickles.push(path);
        }
    }
    if files.is_empty() {
        files = pickles;
    }
    if files.len() == 1 {
        return Ok(Shards {
            files,
            promised: BTreeMap::new(),
        });
    }
    files.sort();
    let (what, hint) = match files.len() {
        0 => (
            "holds no weights".to_owned(),
            "a Hugging Face folder has model.safetensors (or shards with \
             model.safetensors.index.json), pytorch_model.bin, or one .gguf or .pth file",
        ),
        _ => {
            let names: Vec<_> = files
                .iter()
                .filter_map(|path| Some(path.file_name()?.to_string_lossy()))
                .collect();
            let what = format!("holds several weight files: {}", names.join(", "));
            (what, "name one of them")
        }
    };
    Err(WeightsError::new(Fault::UnknownFormat, folder, what, hint))
}

fn sharded(folder: &Path, index: &Path) -> Result<Shards> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let unreadable = |source| WeightsError::unreadable(index, source);
    let length = std::fs::metadata(index).map_err(unreadable)?.len();
    if length > MAX_INDEX {
        return Err(WeightsError::header(
            index,
            format!("is {length} bytes long"),
        ));
    }
    let text = std::fs::read(index).map_err(unreadable)?;
    let Index { weight_map } = serde_json::from_slice(&text)
        .map_err(|source| WeightsError::header(index, "is no index of shards").because(source))?;
    let names: BTreeSet<&String> = weight_map.values().collect();
    let mut files = Vec::new();
    for name in names {
        // The index may come from anywhere; it must not point out of the folder.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            let what = format!("names the shard {name:?}, which is no plain file name");
            return Err(WeightsError::header(index, what));
        }
        let file = folder.join(name);
        if !file.is_file() {
            let what = format!("names the shard {name}, which is not in the folder");
            let hint = "fetch the missing shard (rad3d model pull resumes)";
            return Err(WeightsError::new(Fault::Truncated, index, what, hint));
        }
        files.push(file);
    }
    if files.is_empty() {
        return Err(WeightsError::header(index, "names no shard"));
    }
    Ok(Shards {
        files,
        promised: weight_map,
    })
}
