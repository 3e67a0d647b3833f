//! Makes a model folder from published checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::expected;
use super::llm::{LlmKind, LlmPart};
use super::manifest::{
    FileRecord, HeadPart, LabelPart, MANIFEST_VERSION, Manifest, RecipeChoice, TowerConfig,
    TowerPart,
};
use super::mapper::{MapperConfig, MapperKind, MapperPart, MapperTarget, paper_heads};
use super::{MANIFEST_FILE, ModelFolder};
use crate::error::{Fault, Result, WeightsError};
use crate::{
    Checkpoint, Format, Loader, TensorView, Tokenizer, atomic, ct_clip_ignores, sha256_of_file,
    write_safetensors,
};

/// What to make a model folder of.
#[derive(Debug, Clone)]
pub struct Import {
    /// The model's name.
    pub name: String,
    /// CT-CLIP's file, or CT-LiPro's, which has the head too.
    pub tower: PathBuf,
    /// Licence of the tower and its head.
    pub tower_licence: String,
    /// Names of the head's labels, in order; needed if the tower's file has a head.
    pub labels: Vec<String>,
    /// Temperatures and thresholds by label; labels that are not named keep 1 and 0.5.
    pub calibration: Vec<LabelPart>,
    /// The mapper and its licence.
    pub mapper: Option<(PathBuf, String)>,
    /// SHA-256 of the tower (as imported) that the mapper was trained on; if not given, the file
    /// says it (`tower_sha256` in its metadata), else the tower imported beside it is meant.
    pub mapper_tower_sha256: Option<String>,
    /// The language model (GGUF or Hugging Face folder) and its licence.
    pub llm: Option<(PathBuf, String)>,
    /// Copy the language model into the folder; else it stays where it is, known by its hash.
    pub copy_llm: bool,
    /// How scans are prepared.
    pub recipe: RecipeChoice,
    /// Voxels of the tower's input along D and of a patch along D; no tensor tells them.
    pub depth_and_patch: (usize, usize),
}

/// What an import took and left.
#[derive(Debug, Clone)]
pub struct ImportReport {
    /// The folder made.
    pub folder: ModelFolder,
    /// Tensors taken from the tower's file.
    pub taken: usize,
    /// Tensors left, each with the reason.
    pub ignored: Vec<(String, String)>,
    /// What was done to find the tensors (wrappers, prefixes).
    pub notes: Vec<String>,
}

