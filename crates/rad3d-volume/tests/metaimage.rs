//! MetaImage files of every type, byte order, storage and orientation.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use rad3d_volume::{Orientation, Rescale, VoxelType, Voxels, metaimage};
use support::{Folder, Number, attached, counting24, ends, metaimage as header, near, zlib};

fn check_type<T: Number>(element: &str, values: &[T; 6], expected: Voxels) {
    let folder = Folder::new();
    for (big_endian, msb) in [(false, "False"), (true, "True")] {
        let bytes = ends(values, big_endian);
        for (compressed, stored) in [("False", bytes.clone()), ("True", zlib(&bytes))] {
            let size = stored.len().to_string();
            let mut changes = vec![
                ("ElementType", element),
                ("BinaryDataByteOrderMSB", msb),
                ("CompressedData", compressed),
                ("CompressedDataSize", size.as_str()),
                ("DimSize", "3 2 1"),
            ];
            let mha = folder.put("a.mha", &attached(header(&changes), b"", &stored));
            assert_eq!(
                metaimage::read(&mha).unwrap().voxels,
                expected,
                "{changes:?}"
            );
            changes.push(("ElementDataFile", "a.raw"));
            folder.put("a.raw", &stored);
            let mhd = folder.put("a.mhd", &header(&changes));
            assert_eq!(
                metaimage::read(&mhd).unwrap().voxels,
                expected,
                "{changes:?}"
            );
        }
    }
}

#[test]
fn reads_every_type_byte_order_and_storage() {
    check_type(
        "MET_UCHAR",
        &[0_u8, 1, 2, 127, 128, 255],
        Voxels::U8(vec![0, 1, 2, 127, 128, 255]),
    );
    check_type(
        "MET_CHAR",
        &[0_i8, 1, -1, 127, -128, 5],
        Voxels::I8(vec![0, 1, -1, 127, -128, 5]),
    );
    let u16s = [0_u16, 1, 256, 65535, 4, 5];
    check_type("MET_USHORT", &u16s, Voxels::U16(u16s.to_vec()));
    let i16s = [0_i16, 1, -1024, 3071, i16::MIN, i16::MAX];
    check_type("MET_SHORT", &i16s, Voxels::I16(i16s.to_vec()));
    let u32s = [0_u32, 1, 65536, u32::MAX, 4, 5];
    check_type("MET_UINT", &u32s, Voxels::U32(u32s.to_vec()));
    check_type("MET_ULONG", &u32s, Voxels::U32(u32s.to_vec()));
    let i32s = [0_i32, 1, -65536, i32::MIN, i32::MAX, 5];
    check_type("MET_INT", &i32s, Voxels::I32(i32s.to_vec()));
    check_type("MET_LONG", &i32s, Voxels::I32(i32s.to_vec()));
    let i64s = [0_i64, 1, -65536, -1024, 3071, 5];
    check_type(
        "MET_LONG_LONG",
        &i64s,
        Voxels::I32(i64s.map(|v| v as i32).to_vec()),
    );
    let f32s = [0.0_f32, -0.1, 1e30, f32::MIN_POSITIVE, -1024.5, 5.0];
    check_type("MET_FLOAT", &f32s, Voxels::F32(f32s.to_vec()));
    let f64s = [0.0_f64, -0.1, 1e300, f64::MIN_POSITIVE, -1024.5, 5.0];
    check_type("MET_DOUBLE", &f64s, Voxels::F64(f64s.to_vec()));
}

#[test]
fn places_every_orientation() {
    let folder = Folder::new();
    for orientation in Orientation::all() {
        // Row i of the matrix is the direction of axis i, as ITK writes it.
        let matrix: Vec<String> = orientation
            .directions_lps()
            .as_flattened()
            .iter()
            .map(f64::to_string)
            .collect();
        let bytes = header(&[("TransformMatrix", &matrix.join(" "))]);
        let path = folder.put("a.mha", &attached(bytes, b"", &counting24()));
        let volume = metaimage::read(&path).unwrap();
        assert_eq!(volume.geometry.orientation(), orientation);
        assert_eq!(volume.geometry.dims_ijk(), [4, 3, 2]);
        assert_eq!(volume.geometry.spacing_mm(), [0.7, 0.8, 2.5]);
        assert!(near(
            volume.geometry.origin_lps_mm(),
            [-100.0, -90.0, -50.0],
            0.0
        ));
        assert_eq!(volume.voxels, Voxels::I16((0..24).collect()));
        assert_eq!(volume.rescale, Rescale::IDENTITY);
        assert!(volume.geometry_declared && volume.warnings.is_empty());
        assert_eq!(metaimage::summary(&path).unwrap().geometry, volume.geometry);
    }
}

