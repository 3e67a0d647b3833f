//! Public DICOM files, where they are present: each is read as pydicom reads it, or refused for
//! the right reason.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the helpers of tests may fail and talk as tests do"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rad3d_volume::{Fault, Input, Volume, VolumeError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    dims_ijk: [usize; 3],
    spacing_ij_mm: [f64; 2],
    spacing_k_mm: Option<f64>,
    origin_lps_mm: [f64; 3],
    min_hu: f64,
    max_hu: f64,
    sum_hu: f64,
    hash: String,
}

/// The folder with `data`, named by `RAD3D_SHARED` or beside the repository.
fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("RAD3D_SHARED").map_or_else(beside, PathBuf::from);
    let data = shared.join("data");
    if !data.is_dir() {
        eprintln!("skipped: {} is absent", data.display());
    }
    data.is_dir().then_some(data)
}

fn read(path: &Path) -> Result<Volume, VolumeError> {
    let input = Input::open(path)?;
    input.read(input.choose(None, false)?, false)
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_str(include_str!("fixtures/dicom/shared.json")).unwrap()
}

#[test]
fn public_series_are_read_as_pydicom_reads_them() {
    let Some(data) = data() else { return };
    let mut faults = Vec::new();
    // Lossy 12-bit JPEG is refused, which the other test checks.
    for (name, want) in expected()
        .into_iter()
        .filter(|(name, _)| !name.contains(".51."))
    {
        match read(&data.join(&name)) {
            Ok(volume) => {
                if let Err(difference) = compare(&volume, &want) {
                    faults.push(format!("{name}: {difference}"));
                }
            }
            Err(e) => faults.push(format!("{name}: refused: {e}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn compare(volume: &Volume, want: &Expected) -> Result<(), String> {
    let hu: Vec<f64> = (0..volume.voxels.len())
        .map(|at| volume.rescale.apply(volume.voxels.get(at)))
        .collect();
    let geometry = &volume.geometry;
    let [i, j, k] = geometry.spacing_mm();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-5;
    let same = |what: &str, equal: bool| if equal { Ok(()) } else { Err(what.to_owned()) };
    same("dims", geometry.dims_ijk() == want.dims_ijk)?;
    same(
        "spacing",
        near(i, want.spacing_ij_mm[0]) && near(j, want.spacing_ij_mm[1]),
    )?;
    same("spacing k", want.spacing_k_mm.is_none_or(|mm| near(k, mm)))?;
    let origin = geometry.origin_lps_mm().into_iter().zip(want.origin_lps_mm);
    same("origin", origin.into_iter().all(|(a, b)| near(a, b)))?;
    same(
        "smallest HU",
        hu.iter().copied().fold(f64::MAX, f64::min) == want.min_hu,
    )?;
    same(
        "largest HU",
        hu.iter().copied().fold(f64::MIN, f64::max) == want.max_hu,
    )?;
    same(
        "sum of HU",
        (hu.iter().sum::<f64>() - want.sum_hu).abs() < 1e-3,
    )?;
    let hash = hu.iter().enumerate().fold(0_u64, |hash, (at, hu)| {
        let weight = (at as u64).wrapping_mul(2_654_435_761) & 0xFFFF_FFFF;
        hash.wrapping_add((hu.round() as i64 as u64).wrapping_mul(weight))
    });
    same("hash of HU", hash.to_string() == want.hash)
}

#[test]
fn faulty_series_are_refused_for_the_right_reason() {
    let Some(data) = data() else { return };
    let cases = [
        (
            "dicom/failing/gantrytilting/001",
            Fault::Geometry,
            "tilted: slices step at 14.0°",
        ),
        (
            "dicom/failing/notavolume/001",
            Fault::Series,
            "all 4 slices lie at one place",
        ),
        (
            "dicom/failing/sliceincrement/001",
            Fault::Series,
            "1 of 5 slices are missing",
        ),
        (
            "dicom/failing/sliceorientation/001",
            Fault::Series,
            "mixes 2 orientations",
        ),
        (
            "dicom/multiframe/IM00001.implicit_little_endian.dcm",
            Fault::Voxels,
            "colour image",
        ),
        (
            "dicom/multiframe/IM00001.fragmented_no_bot_jpeg_baseline.50.dcm",
            Fault::Voxels,
            "colour image",
        ),
        (
            "dicom/multiframe/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
            Fault::Unsupported,
            "lossy 12-bit JPEG",
        ),
        (
            "ct-rate-reports",
            Fault::UnknownFormat,
            "none of them a scan",
        ),
    ];
    let mut faults = Vec::new();
    for (name, fault, words) in cases {
        let path = data.join(name);
        if !path.exists() {
            continue;
        }
        match read(&path) {
            Ok(_) => faults.push(format!("{name}: was read")),
            Err(e) if e.fault != fault || !e.what.contains(words) => {
                faults.push(format!("{name}: {:?} {e}", e.fault));
            }
            Err(_) => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
