//! Slices of a volume as grey pictures, for a person to look at.

use rad3d_report::{Picture, Window};
use rad3d_volume::{AxisPlan, Prepared};

/// Columns of a picture; rows follow from the scan's proportions.
const COLUMNS: usize = 400;
/// Levels of the axial slices, as shares of the lungs' height from below.
const AXIAL_LEVELS: [f64; 5] = [0.90, 0.70, 0.50, 0.30, 0.12];
/// Aerated lung; air around the patient lies below, but for noise.
const LUNG_HU: std::ops::Range<f64> = -920.0..-500.0;
/// Share of the lung voxels that may lie beyond each end of the lungs' extent: noise.
const STRAY: f64 = 0.01;
/// Steps along each axis in which lung is looked for.
const LOOK_STEPS: usize = 96;

/// Axial slices from the apices to the bases and a coronal one through the lungs, each in the
/// lung and in the mediastinal window, as radiologists look at them: the patient's right on the
/// left, the front or the head on top.
///
/// # Errors
/// When PNG cannot be encoded.
pub(crate) fn of_scan(prepared: &Prepared) -> anyhow::Result<Vec<Picture>> {
    let view = View::new(prepared);
    let lungs = view.lungs();
    let mut slices: Vec<(String, Slice)> = AXIAL_LEVELS
        .iter()
        .map(|level| {
            let up = lungs.up.0 + level * (lungs.up.1 - lungs.up.0);
            let millimetres = up * view.up.length_mm();
            (
                format!("axial, {millimetres:.0} mm from below"),
                view.axial(up),
            )
        })
        .collect();
    slices.push((
        "coronal, through the lungs".into(),
        view.coronal(lungs.back),
    ));
    let mut pictures = Vec::new();
    for window in [Window::Lung, Window::Mediastinal] {
        for (caption, slice) in &slices {
            pictures.push(Picture {
                window,
                caption: caption.clone(),
                png: slice.png(window)?,
            });
        }
    }
    Ok(pictures)
}

/// A patient axis along a voxel axis: places on it run from 0 to 1 towards head, left or back.
struct Axis {
    voxel_axis: usize,
    flipped: bool,
    voxels: usize,
    spacing_mm: f64,
}

impl Axis {
    fn new(plan: &AxisPlan) -> Self {
        Self {
            voxel_axis: plan.source_axis,
            flipped: plan.flipped,
            voxels: plan.source_len,
            spacing_mm: plan.source_spacing_mm,
        }
    }

    fn length_mm(&self) -> f64 {
        self.voxels as f64 * self.spacing_mm
    }

    /// The (fractional) voxel index at a place.
    fn index(&self, place: f64) -> f64 {
        let last = (self.voxels - 1) as f64;
        let along = (place * self.voxels as f64 - 0.5).clamp(0.0, last);
        if self.flipped { last - along } else { along }
    }
}

/// A volume seen along the patient's axes.
struct View<'a> {
    prepared: &'a Prepared,
    up: Axis,
    left: Axis,
    back: Axis,
}

/// Where the lungs lie.
struct Lungs {
    /// From the bases to the apices.
    up: (f64, f64),
    /// Their middle from front to back.
    back: f64,
}

impl<'a> View<'a> {
    fn new(prepared: &'a Prepared) -> Self {
        // The plan already knows which voxel axis is which, whether from the header or not.
        let towards = |patient_axis: usize| {
            let codes = prepared.plan.recipe.tensor_axes.codes();
            let place = codes
                .iter()
                .position(|code| code.patient_axis() == patient_axis);
            let place = place.unwrap_or(patient_axis);
            let mut axis = Axis::new(&prepared.plan.axes[place]);
            axis.flipped ^= !codes[place].is_positive();
            axis
        };
        Self {
            prepared,
            left: towards(0),
            back: towards(1),
            up: towards(2),
        }
    }

    /// Hounsfield units at a place: linear within a slice, nearest across.
    fn hu(&self, [left, back, up]: [f64; 3], across: &Axis) -> f64 {
        let dims = self.prepared.volume.geometry.dims_ijk();
        let mut corners = [(0_usize, 0_usize, 0.0_f64); 3];
        for (axis, place) in [(&self.left, left), (&self.back, back), (&self.up, up)] {
            let index = axis.index(place);
            let nearest = axis.voxel_axis == across.voxel_axis;
            let index = if nearest { index.round() } else { index };
            let low = index.floor() as usize;
            let high = (low + 1).min(axis.voxels - 1);
            corners[axis.voxel_axis] = (low, high, index - low as f64);
        }
        let [i, j, k] = corners;
        let mut value = 0.0;
        for (k, weight_k) in [(k.0, 1.0 - k.2), (k.1, k.2)] {
            for (j, weight_j) in [(j.0, 1.0 - j.2), (j.1, j.2)] {
                for (i, weight_i) in [(i.0, 1.0 - i.2), (i.1, i.2)] {
                    let weight = weight_i * weight_j * weight_k;
                    if weight > 0.0 {
                        let at = i + dims[0] * (j + dims[1] * k);
                        value += weight * self.prepared.volume.voxels.get(at);
                    }
                }
            }
        }
        self.prepared.hu.to_hu.apply(value)
    }

