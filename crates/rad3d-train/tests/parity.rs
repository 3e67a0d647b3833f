//! Ten steps against PyTorch (fixtures by tests/golden/training.py): losses within 1e-4, trained
//! parameters within 1e-3 of their length. On the CPU, or on the device that the variable
//! `RAD3D_TEST_DEVICE` names (`wgpu` or `cuda`, if built in).
#![cfg(feature = "engine")]
#![cfg_attr(
    feature = "engine",
    expect(clippy::unwrap_used, reason = "a test without its files has failed")
)]

use std::path::{Path, PathBuf};

use rad3d_embeddings::{EmbeddingRow, EmbeddingTable, Provenance, write_parquet};
use rad3d_nn::EnginePrecision;
use rad3d_train::tasks::{LlmMode, MapperSettings};
use rad3d_weights::{Checkpoint, MapperKind};
use serde_json::Value;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity")
}

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

/// Writes table and reports; a fifth case to validate with, which changes nothing.
fn data(golden: &Value, folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let (table, reports, aside) = (
        folder.join("table.parquet"),
        folder.join("reports.csv"),
        folder.join("aside.csv"),
    );
    let row = |id: String, index: usize| {
        let single = |key: &str| {
            floats(&golden[key][index])
                .iter()
                .map(|x| *x as f32)
                .collect()
        };
        EmbeddingRow {
            path: id.clone(),
            id,
            embedding: single("embeddings"),
            logits: single("logits"),
        }
    };
    let texts: Vec<&str> = golden["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    let mut csv = "id,report\n".to_owned();
    let mut rows = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        csv.push_str(&format!("scan{index},{text}\n"));
        rows.push(row(format!("scan{index}"), index));
    }
    rows.push(row("scan9".to_owned(), 0));
    std::fs::write(&reports, csv).unwrap();
    std::fs::write(&aside, format!("id,report\nscan9,{}\n", texts[0])).unwrap();
    let provenance = Provenance {
        version: "test".to_owned(),
        tower_sha256: "0".repeat(64),
        head_sha256: None,
        recipe: "{}".to_owned(),
        labels: (0..18).map(|label| format!("label {label}")).collect(),
        precision: "f32".to_owned(),
    };
    write_parquet(&table, &EmbeddingTable { provenance, rows }).unwrap();
    (table, reports, aside)
}

fn settings(name: &str, golden: &Value, folder: &Path) -> MapperSettings {
    let (table, reports, aside) = data(golden, folder);
    let text = format!(
        "embeddings = {table:?}\nreports = {reports:?}\nvalidation-reports = {aside:?}\n\
         llm = {:?}\nprefix-length = 3\nclip-length = 2\nlayers = 2\ntarget = \"findings\"\n\
         start = {:?}\n[fit]\nepochs = 10\nlearning-rate = 1e-3\nlog-steps = 1\n",
        fixtures().join("llm"),
        fixtures().join(format!("{name}.safetensors")),
    );
    let mut settings: MapperSettings = toml::from_str(&text).unwrap();
    if let Ok(device) = std::env::var("RAD3D_TEST_DEVICE") {
        settings.fit.device = device;
    }
    settings.priors = matches!(name, "v3" | "linear");
    settings.llm_mode = match name {
        "v1" => LlmMode::Trained,
        _ => LlmMode::Frozen,
    };
    settings.projector = match name {
        "linear" => MapperKind::Linear,
        "r2gengpt" => MapperKind::R2GenGpt,
        _ => MapperKind::Transformer,
    };
    settings
}

/// Each trained tensor lies within 1e-3 of PyTorch's, as a share of that one's length.
fn check_parameters(file: &Path, expected: &str) {
    let weights = Checkpoint::open(file).unwrap();
    let expected = Checkpoint::open(fixtures().join(expected)).unwrap();
    assert_eq!(weights.len(), expected.len(), "{}", file.display());
    for name in expected.names() {
        let (found, wanted) = (
            weights.to_f32(name).unwrap(),
            expected.to_f32(name).unwrap(),
        );
        assert_eq!(found.len(), wanted.len(), "{name}");
        let length = |x: &mut dyn Iterator<Item = f32>| {
            let squares: f64 = x.map(|x| f64::from(x).powi(2)).sum();
            squares.sqrt()
        };
        let apart = length(&mut found.iter().zip(&wanted).map(|(a, b)| a - b));
        let whole = length(&mut wanted.iter().copied());
        assert!(apart <= 1e-3 * whole, "{name}: {apart:e} of {whole:e}");
    }
}

#[test]
fn ten_steps_are_pytorch_s() {
    let text = std::fs::read_to_string(fixtures().join("golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    for name in ["v1", "v2", "v3", "linear", "r2gengpt"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(name, &golden, folder.path());
        let run = folder.path().join("run");
        let mut losses = Vec::new();
        settings
            .run(&run, false, |progress| losses.push(progress.loss))
            .unwrap();
        let expected = floats(&golden["runs"][name]["losses"]);
        assert_eq!(losses.len(), expected.len());
        for (step, (found, expected)) in losses.iter().zip(&expected).enumerate() {
            assert!(
                (found - expected).abs() <= 1e-4,
                "{name} {step}: {found} {expected}"
            );
        }
        if name == "v1" {
            check_parameters(&run.join("llm.safetensors"), "v1-trained-llm.safetensors");
        }
    }
}

/// bfloat16 keeps 8 bits of a factor, 1/256; losses are means of many products of such.
#[test]
fn mixed_precision_follows_the_losses_of_full_precision() {
    let text = std::fs::read_to_string(fixtures().join("golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    for name in ["v1", "v2", "v3", "linear", "r2gengpt"] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(name, &golden, folder.path());
        settings.fit.precision = EnginePrecision::Bf16;
        let run = folder.path().join("run");
        let mut losses = Vec::new();
        let outcome = settings.run(&run, false, |progress| losses.push(progress.loss));
        if let Err(error) = outcome {
            assert!(error.to_string().contains("cannot multiply"), "{error}");
            eprintln!("skipped: {error}");
            return;
        }
        let expected = floats(&golden["runs"][name]["losses"]);
        assert_eq!(losses.len(), expected.len());
        let gaps = losses.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let largest = gaps.fold(0.0, f64::max);
        assert!(largest <= 0.01 * expected[0], "{name}: {largest}");
        assert!(largest > 1e-5, "{name}: {largest}, as in full precision");
        assert!(losses[losses.len() - 1] < losses[0], "{name}: {losses:?}");
    }
}

#[test]
fn trained_parameters_are_pytorch_s() {
    let text = std::fs::read_to_string(fixtures().join("golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    for name in ["v1", "v2", "v3", "linear", "r2gengpt"] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(name, &golden, folder.path());
        // The best epoch is exported: the last one, if every epoch is better than the one before.
        settings.fit.patience = 0;
        let run = folder.path().join("run");
        settings.run(&run, false, |_| {}).unwrap();
        let expected = format!("{name}-trained.safetensors");
        check_parameters(&run.join("mapper.safetensors"), &expected);
    }
}
