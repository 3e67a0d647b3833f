//! Files that must be refused: each with the right kind of fault and a message that names the
//! file and holds a remedy; and byte soup, which must never end the program.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rad3d_volume::{Fault, Result, Volume, metaimage, nifti, nrrd};
use support::{
    Folder, Nifti, attached, counting24, ends, gzip, metaimage as mha, nrrd as nrrd_header, zlib,
};

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    fault: Fault,
    /// What the message must say.
    says: &'static str,
}

fn case(name: &'static str, bytes: Vec<u8>, fault: Fault, says: &'static str) -> Case {
    Case {
        name,
        bytes,
        fault,
        says,
    }
}

fn read_by_name(path: &Path) -> Result<Volume> {
    let name = path.to_string_lossy().to_lowercase();
    if name.ends_with(".mha") || name.ends_with(".mhd") {
        metaimage::read(path)
    } else if name.ends_with(".nrrd") || name.ends_with(".nhdr") {
        nrrd::read(path)
    } else {
        nifti::read(path)
    }
}

fn check(cases: Vec<Case>) {
    let folder = Folder::new();
    for case in cases {
        let path = folder.put(case.name, &case.bytes);
        let error = match read_by_name(&path) {
            Ok(volume) => panic!("{} was read: {:?}", case.name, volume.geometry),
            Err(error) => error,
        };
        assert_eq!(error.fault, case.fault, "{}: {error}", case.name);
        let message = error.to_string();
        assert!(
            message.contains(case.name),
            "{message:?} does not name {}",
            case.name
        );
        assert!(
            message.contains(case.says),
            "{message:?} does not say {:?}",
            case.says
        );
        assert!(error.hint.len() > 10, "{}: no remedy", case.name);
        std::fs::remove_file(path).unwrap();
    }
}

fn with(change: impl Fn(&mut Nifti)) -> Vec<u8> {
    let mut header = Nifti::default();
    change(&mut header);
    header.file(&counting24())
}

fn without_last(mut bytes: Vec<u8>, n: usize) -> Vec<u8> {
    bytes.truncate(bytes.len() - n);
    bytes
}

/// A gzip stream of 64 MiB of zeros after a header that asks for 48 bytes.
fn bomb() -> Vec<u8> {
    gzip(&[Nifti::default().counting(), vec![0; 64 << 20]].concat())
}

/// A sound gzip stream with one flipped bit in its checksum.
fn wrong_checksum() -> Vec<u8> {
    let mut bytes = gzip(&Nifti::default().counting());
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    bytes
}

