//! The same volume with its voxel axes in another order and direction.

use rad3d_volume::{Geometry, GeometryFault, Orientation, Vec3};

/// `voxels` of a grid whose axes run along x, y and z, rearranged so that they run as
/// `orientation` says; every value stays at its place in the patient.
pub(super) fn turned(
    geometry: &Geometry,
    voxels: &[i16],
    orientation: Orientation,
) -> Result<(Geometry, Vec<i16>), GeometryFault> {
    let source = geometry.dims_ijk();
    let codes = orientation.codes();
    let axis = codes.map(|code| code.patient_axis());
    // An axis that now runs the other way starts at its old end.
    let reversed = codes.map(|code| !code.is_positive());
    let dims = axis.map(|from| source[from]);
    let spacing = axis.map(|from| geometry.spacing_mm()[from]);
    let mut first = [0.0; 3];
    for (axis, reversed) in axis.into_iter().zip(reversed) {
        if reversed {
            first[axis] = source[axis] as f64 - 1.0;
        }
    }
    let origin: Vec3 = geometry.position_lps_mm(first);
    let grid = Geometry::new(dims, spacing, orientation.directions_lps(), origin)?;
    let strides = [1, source[0], source[0] * source[1]];
    let mut out = Vec::with_capacity(voxels.len());
    let place = |to: usize, index: usize| {
        let index = if reversed[to] {
            dims[to] - 1 - index
        } else {
            index
        };
        index * strides[axis[to]]
    };
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            let row = place(2, k) + place(1, j);
            out.extend((0..dims[0]).map(|i| voxels[row + place(0, i)]));
        }
    }
    Ok((grid, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_keeps_its_place() {
        let directions = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let grid = Geometry::new([4, 3, 2], [0.5, 0.7, 3.0], directions, [-9.0, 4.0, 2.0]).unwrap();
        let voxels: Vec<i16> = (0..24).collect();
        for orientation in Orientation::all() {
            let (there, turned) = turned(&grid, &voxels, orientation).unwrap();
            assert_eq!(there.orientation(), orientation);
            let dims = there.dims_ijk();
            for (index, &value) in turned.iter().enumerate() {
                let at = [
                    index % dims[0],
                    index / dims[0] % dims[1],
                    index / (dims[0] * dims[1]),
                ];
                let value = value as usize;
                let from = [value % 4, value / 4 % 3, value / 12];
                let (a, b) = (
                    there.position_lps_mm(at.map(|n| n as f64)),
                    grid.position_lps_mm(from.map(|n| n as f64)),
                );
                assert!(
                    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9),
                    "{orientation:?}"
                );
            }
        }
    }
}
