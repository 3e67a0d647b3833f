//! `rad3d label --classifier` and `rad3d evaluate --classifier`, with tiny random classifiers of
//! both layouts (`tests/golden/text_classifier.py`), and what they say of others.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{assert_code, rad3d, root, stderr, stdout, text};
use rad3d_report::CT_RATE_LABELS;
use serde_json::{Value, json};
use tempfile::TempDir;

const TOLERANCE: f64 = 1e-4;

fn folder(name: &str) -> PathBuf {
    root()
        .join("crates/rad3d-nn/tests/fixtures/text_classifier")
        .join(name)
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The labels of the classifier's outputs.
fn names(folder: &Path) -> Vec<String> {
    let config = read(&folder.join("config.json"));
    let named = |at: usize| {
        config["id2label"][at.to_string()]
            .as_str()
            .map(str::to_owned)
    };
    match named(0) {
        Some(first) if !first.starts_with("LABEL_") => (0..).map_while(named).collect(),
        _ => CT_RATE_LABELS.map(str::to_owned).into(),
    }
}

/// The fixture's texts, but for the empty one, as a table.
fn reports(place: &Path, name: &str) -> (PathBuf, Vec<Value>) {
    let cases = read(&folder(name).join("golden.json"));
    let cases: Vec<Value> = cases.as_array().unwrap()[1..].to_vec();
    let rows = cases.iter().enumerate();
    let rows = rows.map(|(at, case)| format!("{at},\"{}\"\n", case["text"].as_str().unwrap()));
    let path = place.join(format!("{name}.csv"));
    fs::write(&path, format!("id,report\n{}", rows.collect::<String>())).unwrap();
    (path, cases)
}

#[test]
fn labels_are_those_of_the_golden_logits() {
    let place = tempfile::tempdir().unwrap();
    for name in ["radbert", "roberta", "bert", "distilbert"] {
        let (path, cases) = reports(place.path(), name);
        let folder = folder(name);
        let arguments = ["label", text(&path), "--classifier", text(&folder)];
        let output = rad3d(&[&arguments[..], &["--json"]].concat());
        assert_code(&output, 0);
        let names = names(&folder);
        let lines = stdout(&output);
        assert_eq!(lines.lines().count(), cases.len());
        let mut positives = 0;
        for (line, case) in lines.lines().zip(&cases) {
            let found: Value = serde_json::from_str(line).unwrap();
            assert_eq!(found["labels"].as_object().unwrap().len(), 18);
            for label in CT_RATE_LABELS {
                let at = names.iter().position(|name| name == label).unwrap();
                let logit = case["logits"][at].as_f64().unwrap();
                let probability = found["probabilities"][label].as_f64().unwrap();
                let expected = 1.0 / (1.0 + (-logit).exp());
                assert!((probability - expected).abs() < TOLERANCE, "{name} {label}");
                assert_eq!(found["labels"][label], logit >= 0.0, "{name} {label}");
                positives += usize::from(logit >= 0.0);
            }
        }
        assert!(
            (10..60).contains(&positives),
            "{positives} of 72 say something"
        );
        // The table says the same, and the run report names the weights.
        let out = place.path().join("labels.csv");
        assert_code(
            &rad3d(&[&arguments[..], &["--out", text(&out)]].concat()),
            0,
        );
        let table = fs::read_to_string(&out).unwrap();
        assert_eq!(table.matches(",1").count(), positives);
        let run = read(&place.path().join("labels.csv.run.json"));
        let weights = run["inputs"][1]["path"].as_str().unwrap();
        assert!(Path::new(weights).starts_with(&folder), "{weights}");
        let ignored = "has 1 tensors that no logit needs: model.embeddings.position_ids";
        assert_eq!(stderr(&output).contains(ignored), name == "radbert");
    }
}

#[test]
fn a_classifier_is_checked_against_labels() {
    let place = tempfile::tempdir().unwrap();
    let (path, _) = reports(place.path(), "roberta");
    let folder = folder("roberta");
    let out = place.path().join("labels.csv");
    let arguments = [
        "label",
        text(&path),
        "--classifier",
        text(&folder),
        "--out",
        text(&out),
    ];
    assert_code(&rad3d(&arguments), 0);
    // Its own labels beside its own texts: all right.
    let texts = fs::read_to_string(&path).unwrap();
    let labels = fs::read_to_string(&out).unwrap();
    let joined = texts.lines().zip(labels.lines());
    let joined =
        joined.map(|(text, labels)| format!("{text},{}\n", labels.split_once(',').unwrap().1));
    fs::write(&path, joined.collect::<String>()).unwrap();
    let output = rad3d(&[
        "label",
        text(&path),
        "--classifier",
        text(&folder),
        "--check",
    ]);
    assert_code(&output, 0);
    let table = stdout(&output);
    let micro = table.lines().last().unwrap();
    assert!(
        micro.starts_with("micro") && micro.ends_with(" 1.000"),
        "{table}"
    );
}

fn evaluate(place: &Path, more: &[&str]) -> Value {
    let (reports, out) = (place.join("roberta.csv"), place.join("out"));
    let common = [
        "evaluate",
        "--resamples",
        "100",
        "--references",
        text(&reports),
    ];
    let sides = ["--hypotheses", text(&reports), "--out", text(&out)];
    let output = rad3d(&[&common[..], &sides, more].concat());
    assert_code(&output, 0);
    read(&out.join("scores.json"))
}

#[test]
fn evaluate_reads_labels_by_the_classifier() {
    let place = tempfile::tempdir().unwrap();
    let (_, cases) = reports(place.path(), "roberta");
    let folder = folder("roberta");
    let names = names(&folder);
    let scores = evaluate(place.path(), &["--classifier", text(&folder)]);
    for label in CT_RATE_LABELS {
        let at = names.iter().position(|name| name == label).unwrap();
        let there = |case: &&Value| case["logits"][at].as_f64().unwrap() >= 0.0;
        let found = cases.iter().filter(there).count();
        let own = &scores["labels"][label];
        assert_eq!(own["true_positives"], found, "{label}");
        assert_eq!(own["cases"], found, "{label}");
    }
    let labeler = scores["protocol"]["labels"].as_str().unwrap();
    let sha256 = rad3d_weights::sha256_of_file(folder.join("model.safetensors"), |_| {}).unwrap();
    let expected = format!(
        "text classifier roberta (weights SHA-256 {sha256}), probability from 0.5, first 40 \
         tokens, on the hypotheses, truth by it from the references"
    );
    assert!(labeler.starts_with(&expected), "{labeler}");
    let rules = evaluate(place.path(), &[]);
    let labeler = rules["protocol"]["labels"].as_str().unwrap();
    assert!(
        labeler.starts_with("built-in labeler on the hypotheses"),
        "{labeler}"
    );
    assert_ne!(rules["labels"], scores["labels"]);
    assert_eq!(rules["corpus"]["bleu_4"], scores["corpus"]["bleu_4"]);
}

/// A fixture with its `config.json` changed.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), place.path().join(file.file_name())).unwrap();
    }
    let path = place.path().join("config.json");
    let mut config = read(&path);
    change(&mut config);
    fs::write(path, config.to_string()).unwrap();
    place
}

