//! `model.toml`: what a model folder holds, and what it may be used with.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::llm::LlmPart;
use super::mapper::{MapperInputs, MapperKind, MapperPart};
use crate::error::{Fault, Result, WeightsError};
use crate::hash::sha256_of_file;

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
    /// What every reader of its drafts must know first, as that it was trained on phantoms only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
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
    /// What tells scans like those of training from others.
    pub familiarity: Option<FamiliarityPart>,
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

/// What tells scans like those of training from others: a Mahalanobis distance in the leading
/// principal components of the training embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FamiliarityPart {
    /// Safetensors with `mean` `[latent]` and `whitening` `[components, latent]`.
    pub file: FileRecord,
    /// SHA-256 of the tower file that made the embeddings.
    pub tower_sha256: String,
    /// Median distance of scans like those of training, held out from the fit.
    pub typical: f64,
    /// The distance beyond which no draft is written.
    pub limit: f64,
}

impl FileRecord {
    /// Records the file at `path` of the model folder `folder`: hashes it and takes its length.
    ///
    /// # Errors
    /// [`Fault::Unreadable`] if it can't be read.
    pub fn of(
        folder: impl AsRef<Path>,
        path: impl Into<String>,
        source: impl Into<String>,
        licence: impl Into<String>,
    ) -> Result<Self> {
        let path = path.into();
        let file = folder.as_ref().join(&path);
        let bytes = std::fs::metadata(&file)
            .map_err(|error| WeightsError::unreadable(&file, error))?
            .len();
        Ok(Self {
            sha256: sha256_of_file(&file, |_| {})?,
            path,
            bytes,
            source: source.into(),
            licence: licence.into(),
        })
    }
}

impl Manifest {
    /// Reads a manifest's text; `path` is for messages.
    ///
    /// # Errors
    /// [`Fault::Manifest`] for anything that is not a manifest of [`MANIFEST_VERSION`], with
    /// unknown keys, or with values that contradict each other; [`Fault::TowerMismatch`] or
    /// [`Fault::LlmMismatch`] if the mapper was trained on another tower or through another
    /// language model.
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
        if let Some(part) = &self.familiarity {
            let ordered = 0.0 < part.typical && part.typical <= part.limit;
            if !ordered || !part.limit.is_finite() {
                let what = format!(
                    "familiarity needs a typical distance above 0 and a limit no smaller, not {} \
                     and {}",
                    part.typical, part.limit
                );
                return Err(fault(what));
            }
            self.check_tower(path, "the distances were measured", &part.tower_sha256)?;
        }
        match &self.mapper {
            Some(mapper) => self.check_mapper(path, mapper, fault),
            None => Ok(()),
        }
    }

    /// That the mapper is of one piece, and made for this tower, head and language model.
    fn check_mapper(
        &self,
        path: &Path,
        mapper: &MapperPart,
        fault: impl Fn(String) -> WeightsError,
    ) -> Result<()> {
        self.check_tower(path, "the mapper was trained", &mapper.tower_sha256)?;
        let config = mapper.config;
        let sizes = [
            config.input_dim,
            config.width,
            config.prefix_length,
            config.heads,
        ];
        let is_transformer = mapper.kind == MapperKind::Transformer;
        let has_layers = [config.clip_length, config.layers].map(|size| size > 0);
        if sizes.contains(&0) || has_layers != [is_transformer; 2] {
            let what = format!(
                "the mapper's sizes are not those of a {:?}: {config:?}",
                mapper.kind
            );
            return Err(fault(what));
        }
        if let Some(inputs) = mapper.inputs {
            let (latent, labels) = (self.tower.config.latent, self.label_count());
            let width = inputs.width(latent, labels);
            if width != config.input_dim || (labels == 0 && inputs != MapperInputs::Embedding) {
                let what = format!(
                    "the mapper takes {} values, its inputs {inputs:?} are {width} (embedding of \
                     {latent}, {labels} labels)",
                    config.input_dim
                );
                return Err(fault(what));
            }
        }
        if let (Some(trained), Some(llm)) = (&mapper.llm_sha256, &self.llm) {
            let found = llm.sha256();
            if *trained != found {
                let what = format!(
                    "the mapper was trained through the language model {trained}, the folder's is \
                     {found}"
                );
                let hint = "use the mapper with its own language model, or train one for this one";
                return Err(WeightsError::new(Fault::LlmMismatch, path, what, hint));
            }
        }
        Ok(())
    }

    fn check_tower(&self, path: &Path, made: &str, tower: &str) -> Result<()> {
        let found = &self.tower.file.sha256;
        if tower == found {
            return Ok(());
        }
        let what = format!("{made} on the tower {tower}, the folder's is {found}");
        let hint = "use each part with its own tower, or make one for this tower";
        Err(WeightsError::new(Fault::TowerMismatch, path, what, hint))
    }

    /// Outputs of the head; 0 without one.
    fn label_count(&self) -> usize {
        self.head.as_ref().map_or(0, |head| head.labels.len())
    }

    /// What the mapper takes: as stated, else as its input's width tells. `None` without a mapper,
    /// or if the width is that of nothing.
    #[must_use]
    pub fn mapper_inputs(&self) -> Option<MapperInputs> {
        let mapper = self.mapper.as_ref()?;
        let (latent, labels) = (self.tower.config.latent, self.label_count());
        let all = [
            MapperInputs::Embedding,
            MapperInputs::EmbeddingAndLogits,
            MapperInputs::Logits,
        ];
        let fits = |inputs: &MapperInputs| inputs.width(latent, labels) == mapper.config.input_dim;
        mapper.inputs.or_else(|| all.into_iter().find(fits))
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
        let familiarity = self.familiarity.iter().map(|part| &part.file);
        std::iter::once(&self.tower.file)
            .chain(head)
            .chain(mapper)
            .chain(llm)
            .chain(familiarity)
    }
}
