//! Where voxels lie in the patient.
//!
//! The patient frame is LPS, as in DICOM: x rises to the patient's **l**eft, y to **p**osterior,
//! z to **s**uperior, in millimetres. Voxel axes are `i` (fastest in memory), `j`, `k`.

use serde::Serialize;

use crate::orientation::Orientation;

/// A vector in the patient frame (LPS), or of one number per voxel axis.
pub type Vec3 = [f64; 3];

/// Why numbers from a header make no grid.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GeometryFault {
    /// An axis without voxels.
    #[error("the grid is empty: {0} × {1} × {2} voxels")]
    Empty(usize, usize, usize),
    /// A spacing that is zero, negative, NaN or infinite.
    #[error("voxel spacing {0} mm along axis {1} is not a positive number")]
    Spacing(f64, char),
    /// An origin or a direction with NaN or infinite parts.
    #[error("origin or direction holds a value that is not finite")]
    NotFinite,
    /// Voxel axes that (nearly) lie in one plane.
    #[error("the voxel axes do not span space (determinant {0:.3e} of the unit directions)")]
    Singular(f64),
}

/// The grid of a volume: its size, and where each voxel centre lies in the patient.
///
/// A `Geometry` that exists is sound: finite, positive spacing, axes that span space.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Geometry {
    dims_ijk: [usize; 3],
    spacing_mm: Vec3,
    directions_lps: [Vec3; 3],
    origin_lps_mm: Vec3,
}

/// Smallest |determinant| of three unit directions that still counts as a grid: an axis 1.1°
/// off the plane of the other two.
const MIN_DETERMINANT: f64 = 0.02;

impl Geometry {
    /// A grid of `dims_ijk` voxels, `spacing_mm` apart along unit vectors `directions_lps` (one
    /// per voxel axis; they are normalised here), the first voxel's centre at `origin_lps_mm`.
    ///
    /// # Errors
    /// When any number is unusable, see [`GeometryFault`].
    pub fn new(
        dims_ijk: [usize; 3],
        spacing_mm: Vec3,
        directions_lps: [Vec3; 3],
        origin_lps_mm: Vec3,
    ) -> Result<Self, GeometryFault> {
        let [i, j, k] = dims_ijk;
        if dims_ijk.contains(&0) {
            return Err(GeometryFault::Empty(i, j, k));
        }
        for (axis, spacing) in ['i', 'j', 'k'].into_iter().zip(spacing_mm) {
            if !(spacing.is_finite() && spacing > 0.0) {
                return Err(GeometryFault::Spacing(spacing, axis));
            }
        }
        let finite = |v: &Vec3| v.iter().all(|x| x.is_finite());
        if !directions_lps.iter().all(finite) || !finite(&origin_lps_mm) {
            return Err(GeometryFault::NotFinite);
        }
        let directions_lps = directions_lps.map(normalised);
        let determinant = determinant(directions_lps);
        if determinant.abs() < MIN_DETERMINANT {
            return Err(GeometryFault::Singular(determinant));
        }
        Ok(Self {
            dims_ijk,
            spacing_mm,
            directions_lps,
            origin_lps_mm,
        })
    }

    /// A grid from the columns of an affine (millimetres in LPS per voxel step) and its origin.
    ///
    /// Spacings are the columns' lengths, cleaned by [`clean_mm`].
    ///
    /// # Errors
    /// When any number is unusable, see [`GeometryFault`].
    pub fn from_columns(
        dims_ijk: [usize; 3],
        columns_lps_mm: [Vec3; 3],
        origin_lps_mm: Vec3,
    ) -> Result<Self, GeometryFault> {
        let spacing_mm = columns_lps_mm.map(|column| clean_mm(norm(column)));
        Self::new(dims_ijk, spacing_mm, columns_lps_mm, origin_lps_mm)
    }

    /// Voxels along `i` (fastest), `j` and `k`.
    #[must_use]
    pub fn dims_ijk(&self) -> [usize; 3] {
        self.dims_ijk
    }

    /// Millimetres between voxel centres along `i`, `j` and `k`.
    #[must_use]
    pub fn spacing_mm(&self) -> Vec3 {
        self.spacing_mm
    }

    /// Unit vector (LPS) of each voxel axis.
    #[must_use]
    pub fn directions_lps(&self) -> [Vec3; 3] {
        self.directions_lps
    }

    /// Centre of the first voxel, LPS millimetres.
    #[must_use]
    pub fn origin_lps_mm(&self) -> Vec3 {
        self.origin_lps_mm
    }

    /// Number of voxels.
    #[must_use]
    pub fn voxel_count(&self) -> usize {
        self.dims_ijk.iter().product()
    }

    /// The extent along each axis: voxels times spacing, in millimetres.
    #[must_use]
    pub fn extent_mm(&self) -> Vec3 {
        std::array::from_fn(|axis| self.dims_ijk[axis] as f64 * self.spacing_mm[axis])
    }

    /// The patient direction each voxel axis points to, to the nearest axis.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        Orientation::nearest(self.directions_lps)
    }

    /// Angle between each voxel axis and the patient axis it was assigned to, the largest of the
    /// three, in degrees.
    #[must_use]
    pub fn obliquity_deg(&self) -> f64 {
        let orientation = self.orientation();
        let mut smallest_cosine = 1.0_f64;
        for (axis, code) in orientation.codes().into_iter().enumerate() {
            smallest_cosine = smallest_cosine.min(dot(self.directions_lps[axis], code.unit_lps()));
        }
        smallest_cosine.clamp(-1.0, 1.0).acos().to_degrees()
    }

    /// Centre of the voxel at (possibly fractional) index `ijk`, LPS millimetres.
    #[must_use]
    pub fn position_lps_mm(&self, ijk: Vec3) -> Vec3 {
        let mut position = self.origin_lps_mm;
        for (axis, index) in ijk.into_iter().enumerate() {
            let distance = index * self.spacing_mm[axis];
            for (p, d) in position.iter_mut().zip(self.directions_lps[axis]) {
                *p += distance * d;
            }
        }
        position
    }

    /// The same grid with other spacings, as when a table knows better than a blank header.
    ///
    /// # Errors
    /// When a spacing is unusable.
    pub fn with_spacing_mm(&self, spacing_mm: Vec3) -> Result<Self, GeometryFault> {
        Self::new(
            self.dims_ijk,
            spacing_mm,
            self.directions_lps,
            self.origin_lps_mm,
        )
    }
}

/// The shortest decimal that is the same 32-bit float as `mm`.
///
/// NIfTI keeps 0.6 mm as the float 0.60000002384…, and a length computed from an affine as
/// 0.5999999…; the size rule of the `ct-clip` recipe truncates, so that such dust can change a
/// volume by one slice. All readers clean their spacings here, so that the same scan has the
/// same spacing whatever file it came in.
#[must_use]
pub fn clean_mm(mm: f64) -> f64 {
    let shortest = (mm as f32).to_string();
    match shortest.parse() {
        Ok(clean) if mm.is_finite() => clean,
        _ => mm,
    }
}

pub(crate) fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

pub(crate) fn norm(v: Vec3) -> f64 {
    dot(v, v).sqrt()
}

/// `v` at unit length; a zero vector stays zero, and makes the determinant zero.
fn normalised(v: Vec3) -> Vec3 {
    let length = norm(v);
    if length > 0.0 {
        v.map(|x| x / length)
    } else {
        v
    }
}

fn determinant([a, b, c]: [Vec3; 3]) -> f64 {
    dot(a, cross(b, c))
}