#[test]
fn classifiers_that_do_not_fit_say_why() {
    let place = tempfile::tempdir().unwrap();
    let (path, _) = reports(place.path(), "roberta");
    let other = changed("roberta", |config| {
        config["id2label"]["1"] = json!("Big heart");
        config["id2label"]["2"] = json!("Lung nodule");
    });
    let unnamed = changed("roberta", |config| {
        config.as_object_mut().unwrap().remove("id2label");
    });
    let spelt = changed("roberta", |config| {
        config["id2label"]["1"] = json!("cardiomegaly ")
    });
    let headless = changed("radbert", |_| {});
    fs::remove_file(headless.path().join("RadBertClassifier.pth")).unwrap();
    let encoder =
        root().join("crates/rad3d-nn/tests/fixtures/text_encoder/roberta/model.safetensors");
    fs::copy(encoder, headless.path().join("model.safetensors")).unwrap();
    let wordless = changed("bert", |_| {});
    fs::remove_file(wordless.path().join("tokenizer.json")).unwrap();
    for (folder, expected) in [
        (
            other.path(),
            "config.json: its labels are not the 18 of CT-RATE; not named once: Cardiomegaly, Lung \
             nodule; unknown: Big heart\nhint: give a classifier of CT-RATE's labels, or correct id2label",
        ),
        (
            unnamed.path(),
            "has 19 outputs without names, there are 18 labels\nhint: name the outputs",
        ),
        (
            headless.path(),
            "has no classification head (classifier.weight)",
        ),
        (wordless.path(), "has no tokenizer.json"),
        (
            Path::new("/no/such/folder"),
            "/no/such/folder/config.json: cannot be read",
        ),
    ] {
        let output = rad3d(&["label", text(&path), "--classifier", text(folder)]);
        assert_code(&output, 2);
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    // Case and blanks are no difference.
    let output = rad3d(&["label", text(&path), "--classifier", text(spelt.path())]);
    assert_code(&output, 0);
    let both = ["--classifier", text(spelt.path()), "--rules", "x.toml"];
    let output = rad3d(&[&["label", text(&path)][..], &both].concat());
    assert_code(&output, 2);
    assert!(stderr(&output).contains("cannot be used with"));
}
