//! DICOM files made here, in every shape a series comes in, and what must become of them.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests may fail as tests do"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use rad3d_volume::{Fault, Input, Rescale, Volume, VolumeError, VoxelType, Voxels};
use tempfile::TempDir;

const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const BIG: &str = "1.2.840.10008.1.2.2";
const ROWS: usize = 3;
const COLUMNS: usize = 4;

fn put(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: impl Into<PrimitiveValue>) {
    object.put(DataElement::new(tag, vr, value.into()));
}

fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    put(object, tag, vr, value);
}

fn short(object: &mut InMemDicomObject, tag: Tag, value: u16) {
    put(object, tag, VR::US, value);
}

/// The words of the slice numbered `k`: column, row and slice can be read off each.
fn words(k: usize) -> Vec<u16> {
    (0..ROWS * COLUMNS)
        .map(|at| (100 * k + at) as u16)
        .collect()
}

/// An axial slice of a chest CT at `z_mm`.
fn slice(k: usize, z_mm: f64) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    text(
        &mut o,
        tags::SOP_CLASS_UID,
        VR::UI,
        "1.2.840.10008.5.1.4.1.1.2",
    );
    text(
        &mut o,
        tags::SOP_INSTANCE_UID,
        VR::UI,
        &format!("1.2.3.{}", k + 1),
    );
    text(&mut o, tags::MODALITY, VR::CS, "CT");
    text(&mut o, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL");
    text(&mut o, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3");
    text(&mut o, tags::PATIENT_ID, VR::LO, "one");
    text(&mut o, tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    text(
        &mut o,
        tags::IMAGE_POSITION_PATIENT,
        VR::DS,
        &format!("-10\\-20\\{z_mm}"),
    );
    text(
        &mut o,
        tags::IMAGE_ORIENTATION_PATIENT,
        VR::DS,
        "1\\0\\0\\0\\1\\0",
    );
    text(&mut o, tags::PIXEL_SPACING, VR::DS, "0.6\\0.8");
    text(&mut o, tags::RESCALE_SLOPE, VR::DS, "1");
    text(&mut o, tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    short(&mut o, tags::SAMPLES_PER_PIXEL, 1);
    short(&mut o, tags::ROWS, ROWS as u16);
    short(&mut o, tags::COLUMNS, COLUMNS as u16);
    short(&mut o, tags::BITS_ALLOCATED, 16);
    short(&mut o, tags::BITS_STORED, 16);
    short(&mut o, tags::HIGH_BIT, 15);
    short(&mut o, tags::PIXEL_REPRESENTATION, 0);
    pixels(&mut o, words(k));
    o
}

fn pixels(o: &mut InMemDicomObject, words: Vec<u16>) {
    put(
        o,
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(words.into()),
    );
}

fn save(object: InMemDicomObject, path: &Path, syntax: &str) {
    let meta = FileMetaTableBuilder::new().transfer_syntax(syntax);
    object.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

/// A folder of slices; `change` sees each slice's number before it is written.
fn folder(zs: &[f64], change: impl Fn(usize, &mut InMemDicomObject)) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (k, &z) in zs.iter().enumerate() {
        let mut object = slice(k, z);
        change(k, &mut object);
        // Names run against positions.
        save(
            object,
            &dir.path().join(format!("{:03}.dcm", 900 - k)),
            EXPLICIT,
        );
    }
    dir
}

fn even(count: usize) -> Vec<f64> {
    (0..count).map(|k| 2.5 * k as f64 - 100.0).collect()
}

fn read(path: &Path) -> Result<Volume, VolumeError> {
    let input = Input::open(path)?;
    input.read(input.choose(None, false)?, false)
}

fn refused(path: &Path, fault: Fault, words: &str) -> VolumeError {
    let e = read(path).unwrap_err();
    assert_eq!(e.fault, fault, "{e}");
    assert!(e.what.contains(words), "{e}");
    assert!(!e.hint.is_empty());
    e
}

/// All slices of `even(count)` in order, as they were stored.
fn in_order(count: usize) -> Voxels {
    Voxels::U16((0..count).flat_map(words).collect())
}

#[test]
fn slices_are_ordered_by_position_and_keep_their_type() {
    let dir = folder(&even(4), |k, o| {
        text(o, tags::INSTANCE_NUMBER, VR::IS, &format!("{}", 50 - k));
        text(o, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4");
    });
    fs::write(dir.path().join("notes.txt"), "nothing to see").unwrap();
    let volume = read(dir.path()).unwrap();
    assert_eq!(volume.voxels, in_order(4));
    assert_eq!(volume.geometry.dims_ijk(), [COLUMNS, ROWS, 4]);
    assert_eq!(volume.geometry.spacing_mm(), [0.8, 0.6, 2.5]);
    assert_eq!(volume.geometry.origin_lps_mm(), [-10.0, -20.0, -100.0]);
    assert_eq!(volume.geometry.orientation().to_string(), "LPS");
    assert_eq!(
        volume.rescale,
        Rescale {
            slope: 1.0,
            intercept: -1024.0
        }
    );
    assert_eq!((volume.padding, volume.warnings.len()), (None, 0));
    assert_eq!(Input::open(dir.path()).unwrap().ignored_files(), 1);
}

#[test]
fn every_uncompressed_syntax_reads_alike() {
    for syntax in [IMPLICIT, EXPLICIT, BIG] {
        let dir = TempDir::new().unwrap();
        for (k, z) in even(3).into_iter().enumerate() {
            save(slice(k, z), &dir.path().join(format!("{k}")), syntax);
        }
        assert_eq!(read(dir.path()).unwrap().voxels, in_order(3), "{syntax}");
    }
}

/// The data set of a slice as a file holds it, after preamble and meta group.
fn data_set(k: usize, z: f64) -> (Vec<u8>, Vec<u8>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x");
    save(slice(k, z), &path, EXPLICIT);
    let bytes = fs::read(path).unwrap();
    let start = 144 + u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    (bytes[..start].to_vec(), bytes[start..].to_vec())
}

#[test]
fn deflated_and_bare_data_sets_read_alike() {
    let (deflated, bare) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for (k, z) in even(3).into_iter().enumerate() {
        let (_, data) = data_set(k, z);
        fs::write(bare.path().join(format!("{k}")), &data).unwrap();
        let uid = b"1.2.840.10008.1.2.1.99";
        let mut file = [
            &[0; 128][..],
            b"DICM\x02\0\x10\0UI",
            &[uid.len() as u8, 0],
            uid,
        ]
        .concat();
        let mut packer =
            flate2::write::DeflateEncoder::new(&mut file, flate2::Compression::default());
        packer.write_all(&data).unwrap();
        packer.finish().unwrap();
        fs::write(deflated.path().join(format!("{k}")), file).unwrap();
    }
    assert_eq!(read(deflated.path()).unwrap().voxels, in_order(3));
    assert_eq!(read(bare.path()).unwrap().voxels, in_order(3));
}

#[test]
fn a_zip_reads_like_its_folder() {
    let dir = folder(&even(3), |_, _| {});
    let path = dir.path().join("scan.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for k in 0..3 {
        let name = format!("{}.dcm", 900 - k);
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("../a/{name}"), options).unwrap();
        zip.write_all(&fs::read(dir.path().join(name)).unwrap())
            .unwrap();
    }
    zip.finish().unwrap();
    assert_eq!(read(&path).unwrap().voxels, in_order(3));
}

#[test]
fn twelve_signed_bits_keep_their_sign_and_padding() {
    let dir = folder(&even(3), |_, o| {
        short(o, tags::BITS_STORED, 12);
        short(o, tags::HIGH_BIT, 11);
        short(o, tags::PIXEL_REPRESENTATION, 1);
        put(o, tags::PIXEL_PADDING_VALUE, VR::SS, -2000_i16);
        // An overlay bit above the pixel, which must not show.
        pixels(
            o,
            vec![0xF830, 0x0FFF, 0x07FF, 0x0800, 0, 1, 2, 3, 4, 5, 6, 7],
        );
    });
    let volume = read(dir.path()).unwrap();
    assert_eq!(volume.padding, Some((-2000.0, -2000.0)));
    let Voxels::I16(values) = volume.voxels else {
        panic!("{:?}", volume.voxels.voxel_type())
    };
    assert_eq!(values[..5], [-2000, -1, 2047, -2048, 0]);
}

#[test]
fn slopes_that_differ_by_slice_are_applied_once() {
    let dir = folder(&even(3), |k, o| {
        text(
            o,
            tags::RESCALE_SLOPE,
            VR::DS,
            if k == 1 { "0.5" } else { "1" },
        );
    });
    let volume = read(dir.path()).unwrap();
    assert_eq!(
        (volume.voxels.voxel_type(), volume.rescale),
        (VoxelType::F32, Rescale::IDENTITY)
    );
    assert_eq!(volume.voxels.get(0), -1024.0);
    assert_eq!(volume.voxels.get(ROWS * COLUMNS + 1), 0.5 * 101.0 - 1024.0);
}

#[test]
fn exact_copies_are_dropped_and_others_refused() {
    let dir = folder(&even(4), |_, _| {});
    fs::copy(dir.path().join("900.dcm"), dir.path().join("copy.dcm")).unwrap();
    let volume = read(dir.path()).unwrap();
    assert_eq!(volume.voxels, in_order(4));
    assert!(
        volume.warnings[0].contains("1 doubled"),
        "{:?}",
        volume.warnings
    );

    save(slice(9, -100.0), &dir.path().join("other.dcm"), EXPLICIT);
    let e = refused(
        dir.path(),
        Fault::Series,
        "different slices lie at one place",
    );
    assert!(e.what.contains("other.dcm"), "{e}");
}

#[test]
fn phases_at_the_same_places_become_series_of_their_own() {
    let zs = [even(4), even(4)].concat();
    let dir = folder(&zs, |k, o| {
        text(
            o,
            tags::ACQUISITION_NUMBER,
            VR::IS,
            if k < 4 { "1" } else { "2" },
        );
    });
    let input = Input::open(dir.path()).unwrap();
    let parts: Vec<_> = input
        .series()
        .iter()
        .map(|s| s.part.clone().unwrap())
        .collect();
    assert_eq!(parts.len(), 2);
    assert!(parts.contains(&"acquisition 2".to_owned()), "{parts:?}");
    assert_eq!(input.read(0, false).unwrap().geometry.dims_ijk()[2], 4);
}

#[test]
fn small_gaps_are_interpolated_and_large_ones_refused() {
    let mut zs = even(40);
    zs.remove(20);
    let volume = read(folder(&zs, |_, _| {}).path()).unwrap();
    assert_eq!(volume.geometry.dims_ijk()[2], 40);
    assert!(
        volume.warnings[0].contains("1 between -52.50 and -47.50"),
        "{:?}",
        volume.warnings
    );
    // Halfway between slices 19 and 20 of those that are there.
    assert_eq!(volume.voxels.get(20 * ROWS * COLUMNS), 1950.0);

    let mut zs = even(40);
    zs.drain(20..23);
    let dir = folder(&zs, |_, _| {});
    refused(
        dir.path(),
        Fault::Series,
        "3 of 40 slices are missing: 3 between",
    );
    let forced = Input::open(dir.path()).unwrap().read(0, true).unwrap();
    assert_eq!(forced.geometry.dims_ijk()[2], 40);
}

#[test]
fn uneven_tilted_and_mixed_series_are_refused() {
    let mut zs = even(20);
    zs[7] += 0.8;
    let dir = folder(&zs, |_, _| {});
    refused(dir.path(), Fault::Series, "3.30 mm after");

    let tilted = folder(&even(20), |_, o| {
        text(
            o,
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            "1\\0\\0\\0\\0.984807753\\-0.173648178",
        );
    });
    refused(tilted.path(), Fault::Geometry, "10.0°");

    let mixed = folder(&even(20), |k, o| {
        if k > 9 {
            text(
                o,
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                "0\\1\\0\\0\\0\\-1",
            );
        }
    });
    refused(mixed.path(), Fault::Series, "mixes 2 orientations");
}

#[test]
fn two_patients_need_a_choice_and_are_not_named() {
    let dir = folder(&even(20), |k, o| {
        if k >= 10 {
            text(o, tags::PATIENT_ID, VR::LO, "SECRET");
            text(o, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.9");
        }
    });
    let e = refused(dir.path(), Fault::Series, "2 series of 2 patients");
    assert!(!e.to_string().contains("SECRET"));
    let input = Input::open(dir.path()).unwrap();
    let chosen = input.choose(Some("1.2.9"), false).unwrap();
    assert_eq!(
        input.series()[chosen].facts.series_uid.as_deref(),
        Some("1.2.9")
    );
    let unknown = input.choose(Some("7.7"), false).unwrap_err();
    assert!(unknown.what.contains("1.2.9"), "{unknown}");
}

#[test]
fn the_chest_series_comes_first_and_the_rest_say_why_not() {
    let dir = folder(&even(120), |k, o| match k {
        0 => {
            text(o, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER");
            text(o, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.4");
        }
        1..=30 => {
            text(o, tags::BODY_PART_EXAMINED, VR::CS, "HEAD");
            text(o, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.5");
        }
        _ => {}
    });
    let input = Input::open(dir.path()).unwrap();
    let series = input.series();
    assert_eq!(series.len(), 3);
    assert!(series[0].suitable && series[0].facts.series_uid.as_deref() == Some("1.2.3"));
    let reason = |uid: &str| {
        series
            .iter()
            .find(|s| s.facts.series_uid.as_deref() == Some(uid))
            .unwrap()
            .reason
            .clone()
    };
    assert!(reason("1.2.5").contains("another part of the body"));
    assert!(reason("1.2.4").contains("localizer"));
}

#[test]
fn enhanced_frames_are_placed_by_their_functional_groups() {
    let dir = TempDir::new().unwrap();
    let sequence = |tag, items: Vec<InMemDicomObject>| {
        DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
    };
    let nested = |outer: Tag, inner: Tag, value: &str| {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, inner, VR::DS, value);
        sequence(outer, vec![item])
    };
    let mut o = slice(0, 0.0);
    for tag in [
        tags::IMAGE_POSITION_PATIENT,
        tags::IMAGE_ORIENTATION_PATIENT,
        tags::PIXEL_SPACING,
    ] {
        o.remove_element(tag);
    }
    let mut shared = InMemDicomObject::new_empty();
    shared.put(nested(
        tags::PLANE_ORIENTATION_SEQUENCE,
        tags::IMAGE_ORIENTATION_PATIENT,
        "1\\0\\0\\0\\1\\0",
    ));
    shared.put(nested(
        tags::PIXEL_MEASURES_SEQUENCE,
        tags::PIXEL_SPACING,
        "0.6\\0.8",
    ));
    o.put(sequence(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![shared],
    ));
    // Frames in the file run from the head down.
    let frame = |k: usize| {
        let mut item = InMemDicomObject::new_empty();
        let z = format!("-10\\-20\\{}", even(4)[k]);
        item.put(nested(
            tags::PLANE_POSITION_SEQUENCE,
            tags::IMAGE_POSITION_PATIENT,
            &z,
        ));
        item
    };
    let frames = (0..4).rev().map(frame).collect();
    o.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames));
    text(&mut o, tags::NUMBER_OF_FRAMES, VR::IS, "4");
    pixels(&mut o, (0..4).rev().flat_map(words).collect());
    let path: PathBuf = dir.path().join("enhanced.dcm");
    save(o, &path, EXPLICIT);
    let volume = read(&path).unwrap();
    assert_eq!(volume.voxels, in_order(4));
    assert_eq!(volume.geometry.spacing_mm(), [0.8, 0.6, 2.5]);
}

#[test]
fn damaged_files_are_named() {
    let dir = folder(&even(4), |_, _| {});
    let victim = dir.path().join("899.dcm");
    let whole = fs::read(&victim).unwrap();
    for cut in [whole.len() - 5, 400, 200] {
        fs::write(&victim, &whole[..cut]).unwrap();
        let e = read(dir.path()).unwrap_err();
        assert_eq!(e.path, victim, "cut at {cut}: {e}");
    }
    let lying = folder(&even(4), |k, o| {
        if k == 2 {
            short(o, tags::ROWS, 30_000);
        }
    });
    refused(lying.path(), Fault::Truncated, "holds 24 bytes of pixels");
}

#[test]
fn folders_without_a_scan_say_what_they_hold() {
    let dir = TempDir::new().unwrap();
    refused(dir.path(), Fault::UnknownFormat, "holds no file");
    let mut report = slice(0, 0.0);
    for tag in [tags::ROWS, tags::COLUMNS, tags::PIXEL_DATA] {
        report.remove_element(tag);
    }
    text(
        &mut report,
        tags::SOP_CLASS_UID,
        VR::UI,
        "1.2.840.10008.5.1.4.1.1.88.11",
    );
    text(&mut report, tags::MODALITY, VR::CS, "SR");
    save(report, &dir.path().join("report"), EXPLICIT);
    refused(dir.path(), Fault::UnknownFormat, "1 × modality SR");
    refused(
        &dir.path().join("absent"),
        Fault::Unreadable,
        "cannot be read",
    );
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_ends() {
    let dir = folder(&even(3), |_, _| {});
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert_eq!(read(dir.path()).unwrap().voxels, in_order(3));
}
