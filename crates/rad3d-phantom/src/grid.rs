//! The grids that scans are made on, and the scanners that make them.

use rad3d_volume::{Geometry, GeometryFault, Vec3};
use serde::Serialize;

use crate::facts::FactSheet;
use crate::random::Random;
use crate::scene::body::{Body, SCAN_Z};

/// What trilinear interpolation at random places leaves of noise: per axis the root of the mean of
/// t² + (1 − t)², which is 2/3.
const LINEAR_NOISE: f64 = 0.544;
/// Width of the edge that a blur of standard deviation 1 makes of a sharp one.
const EDGE_OF_BLUR: f64 = 2.5;

/// A scanner's settings: where it samples and how well.
///
/// Voxel axes run to the patient's left, back and head (LPS), as in CT-RATE.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scanner {
    /// Columns, rows, slices.
    pub dims_ijk: [usize; 3],
    /// Millimetres between voxels.
    pub spacing_mm: Vec3,
    /// Centre of the first voxel, LPS millimetres.
    pub origin_lps_mm: Vec3,
    /// Blur in the plane, standard deviation in millimetres: small for a sharp kernel.
    pub blur_mm: f32,
    /// Noise before blur, standard deviation in Hounsfield units.
    pub noise_hu: f32,
    /// Width of an edge in the plane, millimetres: the spacing, unless voxels are skipped.
    pub edge_mm: f64,
    /// Thickness of a slice, millimetres: the spacing, unless slices are skipped.
    pub slice_mm: f64,
}

/// Which scanners scans come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScannerKind {
    /// Those of [`Scanner::sample`].
    #[default]
    Usual,
    /// Those of [`Scanner::sample_other`]: no setting in the usual ones' ranges.
    Other,
}

impl ScannerKind {
    /// One of these scanners, drawn from the facts' seed.
    #[must_use]
    pub fn sample(self, facts: &FactSheet) -> Scanner {
        match self {
            Self::Usual => Scanner::sample(facts),
            Self::Other => Scanner::sample_other(facts),
        }
    }

    /// Every so many voxels of its scan: see [`Scanner::sparse`].
    #[must_use]
    pub fn sparse(self, facts: &FactSheet, voxel_mm: f64) -> Scanner {
        self.sample(facts).thinned(facts, voxel_mm)
    }

    /// Whether these are the scanners that nobody asked to change.
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::Usual
    }
}

impl Scanner {
    /// A scanner drawn from the facts' seed: 384 to 512 columns, 0.6 to 0.9 mm in the plane,
    /// slices of 1 to 5 mm.
    #[must_use]
    pub fn sample(facts: &FactSheet) -> Self {
        let mut random = Random::new(facts.seed, "scanner");
        let size = random.pick([384_usize, 400, 400, 448, 512]);
        let body = Body::new(facts);
        let shown = 2.0 * (body.half_width() * facts.stature + random.between(2.0, 20.0));
        let spacing = f64::from(shown / size as f32).clamp(0.6, 0.9);
        let slice = random.pick([1.0, 1.5, 1.5, 2.0, 2.0, 2.5, 3.0, 5.0]);
        let sharp = random.chance(0.5);
        Self {
            blur_mm: if sharp { 0.45 } else { 0.8 },
            noise_hu: random.between(12.0, 26.0) * if sharp { 1.4 } else { 1.0 },
            ..Self::centred(facts, size, (spacing * 1000.0).round() / 1000.0, slice)
        }
    }

    /// A scanner of another hospital, drawn from the facts' seed: kernels sharper or smoother than
    /// the usual ones, a low dose, 0.95 to 1.2 mm in the plane, slices of 6 to 10 mm. What was
    /// learnt from the usual ones is out of its domain here.
    #[must_use]
    pub fn sample_other(facts: &FactSheet) -> Self {
        let mut random = Random::new(facts.seed, "other scanner");
        let size = random.pick([320_usize, 352, 384]);
        let body = Body::new(facts);
        let shown = 2.0 * (body.half_width() * facts.stature + random.between(25.0, 45.0));
        let spacing = f64::from(shown / size as f32).clamp(0.95, 1.2);
        let slice = random.pick([6.0, 7.0, 7.5, 8.0, 10.0]);
        let sharp = random.chance(0.5);
        Self {
            blur_mm: if sharp { 0.25 } else { 1.1 },
            noise_hu: random.between(40.0, 60.0) * if sharp { 1.4 } else { 1.0 },
            ..Self::centred(facts, size, (spacing * 1000.0).round() / 1000.0, slice)
        }
    }

    /// A scanner for the whole chest with voxels of about `voxel_mm` on every side: coarse grids
    /// for training small networks and for tests.
    #[must_use]
    pub fn coarse(facts: &FactSheet, voxel_mm: f64) -> Self {
        let size = (384.0 / voxel_mm).ceil().max(1.0) as usize;
        Self {
            blur_mm: 0.3 * voxel_mm as f32,
            noise_hu: 15.0,
            ..Self::centred(facts, size, voxel_mm, voxel_mm)
        }
    }

    /// Every so many voxels of [`Scanner::sample`]'s scan, `voxel_mm` apart: what a recipe of that
    /// spacing keeps of it, at a small part of the work. For training small networks.
    #[must_use]
    pub fn sparse(facts: &FactSheet, voxel_mm: f64) -> Self {
        Self::sample(facts).thinned(facts, voxel_mm)
    }

    /// Every so many voxels of this scanner's scan.
    fn thinned(&self, facts: &FactSheet, voxel_mm: f64) -> Self {
        let whole = self;
        let size = (384.0 / voxel_mm).ceil().max(1.0) as usize;
        // Neighbours that a blur or an interpolation would mix are not drawn; what they do to
        // edges and to noise is.
        let sigma = f64::from(whole.blur_mm) / whole.spacing_mm[0];
        let kept = (1.0 / (2.0 * sigma * std::f64::consts::PI.sqrt())).min(1.0);
        Self {
            blur_mm: 0.0,
            noise_hu: whole.noise_hu * (kept * LINEAR_NOISE) as f32,
            edge_mm: whole.spacing_mm[0].hypot(EDGE_OF_BLUR * f64::from(whole.blur_mm)),
            slice_mm: whole.slice_mm,
            ..Self::centred(facts, size, voxel_mm, voxel_mm)
        }
    }

    fn centred(facts: &FactSheet, size: usize, spacing: f64, slice: f64) -> Self {
        let body = Body::new(facts);
        let stature = f64::from(facts.stature);
        let [low, high] = SCAN_Z.map(|z| f64::from(z) * stature);
        let slices = ((high - low) / slice).round().max(1.0) as usize;
        let middle = 0.5 * f64::from(body.front_y() + body.back_y()) * stature;
        let half = 0.5 * (size as f64 - 1.0) * spacing;
        let round = |mm: f64| (mm * 10.0).round() / 10.0;
        Self {
            dims_ijk: [size, size, slices],
            spacing_mm: [spacing, spacing, slice],
            origin_lps_mm: [round(-half), round(middle - half), round(low + 0.5 * slice)],
            blur_mm: 0.0,
            noise_hu: 0.0,
            edge_mm: spacing,
            slice_mm: slice,
        }
    }

    /// The grid as a volume's geometry.
    ///
    /// # Errors
    /// When fields were set to sizes or spacings that make no grid.
    pub fn geometry(&self) -> Result<Geometry, GeometryFault> {
        let directions = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        Geometry::new(
            self.dims_ijk,
            self.spacing_mm,
            directions,
            self.origin_lps_mm,
        )
    }
}
