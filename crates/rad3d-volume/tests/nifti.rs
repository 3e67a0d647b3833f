//! NIfTI files of every version, byte order, type and orientation, and the writer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use rad3d_volume::{Fault, Geometry, Orientation, Rescale, Vec3, VoxelType, Voxels, nifti, write};
use support::{Folder, Nifti, Number, ends, gzip, near};

const SPACING: Vec3 = [0.7, 0.8, 2.5];
const ORIGIN: Vec3 = [-100.0, -90.0, -50.0];

fn both_versions() -> [Nifti; 2] {
    [Nifti::default(), Nifti::version2()]
}

fn check_type<T: Number>(datatype: i16, values: &[T; 6], expected: Voxels) {
    let folder = Folder::new();
    for header in both_versions() {
        for big_endian in [false, true] {
            let header = Nifti {
                datatype,
                big_endian,
                dim: [3, 3, 2, 1, 1, 1, 1, 1],
                ..header.clone()
            };
            let bytes = header.file(&ends(values, big_endian));
            for (name, bytes) in [("a.nii", bytes.clone()), ("a.nii.gz", gzip(&bytes))] {
                let path = folder.put(name, &bytes);
                let volume = nifti::read(&path).unwrap();
                assert_eq!(volume.voxels, expected, "{header:?} {name}");
                assert_eq!(volume.geometry.dims_ijk(), [3, 2, 1]);
                let summary = nifti::summary(&path).unwrap();
                assert_eq!(summary.geometry, volume.geometry);
            }
        }
    }
}

#[test]
fn reads_every_type_version_and_byte_order() {
    check_type(
        2,
        &[0_u8, 1, 2, 127, 128, 255],
        Voxels::U8(vec![0, 1, 2, 127, 128, 255]),
    );
    check_type(
        256,
        &[0_i8, 1, -1, 127, -128, 5],
        Voxels::I8(vec![0, 1, -1, 127, -128, 5]),
    );
    check_type(
        512,
        &[0_u16, 1, 256, 65535, 4, 5],
        Voxels::U16(vec![0, 1, 256, 65535, 4, 5]),
    );
    let i16s = [0_i16, 1, -1024, 3071, i16::MIN, i16::MAX];
    check_type(4, &i16s, Voxels::I16(i16s.to_vec()));
    let u32s = [0_u32, 1, 65536, u32::MAX, 4, 5];
    check_type(768, &u32s, Voxels::U32(u32s.to_vec()));
    let i32s = [0_i32, 1, -65536, i32::MIN, i32::MAX, 5];
    check_type(8, &i32s, Voxels::I32(i32s.to_vec()));
    let f32s = [0.0_f32, -0.1, 1e30, f32::MIN_POSITIVE, -1024.5, 5.0];
    check_type(16, &f32s, Voxels::F32(f32s.to_vec()));
    let f64s = [0.0_f64, -0.1, 1e300, f64::MIN_POSITIVE, -1024.5, 5.0];
    check_type(64, &f64s, Voxels::F64(f64s.to_vec()));
}

#[test]
fn narrows_64_bit_integers_exactly() {
    let small = [0_i64, -1, -1024, 3071, -2_147_483_648, 2_147_483_647];
    let narrow = Voxels::I32(vec![0, -1, -1024, 3071, i32::MIN, i32::MAX]);
    check_type(1024, &small, narrow);
    let large = [0_u64, 1, 2_147_483_648, 4_294_967_296, 1 << 53, 5];
    let exact = Voxels::F64(large.map(|v| v as f64).to_vec());
    check_type(1280, &large, exact);
}

#[test]
fn places_every_orientation() {
    let folder = Folder::new();
    let mut seen = 0;
    for orientation in Orientation::all() {
        for header in both_versions() {
            let header = header.placed(orientation, SPACING, ORIGIN);
            let volume = nifti::read(&folder.put("a.nii", &header.counting())).unwrap();
            assert_eq!(volume.geometry.orientation(), orientation);
            assert!(orientation.is_exactly(volume.geometry.directions_lps()));
            assert_eq!(
                volume.geometry.spacing_mm(),
                SPACING,
                "cleaned of 32-bit dust"
            );
            assert!(near(volume.geometry.origin_lps_mm(), ORIGIN, 1e-9));
            assert!(volume.geometry_declared);
            assert!(volume.warnings.is_empty(), "{:?}", volume.warnings);
            seen += 1;
        }
    }
    assert_eq!(seen, 96);
}

