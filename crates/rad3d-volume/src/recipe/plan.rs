//! A recipe applied to one grid: which source voxels make which tensor element.

use serde::Serialize;

use super::{Recipe, resampled_len};
use crate::error::{Fault, Result, VolumeError};
use crate::geometry::{Geometry, GeometryFault, Vec3};
use crate::hu::Rescale;
use crate::orientation::{AxisMap, Orientation};
use crate::volume::Volume;

/// What to believe about a volume's orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrientationMode {
    /// Turn the volume so that its axes point as the recipe says.
    #[default]
    FromHeader,
    /// Take axes `i`, `j`, `k` to point left, posterior and superior, whatever the header says:
    /// right for raw arrays and for CT-RATE v1 files, whose headers are blank.
    Keep,
}

/// Two neighbouring source indices and the weight of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tap {
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) weight: f32,
}

/// How one tensor axis (D, H or W) is made.
#[derive(Debug, Clone, Serialize)]
pub struct AxisPlan {
    /// The voxel axis it comes from: 0 for `i`, 1 for `j`, 2 for `k`.
    pub source_axis: usize,
    /// Whether that axis is run backwards.
    pub flipped: bool,
    /// Voxels along it.
    pub source_len: usize,
    /// Their spacing, millimetres.
    pub source_spacing_mm: f64,
    /// Voxels after resampling, before crop and padding.
    pub resampled_len: usize,
    /// Resampled voxels cut off at the start.
    pub crop_before: usize,
    /// Padding at the start.
    pub pad_before: usize,
    /// Resampled voxels that end up in the tensor.
    pub kept: usize,
    /// The tensor's length along this axis.
    pub target_len: usize,
}

impl AxisPlan {
    fn new(
        source_axis: usize,
        flipped: bool,
        (source_len, source_spacing_mm): (usize, f64),
        (target_len, target_spacing_mm): (usize, f64),
    ) -> Self {
        let resampled_len = resampled_len(source_len, source_spacing_mm, target_spacing_mm);
        Self {
            source_axis,
            flipped,
            source_len,
            source_spacing_mm,
            resampled_len,
            crop_before: resampled_len.saturating_sub(target_len) / 2,
            pad_before: target_len.saturating_sub(resampled_len) / 2,
            kept: resampled_len.min(target_len),
            target_len,
        }
    }

    /// Source voxels per resampled voxel: the true ratio of sizes, as the reference steps.
    fn step(&self) -> f64 {
        self.source_len as f64 / self.resampled_len as f64
    }

    /// Source index (along the unflipped axis) of tensor index 0, which may lie outside.
    fn source_of_first(&self) -> f64 {
        let first = self.crop_before as f64 - self.pad_before as f64;
        let along = (first + 0.5) * self.step() - 0.5;
        if self.flipped {
            (self.source_len - 1) as f64 - along
        } else {
            along
        }
    }

    /// The source voxels of each kept element (spec 1 step 5: `align_corners = False`).
    pub(super) fn taps(&self) -> Vec<Tap> {
        let last = self.source_len - 1;
        let source = |index: usize| if self.flipped { last - index } else { index };
        (self.crop_before..self.crop_before + self.kept)
            .map(|element| {
                let position = ((element as f64 + 0.5) * self.step() - 0.5).max(0.0);
                let low = (position as usize).min(last);
                Tap {
                    low: source(low),
                    high: source((low + 1).min(last)),
                    weight: (position - low as f64) as f32,
                }
            })
            .collect()
    }
}

/// A recipe fitted to one volume's grid and units.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The recipe.
    pub recipe: Recipe,
    /// How D, H and W are made.
    pub axes: [AxisPlan; 3],
    /// The line from stored values to Hounsfield units.
    pub to_hu: Rescale,
    /// Where the tensor's elements lie in the patient: `i` is W, `j` is H, `k` is D.
    pub tensor_geometry: Geometry,
}

impl Plan {
    /// Fits `recipe` to the grid of `volume`, whose stored values become Hounsfield units by
    /// `to_hu`.
    ///
    /// # Errors
    /// [`Fault::Geometry`] when the volume is too thin to make a single voxel along some axis.
    pub fn new(
        recipe: &Recipe,
        volume: &Volume,
        to_hu: Rescale,
        orientation: OrientationMode,
    ) -> Result<Self> {
        let geometry = &volume.geometry;
        let believed = match orientation {
            OrientationMode::FromHeader => geometry.orientation(),
            OrientationMode::Keep => Orientation::LPS,
        };
        let AxisMap {
            source_axis,
            flipped,
        } = believed.map_to(recipe.tensor_axes);
        let axes = std::array::from_fn(|axis| {
            let source = source_axis[axis];
            AxisPlan::new(
                source,
                flipped[axis],
                (geometry.dims_ijk()[source], geometry.spacing_mm()[source]),
                (recipe.size[axis], recipe.spacing_mm[axis]),
            )
        });
        for (name, axis) in ["D", "H", "W"].into_iter().zip(&axes) {
            axis_is_usable(name, axis, recipe, volume)?;
        }
        let tensor_geometry = tensor_geometry(&axes, geometry)
            .map_err(|fault| geometry_error(volume, &fault.to_string()))?;
        Ok(Self {
            recipe: recipe.clone(),
            axes,
            to_hu,
            tensor_geometry,
        })
    }

    /// Elements of the tensor.
    #[must_use]
    pub fn element_count(&self) -> usize {
        self.recipe.size.iter().product()
    }
}

fn axis_is_usable(name: &str, axis: &AxisPlan, recipe: &Recipe, volume: &Volume) -> Result<()> {
    if axis.resampled_len > 0 {
        return Ok(());
    }
    Err(geometry_error(
        volume,
        &format!(
            "{} voxels of {} mm make no voxel of recipe `{}` along {name}",
            axis.source_len, axis.source_spacing_mm, recipe.name
        ),
    ))
}

fn geometry_error(volume: &Volume, what: &str) -> VolumeError {
    VolumeError::new(
        Fault::Geometry,
        &volume.path,
        what,
        "check the spacing in the header",
    )
}

fn tensor_geometry(axes: &[AxisPlan; 3], source: &Geometry) -> Result<Geometry, GeometryFault> {
    let mut first_ijk: Vec3 = [0.0; 3];
    for axis in axes {
        first_ijk[axis.source_axis] = axis.source_of_first();
    }
    // Geometry counts the fastest axis first: W, H, D.
    let [d, h, w] = axes;
    let fastest_first = [w, h, d];
    Geometry::new(
        fastest_first.map(|axis| axis.target_len),
        fastest_first.map(|axis| axis.step() * axis.source_spacing_mm),
        fastest_first.map(|axis| {
            let direction = source.directions_lps()[axis.source_axis];
            if axis.flipped {
                direction.map(|x| -x)
            } else {
                direction
            }
        }),
        source.position_lps_mm(first_ijk),
    )
}
