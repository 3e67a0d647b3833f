//! The grid of a NIfTI volume: sform, qform or `pixdim`, turned from RAS to LPS.

use std::path::Path;

use crate::error::{Fault, Result, VolumeError};
use crate::geometry::{Geometry, Vec3, clean_mm, norm};

use super::header::Header;

/// A grid, and how far the header is to be trusted about it.
pub(super) struct Grid {
    pub(super) geometry: Geometry,
    pub(super) declared: bool,
    pub(super) warnings: Vec<String>,
}

/// Voxel steps (columns i, j, k) and the first voxel's centre, RAS, in the header's units.
struct Affine {
    columns: [Vec3; 3],
    origin: Vec3,
}

/// Relative difference between `pixdim` and an affine's column up to which they are the same
/// spacing, written twice in 32-bit floats.
const SAME_SPACING: f64 = 1e-4;

/// Shortfall of a unit quaternion that rounding can explain; nibabel refuses from 4e-7 on, but
/// 1e-3 turns the grid by less than 0.06°.
const QUATERNION_SLACK: f64 = 1e-3;

/// The grid that nibabel would take, with positions in LPS millimetres.
pub(super) fn grid(path: &Path, header: &Header) -> Result<Grid> {
    let dims_ijk = header.dims_ijk(path)?;
    let mut warnings = Vec::new();
    let fault = |what: String| {
        VolumeError::new(
            Fault::Geometry,
            path,
            what,
            "the header is damaged; export the file again, or mend it with nibabel or ITK-SNAP",
        )
    };

    // A negative step is a wrong way to write a flip, which only the affine may state.
    let steps: Vec3 = std::array::from_fn(|axis| header.pixdim[axis + 1].abs());
    for (axis, step) in steps.into_iter().enumerate() {
        if dims_ijk[axis] > 1 && !(step.is_finite() && step > 0.0) {
            return Err(fault(format!(
                "has a voxel spacing of {} along axis {} (pixdim)",
                header.pixdim[axis + 1],
                ['i', 'j', 'k'][axis]
            )));
        }
    }

    let affine = if header.sform_code > 0 {
        sform(header)
    } else if header.qform_code > 0 {
        qform(header, steps).map_err(fault)?
    } else {
        warnings
            .push("neither sform nor qform is set: position and orientation are guesses".into());
        centred(dims_ijk, steps)
    };
    let declared = (header.sform_code > 0 || header.qform_code > 0) && !is_blank(&affine, steps);

    let to_mm = match header.xyzt_units & 7 {
        1 => 1000.0,
        3 => 0.001,
        0 | 2 => 1.0,
        other => {
            warnings.push(format!(
                "unknown unit of length {other} (xyzt_units), taken as mm"
            ));
            1.0
        }
    };
    let lps = |[x, y, z]: Vec3| [-x * to_mm, -y * to_mm, z * to_mm];
    let columns = affine.columns.map(lps);
    let mut spacing_mm = [0.0; 3];
    for axis in 0..3 {
        let (length, step) = (norm(columns[axis]), steps[axis] * to_mm);
        let same = (step - length).abs() <= SAME_SPACING * length;
        if !same && declared {
            warnings.push(format!(
                "pixdim says {step} mm along axis {}, the affine {length} mm; the affine is used",
                ['i', 'j', 'k'][axis]
            ));
        }
        spacing_mm[axis] = clean_mm(if same { step } else { length });
    }
    let geometry = Geometry::new(dims_ijk, spacing_mm, columns, lps(affine.origin))
        .map_err(|e| fault("has an unusable affine".into()).because(e))?;
    Ok(Grid {
        geometry,
        declared,
        warnings,
    })
}

fn sform(header: &Header) -> Affine {
    let [x, y, z] = header.srow;
    let column = |c: usize| [x[c], y[c], z[c]];
    Affine {
        columns: [column(0), column(1), column(2)],
        origin: column(3),
    }
}

/// The rotation by quaternion (a, b, c, d) of the steps; `pixdim[0]` mirrors the third.
fn qform(header: &Header, steps: Vec3) -> Result<Affine, String> {
    let [b, c, d] = header.quatern;
    let squared = b * b + c * c + d * d;
    let a = match 1.0 - squared {
        // Rounding of a half turn; the root would blow it up to an angle of 0.03°.
        rest if rest.abs() < 3.0 * header.epsilon => 0.0,
        rest if rest >= 0.0 => rest.sqrt(),
        rest if rest > -QUATERNION_SLACK => 0.0,
        _ => {
            return Err(format!(
                "has a qform of no rotation: quaternion ({b}, {c}, {d})"
            ));
        }
    };
    let length = (a * a + squared).sqrt();
    let [a, b, c, d] = [a, b, c, d].map(|part| part / length);
    let mirror = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let rotation = [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c + a * d),
            2.0 * (b * d - a * c),
        ],
        [
            2.0 * (b * c - a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d + a * b),
        ],
        [
            2.0 * (b * d + a * c),
            2.0 * (c * d - a * b),
            a * a + d * d - b * b - c * c,
        ],
    ];
    let scale = [steps[0], steps[1], mirror * steps[2]];
    let columns = std::array::from_fn(|axis| rotation[axis].map(|part| part * scale[axis]));
    Ok(Affine {
        columns,
        origin: header.qoffset,
    })
}

/// What nibabel assumes of a header without a form: i towards the left, the centre at zero.
fn centred(dims_ijk: [usize; 3], [x, y, z]: Vec3) -> Affine {
    let columns = [[-x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]];
    let half = dims_ijk.map(|dim| (dim as f64 - 1.0) / 2.0);
    Affine {
        columns,
        origin: [x * half[0], -y * half[1], -z * half[2]],
    }
}

/// Whether the affine is the identity of a header nobody filled in, as in CT-RATE v1.
fn is_blank(affine: &Affine, steps: Vec3) -> bool {
    affine.columns == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
        && affine.origin == [0.0; 3]
        && steps == [1.0; 3]
}