#[test]
fn bad_nifti_files_are_refused() {
    let good = Nifti::default().counting();
    let float_with = |value: f32| {
        let mut values = [0.0_f32; 24];
        values[5] = value;
        Nifti {
            datatype: 16,
            ..Nifti::default()
        }
        .file(&ends(&values, false))
    };
    let huge = |d: &mut Nifti| d.dim = [3, 32767, 32767, 32767, 1, 1, 1, 1];
    let absurd = |version: i64| {
        Nifti {
            dim: [3, version, version, version, 1, 1, 1, 1],
            ..Nifti::version2()
        }
        .file(&[])
    };
    let html = b"<!DOCTYPE html>\n<html><body>404</body></html>".to_vec();
    check(vec![
        case("empty.nii", vec![], Fault::UnknownFormat, "empty"),
        case("empty.nii.gz", gzip(b""), Fault::UnknownFormat, "empty"),
        case(
            "page.nii.gz",
            html.clone(),
            Fault::UnknownFormat,
            "an HTML page",
        ),
        case(
            "zippedpage.nii.gz",
            gzip(&html),
            Fault::UnknownFormat,
            "an HTML page",
        ),
        case(
            "text.nii.gz",
            b"hello there".to_vec(),
            Fault::UnknownFormat,
            "text that begins `hello",
        ),
        case(
            "zip.nii",
            b"PK\x03\x04....".to_vec(),
            Fault::UnknownFormat,
            "a ZIP archive",
        ),
        case(
            "zeros.nii",
            vec![0; 1000],
            Fault::UnknownFormat,
            "nothing but zeros",
        ),
        case(
            "analyze.nii",
            with(|h| h.magic = [0; 4]),
            Fault::UnknownFormat,
            "no NIfTI magic",
        ),
        case(
            "short_header.nii",
            good[..300].to_vec(),
            Fault::Truncated,
            "within its NIfTI header",
        ),
        case(
            "short.nii",
            without_last(good.clone(), 1),
            Fault::Truncated,
            "47 bytes of voxels",
        ),
        case(
            "short.nii.gz",
            without_last(gzip(&good), 9),
            Fault::Truncated,
            "cut short",
        ),
        case(
            "half.nii.gz",
            {
                let b = gzip(&good);
                b[..b.len() / 2].to_vec()
            },
            Fault::Truncated,
            "",
        ),
        case(
            "no_trailer.nii.gz",
            without_last(gzip(&good), 4),
            Fault::Truncated,
            "cut short",
        ),
        case("crc.nii.gz", wrong_checksum(), Fault::Truncated, "damaged"),
        case(
            "few.nii.gz",
            gzip(&good[..390]),
            Fault::Truncated,
            "cut short",
        ),
        case(
            "lying.nii",
            with(huge),
            Fault::Truncated,
            "its header promises",
        ),
        case(
            "lying.nii.gz",
            gzip(&with(huge)),
            Fault::Truncated,
            "can hold at most",
        ),
        case("absurd.nii", absurd(1 << 40), Fault::Header, "can address"),
        case(
            "absurd2.nii",
            absurd(i64::MAX),
            Fault::Header,
            "can address",
        ),
        case("bomb.nii.gz", bomb(), Fault::Header, "inflates to far more"),
        case(
            "negative.nii",
            with(|h| h.dim[2] = -3),
            Fault::Header,
            "claims -3 voxels",
        ),
        case(
            "zero.nii",
            with(|h| h.dim[3] = 0),
            Fault::Header,
            "claims 0 voxels",
        ),
        case(
            "axes.nii",
            with(|h| h.dim[0] = 9),
            Fault::Header,
            "claims 9 axes",
        ),
        case(
            "series.nii",
            with(|h| h.dim = [4, 2, 2, 3, 2, 1, 1, 1]),
            Fault::Unsupported,
            "a series",
        ),
        case(
            "rgb.nii",
            with(|h| h.datatype = 128),
            Fault::Voxels,
            "RGB colour",
        ),
        case(
            "rgba.nii",
            with(|h| h.datatype = 2304),
            Fault::Voxels,
            "RGBA colour",
        ),
        case(
            "complex.nii",
            with(|h| h.datatype = 32),
            Fault::Voxels,
            "complex",
        ),
        case(
            "bits.nii",
            with(|h| h.datatype = 1),
            Fault::Unsupported,
            "single-bit",
        ),
        case(
            "quad.nii",
            with(|h| h.datatype = 1536),
            Fault::Unsupported,
            "128-bit",
        ),
        case(
            "type.nii",
            with(|h| h.datatype = 77),
            Fault::Header,
            "datatype 77",
        ),
        case(
            "zero_spacing.nii",
            with(|h| h.pixdim[3] = 0.0),
            Fault::Geometry,
            "spacing of 0 along axis k",
        ),
        case(
            "nan_spacing.nii",
            with(|h| h.pixdim[1] = f64::NAN),
            Fault::Geometry,
            "NaN along axis i",
        ),
        case(
            "nan_affine.nii",
            with(|h| h.srow[0][0] = f64::NAN),
            Fault::Geometry,
            "affine",
        ),
        case(
            "singular.nii",
            with(|h| h.srow[2] = [0.0, -0.8, 0.0, 0.0]),
            Fault::Geometry,
            "affine",
        ),
        case(
            "zero_affine.nii",
            with(|h| h.srow = [[0.0; 4]; 3]),
            Fault::Geometry,
            "affine",
        ),
        case(
            "quaternion.nii",
            with(|h| (h.sform_code, h.qform_code, h.quatern) = (0, 1, [1.0, 1.0, 1.0])),
            Fault::Geometry,
            "no rotation",
        ),
        case(
            "inter.nii",
            with(|h| h.scl = [1.0, f64::NAN]),
            Fault::Header,
            "scl_inter NaN",
        ),
        case(
            "offset.nii",
            with(|h| h.vox_offset = 100.0),
            Fault::Header,
            "vox_offset",
        ),
        case(
            "offset_nan.nii",
            with(|h| h.vox_offset = f64::NAN),
            Fault::Header,
            "vox_offset",
        ),
        case(
            "far.nii",
            with(|h| h.vox_offset = 1e9),
            Fault::Truncated,
            "0 bytes of voxels",
        ),
        case(
            "nan.nii",
            float_with(f32::NAN),
            Fault::Voxels,
            "1 voxels that are NaN or infinite, the first at linear index 5",
        ),
        case(
            "inf.nii",
            float_with(f32::INFINITY),
            Fault::Voxels,
            "linear index 5",
        ),
        case(
            "wide.nii",
            Nifti {
                datatype: 1024,
                ..Nifti::default()
            }
            .file(&ends(&[i64::MAX; 24], false)),
            Fault::Voxels,
            "2^53",
        ),
        case(
            "lonely.hdr",
            with(|h| h.magic = *b"ni1\0"),
            Fault::Unreadable,
            ".img",
        ),
    ]);
}

