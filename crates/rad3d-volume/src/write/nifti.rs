//! Volumes of 32-bit floats or 16-bit integers as NIfTI-1.

use std::io::Write;
use std::path::Path;

use crate::error::{Fault, Result, VolumeError};
use crate::geometry::{Geometry, Vec3, cross, dot};

use super::{AtomicFile, gzip};

/// Header, and the four bytes that say that no extension follows.
const VOX_OFFSET: usize = 352;

/// Writes `values` (`i` fastest, as everywhere in this crate) as 32-bit floats where `geometry`
/// puts them; gzipped, on all cores, if `path` ends in `.gz`.
///
/// An array `[D, H, W]` in C order has W as `i`, H as `j` and D as `k`. Both sform and, for
/// perpendicular axes, qform are set, so that every viewer shows the volume in place.
///
/// # Errors
/// [`Fault::Output`] when the file cannot be written, or numbers disagree: another count of
/// values than the grid has voxels, an axis of more than 32,767 voxels (NIfTI-1's limit).
pub fn nifti(path: &Path, geometry: &Geometry, values: &[f32]) -> Result<()> {
    write(
        path,
        geometry,
        values.len(),
        Datatype::F32,
        &little_endian(values),
    )
}

/// Writes whole Hounsfield units as 16-bit integers, half the size of [`nifti`] and as exact as a
/// scanner's own numbers. All else is as there.
///
/// # Errors
/// Those of [`nifti`].
pub fn nifti_i16(path: &Path, geometry: &Geometry, values: &[i16]) -> Result<()> {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    write(path, geometry, values.len(), Datatype::I16, &bytes)
}

/// Element types that are written, by their NIfTI codes.
#[derive(Debug, Clone, Copy)]
enum Datatype {
    I16 = 4,
    F32 = 16,
}

fn write(
    path: &Path,
    geometry: &Geometry,
    count: usize,
    datatype: Datatype,
    voxels: &[u8],
) -> Result<()> {
    let refused = |what: String, hint: &str| VolumeError::new(Fault::Output, path, what, hint);
    if count != geometry.voxel_count() {
        let what = format!("{count} values for {} voxels", geometry.voxel_count());
        return Err(refused(what, "pass the grid that the values were made on"));
    }
    let Some(header) = header(geometry, datatype) else {
        let what = format!("{:?} voxels are too many for NIfTI-1", geometry.dims_ijk());
        return Err(refused(
            what,
            "write fewer voxels along the axis, or another format",
        ));
    };
    let mut file = AtomicFile::create(path)?;
    let written = if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"))
    {
        gzip::write(&mut file, &[&header, voxels])
    } else {
        file.write_all(&header)
            .and_then(|()| file.write_all(voxels))
    };
    written.map_err(|e| file.fault(e))?;
    file.commit()
}

#[cfg(target_endian = "little")]
fn little_endian(values: &[f32]) -> std::borrow::Cow<'_, [u8]> {
    bytemuck::cast_slice(values).into()
}

#[cfg(target_endian = "big")]
fn little_endian(values: &[f32]) -> std::borrow::Cow<'_, [u8]> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect::<Vec<u8>>()
        .into()
}

/// Field offsets are those of `nifti1.h`; `None` for more voxels than an `i16` counts.
fn header(geometry: &Geometry, datatype: Datatype) -> Option<[u8; VOX_OFFSET]> {
    let mut bytes = [0; VOX_OFFSET];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    let float = |value: f64| (value as f32).to_le_bytes();

    put(0, &348_i32.to_le_bytes());
    for (axis, size) in [3, 0, 0, 0, 1, 1, 1, 1].into_iter().enumerate() {
        let size = match axis {
            1..=3 => i16::try_from(geometry.dims_ijk()[axis - 1]).ok()?,
            _ => size,
        };
        put(40 + 2 * axis, &size.to_le_bytes());
    }
    put(70, &(datatype as i16).to_le_bytes());
    let bits: i16 = match datatype {
        Datatype::I16 => 16,
        Datatype::F32 => 32,
    };
    put(72, &bits.to_le_bytes()); // bitpix
    put(108, &float(VOX_OFFSET as f64));
    put(112, &float(1.0)); // scl_slope
    put(123, &[2]); // xyzt_units: millimetres
    put(148, b"rad3d"); // descrip
    put(344, b"n+1\0");

    let ras = |[x, y, z]: Vec3| [-x, -y, z];
    let directions = geometry.directions_lps().map(ras);
    let origin = ras(geometry.origin_lps_mm());
    let spacing = geometry.spacing_mm();
    put(254, &1_i16.to_le_bytes()); // sform_code: scanner
    for row in 0..3 {
        for axis in 0..3 {
            let step = directions[axis][row] * spacing[axis];
            put(280 + 16 * row + 4 * axis, &float(step));
        }
        put(280 + 16 * row + 12, &float(origin[row]));
        put(80 + 4 * row, &float(spacing[row])); // pixdim
    }
    let (qfac, rotation) = proper(directions);
    put(76, &float(qfac)); // pixdim[0]
    if is_orthogonal(rotation) {
        put(252, &1_i16.to_le_bytes()); // qform_code: scanner
        let quaternion = quaternion(rotation);
        for part in 0..3 {
            put(256 + 4 * part, &float(quaternion[part]));
            put(268 + 4 * part, &float(origin[part]));
        }
    }
    Some(bytes)
}

/// Directions without mirroring, and −1 if the third was turned round for that.
fn proper([i, j, k]: [Vec3; 3]) -> (f64, [Vec3; 3]) {
    if dot(i, cross(j, k)) < 0.0 {
        (-1.0, [i, j, k.map(|x| -x)])
    } else {
        (1.0, [i, j, k])
    }
}

fn is_orthogonal([i, j, k]: [Vec3; 3]) -> bool {
    [dot(i, j), dot(j, k), dot(k, i)]
        .iter()
        .all(|cosine| cosine.abs() < 1e-6)
}

/// Parts b, c, d of the unit quaternion (with a ≥ 0) that turns x, y, z into the columns.
fn quaternion([x, y, z]: [Vec3; 3]) -> Vec3 {
    // Four times the squared parts; the largest divides, so that rounding stays harmless.
    let squares = [
        1.0 + x[0] + y[1] + z[2],
        1.0 + x[0] - y[1] - z[2],
        1.0 - x[0] + y[1] - z[2],
        1.0 - x[0] - y[1] + z[2],
    ];
    let largest = (0..4).fold(
        0,
        |best, i| if squares[i] > squares[best] { i } else { best },
    );
    let divisor = 2.0 * squares[largest].max(0.0).sqrt();
    let (ab, ac, ad) = (y[2] - z[1], z[0] - x[2], x[1] - y[0]);
    let (bc, bd, cd) = (y[0] + x[1], z[0] + x[2], z[1] + y[2]);
    let own = squares[largest];
    let [a, b, c, d] = match largest {
        0 => [own, ab, ac, ad],
        1 => [ab, own, bc, bd],
        2 => [ac, bc, own, cd],
        _ => [ad, bd, cd, own],
    }
    .map(|part| part / divisor);
    if a < 0.0 { [-b, -c, -d] } else { [b, c, d] }
}
