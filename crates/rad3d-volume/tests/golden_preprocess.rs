//! Parity with the published CT-CLIP preprocessing: four NIfTI files, both clip orders, and the
//! size rule's traps (specification sections 1 and 6).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::path::{Path, PathBuf};

use rad3d_volume::{
    Clip, HuMode, MetadataRow, OrientationMode, Plan, PrepareOptions, Recipe, nifti, prepare,
    resampled_len,
};
use safetensors::SafeTensors;
use serde_json::Value;

/// Allowed per element, in the network's units: `f32` arithmetic on `f64` positions stays within
/// 2.4e-7 of the all-`f64` reference, the issue allows 1e-5.
const TOLERANCE: f64 = 1e-5;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/preprocess")
        .join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

/// The tensor of golden file `case`, exactly as the published script makes it: axes as stored,
/// spacing from the table, the table's rescale on top of the header's.
fn tensor_of(case: &str, clip: Clip) -> (Plan, Vec<f32>) {
    let path = fixture(&format!("prep_{case}.nii.gz"));
    let recipe = Recipe {
        clip,
        ..Recipe::find("ct-clip").unwrap()
    };
    let options = PrepareOptions {
        hu: HuMode::Raw,
        orientation: OrientationMode::Keep,
        metadata: Some(MetadataRow::find(&fixture("prep_metadata.csv"), &path).unwrap()),
        force: true,
    };
    let prepared = prepare(nifti::read(&path).unwrap(), &recipe, &options).unwrap();
    let tensor = prepared.plan.tensor(&prepared.volume);
    (prepared.plan, tensor)
}

fn f32s(tensors: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let view = tensors.tensor(name).unwrap();
    let chunks = view.data().chunks_exact(4);
    chunks
        .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
        .collect()
}

fn f64s(tensors: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let view = tensors.tensor(name).unwrap();
    view.data()
        .chunks_exact(8)
        .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

fn coordinates(tensors: &SafeTensors<'_>, name: &str) -> Vec<usize> {
    let view = tensors.tensor(name).unwrap();
    let triples = view.data().chunks_exact(12);
    triples
        .map(|triple| {
            let at = |axis: usize| {
                i32::from_le_bytes(triple[4 * axis..4 * axis + 4].try_into().unwrap()) as usize
            };
            (at(0) * 480 + at(1)) * 480 + at(2)
        })
        .collect()
}

fn lengths(value: &Value) -> Vec<usize> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap() as usize)
        .collect()
}

fn assert_close(what: &str, ours: impl Iterator<Item = f64>, golden: &[f64], tolerance: f64) {
    let ours: Vec<f64> = ours.collect();
    assert_eq!(ours.len(), golden.len(), "{what}");
    let worst = ours
        .iter()
        .zip(golden)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(
        worst <= tolerance,
        "{what}: max |difference| {worst:e} > {tolerance:e}"
    );
}

