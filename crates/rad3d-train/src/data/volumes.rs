//! Tensors of many scans in one file, made once, so that an epoch reads no scan.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use half::f16;
use memmap2::Mmap;
use rad3d_volume::write::AtomicFile;
use rad3d_volume::{Input, PrepareOptions, Recipe, prepare};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::error::{Fault, Result, TrainError};

/// Scans made into tensors at a time; bounds the memory.
const GROUP: usize = 16;

/// Scans of a recipe's size as half floats, mapped from a file.
#[derive(Debug)]
pub struct TensorCache {
    map: Mmap,
    voxels: usize,
    count: usize,
}

/// Finds every `.nii.gz`, `.nii`, `.mha` and `.nrrd` below `folder` by its file name.
///
/// # Errors
/// [`Fault::Data`] if a folder can't be read.
pub fn scans_by_name(folder: &Path) -> Result<HashMap<String, PathBuf>> {
    let mut found = HashMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|e| TrainError::unreadable(&folder, e))?;
        for entry in entries {
            let path = entry
                .map_err(|e| TrainError::unreadable(&folder, e))?
                .path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let endings = [".nii.gz", ".nii", ".mha", ".nrrd"];
            if path.is_dir() {
                todo.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.insert(name.into_owned(), path);
            }
        }
    }
    Ok(found)
}

impl TensorCache {
    /// Opens `file`, or makes it of `scans`; a file of other scans, or of another recipe, is made
    /// anew. `done` hears how many are ready.
    ///
    /// # Errors
    /// [`Fault::Data`] for a scan that can't be read, [`Fault::Output`].
    pub fn open(
        file: &Path,
        scans: &[PathBuf],
        recipe: &Recipe,
        mut done: impl FnMut(usize),
    ) -> Result<Self> {
        let voxels = recipe.size.iter().product::<usize>();
        let key = key(scans, recipe, file)?;
        if let Some(cache) = Self::existing(file, &key, voxels, scans.len()) {
            return Ok(cache);
        }
        let mut out = AtomicFile::create(file)?;
        let mut ready = 0;
        for group in scans.chunks(GROUP) {
            let tensors: Vec<Result<Vec<f16>>> = group
                .par_iter()
                .map(|path| half_tensor(path, recipe))
                .collect();
            for tensor in tensors {
                let bytes: Vec<u8> = tensor?.iter().flat_map(|x| x.to_le_bytes()).collect();
                out.write_all(&bytes).map_err(|error| out.fault(error))?;
                ready += 1;
            }
            done(ready);
        }
        out.write_all(key.as_bytes())
            .map_err(|error| out.fault(error))?;
        out.commit_unsynced()?;
        Self::existing(file, &key, voxels, scans.len()).ok_or_else(|| {
            let what = "was written and cannot be read back";
            TrainError::new(Fault::Output, file, what, "check the disk")
        })
    }

    fn existing(file: &Path, key: &str, voxels: usize, count: usize) -> Option<Self> {
        let opened = File::open(file).ok()?;
        // SAFETY: the file is ours; whoever cuts it while it is mapped ends this process, which
        // the atomic renaming of every writer here never does.
        let map = unsafe { Mmap::map(&opened) }.ok()?;
        let whole = map.len() == voxels * count * 2 + key.len();
        (whole && map.ends_with(key.as_bytes())).then_some(Self { map, voxels, count })
    }

    /// Number of scans.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The tensor of scan `index`, `[D, H, W]`; empty beyond the end.
    #[must_use]
    pub fn tensor(&self, index: usize) -> Vec<f32> {
        let bytes = self.voxels * 2;
        let part = self.map.get(index * bytes..(index + 1) * bytes);
        part.unwrap_or_default()
            .chunks_exact(2)
            .map(|two| f16::from_le_bytes([two[0], two[1]]).to_f32())
            .collect()
    }
}

fn half_tensor(path: &Path, recipe: &Recipe) -> Result<Vec<f16>> {
    let input = Input::open(path)?;
    let volume = input.read(input.choose(None, true)?, true)?;
    let options = PrepareOptions {
        force: true,
        ..PrepareOptions::default()
    };
    let prepared = prepare(volume, recipe, &options)?;
    let tensor = prepared.plan.tensor(&prepared.volume);
    Ok(tensor.into_iter().map(f16::from_f32).collect())
}

/// What the file was made of: names, lengths, recipe.
fn key(scans: &[PathBuf], recipe: &Recipe, file: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let recipe = serde_json::to_string(recipe).map_err(|e| TrainError::unwritable(file, e))?;
    hasher.update(recipe);
    for path in scans {
        let metadata = std::fs::metadata(path).map_err(|e| TrainError::unreadable(path, e))?;
        hasher.update(path.to_string_lossy().as_bytes());
        hasher.update(metadata.len().to_le_bytes());
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|b| format!("{b:02x}")).collect())
}
