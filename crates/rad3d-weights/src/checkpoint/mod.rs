//! One view of all weight files: names, shapes, types, and the tensors on demand.

mod folder;
mod prefix;
mod safetensors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Fault, Result, WeightsError};
use crate::gguf::GgufMetadata;
use crate::pytorch::StridedView;
use crate::{Bytes, TensorInfo, TensorView, gguf, pytorch};

/// The format that a checkpoint was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Safetensors, one file or shards.
    Safetensors,
    /// PyTorch's zip container or its format before 1.6.
    Pytorch,
    /// GGUF version 2 or 3.
    Gguf,
}

/// Where a tensor's bytes lie.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Contiguous(TensorView),
    Strided(StridedView),
}

#[derive(Debug, Clone)]
struct Entry {
    found: Found,
    file: Arc<Path>,
}

/// A weight file, or the weight files of a Hugging Face folder, opened and indexed.
///
/// Files are memory-mapped: opening reads headers only, a tensor's bytes are read when it is
/// looked at. Safe to share between threads.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<PathBuf>,
    format: Format,
    entries: BTreeMap<String, Entry>,
    notes: Vec<String>,
    gguf: GgufMetadata,
    metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens a `.safetensors`, `.pt`, `.bin` or `.gguf` file (told apart by content, not by name),
    /// or a Hugging Face folder, sharded or not.
    ///
    /// # Errors
    /// A [`WeightsError`] naming the file (and tensor) for anything unreadable, truncated,
    /// contradictory, unsupported or hostile.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_dir() {
            return Self::from_bytes(path, Bytes::map(path)?);
        }
        let shards = folder::find(path)?;
        let mut whole: Option<Self> = None;
        for file in &shards.files {
            let shard = Self::from_bytes(file, Bytes::map(file)?)?;
            match &mut whole {
                None => whole = Some(shard),
                Some(whole) => whole.join(shard)?,
            }
        }
        let Some(mut whole) = whole else {
            return Err(WeightsError::header(path, "holds no weights"));
        };
        path.clone_into(&mut whole.path);
        whole.keep_promises(&shards)?;
        Ok(whole)
    }

    /// Reads a weight file that is in memory; `path` is for messages.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn from_bytes(path: impl AsRef<Path>, file: Bytes) -> Result<Self> {
        let path = path.as_ref();
        let shared: Arc<Path> = path.into();
        let mut checkpoint = Self {
            path: path.to_owned(),
            files: vec![path.to_owned()],
            format: format_of(path, &file)?,
            entries: BTreeMap::new(),
            notes: Vec::new(),
            gguf: GgufMetadata::new(),
            metadata: BTreeMap::new(),
        };
        let tensors: Vec<(String, Found)> = match checkpoint.format {
            Format::Safetensors => {
                let contents = safetensors::read(path, &file)?;
                checkpoint.metadata = contents.metadata.into_iter().collect();
                contents.tensors
            }
            Format::Pytorch => {
                let contents = match file.starts_with(ZIP_MAGIC) {
                    true => pytorch::read_zip(&shared, &file)?,
                    false => pytorch::read_legacy(&shared, &file)?,
                };
                checkpoint.notes = contents.notes;
                let tensors = contents.tensors.into_iter();
                tensors
                    .map(|(name, view)| (name, Found::Strided(view)))
                    .collect()
            }
            Format::Gguf => {
                let contents = gguf::read(path, &file)?;
                checkpoint.gguf = contents.metadata;
                let mut tensors = Vec::with_capacity(contents.tensors.len());
                for tensor in contents.tensors {
                    let gguf::GgufTensor {
                        name,
                        shape,
                        dtype,
                        data,
                    } = tensor;
                    let Some(view) = TensorView::new(shape, dtype, data) else {
                        let what = "its size does not go with its shape";
                        return Err(WeightsError::header(path, what).in_tensor(name));
                    };
                    tensors.push((name, Found::Contiguous(view)));
                }
                tensors
            }
        };
        checkpoint.index(tensors, &shared)?;
        Ok(checkpoint)
    }

    fn index(&mut self, tensors: Vec<(String, Found)>, file: &Arc<Path>) -> Result<()> {
        let (mut names, found): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
        if self.format != Format::Gguf {
            let (stripped, notes) = prefix::strip(names);
            names = stripped;
            self.notes.extend(notes);
        }
        for (name, found) in names.into_iter().zip(found) {
            let entry = Entry {
                found,
                file: file.clone(),
            };
            if self.entries.insert(name.clone(), entry).is_some() {
                return Err(WeightsError::header(file, "is there twice").in_tensor(name));
            }
        }
        Ok(())
    }

    fn join(&mut self, shard: Self) -> Result<()> {
        for (name, entry) in shard.entries {
            let file = entry.file.clone();
            if let Some(other) = self.entries.insert(name.clone(), entry) {
                let what = format!("is in {} too", other.file.display());
                return Err(WeightsError::header(file, what).in_tensor(name));
            }
        }
        self.files.extend(shard.files);
        self.notes.extend(shard.notes);
        self.metadata.extend(shard.metadata);
        Ok(())
    }

    /// Checks that the shards hold what their index promises.
    fn keep_promises(&self, shards: &folder::Shards) -> Result<()> {
        let missing = shards.promised.iter().find(|(name, file)| {
            let held = self.entries.get(*name);
            held.is_none_or(|held| held.file.file_name() != Some(file.as_str().as_ref()))
        });
        match missing {
            // A shard's names may have lost a prefix that the index still has.
            Some((name, file)) if self.notes.is_empty() => {
                let what = format!("the index promises it in {file}, where it is not");
                Err(WeightsError::header(&self.path, what).in_tensor(name))
            }
            _ => Ok(()),
        }
    }

    /// The file or folder that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The weight files; several for a sharded model.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The format, found from the content.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was done on the way to the tensors: wrappers taken off, prefixes stripped.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// GGUF's metadata (architecture, sizes, tokenizer); empty for other formats.
    #[must_use]
    pub fn gguf(&self) -> &GgufMetadata {
        &self.gguf
    }

    /// The free-text metadata of safetensors; empty for other formats.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no tensor at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is a tensor of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Shape, type and size of a tensor, without reading it.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<TensorInfo> {
        let (shape, dtype) = match &self.entries.get(name)?.found {
            Found::Contiguous(view) => (view.shape(), view.dtype()),
            Found::Strided(view) => (view.shape(), view.dtype()),
        };
        Some(TensorInfo {
            shape: shape.to_vec(),
            dtype,
            bytes: dtype.bytes_of(shape)?,
        })
    }

    /// The file that holds a tensor.
    #[must_use]
    pub fn file_of(&self, name: &str) -> Option<&Path> {
        Some(&self.entries.get(name)?.file)
    }

    /// A tensor, contiguous and in its own type: mapped where the file holds it so, copied where
    /// PyTorch stored a strided view or a compressed member.
    ///
    /// # Errors
    /// [`Fault::TensorMismatch`] if there is none of that name, [`Fault::Truncated`] if its
    /// compressed bytes are damaged.
    pub fn tensor(&self, name: &str) -> Result<TensorView> {
        let Some(entry) = self.entries.get(name) else {
            let hint = "list the file's tensors with rad3d model inspect";
            let what = "is not in the file";
            return Err(
                WeightsError::new(Fault::TensorMismatch, &self.path, what, hint).in_tensor(name),
            );
        };
        let view = match &entry.found {
            Found::Contiguous(view) => Some(view.clone()),
            Found::Strided(view) => view.tensor().map_err(|error| error.in_tensor(name))?,
        };
        view.ok_or_else(|| {
            WeightsError::header(&entry.file, "reaches beyond its storage").in_tensor(name)
        })
    }

    /// A tensor's elements as `f32`, whatever real type it is stored in.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`]; [`Fault::ElementType`] for integers, [`Fault::NonFinite`] for
    /// NaN or infinity.
    pub fn to_f32(&self, name: &str) -> Result<Vec<f32>> {
        let view = self.tensor(name)?;
        let file = self.file_of(name).unwrap_or(&self.path);
        if let Some(index) = view.first_non_finite() {
            let hint = "the training run that wrote the file diverged, or the file is damaged";
            let what = format!("element {index} is NaN or infinite");
            return Err(WeightsError::new(Fault::NonFinite, file, what, hint).in_tensor(name));
        }
        view.to_f32().ok_or_else(|| {
            let hint = "weights are real numbers; check that the file is the right one";
            let what = format!("has element type {}", view.dtype());
            WeightsError::new(Fault::ElementType, file, what, hint).in_tensor(name)
        })
    }
}