impl Import {
    /// Converts and copies into `out`, which must not hold a model yet; the manifest is written
    /// last, so a folder with a manifest is whole.
    ///
    /// # Errors
    /// Any fault of the files read; [`Fault::TensorMismatch`] for tensors that are neither used
    /// nor ignored by rule; [`Fault::Tokenizer`] if the language model's tokenizer does not fit;
    /// [`Fault::Output`] if the folder can't be written.
    pub fn run(&self, out: impl AsRef<Path>) -> Result<ImportReport> {
        let out = out.as_ref();
        let manifest_file = out.join(MANIFEST_FILE);
        if manifest_file.exists() {
            let hint = "give another folder, or remove this one first";
            let what = "is there already";
            return Err(WeightsError::new(Fault::Output, manifest_file, what, hint));
        }
        let source = Checkpoint::open(&self.tower)?;
        let config = tower_config(&source, self.depth_and_patch)?;
        let (tower, head, loaded) = split(&source, &config)?;
        let record = |name: &str, tensors: &BTreeMap<String, TensorView>, from: &Path| {
            let file = out.join(name);
            write_safetensors(&file, tensors, &BTreeMap::new())?;
            describe(&file, name.to_owned(), from, &self.tower_licence)
        };
        let tower = TowerPart {
            file: record("tower.safetensors", &tower, &self.tower)?,
            config,
        };
        let head = match self.labels_for(&head)? {
            Some(labels) => Some(HeadPart {
                file: record("head.safetensors", &head, &self.tower)?,
                labels,
            }),
            None => None,
        };
        let mapper = match &self.mapper {
            Some((path, licence)) => Some(self.mapper(out, path, licence, &tower)?),
            None => None,
        };
        let llm = match &self.llm {
            Some((path, licence)) => Some(self.llm(out, path, licence)?),
            None => None,
        };
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            name: self.name.clone(),
            notice: None,
            recipe: self.recipe.clone(),
            tower,
            head,
            mapper,
            llm,
            familiarity: None,
        };
        let text = manifest.to_toml()?;
        // What can't be read back must not be written.
        Manifest::parse(&manifest_file, &text)?;
        atomic::write(&manifest_file, |file| {
            std::io::Write::write_all(file, text.as_bytes())
        })?;
        Ok(ImportReport {
            folder: ModelFolder::open(out)?,
            taken: loaded.taken.len(),
            ignored: loaded.ignored,
            notes: source.notes().to_vec(),
        })
    }

    fn labels_for(&self, head: &BTreeMap<String, TensorView>) -> Result<Option<Vec<LabelPart>>> {
        let Some(bias) = head.get("classifier.bias") else {
            if self.labels.is_empty() && self.calibration.is_empty() {
                return Ok(None);
            }
            let what = "has no head (classifier.*), but labels or a calibration were given";
            let hint = "give CT-LiPro's file, or leave the labels out";
            return Err(WeightsError::new(Fault::Manifest, &self.tower, what, hint));
        };
        let outputs = bias.elements();
        if outputs != self.labels.len() {
            let what = format!(
                "its head has {outputs} outputs, {} labels",
                self.labels.len()
            );
            let hint = "give one label for each output, in order";
            return Err(WeightsError::new(Fault::Manifest, &self.tower, what, hint));
        }
        let known = |calibrated: &LabelPart| self.labels.contains(&calibrated.name);
        if let Some(stranger) = self.calibration.iter().find(|label| !known(label)) {
            let what = format!(
                "the calibration's {:?} is no label of the head",
                stranger.name
            );
            let hint = format!("the labels are: {}", self.labels.join(", "));
            return Err(WeightsError::new(Fault::Manifest, &self.tower, what, hint));
        }
        let label = |name: &String| {
            let calibrated = self.calibration.iter().find(|label| label.name == *name);
            calibrated.cloned().unwrap_or_else(|| LabelPart {
                name: name.clone(),
                temperature: 1.0,
                threshold: 0.5,
            })
        };
        Ok(Some(self.labels.iter().map(label).collect()))
    }

    fn mapper(
        &self,
        out: &Path,
        path: &Path,
        licence: &str,
        tower: &TowerPart,
    ) -> Result<MapperPart> {
        let source = Checkpoint::open(path)?;
        let config = mapper_config(&source)?;
        let stated = source.metadata().get("tower_sha256").cloned();
        let tower_sha256 = self.mapper_tower_sha256.clone().or(stated);
        let file = out.join("mapper.safetensors");
        let mut loader = Loader::new(&source, Vec::new());
        let tensors = take(&mut loader, expected::mapper(&config));
        loader.finish()?;
        write_safetensors(&file, &tensors, source.metadata())?;
        Ok(MapperPart {
            file: describe(&file, "mapper.safetensors".to_owned(), path, licence)?,
            tower_sha256: tower_sha256.unwrap_or_else(|| tower.file.sha256.clone()),
            // Only the trainer knows what it trained through; its files say so.
            llm_sha256: source.metadata().get("llm_sha256").cloned(),
            kind: MapperKind::Transformer,
            inputs: None,
            target: MapperTarget::Both,
            prompt: None,
            config,
        })
    }

    fn llm(&self, out: &Path, path: &Path, licence: &str) -> Result<LlmPart> {
        let checkpoint = Checkpoint::open(path)?;
        let tokenizer = Tokenizer::of_model(&checkpoint)?;
        if let Some(rows) = vocabulary_rows(&checkpoint) {
            tokenizer.check_fits(rows)?;
        }
        let kind = match checkpoint.format() {
            Format::Gguf => LlmKind::Gguf,
            _ => LlmKind::HuggingFace,
        };
        let sources = match path.is_dir() && kind == LlmKind::HuggingFace {
            true => plain_files(path)?,
            false => checkpoint.files().to_vec(),
        };
        let mut files = Vec::new();
        for source in sources {
            let name = source
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            files.push(if self.copy_llm {
                let place = format!("llm/{name}");
                let copy = out.join(&place);
                atomic::write(&copy, |file| {
                    std::io::copy(&mut std::fs::File::open(&source)?, file).map(drop)
                })?;
                describe(&copy, place, &source, licence)?
            } else {
                let absolute = std::path::absolute(&source)
                    .map_err(|error| WeightsError::unreadable(&source, error))?;
                let place = absolute.to_string_lossy().into_owned();
                describe(&source, place, &source, licence)?
            });
        }
        Ok(LlmPart { kind, files })
    }
}

fn describe(file: &Path, path: String, source: &Path, licence: &str) -> Result<FileRecord> {
    let bytes = std::fs::metadata(file)
        .map_err(|error| WeightsError::unreadable(file, error))?
        .len();
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    Ok(FileRecord {
        path,
        sha256: sha256_of_file(file, |_| {})?,
        bytes,
        source: name.into_owned(),
        licence: licence.to_owned(),
    })
}

type Tensors = BTreeMap<String, TensorView>;

/// The tower's and the head's tensors, all others ignored by rule.
fn split(source: &Checkpoint, config: &TowerConfig) -> Result<(Tensors, Tensors, crate::Loaded)> {
    let mut loader = Loader::new(source, ct_clip_ignores());
    let tower = take(&mut loader, expected::tower(config));
    // A head is all there or not there at all; its bias alone tells how many labels it has.
    let names = ["classifier.weight", "classifier.bias"];
    let outputs = names.iter().find_map(|name| source.info(name));
    let head = match outputs {
        Some(info) => take(
            &mut loader,
            expected::head(config.latent, axis(&info.shape, 0)),
        ),
        None => Tensors::new(),
    };
    Ok((tower, head, loader.finish()?))
}