#[test]
fn bad_metaimage_files_are_refused() {
    let file = |changes: &[(&str, &str)]| attached(mha(changes), b"", &counting24());
    let broken = {
        let mut stream = zlib(&counting24());
        let last = stream.len() - 1;
        stream[last] ^= 1;
        attached(mha(&[("CompressedData", "True")]), b"", &stream)
    };
    let bomb = attached(
        mha(&[("CompressedData", "True")]),
        b"",
        &zlib(&vec![0; 32 << 20]),
    );
    check(vec![
        case(
            "page.mha",
            b"<html>\n".to_vec(),
            Fault::UnknownFormat,
            "an HTML page",
        ),
        case("empty.mha", vec![], Fault::Truncated, "ElementDataFile"),
        case(
            "cut.mha",
            mha(&[])[..100].to_vec(),
            Fault::Truncated,
            "ElementDataFile",
        ),
        case(
            "line.mha",
            [b"NDims = 3\nfoo\n", &mha(&[])[..]].concat(),
            Fault::Header,
            "`foo`",
        ),
        case(
            "short.mha",
            without_last(file(&[]), 1),
            Fault::Truncated,
            "47 bytes",
        ),
        case(
            "lying.mha",
            file(&[("DimSize", "4000 3000 2000")]),
            Fault::Truncated,
            "promises",
        ),
        case(
            "absurd.mha",
            file(&[("DimSize", "9999999999 9999999999 9999999999")]),
            Fault::Header,
            "address",
        ),
        case(
            "negative.mha",
            file(&[("DimSize", "4 -3 2")]),
            Fault::Header,
            "DimSize",
        ),
        case(
            "zero.mha",
            file(&[("DimSize", "4 0 2")]),
            Fault::Header,
            "DimSize",
        ),
        case(
            "two.mha",
            file(&[("DimSize", "4 3")]),
            Fault::Header,
            "DimSize",
        ),
        case(
            "flat.mha",
            file(&[("NDims", "2")]),
            Fault::Unsupported,
            "2 axes",
        ),
        case("ndims.mha", file(&[("NDims", "x")]), Fault::Header, "NDims"),
        case(
            "series.mha",
            file(&[("NDims", "4"), ("DimSize", "2 2 2 3")]),
            Fault::Unsupported,
            "a series",
        ),
        case(
            "rgb.mha",
            file(&[("ElementNumberOfChannels", "3")]),
            Fault::Voxels,
            "3 values a voxel",
        ),
        case(
            "array.mha",
            file(&[("ElementType", "MET_UCHAR_ARRAY")]),
            Fault::Voxels,
            "vectors",
        ),
        case(
            "type.mha",
            file(&[("ElementType", "MET_OTHER")]),
            Fault::Header,
            "MET_OTHER",
        ),
        case(
            "spacing0.mha",
            file(&[("ElementSpacing", "1 0 1")]),
            Fault::Geometry,
            "spacing 0",
        ),
        case(
            "spacingn.mha",
            file(&[("ElementSpacing", "1 nan 1")]),
            Fault::Geometry,
            "spacing NaN",
        ),
        case(
            "singular.mha",
            file(&[("TransformMatrix", "1 0 0 1 0 0 0 0 1")]),
            Fault::Geometry,
            "span space",
        ),
        case(
            "matrix.mha",
            file(&[("TransformMatrix", "1 0 0 1")]),
            Fault::Header,
            "TransformMatrix",
        ),
        case(
            "offset.mha",
            file(&[("Offset", "1 2 inf")]),
            Fault::Geometry,
            "not finite",
        ),
        case("zlib.mha", broken, Fault::Truncated, "damaged"),
        case("bomb.mha", bomb, Fault::Header, "inflates to far more"),
        case(
            "list.mhd",
            file(&[("ElementDataFile", "LIST")]),
            Fault::Unsupported,
            "several files",
        ),
        case(
            "pattern.mhd",
            file(&[("ElementDataFile", "%03d.raw 1 2 1")]),
            Fault::Unsupported,
            "several files",
        ),
        case(
            "missing.mhd",
            file(&[("ElementDataFile", "no.raw")]),
            Fault::Unreadable,
            "`no.raw`",
        ),
        case(
            "up.mhd",
            file(&[("ElementDataFile", "../a.raw")]),
            Fault::Unsupported,
            "outside",
        ),
        case(
            "etc.mhd",
            file(&[("ElementDataFile", "/etc/passwd")]),
            Fault::Unsupported,
            "outside",
        ),
        case(
            "skip.mha",
            file(&[("HeaderSize", "-7")]),
            Fault::Header,
            "HeaderSize",
        ),
    ]);
}