const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

fn format_of(path: &Path, file: &[u8]) -> Result<Format> {
    let unknown =
        |what: &str, hint: &str| Err(WeightsError::new(Fault::UnknownFormat, path, what, hint));
    let kinds = "give a .safetensors, .pt, .bin or .gguf file, or a Hugging Face folder";
    match file {
        [] => Err(WeightsError::truncated(path, "is empty")),
        [b'G', b'G', b'U', b'F', ..] => Ok(Format::Gguf),
        _ if file.starts_with(ZIP_MAGIC) => Ok(Format::Pytorch),
        [0x80, 1..=5, ..] => Ok(Format::Pytorch),
        [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Format::Safetensors),
        _ if file.starts_with(b"version https://git-lfs") => {
            let hint = "run `git lfs pull` in its folder, or fetch it with rad3d model pull";
            unknown("is a Git LFS pointer, not the file itself", hint)
        }
        [b'<', ..] => {
            let hint = "the download needs a login or another address (rad3d model pull REPO)";
            unknown("is a web page, not a weight file", hint)
        }
        _ if file.windows(5).take(512).any(|window| window == b"ustar") => unknown(
            "is a tar archive (PyTorch before 0.1.10, or a wrapped download)",
            "unpack it, or load it in PyTorch and save it again",
        ),
        _ if file.len() < 9 => Err(WeightsError::truncated(path, "is too short for a header")),
        _ => unknown("is no weight file that is known", kinds),
    }
}
