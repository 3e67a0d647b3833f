//! A model folder's language model, and the hash that it is known by.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::FileRecord;
use crate::error::{Fault, Result, WeightsError};
use crate::hash::{sha256_of_bytes, sha256_of_file};

/// The language model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LlmPart {
    /// A GGUF file or a Hugging Face folder.
    pub kind: LlmKind,
    /// The file, or all files of the folder.
    pub files: Vec<FileRecord>,
}

/// How a language model is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LlmKind {
    /// One GGUF file.
    Gguf,
    /// A folder with `config.json`, `tokenizer.json` and safetensors.
    HuggingFace,
}

impl LlmPart {
    /// One hash for all that decides what the model writes.
    ///
    /// Of a GGUF file it is the file's own SHA-256. Of a folder it is the SHA-256 of the lines
    /// that `sha256sum` prints for `config.json`, `tokenizer.json` and the weight files, in the
    /// order of their names: `sha256sum config.json model.safetensors tokenizer.json | sha256sum`.
    #[must_use]
    pub fn sha256(&self) -> String {
        let named = self.files.iter().map(|file| {
            let name = Path::new(&file.path).file_name().unwrap_or_default();
            (name.to_string_lossy().into_owned(), file.sha256.clone())
        });
        sha256_of_llm(self.kind, named.collect())
    }
}

/// [`LlmPart::sha256`] of a GGUF file or a folder that no manifest speaks of.
///
/// # Errors
/// [`Fault::Unreadable`] for a path that can't be read; [`Fault::Manifest`] for a folder without
/// weights.
pub fn llm_sha256(path: &Path) -> Result<String> {
    if !path.is_dir() {
        return sha256_of_file(path, |_| {});
    }
    let mut named = Vec::new();
    let unreadable = |source| WeightsError::unreadable(path, source);
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if file.is_file() && decides_what_is_written(&name) {
            named.push((name.into_owned(), sha256_of_file(&file, |_| {})?));
        }
    }
    if named.iter().any(|(name, _)| is_weights(name)) {
        return Ok(sha256_of_llm(LlmKind::HuggingFace, named));
    }
    let hint = "give a GGUF file, or a folder with config.json, tokenizer.json and safetensors";
    let what = "holds no language model's weights";
    Err(WeightsError::new(Fault::Manifest, path, what, hint))
}

/// Of pairs of file name and SHA-256.
fn sha256_of_llm(kind: LlmKind, mut named: Vec<(String, String)>) -> String {
    named.retain(|(name, _)| kind == LlmKind::Gguf || decides_what_is_written(name));
    named.sort();
    match (kind, named.as_slice()) {
        (LlmKind::Gguf, [(_, sha256)]) => sha256.clone(),
        _ => {
            let lines = named
                .iter()
                .map(|(name, sha256)| format!("{sha256}  {name}\n"));
            sha256_of_bytes(lines.collect::<String>().as_bytes())
        }
    }
}

fn decides_what_is_written(name: &str) -> bool {
    ["config.json", "tokenizer.json"].contains(&name) || is_weights(name)
}

fn is_weights(name: &str) -> bool {
    [".safetensors", ".bin", ".gguf"]
        .iter()
        .any(|ending| name.ends_with(ending))
}