#[test]
fn bad_nrrd_files_are_refused() {
    let file = |changes: &[(&str, &str)]| attached(nrrd_header(changes), b"\n", &counting24());
    let gz = |bytes: &[u8]| attached(nrrd_header(&[("encoding", "gzip")]), b"\n", bytes);
    let text = |bytes: &[u8]| attached(nrrd_header(&[("encoding", "text")]), b"\n", bytes);
    let colour = [
        ("dimension", "4"),
        ("sizes", "3 4 2 1"),
        ("space directions", "none (1,0,0) (0,1,0) (0,0,1)"),
    ];
    let kinds = |kinds: &'static str| [&colour[..], &[("kinds", kinds)]].concat();
    check(vec![
        case(
            "page.nrrd",
            b"<html>\n".to_vec(),
            Fault::UnknownFormat,
            "an HTML page",
        ),
        case("empty.nrrd", vec![], Fault::UnknownFormat, "empty"),
        case(
            "version.nrrd",
            b"NRRD0009\n\n".to_vec(),
            Fault::Unsupported,
            "NRRD0009",
        ),
        case(
            "cut.nrrd",
            nrrd_header(&[])[..100].to_vec(),
            Fault::Truncated,
            "blank line",
        ),
        case(
            "line.nrrd",
            b"NRRD0004\nfoo\n\n".to_vec(),
            Fault::Header,
            "`foo`",
        ),
        case(
            "short.nrrd",
            without_last(file(&[]), 1),
            Fault::Truncated,
            "47 bytes",
        ),
        case(
            "gz.nrrd",
            gz(&without_last(gzip(&counting24()), 9)),
            Fault::Truncated,
            "cut short",
        ),
        case("nogz.nrrd", gz(&counting24()), Fault::Truncated, "damaged"),
        case(
            "bomb.nrrd",
            gz(&gzip(&vec![0; 32 << 20])),
            Fault::Header,
            "inflates to far more",
        ),
        case(
            "lying.nrrd",
            file(&[("sizes", "4000 3000 2000")]),
            Fault::Truncated,
            "promises",
        ),
        case(
            "absurd.nrrd",
            file(&[("sizes", "9999999999 9999999999 9999999999")]),
            Fault::Header,
            "address",
        ),
        case(
            "zero.nrrd",
            file(&[("sizes", "4 0 2")]),
            Fault::Header,
            "sizes",
        ),
        case(
            "negative.nrrd",
            file(&[("sizes", "4 -3 2")]),
            Fault::Header,
            "sizes",
        ),
        case(
            "count.nrrd",
            file(&[("dimension", "4")]),
            Fault::Header,
            "sizes",
        ),
        case(
            "dimension.nrrd",
            file(&[("dimension", "x")]),
            Fault::Header,
            "dimension",
        ),
        case(
            "type.nrrd",
            file(&[("type", "quad")]),
            Fault::Header,
            "type: quad",
        ),
        case(
            "block.nrrd",
            file(&[("type", "block")]),
            Fault::Voxels,
            "block",
        ),
        case(
            "bzip2.nrrd",
            file(&[("encoding", "bzip2")]),
            Fault::Unsupported,
            "bzip2",
        ),
        case(
            "encoding.nrrd",
            file(&[("encoding", "rot13")]),
            Fault::Header,
            "rot13",
        ),
        case(
            "endian.nrrd",
            file(&[("endian", "-")]),
            Fault::Header,
            "endian",
        ),
        case(
            "rgb.nrrd",
            file(&kinds("RGB-color domain domain domain")),
            Fault::Voxels,
            "rgb-color",
        ),
        case(
            "vector.nrrd",
            file(&kinds("vector domain domain domain")),
            Fault::Voxels,
            "vector",
        ),
        case(
            "time.nrrd",
            file(&kinds("time domain domain domain")),
            Fault::Unsupported,
            "a series",
        ),
        case(
            "none.nrrd",
            file(&kinds("??? ??? ??? ???")),
            Fault::Unsupported,
            "without direction",
        ),
        case(
            "singular.nrrd",
            file(&[("space directions", "(1,0,0) (1,0,0) (0,0,1)")]),
            Fault::Geometry,
            "span space",
        ),
        case(
            "zerodir.nrrd",
            file(&[("space directions", "(0,0,0) (0,1,0) (0,0,1)")]),
            Fault::Geometry,
            "spacing 0",
        ),
        case(
            "nandir.nrrd",
            file(&[("space directions", "(nan,0,0) (0,1,0) (0,0,1)")]),
            Fault::Geometry,
            "spacing NaN",
        ),
        case(
            "dirs.nrrd",
            file(&[("space directions", "(1,0) (0,1)")]),
            Fault::Header,
            "space directions",
        ),
        case(
            "origin.nrrd",
            file(&[("space origin", "1 2 3")]),
            Fault::Header,
            "space origin",
        ),
        case(
            "list.nhdr",
            file(&[("data file", "LIST")]),
            Fault::Unsupported,
            "several files",
        ),
        case(
            "pattern.nhdr",
            file(&[("data file", "%03d.raw 1 2 1")]),
            Fault::Unsupported,
            "several files",
        ),
        case(
            "up.nhdr",
            file(&[("data file", "../../secret")]),
            Fault::Unsupported,
            "outside",
        ),
        case(
            "missing.nhdr",
            file(&[("data file", "no.raw")]),
            Fault::Unreadable,
            "`no.raw`",
        ),
        case(
            "skip.nrrd",
            file(&[("byte skip", "-5")]),
            Fault::Header,
            "byte skip",
        ),
        case(
            "skipgz.nrrd",
            file(&[("encoding", "gzip"), ("byte skip", "-1")]),
            Fault::Header,
            "byte skip",
        ),
        case(
            "word.nrrd",
            text(b"1 2 three 4"),
            Fault::Voxels,
            "`three` as voxel 2",
        ),
        case("few.nrrd", text(b"1 2 3"), Fault::Truncated, "has 3 voxels"),
        case("big.nrrd", text(b"1 2 99999"), Fault::Voxels, "`99999`"),
    ]);
}

