//! `rad3d evaluate --bertscore` against `bert-score` 0.3.13 with all-MiniLM-L6-v2 (fixture by
//! tests/golden/metrics_models.py), and what it says of folders that are no encoder.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{assert_code, rad3d, root, stderr, text};
use serde_json::{Value, json};
use tempfile::TempDir;

const TOLERANCE: f64 = 1e-4;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/bertscore.json")).unwrap()
}

/// The encoder, fetched once into `.cache`; `None`, with a note, where that fails.
fn minilm() -> Option<PathBuf> {
    let folder = root().join(".cache/minilm");
    if !folder.join("model.safetensors").is_file() {
        let script = root().join("tests/golden/fetch_minilm.sh");
        let fetched = std::process::Command::new("sh").arg(script).status();
        if !fetched.is_ok_and(|status| status.success()) {
            println!("skipped: all-MiniLM-L6-v2 is not in .cache and cannot be fetched");
            return None;
        }
    }
    Some(folder)
}

/// The fixture's pairs as two files.
fn pairs(fixture: &Value) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for side in ["reference", "hypothesis"] {
        let pairs = fixture["pairs"].as_array().unwrap().iter();
        let line = |pair: &Value| json!({ "id": pair["id"], "report": pair[side] }).to_string();
        let lines: Vec<String> = pairs.map(line).collect();
        fs::write(place.path().join(side), lines.join("\n")).unwrap();
    }
    place
}

fn evaluate(place: &Path, encoder: &Path, more: &[&str]) -> Output {
    let (reference, hypothesis) = (place.join("reference"), place.join("hypothesis"));
    let out = place.join("out");
    let mut arguments = vec!["evaluate", "--resamples", "100"];
    arguments.extend(["--references", text(&reference)]);
    arguments.extend(["--hypotheses", text(&hypothesis)]);
    arguments.extend(["--out", text(&out), "--bertscore", text(encoder)]);
    arguments.extend(more);
    rad3d(&arguments)
}

fn scores(place: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(place.join("out/scores.json")).unwrap()).unwrap()
}

#[test]
fn bertscore_is_that_of_the_reference_program() {
    let Some(encoder) = minilm() else { return };
    let fixture = fixture();
    let place = pairs(&fixture);
    for layer in ["6", "5", "3"] {
        for idf in [false, true] {
            let name = format!("L{layer}.{}", if idf { "idf" } else { "noidf" });
            let mut more = vec!["--bertscore-layer", layer];
            more.extend(idf.then_some("--bertscore-idf"));
            assert_code(&evaluate(place.path(), &encoder, &more), 0);
            let scores = scores(place.path());
            let reports = scores["reports"].as_array().unwrap();
            assert_eq!(reports.len(), 50);
            let mut sum = 0.0;
            for report in reports {
                let id = report["id"].as_str().unwrap();
                // Precision, recall, F1.
                let want = fixture[&name][id][2].as_f64().unwrap();
                let got = report["bertscore_f1"].as_f64().unwrap();
                assert!(
                    (got - want).abs() <= TOLERANCE,
                    "{name} {id}: {got} for {want}"
                );
                sum += got;
            }
            let mean = scores["corpus"]["bertscore_f1"].as_f64().unwrap();
            assert!((mean - sum / 50.0).abs() < 1e-12);
        }
    }
}

#[test]
fn bertscore_is_rescaled_by_a_baseline() {
    let Some(encoder) = minilm() else { return };
    let place = pairs(&fixture());
    let mean = |more: &[&str]| {
        assert_code(&evaluate(place.path(), &encoder, more), 0);
        let scores = scores(place.path());
        let settings = scores["protocol"]["bertscore"].as_str().unwrap().to_owned();
        (scores["corpus"]["bertscore_f1"].as_f64().unwrap(), settings)
    };
    let baseline = place.path().join("baseline.csv");
    fs::write(&baseline, "LAYER,P,R,F\n0,0.1,0.1,0.1\n6,0.2,0.3,0.25\n").unwrap();
    let layer = ["--bertscore-layer", "6"];
    let (plain, settings) = mean(&layer);
    assert_eq!(settings, "minilm, layer 6 of 6, no idf, not rescaled, mean");
    let with = [&layer[..], &["--bertscore-baseline", text(&baseline)]].concat();
    let (rescaled, settings) = mean(&with);
    assert!((rescaled - (plain - 0.25) / 0.75).abs() < 1e-9);
    assert!(
        settings.contains("rescaled by the baseline 0.25"),
        "{settings}"
    );
}

#[test]
fn encoders_that_cannot_work_are_named() {
    let place = pairs(&fixture());
    let tiny = root().join("crates/rad3d-nn/tests/fixtures/text_encoder/bert");
    let told = |encoder: &Path, more: &[&str]| {
        let output = evaluate(place.path(), encoder, more);
        assert_code(&output, 2);
        assert!(output.stdout.is_empty());
        stderr(&output).replace(text(place.path()), "PLACE")
    };
    let layered = ["--bertscore-layer", "3"];
    for (encoder, more, expected, hint) in [
        (
            place.path().join("nowhere"),
            &[][..],
            "PLACE/nowhere/config.json: cannot be read",
            "hint: give a Hugging Face folder",
        ),
        // Neither bert-score nor anyone else has a layer for it.
        (
            tiny.clone(),
            &[],
            "bert: no layer is customary for an encoder of 2 layers and width 16",
            "hint: give --bertscore-layer 1 to 2",
        ),
        (
            tiny.clone(),
            &layered,
            "bert: has 2 layers, not 3",
            "hint: give --bertscore-layer 1 to 2",
        ),
        (
            tiny.join("../roberta"),
            &layered,
            "has no tokenizer.json",
            "hint: write one with transformers",
        ),
    ] {
        let told = told(&encoder, more);
        assert!(told.contains(expected) && told.contains(hint), "{told}");
    }
    assert!(!place.path().join("out").exists());
}