#[test]
fn old_names_of_fields_are_understood() {
    let path = Folder::new();
    let bytes = header(&[
        ("TransformMatrix", "-"),
        ("Rotation", "0 1 0 1 0 0 0 0 1"),
        ("Offset", "-"),
        ("Position", "1 2 3"),
        ("ElementSpacing", "-"),
        ("ElementSize", "0.5 0.6 3"),
        ("BinaryDataByteOrderMSB", "-"),
        ("ElementByteOrderMSB", "True"),
    ]);
    let values: Vec<i16> = (0..24).collect();
    let file = path.put("a.mha", &attached(bytes, b"", &ends(&values, true)));
    let volume = metaimage::read(&file).unwrap();
    assert_eq!(volume.voxels, Voxels::I16(values));
    assert_eq!(volume.geometry.orientation().to_string(), "PLS");
    assert_eq!(volume.geometry.spacing_mm(), [0.5, 0.6, 3.0]);
    assert_eq!(volume.geometry.origin_lps_mm(), [1.0, 2.0, 3.0]);
}

#[test]
fn missing_spacing_is_undeclared() {
    let bytes = header(&[("ElementSpacing", "-")]);
    let folder = Folder::new();
    let volume = metaimage::read(&folder.put("a.mha", &attached(bytes, b"", &counting24())));
    let volume = volume.unwrap();
    assert!(!volume.geometry_declared);
    assert_eq!(volume.geometry.spacing_mm(), [1.0; 3]);
}

#[test]
fn header_size_skips_what_lies_before_the_voxels() {
    let folder = Folder::new();
    for (size, before, after) in [("5", 5, 9), ("-1", 77, 0), ("0", 0, 3)] {
        let raw = [vec![9; before], counting24(), vec![9; after]].concat();
        folder.put("a.raw", &raw);
        let bytes = header(&[("HeaderSize", size), ("ElementDataFile", "a.raw")]);
        let volume = metaimage::read(&folder.put("a.mhd", &bytes)).unwrap();
        assert_eq!(
            volume.voxels,
            Voxels::I16((0..24).collect()),
            "HeaderSize = {size}"
        );
    }
}

#[test]
fn text_crlf_and_gzip_are_read() {
    let folder = Folder::new();
    let numbers: Vec<String> = (0..24).map(|v| (v - 5).to_string()).collect();
    let bytes = attached(
        header(&[("BinaryData", "False")]),
        b"",
        numbers.join(" ").as_bytes(),
    );
    let expected = Voxels::I16((-5..19).collect());
    assert_eq!(
        metaimage::read(&folder.put("t.mha", &bytes))
            .unwrap()
            .voxels,
        expected
    );

    let expected = Voxels::I16((0..24).collect());
    let text = String::from_utf8(header(&[]))
        .unwrap()
        .replace('\n', "\r\n");
    let bytes = attached(text.into_bytes(), b"", &counting24());
    assert_eq!(
        metaimage::read(&folder.put("c.mha", &bytes))
            .unwrap()
            .voxels,
        expected
    );

    let bytes = header(&[("CompressedData", "True")]);
    let bytes = attached(bytes, b"", &support::gzip(&counting24()));
    assert_eq!(
        metaimage::read(&folder.put("g.mha", &bytes))
            .unwrap()
            .voxels,
        expected
    );
}

#[test]
fn a_fourth_axis_of_one_is_no_series() {
    let bytes = header(&[
        ("NDims", "4"),
        ("DimSize", "4 3 2 1"),
        ("TransformMatrix", "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"),
        ("Offset", "1 2 3 0"),
        ("ElementSpacing", "1 2 3 1"),
    ]);
    let folder = Folder::new();
    let path = folder.put("a.mha", &attached(bytes, b"", &counting24()));
    let summary = metaimage::summary(&path).unwrap();
    assert_eq!(summary.geometry.dims_ijk(), [4, 3, 2]);
    assert_eq!(summary.voxel_type, VoxelType::I16);
    assert!(metaimage::read(&path).is_ok());
}

#[test]
fn the_data_file_may_lie_in_a_folder_below_and_the_modality_is_kept() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("raw")).unwrap();
    folder.put("raw/a.raw", &counting24());
    let bytes = header(&[("ElementDataFile", "raw/a.raw"), ("Modality", "MET_MOD_CT")]);
    let volume = metaimage::read(&folder.put("a.mhd", &bytes)).unwrap();
    assert_eq!(volume.facts.modality.as_deref(), Some("CT"));
}

#[test]
fn first_bytes_give_a_header_away() {
    assert!(metaimage::looks_like(&header(&[])));
    assert!(metaimage::looks_like(b"NDims = 3\nDimSize = 1 1 1\n"));
    for other in [
        &b""[..],
        b"NRRD0004\n",
        b"<html>NDims</html>\n",
        &[0; 600],
        b"a = b\n",
    ] {
        assert!(!metaimage::looks_like(other));
    }
}
