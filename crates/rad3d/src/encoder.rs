//! The part of a model that turns a scan into numbers: recipe, tower, head.

use std::path::Path;

use rad3d_embeddings::Provenance;
use rad3d_nn::cpu::Precision;
use rad3d_nn::{AbnormalityHead, Calibration, CtVit, CtVitConfig};
use rad3d_volume::Recipe;
use rad3d_weights::{HeadPart, Loader, MANIFEST_FILE, ModelFolder, RecipeChoice, ct_clip_ignores};

use crate::device::Device;
use crate::exit::UsageError;

/// A model's recipe, tower and head, ready to encode.
pub(crate) struct Encoder {
    /// How a scan becomes the tower's input.
    pub(crate) recipe: Recipe,
    /// What the embeddings are made with.
    pub(crate) provenance: Provenance,
    tower: Tower,
    head: Option<AbnormalityHead>,
}

/// A tower where it is computed.
enum Tower {
    Cpu(CtVit),
    #[cfg(feature = "train")]
    Engine(rad3d_nn::trainable::EngineTower),
}

/// What the encoder makes of a scan.
pub(crate) struct Encoded {
    /// Unit length.
    pub(crate) embedding: Vec<f32>,
    /// One a label; empty without a head.
    pub(crate) logits: Vec<f32>,
}

impl Encoder {
    /// Loads the encoding part of the model folder at `path`, the tower's products in `precision`.
    pub(crate) fn open(path: &Path, precision: Precision, device: Device) -> anyhow::Result<Self> {
        Self::load(&ModelFolder::open(path)?, precision, device)
    }

    /// Loads the encoding part of a model folder.
    pub(crate) fn of_model(folder: &ModelFolder, device: Device) -> anyhow::Result<Self> {
        Self::load(folder, Precision::F32, device)
    }

    fn load(folder: &ModelFolder, precision: Precision, device: Device) -> anyhow::Result<Self> {
        let (manifest, path) = (folder.manifest(), folder.path());
        let recipe = recipe_of(folder)?;
        let config = CtVitConfig::from(manifest.tower.config);
        if recipe.size != config.volume_dhw {
            return Err(UsageError::new(
                format!(
                    "{}: recipe `{}` makes {:?} voxels, the tower takes {:?}",
                    path.display(),
                    recipe.name,
                    recipe.size,
                    config.volume_dhw
                ),
                "correct the recipe in model.toml",
            )
            .into());
        }
        let weights = folder.tower()?;
        let mut loader = Loader::new(&weights, ct_clip_ignores());
        let tower = match device {
            Device::Cpu => Tower::Cpu(CtVit::load_in(precision, &config, &mut loader)?),
            other if precision != Precision::F32 => {
                let what = format!("--device {} computes towers in f32", other.name());
                return Err(UsageError::new(what, "leave --precision out").into());
            }
            other => on_engine(other, &config, &mut loader)?,
        };
        loader.finish()?;
        let head = match (&manifest.head, folder.head()?) {
            (Some(part), Some(weights)) => {
                let mut loader = Loader::new(&weights, ct_clip_ignores());
                let head = load_head(part, config.latent, &mut loader)?;
                loader.finish()?;
                Some(head)
            }
            _ => None,
        };
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tower_sha256: manifest.tower.file.sha256.clone(),
            head_sha256: manifest.head.as_ref().map(|head| head.file.sha256.clone()),
            recipe: serde_json::to_string(&recipe)?,
            labels: head
                .as_ref()
                .map_or(Vec::new(), |head| head.labels().to_vec()),
            precision: precision.name().to_owned(),
        };
        Ok(Self {
            recipe,
            provenance,
            tower,
            head,
        })
    }

    /// Encodes one tensor of the recipe's size, `[1, 1, D, H, W]`.
    pub(crate) fn encode(&self, tensor: &[f32]) -> anyhow::Result<Encoded> {
        let embedding = match &self.tower {
            Tower::Cpu(tower) => tower.encode(tensor)?,
            #[cfg(feature = "train")]
            Tower::Engine(tower) => tower.encode(tensor)?,
        };
        let logits = match &self.head {
            Some(head) => head.logits(&embedding)?,
            None => Vec::new(),
        };
        Ok(Encoded { embedding, logits })
    }

    /// The head, if the model has one.
    pub(crate) fn head(&self) -> Option<&AbnormalityHead> {
        self.head.as_ref()
    }
}

/// The tower on one of the engine's devices.
#[cfg(feature = "train")]
fn on_engine(
    device: Device,
    config: &CtVitConfig,
    loader: &mut Loader<'_>,
) -> anyhow::Result<Tower> {
    use rad3d_nn::trainable::{EngineTower, engine_device};
    let device = engine_device(device.name())?;
    Ok(Tower::Engine(EngineTower::load(config, loader, &device)?))
}

#[cfg(not(feature = "train"))]
fn on_engine(device: Device, _: &CtVitConfig, _: &mut Loader<'_>) -> anyhow::Result<Tower> {
    Err(device.not_built_in().into())
}

/// The recipe that a model's manifest names or holds.
pub(crate) fn recipe_of(folder: &ModelFolder) -> anyhow::Result<Recipe> {
    Ok(match &folder.manifest().recipe {
        RecipeChoice::Named(name) => Recipe::find(name)?,
        RecipeChoice::Table(table) => {
            Recipe::from_toml(&toml::to_string(table)?, folder.path().join(MANIFEST_FILE))?
        }
    })
}

fn load_head(
    part: &HeadPart,
    latent: usize,
    loader: &mut Loader<'_>,
) -> anyhow::Result<AbnormalityHead> {
    let names = part.labels.iter().map(|label| label.name.clone()).collect();
    let calibration = part
        .labels
        .iter()
        .map(|label| Calibration {
            temperature: label.temperature,
            threshold: label.threshold,
        })
        .collect();
    Ok(AbnormalityHead::load(latent, names, loader)?.with_calibration(calibration)?)
}