/// The affine that nibabel 5.4.2 gives for these quaternions: `Nifti1Header.get_qform()`.
#[test]
fn qform_agrees_with_nibabel() {
    struct Case {
        quatern: Vec3,
        qfac: f64,
        /// Columns i, j, k in RAS millimetres.
        columns: [Vec3; 3],
    }
    let cases = [
        Case {
            quatern: [0.0, 0.0, 1.0],
            qfac: 1.0,
            columns: [[-0.7, 0.0, 0.0], [0.0, -0.8, 0.0], [0.0, 0.0, 2.5]],
        },
        Case {
            quatern: [0.1, -0.2, 0.3],
            qfac: -1.0,
            columns: NIBABEL_OBLIQUE,
        },
    ];
    let folder = Folder::new();
    for case in cases {
        let mut header = Nifti {
            qform_code: 1,
            sform_code: 0,
            quatern: case.quatern,
            qoffset: [100.0, 90.0, -50.0],
            ..Nifti::default()
        };
        header.pixdim[0] = case.qfac;
        let volume = nifti::read(&folder.put("a.nii", &header.counting())).unwrap();
        let g = &volume.geometry;
        assert!(near(g.origin_lps_mm(), ORIGIN, 1e-9));
        for (axis, column) in case.columns.into_iter().enumerate() {
            let lps = [-column[0], -column[1], column[2]];
            let ours = g.directions_lps()[axis].map(|x| x * g.spacing_mm()[axis]);
            assert!(
                near(ours, lps, 1e-6),
                "axis {axis}: {ours:?} is not {lps:?}"
            );
        }
        assert!(volume.geometry_declared);
    }
}

const NIBABEL_OBLIQUE: [Vec3; 3] = [
    [0.517999979, 0.361491983, 0.301661318],
    [-0.477133711, 0.639999998, 0.052377893],
    [0.777361851, 0.763680946, -2.249999993],
];

#[test]
fn sform_wins_over_qform() {
    let header = Nifti {
        qform_code: 1,
        quatern: [1.0, 0.0, 0.0],
        ..Nifti::default()
    };
    let volume = nifti::read(&Folder::new().put("a.nii", &header.counting()));
    assert_eq!(volume.unwrap().geometry.orientation(), Orientation::LPS);
}

#[test]
fn headers_without_forms_are_centred_and_undeclared() {
    let header = Nifti {
        sform_code: 0,
        ..Nifti::default()
    };
    let volume = nifti::read(&Folder::new().put("a.nii", &header.counting())).unwrap();
    assert!(!volume.geometry_declared);
    assert_eq!(volume.warnings.len(), 1);
    assert_eq!(volume.geometry.spacing_mm(), SPACING);
    assert_eq!(volume.geometry.orientation().to_string(), "LAS");
    // nibabel: x = +(4-1)/2*0.7, y = -(3-1)/2*0.8, z = -(2-1)/2*2.5 in RAS.
    assert!(near(
        volume.geometry.origin_lps_mm(),
        [-1.05, 0.8, -1.25],
        1e-6
    ));
}

#[test]
fn a_blank_header_is_undeclared() {
    let mut header = Nifti {
        srow: [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ],
        ..Nifti::default()
    };
    header.pixdim[1..4].fill(1.0);
    let folder = Folder::new();
    let blank = nifti::read(&folder.put("a.nii", &header.counting())).unwrap();
    assert!(!blank.geometry_declared);
    header.srow[2][3] = 7.0;
    let moved = nifti::read(&folder.put("b.nii", &header.counting())).unwrap();
    assert!(moved.geometry_declared);
}

#[test]
fn units_become_millimetres() {
    let folder = Folder::new();
    for (units, to_file) in [(1_u8, 1e-3), (3, 1e3), (2, 1.0), (0, 1.0), (2 | 8, 1.0)] {
        let spacing = SPACING.map(|mm| mm * to_file);
        let origin = ORIGIN.map(|mm| mm * to_file);
        let header = Nifti {
            xyzt_units: units,
            ..Nifti::version2()
        };
        let header = header.placed(Orientation::LPS, spacing, origin);
        let volume = nifti::read(&folder.put("a.nii", &header.counting())).unwrap();
        assert_eq!(volume.geometry.spacing_mm(), SPACING, "xyzt_units {units}");
        assert!(near(volume.geometry.origin_lps_mm(), ORIGIN, 1e-9));
    }
}

#[test]
fn the_affine_wins_over_a_different_pixdim() {
    let mut header = Nifti::default();
    header.pixdim[3] = 5.0;
    let volume = nifti::read(&Folder::new().put("a.nii", &header.counting())).unwrap();
    assert_eq!(volume.geometry.spacing_mm(), SPACING);
    assert!(
        volume.warnings[0].contains("along axis k"),
        "{:?}",
        volume.warnings
    );
}

