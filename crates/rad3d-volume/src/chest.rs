//! Is it a CT of the chest at all?
//!
//! A network trained on chests writes a chest report for a head, an abdomen or a dose page, and
//! nothing in its text gives that away. So the scan is looked at first.

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Fault, Result, VolumeError};
use crate::hu::Rescale;
use crate::volume::Volume;
use crate::voxels::{Voxel, with_voxels};

/// Fewest slices that make a volume.
const MIN_SLICES: usize = 16;
/// Shortest scan that shows a chest rather than a part of it, millimetres.
const MIN_LENGTH_MM: f64 = 100.0;
/// Least lung tissue, in millilitres. Adult lungs hold 2,000 to 7,000 by this measure; the lung
/// bases at the top of an abdominal scan a few hundred at most.
const MIN_LUNG_ML: f64 = 400.0;
/// Edge of the cells in which lung is looked for: larger than a vessel, smaller than a bronchus
/// is long.
const CELL_MM: f64 = 5.0;
/// Radiodensity of aerated lung; the air around and inside a patient lies below.
const LUNG_HU: std::ops::Range<f32> = -960.0..-500.0;

/// What was seen of the chest.
#[derive(Debug, Clone, Serialize)]
pub struct ChestCheck {
    /// Lung-like tissue: millilitres of cells whose surroundings are aerated lung too.
    pub lung_ml: f64,
    /// Length of the scan from feet to head, millimetres.
    pub length_mm: f64,
    /// Why it is not a chest CT; empty when nothing speaks against it.
    pub objections: Vec<String>,
}

impl ChestCheck {
    /// Looks at `volume`, whose stored values become Hounsfield units by `to_hu`.
    #[must_use]
    pub fn of(volume: &Volume, to_hu: Rescale) -> Self {
        let length_mm = length_mm(volume);
        let slices = slice_count(volume);
        let lung_ml = lung_ml(volume, to_hu);
        let facts = &volume.facts;
        let mut objections = Vec::new();
        if let Some(modality) = facts
            .modality
            .as_deref()
            .filter(|modality| *modality != "CT")
        {
            objections.push(format!("its modality is {modality}, not CT"));
        }
        if facts
            .image_type
            .iter()
            .any(|value| value.eq_ignore_ascii_case("LOCALIZER"))
        {
            objections.push("it is a localizer (scout view)".into());
        }
        if slices < MIN_SLICES {
            objections.push(format!(
                "it has {slices} slices, at least {MIN_SLICES} are needed"
            ));
        } else if length_mm < MIN_LENGTH_MM {
            objections.push(format!(
                "it covers {length_mm:.0} mm from feet to head, at least {MIN_LENGTH_MM:.0} are needed"
            ));
        }
        if lung_ml < MIN_LUNG_ML {
            let part = match facts.body_part.as_deref() {
                Some(part) if !part.is_empty() => format!(" (body part: {part})"),
                _ => String::new(),
            };
            objections.push(format!(
                "it shows {lung_ml:.0} ml of lung, at least {MIN_LUNG_ML:.0} are expected{part}"
            ));
        }
        Self {
            lung_ml,
            length_mm,
            objections,
        }
    }

    /// Refuses a volume that is no chest CT.
    ///
    /// # Errors
    /// [`Fault::NotChestCt`] with all objections.
    pub fn require(&self, volume: &Volume) -> Result<()> {
        if self.objections.is_empty() {
            return Ok(());
        }
        Err(VolumeError::new(
            Fault::NotChestCt,
            &volume.path,
            format!("is no chest CT: {}", self.objections.join("; ")),
            "give a CT of the whole chest, or --force to go on all the same",
        ))
    }
}

/// The voxel axis that runs from feet to head.
fn long_axis(volume: &Volume) -> usize {
    let codes = volume.geometry.orientation().codes();
    codes
        .iter()
        .position(|code| code.patient_axis() == 2)
        .unwrap_or(2)
}

