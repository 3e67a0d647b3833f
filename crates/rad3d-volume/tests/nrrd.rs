//! NRRD files of every type, byte order, encoding and frame.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use rad3d_volume::{Orientation, Rescale, VoxelType, Voxels, nrrd};
use support::{Folder, Number, attached, counting24, ends, gzip, near, nrrd as header};

fn check_type<T: Number>(names: &[&str], values: &[T; 6], expected: Voxels) {
    let folder = Folder::new();
    for (big_endian, endian) in [(false, "little"), (true, "big")] {
        let bytes = ends(values, big_endian);
        for (encoding, stored) in [
            ("raw", bytes.clone()),
            ("gzip", gzip(&bytes)),
            ("gz", gzip(&bytes)),
        ] {
            for name in names {
                let mut changes = vec![
                    ("type", *name),
                    ("endian", endian),
                    ("encoding", encoding),
                    ("sizes", "3 2 1"),
                ];
                let path = folder.put("a.nrrd", &attached(header(&changes), b"\n", &stored));
                assert_eq!(nrrd::read(&path).unwrap().voxels, expected, "{changes:?}");
                changes.push(("data file", "a.raw"));
                folder.put("a.raw", &stored);
                let path = folder.put("a.nhdr", &header(&changes));
                assert_eq!(nrrd::read(&path).unwrap().voxels, expected, "{changes:?}");
            }
        }
    }
}

#[test]
fn reads_every_type_byte_order_and_encoding() {
    let u8s = [0_u8, 1, 2, 127, 128, 255];
    check_type(
        &["uchar", "unsigned char", "uint8", "uint8_t"],
        &u8s,
        Voxels::U8(u8s.to_vec()),
    );
    let i8s = [0_i8, 1, -1, 127, -128, 5];
    check_type(
        &["signed char", "int8", "int8_t"],
        &i8s,
        Voxels::I8(i8s.to_vec()),
    );
    let u16s = [0_u16, 1, 256, 65535, 4, 5];
    check_type(
        &["ushort", "unsigned short int", "uint16"],
        &u16s,
        Voxels::U16(u16s.to_vec()),
    );
    let i16s = [0_i16, 1, -1024, 3071, i16::MIN, i16::MAX];
    check_type(
        &["short", "Signed Short Int", "int16_t"],
        &i16s,
        Voxels::I16(i16s.to_vec()),
    );
    let u32s = [0_u32, 1, 65536, u32::MAX, 4, 5];
    check_type(
        &["uint", "unsigned int", "uint32"],
        &u32s,
        Voxels::U32(u32s.to_vec()),
    );
    let i32s = [0_i32, 1, -65536, i32::MIN, i32::MAX, 5];
    check_type(
        &["int", "signed int", "int32"],
        &i32s,
        Voxels::I32(i32s.to_vec()),
    );
    let i64s = [0_i64, 1, -65536, -1024, 3071, 5];
    let narrow = Voxels::I32(i64s.map(|v| v as i32).to_vec());
    check_type(&["longlong", "long long int", "int64"], &i64s, narrow);
    let u64s = [0_u64, 1, 1 << 40, 1024, 3071, 5];
    let exact = Voxels::F64(u64s.map(|v| v as f64).to_vec());
    check_type(
        &["ulonglong", "unsigned long long", "uint64_t"],
        &u64s,
        exact,
    );
    let f32s = [0.0_f32, -0.1, 1e30, f32::MIN_POSITIVE, -1024.5, 5.0];
    check_type(&["float"], &f32s, Voxels::F32(f32s.to_vec()));
    let f64s = [0.0_f64, -0.1, 1e300, f64::MIN_POSITIVE, -1024.5, 5.0];
    check_type(&["double"], &f64s, Voxels::F64(f64s.to_vec()));
}

#[test]
fn places_every_orientation_in_every_frame() {
    let folder = Folder::new();
    let (spacing, origin) = ([0.7, 0.8, 2.5], [-100.0, -90.0, -50.0]);
    for (long, short, signs) in [
        ("left-posterior-superior", "LPS", [1.0, 1.0, 1.0]),
        ("Right-Anterior-Superior", "RAS", [-1.0, -1.0, 1.0]),
        ("left-anterior-superior", "LAS", [1.0, -1.0, 1.0]),
    ] {
        let vector = |v: [f64; 3], length: f64| {
            let parts: Vec<String> = (0..3)
                .map(|p| (v[p] * signs[p] * length).to_string())
                .collect();
            format!("({})", parts.join(", "))
        };
        for orientation in Orientation::all() {
            let directions = orientation.directions_lps();
            let columns: Vec<String> = (0..3)
                .map(|axis| vector(directions[axis], spacing[axis]))
                .collect();
            for space in [long, short] {
                let bytes = header(&[
                    ("space", space),
                    ("space directions", &columns.join(" ")),
                    ("space origin", &vector(origin, 1.0)),
                ]);
                let path = folder.put("a.nrrd", &attached(bytes, b"\n", &counting24()));
                let volume = nrrd::read(&path).unwrap();
                assert_eq!(volume.geometry.orientation(), orientation, "{space}");
                assert!(orientation.is_exactly(volume.geometry.directions_lps()));
                assert_eq!(volume.geometry.spacing_mm(), spacing);
                assert!(near(volume.geometry.origin_lps_mm(), origin, 0.0));
                assert!(volume.geometry_declared && volume.warnings.is_empty());
                assert_eq!(volume.rescale, Rescale::IDENTITY);
                assert_eq!(nrrd::summary(&path).unwrap().geometry, volume.geometry);
            }
        }
    }
}