/// Spec 1, step 1.
#[test]
fn scl_fields_follow_the_specification() {
    let folder = Folder::new();
    let float = |x: f32| f64::from(x);
    for (scl, expected) in [
        (
            [1.0, -1024.0],
            Some(Rescale {
                slope: 1.0,
                intercept: -1024.0,
            }),
        ),
        (
            [0.1, 0.2],
            Some(Rescale {
                slope: float(0.1),
                intercept: float(0.2),
            }),
        ),
        ([0.0, -1024.0], Some(Rescale::IDENTITY)),
        ([f64::NAN, -1024.0], Some(Rescale::IDENTITY)),
        ([f64::INFINITY, f64::NAN], Some(Rescale::IDENTITY)),
        ([0.0, f64::NAN], Some(Rescale::IDENTITY)),
        ([2.0, f64::NAN], None),
        ([2.0, f64::NEG_INFINITY], None),
    ] {
        let header = Nifti {
            scl,
            ..Nifti::default()
        };
        match (
            nifti::read(&folder.put("a.nii", &header.counting())),
            expected,
        ) {
            (Ok(volume), Some(expected)) => assert_eq!(volume.rescale, expected),
            (Err(error), None) => assert_eq!(error.fault, Fault::Header),
            (outcome, _) => panic!("scl {scl:?} gave {outcome:?}"),
        }
    }
}

#[test]
fn extensions_are_skipped_and_voxels_aligned_at_any_offset() {
    let folder = Folder::new();
    let values: Vec<f64> = (0..24).map(f64::from).collect();
    for vox_offset in [352.0, 353.0, 357.0, 368.0, 1000.0] {
        let header = Nifti {
            vox_offset,
            datatype: 64,
            ..Nifti::default()
        };
        let bytes = header.file(&ends(&values, false));
        for (name, bytes) in [("a.nii", bytes.clone()), ("a.nii.gz", gzip(&bytes))] {
            let volume = nifti::read(&folder.put(name, &bytes)).unwrap();
            assert_eq!(
                volume.voxels,
                Voxels::F64(values.clone()),
                "offset {vox_offset} {name}"
            );
        }
    }
}

#[test]
fn single_later_axes_are_no_series() {
    let header = Nifti {
        dim: [5, 4, 3, 2, 1, 1, 0, 0],
        ..Nifti::default()
    };
    let volume = nifti::read(&Folder::new().put("a.nii", &header.counting())).unwrap();
    assert_eq!(volume.geometry.dims_ijk(), [4, 3, 2]);
}

#[test]
fn gzip_of_several_members_and_with_padding_is_read() {
    let bytes = Nifti::default().counting();
    let expected = Voxels::I16((0..24).collect());
    let folder = Folder::new();
    let parts: Vec<u8> = bytes.chunks(37).flat_map(gzip).collect();
    assert_eq!(
        nifti::read(&folder.put("a.nii.gz", &parts)).unwrap().voxels,
        expected
    );
    let padded = [gzip(&bytes), vec![0; 512]].concat();
    assert_eq!(
        nifti::read(&folder.put("b.nii.gz", &padded))
            .unwrap()
            .voxels,
        expected
    );
    let trailing = gzip(&[bytes, vec![1; 5000]].concat());
    assert_eq!(
        nifti::read(&folder.put("c.nii.gz", &trailing))
            .unwrap()
            .voxels,
        expected
    );
}

#[test]
fn content_decides_about_gzip_not_the_name() {
    let bytes = Nifti::default().counting();
    let folder = Folder::new();
    assert!(nifti::read(&folder.put("plain.nii.gz", &bytes)).is_ok());
    assert!(nifti::read(&folder.put("zipped.nii", &gzip(&bytes))).is_ok());
}

#[test]
fn pairs_are_read_by_either_name() {
    let header = Nifti {
        magic: *b"ni1\0",
        vox_offset: 0.0,
        ..Nifti::default()
    };
    let folder = Folder::new();
    let hdr = folder.put("a.hdr", &header.header());
    let img = folder.put("a.img", &support::counting24());
    for path in [hdr, img] {
        let volume = nifti::read(&path).unwrap();
        assert_eq!(volume.voxels, Voxels::I16((0..24).collect()));
    }
}

#[test]
fn first_bytes_give_a_header_away() {
    for header in both_versions() {
        for big_endian in [false, true] {
            let bytes = Nifti {
                big_endian,
                ..header.clone()
            }
            .counting();
            assert!(nifti::looks_like(&bytes));
            assert!(nifti::looks_like(&gzip(&bytes)));
        }
    }
    for other in [
        &b""[..],
        b"NRRD0004\n",
        b"<html>",
        &[0; 600],
        &gzip(b"hello"),
    ] {
        assert!(!nifti::looks_like(other));
    }
}