fn take(loader: &mut Loader<'_>, expected: Vec<expected::Expected>) -> Tensors {
    expected
        .into_iter()
        .map(|(name, shape)| {
            let tensor = loader.take(&name, &shape);
            (name, tensor)
        })
        .collect()
}

/// Sizes of the tower in a CT-CLIP checkpoint, from its tensors' shapes.
///
/// `depth_and_patch`: the input's and a patch's voxels along D, which no tensor tells.
///
/// # Errors
/// [`Fault::TensorMismatch`] if a tensor that gives a size is missing or contradicts another.
pub fn tower_config(
    source: &Checkpoint,
    (depth, temporal_patch): (usize, usize),
) -> Result<TowerConfig> {
    let shape = |name: &str| shape_of(source, name);
    let token = shape("visual_transformer.to_patch_emb.2.weight")?;
    let latent = shape("to_visual_latent.weight")?;
    let bias = shape("visual_transformer.spatial_rel_pos_bias.net.2.weight")?;
    let (width, voxels) = (axis(&token, 0), axis(&token, 1));
    let layers = |kind: &str| {
        (0..)
            .take_while(|layer| {
                source.contains(&format!(
                    "visual_transformer.enc_{kind}_transformer.layers.{layer}.1.to_q.weight"
                ))
            })
            .count()
    };
    let scale = shape("visual_transformer.enc_spatial_transformer.layers.0.1.q_scale")?;
    let codebook = source
        .info("visual_transformer.vq._codebook.embed")
        .map(|info| axis(&info.shape, 1));
    let patch = (voxels / temporal_patch.max(1)).isqrt();
    let side = (axis(&latent, 1) / width.max(1)).isqrt();
    let config = TowerConfig {
        volume_dhw: [depth, side * patch, side * patch],
        patch_dhw: [temporal_patch, patch, patch],
        dim: width,
        spatial_depth: layers("spatial"),
        temporal_depth: layers("temporal"),
        heads: axis(&bias, 0),
        head_dim: axis(&scale, 0),
        codebook,
        latent: axis(&latent, 0),
    };
    let agrees = patch * patch * temporal_patch == voxels
        && side * side * width == axis(&latent, 1)
        && temporal_patch > 0
        && depth % temporal_patch == 0;
    if agrees {
        return Ok(config);
    }
    let what = format!(
        "patches of {voxels} voxels and {} pooled values do not make a square image of {depth} \
         slices in patches of {temporal_patch}",
        axis(&latent, 1)
    );
    let hint = "give the tower's depth and temporal patch (--depth, --temporal-patch)";
    Err(WeightsError::new(
        Fault::TensorMismatch,
        source.path(),
        what,
        hint,
    ))
}

fn mapper_config(source: &Checkpoint) -> Result<MapperConfig> {
    let linear = shape_of(source, "linear.weight")?;
    let prefix = shape_of(source, "prefix_const")?;
    let width = axis(&prefix, 1);
    let layers = (0..)
        .take_while(|layer| {
            source.contains(&format!(
                "transformer.layers.{layer}.attn.to_queries.weight"
            ))
        })
        .count();
    if layers == 0 || width == 0 || !axis(&linear, 0).is_multiple_of(width) {
        let what = format!("linear.weight {linear:?} and prefix_const {prefix:?} make no mapper");
        let hint = "give a ClipCap transformer mapper's state_dict";
        return Err(WeightsError::new(
            Fault::TensorMismatch,
            source.path(),
            what,
            hint,
        ));
    }
    Ok(MapperConfig {
        input_dim: axis(&linear, 1),
        width,
        clip_length: axis(&linear, 0) / width,
        prefix_length: axis(&prefix, 0),
        layers,
        heads: paper_heads(),
    })
}

/// Rows of the token embedding, under the names of the families that are known.
fn vocabulary_rows(checkpoint: &Checkpoint) -> Option<usize> {
    const NAMES: [&str; 8] = [
        "token_embd.weight",
        "model.embed_tokens.weight",
        "wte.weight",
        "transformer.wte.weight",
        "gpt_neox.embed_in.weight",
        "model.decoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
        "biogpt.embed_tokens.weight",
    ];
    let info = NAMES.iter().find_map(|name| checkpoint.info(name))?;
    info.shape.first().copied()
}

fn plain_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |source| WeightsError::unreadable(folder, source);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn shape_of(source: &Checkpoint, name: &str) -> Result<Vec<usize>> {
    match source.info(name) {
        Some(info) if info.shape.iter().all(|&axis| axis > 0) => Ok(info.shape),
        _ => source.tensor(name).and_then(|_| {
            let what = "is empty";
            Err(WeightsError::header(source.path(), what).in_tensor(name))
        }),
    }
}

fn axis(shape: &[usize], index: usize) -> usize {
    shape.get(index).copied().unwrap_or(0)
}