fn length_mm(volume: &Volume) -> f64 {
    volume.geometry.extent_mm()[long_axis(volume)]
}

/// Images in the acquisition: the shortest axis, since in-plane there are always hundreds.
fn slice_count(volume: &Volume) -> usize {
    volume.geometry.dims_ijk().into_iter().min().unwrap_or(0)
}

/// Volume of cells that are lung and have lung on all sides.
///
/// The patient's surface has the density of lung, being half air; but no cell of it has only
/// such cells around.
fn lung_ml(volume: &Volume, to_hu: Rescale) -> f64 {
    let cells = with_voxels!(&volume.voxels, values => Cells::new(values, volume, to_hu));
    let inner = cells.surrounded_count() as f64;
    inner * cells.edge_mm.iter().product::<f64>() / 1000.0
}

/// A coarse grid that tells lung from everything else.
struct Cells {
    dims: [usize; 3],
    edge_mm: [f64; 3],
    is_lung: Vec<bool>,
}

impl Cells {
    fn new<T: Voxel>(values: &[T], volume: &Volume, to_hu: Rescale) -> Self {
        let source = volume.geometry.dims_ijk();
        let spacing = volume.geometry.spacing_mm();
        let strides: [usize; 3] = std::array::from_fn(|axis| {
            ((CELL_MM / spacing[axis]).round() as usize).clamp(1, source[axis])
        });
        let dims: [usize; 3] = std::array::from_fn(|axis| source[axis] / strides[axis]);
        let edge_mm = std::array::from_fn(|axis| strides[axis] as f64 * spacing[axis]);
        let (slope, intercept) = (to_hu.slope as f32, to_hu.intercept as f32);
        // Up to 2 × 2 × 2 voxels, spread over the cell, so that noise averages out.
        let offsets = strides.map(|stride| [stride / 4, (3 * stride) / 4]);
        let mean_hu = |cell: [usize; 3]| -> f32 {
            let mut sum = 0.0;
            for k in offsets[2] {
                for j in offsets[1] {
                    let row = source[0]
                        * ((cell[1] * strides[1] + j) + source[1] * (cell[2] * strides[2] + k));
                    for i in offsets[0] {
                        sum += values[row + cell[0] * strides[0] + i].to_f32();
                    }
                }
            }
            sum / 8.0 * slope + intercept
        };
        let mut is_lung = vec![false; dims.iter().product()];
        is_lung
            .par_chunks_mut((dims[0] * dims[1]).max(1))
            .enumerate()
            .for_each(|(k, slice)| {
                for (index, lung) in slice.iter_mut().enumerate() {
                    *lung = LUNG_HU.contains(&mean_hu([index % dims[0], index / dims[0], k]));
                }
            });
        Self {
            dims,
            edge_mm,
            is_lung,
        }
    }

    /// Cells that are lung and whose 26 neighbours (as far as they exist) are nearly all lung.
    fn surrounded_count(&self) -> usize {
        const VESSELS_ALLOWED: usize = 4;
        let [ni, nj, nk] = self.dims;
        let around = |index: usize, len: usize| index.saturating_sub(1)..(index + 2).min(len);
        let cell = |i: usize, j: usize, k: usize| self.is_lung[i + ni * (j + nj * k)];
        let surrounded = |i: usize, j: usize, k: usize| {
            let others = around(k, nk)
                .flat_map(|k| around(j, nj).map(move |j| (j, k)))
                .flat_map(|(j, k)| around(i, ni).map(move |i| (i, j, k)))
                .filter(|&(i, j, k)| !cell(i, j, k))
                .count();
            cell(i, j, k) && others <= VESSELS_ALLOWED
        };
        (0..nk)
            .into_par_iter()
            .map(|k| {
                let slice = (0..nj).flat_map(|j| (0..ni).map(move |i| (i, j)));
                slice.filter(|&(i, j)| surrounded(i, j, k)).count()
            })
            .sum()
    }
}