#[test]
fn what_is_no_file_is_said_to_be_none() {
    let folder = Folder::new();
    let missing = folder.path().join("missing");
    for extension in ["nii", "nii.gz", "mha", "nrrd"] {
        let error = read_by_name(&missing.with_extension(extension)).unwrap_err();
        assert_eq!(
            (error.fault, error.hint.as_str()),
            (Fault::Unreadable, "check the path")
        );
        let directory = folder.path().join(format!("folder.{extension}"));
        std::fs::create_dir(&directory).unwrap();
        let error = read_by_name(&directory).unwrap_err();
        assert_eq!(error.fault, Fault::Unreadable);
        assert!(error.what.contains("is a folder"), "{error}");
    }
}

type Reader = fn(&Path) -> Result<Volume>;
const READERS: [Reader; 3] = [nifti::read, metaimage::read, nrrd::read];

/// Good files of every format, to be damaged.
fn good_files() -> Vec<Vec<u8>> {
    let nifti = Nifti::default().counting();
    vec![
        gzip(&nifti),
        nifti,
        Nifti {
            big_endian: true,
            ..Nifti::version2()
        }
        .counting(),
        attached(mha(&[]), b"", &counting24()),
        attached(
            mha(&[("CompressedData", "True")]),
            b"",
            &zlib(&counting24()),
        ),
        attached(nrrd_header(&[]), b"\n", &counting24()),
        attached(
            nrrd_header(&[("encoding", "gzip")]),
            b"\n",
            &gzip(&counting24()),
        ),
        attached(
            nrrd_header(&[("encoding", "text")]),
            b"\n",
            b"1 2 3 4 5 6 7 8 9",
        ),
    ]
}

/// Any outcome will do, so long as there is one.
fn survive(path: PathBuf) {
    for read in READERS {
        match read(&path) {
            Ok(volume) => assert_eq!(volume.voxels.len(), volume.geometry.voxel_count()),
            Err(error) => assert!(!error.hint.is_empty()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn byte_soup_ends_in_an_error_not_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        survive(Folder::new().put("soup", &bytes));
    }

    #[test]
    fn damaged_files_end_in_a_volume_or_an_error(
        which in 0..8_usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = good_files().swap_remove(which);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        survive(Folder::new().put("damaged", &bytes));
    }
}