#[test]
fn text_and_crlf_are_read() {
    let folder = Folder::new();
    let numbers: Vec<String> = (0..24).map(|v| (v - 5).to_string()).collect();
    for encoding in ["ascii", "text", "txt"] {
        let bytes = header(&[("encoding", encoding), ("endian", "-")]);
        let bytes = attached(bytes, b"\n", numbers.join("\n").as_bytes());
        let volume = nrrd::read(&folder.put("t.nrrd", &bytes)).unwrap();
        assert_eq!(volume.voxels, Voxels::I16((-5..19).collect()));
    }
    let text = String::from_utf8(header(&[]))
        .unwrap()
        .replace('\n', "\r\n");
    let bytes = attached(text.into_bytes(), b"\r\n", &counting24());
    let volume = nrrd::read(&folder.put("c.nrrd", &bytes)).unwrap();
    assert_eq!(volume.voxels, Voxels::I16((0..24).collect()));
}

/// Header fields to replace or add.
type Changes<'a> = &'a [(&'a str, &'a str)];

#[test]
fn skips_are_made() {
    let folder = Folder::new();
    let voxels = counting24();
    let expected = Voxels::I16((0..24).collect());
    let cases: [(Changes, Vec<u8>); 6] = [
        (&[("byte skip", "3")], [b"abc", &voxels[..]].concat()),
        (&[("byteskip", "-1")], [b"abcdefg", &voxels[..]].concat()),
        (&[("line skip", "2")], [b"one\ntwo\n", &voxels[..]].concat()),
        (
            &[("lineskip", "1"), ("byte skip", "2")],
            [b"one\nab", &voxels[..]].concat(),
        ),
        (
            &[("encoding", "gzip"), ("byte skip", "3")],
            gzip(&[b"abc", &voxels[..]].concat()),
        ),
        (
            &[("encoding", "gzip"), ("line skip", "1")],
            [b"one\n", &gzip(&voxels)[..]].concat(),
        ),
    ];
    for (changes, data) in cases {
        let path = folder.put("a.nrrd", &attached(header(changes), b"\n", &data));
        assert_eq!(nrrd::read(&path).unwrap().voxels, expected, "{changes:?}");
        folder.put("a.raw", &data);
        let detached = [changes, &[("data file", "./a.raw")]].concat();
        let path = folder.put("a.nhdr", &header(&detached));
        assert_eq!(nrrd::read(&path).unwrap().voxels, expected, "{changes:?}");
    }
}

#[test]
fn axes_of_one_sample_are_left_out() {
    let folder = Folder::new();
    let directions = "none (0.7,0,0) (0,0.8,0) (0,0,2.5)";
    for changes in [
        vec![
            ("sizes", "1 4 3 2"),
            ("space directions", directions),
            ("kinds", "vector domain domain domain"),
        ],
        vec![
            ("sizes", "1 4 3 2"),
            ("space directions", directions),
            ("kinds", "-"),
        ],
        vec![
            ("sizes", "4 3 2 1"),
            ("space directions", "-"),
            ("spacings", "0.7 0.8 2.5 NaN"),
            ("kinds", "-"),
        ],
    ] {
        let changes = [changes, vec![("dimension", "4")]].concat();
        let path = folder.put("a.nrrd", &attached(header(&changes), b"\n", &counting24()));
        let geometry = nrrd::read(&path).unwrap().geometry;
        assert_eq!(geometry.dims_ijk(), [4, 3, 2]);
        assert_eq!(geometry.spacing_mm(), [0.7, 0.8, 2.5]);
    }
}

#[test]
fn spacings_without_a_frame_are_undeclared() {
    let bytes = header(&[
        ("space", "-"),
        ("space directions", "-"),
        ("space origin", "-"),
        ("spacings", "0.7 0.8 2.5"),
    ]);
    let folder = Folder::new();
    let volume = nrrd::read(&folder.put("a.nrrd", &attached(bytes, b"\n", &counting24()))).unwrap();
    assert!(!volume.geometry_declared);
    assert_eq!(volume.warnings.len(), 1);
    assert_eq!(volume.geometry.spacing_mm(), [0.7, 0.8, 2.5]);
    assert_eq!(volume.geometry.orientation(), Orientation::LPS);
}

#[test]
fn key_value_pairs_and_versions_are_passed_over() {
    let folder = Folder::new();
    for version in 1..=5 {
        let text = String::from_utf8(header(&[("content", "a:b")])).unwrap();
        let text = text.replace("NRRD0004", &format!("NRRD000{version}"));
        let text = text + "DICOM_0008_0060_NAME:=Modality: CT\n";
        let path = folder.put("a.nrrd", &attached(text.into_bytes(), b"\n", &counting24()));
        assert_eq!(
            nrrd::read(&path).unwrap().voxels.voxel_type(),
            VoxelType::I16
        );
    }
}

#[test]
fn first_bytes_give_a_header_away() {
    assert!(nrrd::looks_like(&header(&[])));
    for other in [&b""[..], b"NRRD", b"ObjectType = Image\n", &[0; 600]] {
        assert!(!nrrd::looks_like(other));
    }
}