    /// Looks for lung on a coarse grid; the whole scan where there is none.
    fn lungs(&self) -> Lungs {
        let steps = |axis: &Axis| axis.voxels.min(LOOK_STEPS);
        let (n_left, n_back, n_up) = (steps(&self.left), steps(&self.back), steps(&self.up));
        let place = |index: usize, steps: usize| (index as f64 + 0.5) / steps as f64;
        let mut is_lung = Vec::with_capacity(n_left * n_back * n_up);
        for u in 0..n_up {
            for b in 0..n_back {
                for l in 0..n_left {
                    let at = [place(l, n_left), place(b, n_back), place(u, n_up)];
                    // A voxel as it is: a mean across a border would look like lung.
                    is_lung.push(LUNG_HU.contains(&self.hu_nearest(at)));
                }
            }
        }
        let lung = |l: usize, b: usize, u: usize| is_lung[l + n_left * (b + n_back * u)];
        let mut by_height = vec![0_usize; n_up];
        let mut by_depth = vec![0_usize; n_back];
        let inner = |steps: usize| 1..steps.saturating_sub(1);
        let cells = inner(n_up).flat_map(move |u| {
            inner(n_back).flat_map(move |b| inner(n_left).map(move |l| (l, b, u)))
        });
        // Skin, clothes and blankets have lung's density too, but are thin.
        let surrounded = |&(l, b, u): &(usize, usize, usize)| {
            lung(l, b, u)
                && lung(l - 1, b, u)
                && lung(l + 1, b, u)
                && lung(l, b - 1, u)
                && lung(l, b + 1, u)
                && lung(l, b, u - 1)
                && lung(l, b, u + 1)
        };
        for (_, b, u) in cells.filter(surrounded) {
            by_height[u] += 1;
            by_depth[b] += 1;
        }
        let at_share = |counts: &[usize], share: f64| {
            let total: usize = counts.iter().sum();
            let mut seen = 0.0;
            let index = counts.iter().position(|&count| {
                seen += count as f64;
                seen >= share * total as f64
            });
            (index.unwrap_or(0) as f64 + 0.5) / counts.len() as f64
        };
        if by_height.iter().all(|&count| count == 0) {
            return Lungs {
                up: (0.0, 1.0),
                back: 0.5,
            };
        }
        Lungs {
            up: (
                at_share(&by_height, STRAY),
                at_share(&by_height, 1.0 - STRAY),
            ),
            back: at_share(&by_depth, 0.5),
        }
    }

    fn hu_nearest(&self, [left, back, up]: [f64; 3]) -> f64 {
        let dims = self.prepared.volume.geometry.dims_ijk();
        let mut ijk = [0_usize; 3];
        for (axis, place) in [(&self.left, left), (&self.back, back), (&self.up, up)] {
            ijk[axis.voxel_axis] = axis.index(place).round() as usize;
        }
        let at = ijk[0] + dims[0] * (ijk[1] + dims[1] * ijk[2]);
        let stored = self.prepared.volume.voxels.get(at);
        self.prepared.hu.to_hu.apply(stored)
    }

    fn axial(&self, up: f64) -> Slice {
        self.slice(&self.back, &self.up, |left, back| [left, back, up])
    }

    fn coronal(&self, back: f64) -> Slice {
        // Rows run from the head downwards.
        self.slice(&self.up, &self.back, |left, down| [left, back, 1.0 - down])
    }

    /// A slice with columns from right to left and rows along `down`, square pixels.
    fn slice(&self, down: &Axis, across: &Axis, at: impl Fn(f64, f64) -> [f64; 3]) -> Slice {
        let ratio = down.length_mm() / self.left.length_mm();
        // A scan of one voxel by a metre must not make a picture of a mile.
        let rows = ((COLUMNS as f64 * ratio).round() as usize).clamp(1, 3 * COLUMNS);
        let mut hu = Vec::with_capacity(rows * COLUMNS);
        for row in 0..rows {
            for column in 0..COLUMNS {
                let x = (column as f64 + 0.5) / COLUMNS as f64;
                let y = (row as f64 + 0.5) / rows as f64;
                hu.push(self.hu(at(x, y), across) as f32);
            }
        }
        Slice { rows, hu }
    }
}

/// Hounsfield units `[rows, COLUMNS]`.
struct Slice {
    rows: usize,
    hu: Vec<f32>,
}

impl Slice {
    fn png(&self, window: Window) -> anyhow::Result<Vec<u8>> {
        let (low, high) = window.range_hu();
        let grey = self.hu.iter().map(|&hu| {
            let share = (hu - low) / (high - low);
            (255.0 * share.clamp(0.0, 1.0)).round() as u8
        });
        let grey: Vec<u8> = grey.collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, COLUMNS as u32, self.rows as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&grey)?;
        writer.finish()?;
        Ok(bytes)
    }
}
