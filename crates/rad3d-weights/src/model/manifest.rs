//! `model.toml`: what a model folder holds, and what it may be used with.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result, WeightsError};

/// The version of the manifest's format that this crate reads and writes.
pub const MANIFEST_VERSION: u32 = 1;

/// A model folder's manifest. Unknown keys are errors: a misspelt setting must not pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// The model's name, for people.
    pub name: String,
    /// How a scan becomes the tower's input.
    pub recipe: RecipeChoice,
    /// The image tower.
    pub tower: TowerPart,
    /// The abnormality head; without one there are no labels.
    pub head: Option<HeadPart>,
    /// The prefix mapper.
    pub mapper: Option<MapperPart>,
    /// The language model.
    pub llm: Option<LlmPart>,
}

/// A built-in recipe by name, or a whole recipe as a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecipeChoice {
    /// A built-in recipe, as `ct-clip`.
    Named(String),
    /// A recipe of its own; `rad3d-volume` knows its keys and checks them.
    Table(toml::Table),
}

/// A file of the model: what it must be, where it came from, under which terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileRecord {
    /// Where it lies: relative to the model folder, or absolute for a file left in its place.
    pub path: String,
    /// SHA-256 of its content, lower-case hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Where it came from: an address, or the file it was converted from.
    pub source: String,
    /// Its licence, as an SPDX identifier where there is one.
    pub licence: String,
}

/// The CT-ViT tower's file and sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TowerPart {
    /// Safetensors with the tower's tensors under CT-CLIP's names.
    pub file: FileRecord,
    /// The tower's sizes.
    pub config: TowerConfig,
}

/// Sizes of a CT-ViT (spec section 2; values of the published tower in brackets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TowerConfig {
    /// Voxels of the input along D, H, W (240, 480, 480).
    pub volume_dhw: [usize; 3],
    /// Voxels of a patch along D, H, W (10, 20, 20).
    pub patch_dhw: [usize; 3],
    /// Width of a token (512).
    pub dim: usize,
    /// Layers of the spatial transformer (4).
    pub spatial_depth: usize,
    /// Layers of the temporal transformer (4).
    pub temporal_depth: usize,
    /// Attention heads (8).
    pub heads: usize,
    /// Width of a head (32).
    pub head_dim: usize,
    /// Rows of the codebook (8192); left out for a tower without one.
    pub codebook: Option<usize>,
    /// Width of the image latent (512).
    pub latent: usize,
}

/// The abnormality head's file and labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeadPart {
    /// Safetensors with `classifier.weight` and `classifier.bias`.
    pub file: FileRecord,
    /// The labels, in the order of the head's outputs.
    pub labels: Vec<LabelPart>,
}

/// A label and its calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LabelPart {
    /// The label's name, as in the data it was trained on.
    pub name: String,
    /// Divides the logit before the sigmoid; 1 for an uncalibrated head.
    pub temperature: f32,
    /// The calibrated probability from which on the label counts as present.
    pub threshold: f32,
}

/// The prefix mapper's file and the tower it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MapperPart {
    /// Safetensors under ClipCap's names.
    pub file: FileRecord,
    /// SHA-256 of the tower file whose embeddings it was trained on.
    pub tower_sha256: String,
    /// The mapper's sizes.
    pub config: MapperConfig,
}

/// Sizes of a ClipCap transformer mapper (spec section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MapperConfig {
    /// Width of the input: the latent, and the logits if it takes them.
    pub input_dim: usize,
    /// Width of the language model.
    pub width: usize,
    /// Tokens made of the input.
    pub clip_length: usize,
    /// Tokens given to the language model.
    pub prefix_length: usize,
    /// Transformer layers.
    pub layers: usize,
}

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

impl Manifest {
    /// Reads a manifest's text; `path` is for messages.
    ///
    /// # Errors
    /// [`Fault::Manifest`] for anything that is not a manifest of [`MANIFEST_VERSION`], with
    /// unknown keys, or with values that contradict each other; [`Fault::TowerMismatch`] if the
    /// mapper was trained on another tower.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let fault = |what: String| {
            let hint = "correct the file, or make the folder again with rad3d model import";
            WeightsError::new(Fault::Manifest, path, what, hint)
        };
        let manifest: Self =
            toml::from_str(text).map_err(|error| fault(format!("is no manifest: {error}")))?;
        manifest.check(path, fault)?;
        Ok(manifest)
    }

    fn check(&self, path: &Path, fault: impl Fn(String) -> WeightsError) -> Result<()> {
        if self.version != MANIFEST_VERSION {
            let what = format!("has version {}, {MANIFEST_VERSION} is read", self.version);
            return Err(fault(what));
        }
        for file in self.files() {
            let is_hash = file.sha256.len() == 64
                && file
                    .sha256
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !is_hash {
                return Err(fault(format!("the sha256 of {} is no SHA-256", file.path)));
            }
            let relative = Path::new(&file.path);
            let climbs = relative
                .components()
                .any(|part| part == Component::ParentDir);
            if file.path.is_empty() || climbs {
                return Err(fault(format!("the path {:?} leaves the folder", file.path)));
            }
        }
        if let Some(head) = &self.head {
            for label in &head.labels {
                let calibrated = label.temperature.is_finite() && label.temperature > 0.0;
                if !calibrated || !(0.0..=1.0).contains(&label.threshold) {
                    let what = format!(
                        "label {} needs a temperature above 0 and a threshold from 0 to 1",
                        label.name
                    );
                    return Err(fault(what));
                }
            }
        }
        match &self.mapper {
            Some(mapper) if mapper.tower_sha256 != self.tower.file.sha256 => {
                let what = format!(
                    "the mapper was trained on the tower {}, the folder's is {}",
                    mapper.tower_sha256, self.tower.file.sha256
                );
                let hint = "use the mapper with its own tower, or train one for this tower";
                Err(WeightsError::new(Fault::TowerMismatch, path, what, hint))
            }
            _ => Ok(()),
        }
    }

    /// The manifest as TOML.
    ///
    /// # Errors
    /// [`Fault::Manifest`] if a recipe table can't be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|source| {
            let what = "cannot be written as TOML";
            WeightsError::new(Fault::Manifest, "model.toml", what, "check the recipe")
                .because(source)
        })
    }

    /// All files, part by part.
    pub fn files(&self) -> impl Iterator<Item = &FileRecord> {
        let head = self.head.iter().map(|head| &head.file);
        let mapper = self.mapper.iter().map(|mapper| &mapper.file);
        let llm = self.llm.iter().flat_map(|llm| &llm.files);
        std::iter::once(&self.tower.file)
            .chain(head)
            .chain(mapper)
            .chain(llm)
    }
}