fn assert_parity(case: &str) {
    let golden = &json("prep_golden.json")[case];
    let bytes = std::fs::read(fixture("prep_samples.safetensors")).unwrap();
    let samples = SafeTensors::deserialize(&bytes).unwrap();
    let places = coordinates(&samples, &format!("{case}.coords_zyx"));
    for (variant, clip) in [
        ("infer", Clip::BeforeResampling),
        ("train", Clip::AfterResampling),
    ] {
        let what = format!("{case}.{variant}");
        let (plan, tensor) = tensor_of(case, clip);
        let resampled: Vec<usize> = plan.axes.iter().map(|axis| axis.resampled_len).collect();
        assert_eq!(resampled, lengths(&golden["resampled_shape_zyx"]), "{what}");
        let starts: Vec<usize> = plan.axes.iter().map(|axis| axis.pad_before).collect();
        assert_eq!(starts, lengths(&golden["content_box_start_zyx"]), "{what}");
        let kept: Vec<usize> = plan.axes.iter().map(|axis| axis.kept).collect();
        assert_eq!(kept, lengths(&golden["content_box_size_zyx"]), "{what}");

        let sampled = places.iter().map(|place| f64::from(tensor[*place]));
        assert_close(&what, sampled, &f32s(&samples, &what), TOLERANCE);

        let sum: f64 = tensor.iter().map(|v| f64::from(*v)).sum();
        let golden_sum = golden[variant]["sum"].as_f64().unwrap();
        let mean_error = (sum - golden_sum).abs() / tensor.len() as f64;
        assert!(mean_error < 1e-8, "{what}: sum {sum}, golden {golden_sum}");
        let squares: f64 = tensor.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
        let mean = sum / tensor.len() as f64;
        let std = (squares / tensor.len() as f64 - mean * mean).sqrt();
        let golden_std = golden[variant]["std"].as_f64().unwrap();
        assert!(
            (std - golden_std).abs() < 1e-6,
            "{what}: std {std}, golden {golden_std}"
        );
    }
    assert_means(case, &samples);
}

/// Means over whole slices, rows and columns: they see every element of the tensor.
fn assert_means(case: &str, samples: &SafeTensors<'_>) {
    let (_, tensor) = tensor_of(case, Clip::BeforeResampling);
    let mut per_slice = vec![0.0; 240];
    let mut per_row = vec![0.0; 480];
    let mut per_column = vec![0.0; 480];
    for (index, value) in tensor.iter().enumerate() {
        let value = f64::from(*value);
        per_slice[index / (480 * 480)] += value / (480.0 * 480.0);
        per_row[index / 480 % 480] += value / (240.0 * 480.0);
        per_column[index % 480] += value / (240.0 * 480.0);
    }
    for (axis, means) in [
        ("per_slice", per_slice),
        ("per_row_y", per_row),
        ("per_col_x", per_column),
    ] {
        let name = format!("{case}.infer_mean_{axis}");
        assert_close(&name, means.into_iter(), &f64s(samples, &name), TOLERANCE);
    }
}

#[test]
fn case_a_scaled_by_the_table() {
    assert_parity("a");
}

#[test]
fn case_b_scaled_by_header_and_table() {
    assert_parity("b");
}

#[test]
fn case_c_cropped_on_all_axes() {
    assert_parity("c");
}

#[test]
fn case_d_cropped_padded_and_truncated() {
    assert_parity("d");
}

#[test]
fn whole_content_of_case_a() {
    use std::io::Read;
    let mut npy = Vec::new();
    let file = std::fs::File::open(fixture("prep_a_content_f32.npy.gz")).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut npy)
        .unwrap();
    let header_len = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let values = npy[header_len..].chunks_exact(4);
    let golden: Vec<f64> = values
        .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
        .collect();
    let (plan, tensor) = tensor_of("a", Clip::BeforeResampling);
    let [d, h, w] = &plan.axes;
    let ours = (0..d.kept)
        .flat_map(|z| (0..h.kept).map(move |y| (z + d.pad_before, y + h.pad_before)))
        .flat_map(|(z, y)| (0..w.kept).map(move |x| (z * 480 + y) * 480 + x + w.pad_before))
        .map(|place| f64::from(tensor[place]));
    assert_close("whole content of a", ours, &golden, 1e-6);
}

#[test]
fn size_rule_divides_first_and_truncates() {
    let cases = json("prep_size_cases.json");
    let mut checked = 0;
    for case in ["traps", "plain"]
        .iter()
        .flat_map(|kind| cases[kind].as_array().unwrap())
    {
        let n = case["n"].as_u64().unwrap() as usize;
        let number = |key: &str| case[key].as_f64().unwrap();
        let ours = resampled_len(n, number("spacing"), number("target"));
        assert_eq!(ours as u64, case["out"].as_u64().unwrap(), "{case}");
        checked += 1;
    }
    assert_eq!(checked, 300);
}
