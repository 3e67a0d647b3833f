//! Preprocessing as data: what turns a volume into the tensor a network was trained on.
//!
//! A recipe is a TOML file that travels with a network's weights. Two are built in.

mod plan;
mod resample;

pub use plan::{AxisPlan, OrientationMode, Plan};

use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result, VolumeError};
use crate::hu::Hu;
use crate::orientation::Orientation;

/// When values are clipped to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clip {
    /// Each stored value, before any interpolation (CT-CLIP inference, spec 1 step 3).
    BeforeResampling,
    /// Each interpolated value (CT-CLIP contrastive training).
    AfterResampling,
}

/// The line from Hounsfield units to the network's units: `(hu + add) / divide`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Added first, in HU.
    pub add: f64,
    /// Divides the sum; not zero.
    pub divide: f64,
}

impl Scale {
    /// The network's value of a radiodensity.
    #[must_use]
    pub fn apply(self, hu: Hu) -> f32 {
        ((f64::from(hu.0) + self.add) / self.divide) as f32
    }
}

/// How a volume becomes a tensor of axes D (slices), H and W.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// What the recipe is called.
    pub name: String,
    /// The patient directions that D, H and W rise to, such as `SLP`.
    #[serde(with = "orientation_text")]
    pub tensor_axes: Orientation,
    /// Target voxel spacing along D, H and W, millimetres.
    pub spacing_mm: [f64; 3],
    /// Target number of voxels along D, H and W: larger volumes are cropped about their centre,
    /// smaller ones padded around.
    pub size: [usize; 3],
    /// The window outside which values are clipped.
    pub clip_hu: [f32; 2],
    /// When they are clipped.
    pub clip: Clip,
    /// From Hounsfield units to the network's units.
    pub scale: Scale,
    /// Radiodensity of padding.
    pub pad_hu: f32,
}

/// Most voxels a recipe may ask for: 4 GiB of f32.
const MAX_VOXELS: usize = 1 << 30;

impl Recipe {
    /// Recipe `ct-clip`: CT-CLIP v2 and CT-LiPro (spec section 1).
    pub const CT_CLIP: &'static str = include_str!("ct-clip.toml");
    /// Recipe `ct2rep`: window [−1000, 200] HU mapped by `(x + 400) / 600`.
    pub const CT2REP: &'static str = include_str!("ct2rep.toml");

    /// Names of the built-in recipes.
    pub const NAMES: [&'static str; 2] = ["ct-clip", "ct2rep"];

    /// A built-in recipe by name, or one from a TOML file by path.
    ///
    /// # Errors
    /// [`Fault::Settings`] when there is neither, or the file is no sound recipe.
    pub fn find(name_or_path: &str) -> Result<Self> {
        match name_or_path {
            "ct-clip" => Self::from_toml(Self::CT_CLIP, name_or_path),
            "ct2rep" => Self::from_toml(Self::CT2REP, name_or_path),
            path if path.ends_with(".toml") => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| VolumeError::unreadable(path, error))?;
                Self::from_toml(&text, path)
            }
            other => Err(VolumeError::new(
                Fault::Settings,
                other,
                "is no recipe",
                format!(
                    "give {} or the path of a .toml file",
                    Self::NAMES.join(" or ")
                ),
            )),
        }
    }

    /// A recipe from TOML text; `origin` names it in errors.
    ///
    /// # Errors
    /// [`Fault::Settings`] when the text is no TOML, lacks a field, has one too many, or holds a
    /// value that makes no tensor.
    pub fn from_toml(text: &str, origin: impl AsRef<Path>) -> Result<Self> {
        let settings_error = |what: String| {
            VolumeError::new(
                Fault::Settings,
                origin.as_ref(),
                what,
                "compare it with a built-in recipe: rad3d preprocess --help",
            )
        };
        let recipe: Self = toml::from_str(text)
            .map_err(|error| settings_error(format!("is no recipe: {}", error.message())))?;
        match recipe.fault() {
            Some(what) => Err(settings_error(what)),
            None => Ok(recipe),
        }
    }

    /// What makes the recipe unusable, if anything does.
    fn fault(&self) -> Option<String> {
        let [low, high] = self.clip_hu;
        let voxels = self
            .size
            .iter()
            .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        if !self.spacing_mm.iter().all(|mm| mm.is_finite() && *mm > 0.0) {
            Some(format!("spacing-mm {:?} is not positive", self.spacing_mm))
        } else if !matches!(voxels, Some(1..=MAX_VOXELS)) {
            Some(format!(
                "size {:?} is empty or larger than {MAX_VOXELS} voxels",
                self.size
            ))
        } else if !(low.is_finite() && high.is_finite() && low < high) {
            Some(format!("clip-hu {:?} is no range", self.clip_hu))
        } else if !(self.scale.add.is_finite()
            && self.scale.divide.is_finite()
            && self.scale.divide != 0.0)
        {
            Some(format!("scale {:?} is no line", self.scale))
        } else if !self.pad_hu.is_finite() {
            Some(format!("pad-hu {} is no number", self.pad_hu))
        } else {
            None
        }
    }

    /// The network's value of padding.
    #[must_use]
    pub fn pad_value(&self) -> f32 {
        self.scale.apply(Hu(self.pad_hu))
    }
}

/// The number of voxels that `n` voxels of `current_mm` become at `target_mm`: spec 1 step 5,
/// division first and truncated, in `f64`.
#[must_use]
pub fn resampled_len(n: usize, current_mm: f64, target_mm: f64) -> usize {
    (n as f64 * (current_mm / target_mm)) as usize
}

mod orientation_text {
    use super::{FromStr, Orientation};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Orientation, s: S) -> Result<S::Ok, S::Error> {
        value.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Orientation, D::Error> {
        Orientation::from_str(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}