#[test]
fn written_volumes_lie_where_they_were() {
    let folder = Folder::new();
    let values: Vec<f32> = (0..24).map(|v| v as f32 / 10.0 - 1.0).collect();
    for orientation in Orientation::all() {
        let directions = orientation.directions_lps();
        let grid = Geometry::new([4, 3, 2], SPACING, directions, ORIGIN).unwrap();
        for name in ["a.nii", "a.nii.gz"] {
            let path = folder.path().join(name);
            write::nifti(&path, &grid, &values).unwrap();
            let volume = nifti::read(&path).unwrap();
            assert_eq!(volume.geometry, grid);
            assert_eq!(volume.voxels, Voxels::F32(values.clone()));
            assert_eq!(volume.rescale, Rescale::IDENTITY);
        }
        // The qform, alone, must say the same.
        let mut bytes = std::fs::read(folder.path().join("a.nii")).unwrap();
        assert_eq!(bytes[252..254], [1, 0], "qform_code");
        bytes[254] = 0;
        let by_qform = nifti::read(&folder.put("q.nii", &bytes)).unwrap().geometry;
        assert_eq!(by_qform.orientation(), orientation);
        let corner = [3.0, 2.0, 1.0];
        assert!(near(
            by_qform.position_lps_mm(corner),
            grid.position_lps_mm(corner),
            1e-4
        ));
    }
}

#[test]
fn oblique_and_sheared_grids_are_written_too() {
    let folder = Folder::new();
    let path = folder.path().join("a.nii");
    let corner = [3.0, 2.0, 1.0];
    let (sin, cos) = 20_f64.to_radians().sin_cos();
    let tilted = [[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]];
    let sheared = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, sin, cos]];
    for (directions, has_qform) in [(tilted, 1), (sheared, 0)] {
        let grid = Geometry::new([4, 3, 2], SPACING, directions, ORIGIN).unwrap();
        write::nifti(&path, &grid, &[0.0; 24]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[252], has_qform);
        let back = nifti::read(&path).unwrap().geometry;
        assert_eq!(back.spacing_mm(), SPACING);
        assert!(near(
            back.position_lps_mm(corner),
            grid.position_lps_mm(corner),
            1e-4
        ));
    }
}

#[test]
fn large_outputs_are_one_gzip_member_that_inflates_whole() {
    // More than two blocks, and no multiple of one.
    let dims = [100, 100, 70];
    let values: Vec<f32> = (0..700_000_u32)
        .map(|v| (v.wrapping_mul(2_654_435_761) >> 20) as f32)
        .collect();
    let grid = Geometry::new(dims, [1.0; 3], Orientation::RAS.directions_lps(), [0.0; 3]).unwrap();
    let folder = Folder::new();
    let path = folder.path().join("a.nii.gz");
    write::nifti(&path, &grid, &values).unwrap();
    assert_eq!(nifti::read(&path).unwrap().voxels, Voxels::F32(values));
    let bytes = std::fs::read(&path).unwrap();
    let mut decoder = flate2::bufread::GzDecoder::new(&bytes[..]);
    let inflated = std::io::copy(&mut decoder, &mut std::io::sink()).unwrap();
    assert_eq!(inflated, 352 + 4 * 700_000);
}

#[test]
fn refused_outputs_leave_nothing_behind() {
    let folder = Folder::new();
    let grid = Geometry::new(
        [4, 3, 2],
        SPACING,
        Orientation::LPS.directions_lps(),
        ORIGIN,
    )
    .unwrap();
    let missing = folder.path().join("missing/a.nii");
    for (path, count) in [
        (folder.path().join("a.nii"), 23),
        (missing, 24),
        (folder.path().to_owned(), 24),
    ] {
        let error = write::nifti(&path, &grid, &vec![0.0; count]).unwrap_err();
        assert_eq!(error.fault, Fault::Output);
        assert_eq!(error.path, path);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_uncommitted_file_changes_nothing() {
    use std::io::Write;
    let folder = Folder::new();
    let path = folder.put("a.json", b"old");
    let mut file = write::AtomicFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    drop(file);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let mut file = write::AtomicFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    file.commit().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
}

#[test]
fn summaries_give_the_type() {
    let header = Nifti {
        datatype: 1024,
        ..Nifti::default()
    };
    let summary = nifti::summary(&Folder::new().put("a.nii", &header.header())).unwrap();
    assert_eq!(summary.voxel_type, VoxelType::I32);
}
