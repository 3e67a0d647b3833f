//! Text classifiers against `transformers`, on tiny random models of CT-CLIP's layout and of
//! `*ForSequenceClassification` (fixtures by tests/golden/text_classifier.py).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rad3d_nn::Fault;
use rad3d_nn::text_encoder::TextClassifier;
use rad3d_weights::{Checkpoint, Tokenizer, write_safetensors};
use serde::Deserialize;
use tempfile::TempDir;

/// Absolute, of logits of about 1.
const TOLERANCE: f32 = 1e-4;
const NAMES: [&str; 4] = ["radbert", "roberta", "bert", "distilbert"];

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    logits: Vec<f32>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/text_classifier/{name}"))
}

fn cases(name: &str) -> Vec<Case> {
    let path = folder(name).join("golden.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn logits_are_those_of_transformers() {
    for name in NAMES {
        let classifier = TextClassifier::open(folder(name)).unwrap();
        let cases = cases(name);
        // More texts than are worked on together, of all lengths.
        let texts: Vec<&[u32]> = cases
            .iter()
            .cycle()
            .take(70)
            .map(|case| &case.ids[..])
            .collect();
        let logits = classifier.logits(&texts).unwrap();
        assert_eq!(logits.len(), 70);
        for (met, case) in logits.iter().zip(cases.iter().cycle()) {
            assert_eq!(met.len(), classifier.outputs());
            assert_eq!(met.len(), case.logits.len());
            for (met, wanted) in met.iter().zip(&case.logits) {
                let distance = (met - wanted).abs();
                assert!(
                    distance <= TOLERANCE,
                    "{name} {:?}: {met} for {wanted}",
                    case.text
                );
            }
        }
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    for name in NAMES {
        let tokenizer = Tokenizer::from_folder(folder(name)).unwrap();
        for case in cases(name) {
            let ids = tokenizer.encode(&case.text, true).unwrap();
            // Of the longest text, what was cut is followed by the end token.
            let length = case.ids.len();
            match ids.len() > length {
                true => assert_eq!(ids[..length - 1], case.ids[..length - 1], "{name}"),
                false => assert_eq!(ids, case.ids, "{name}"),
            }
        }
    }
}

#[test]
fn labels_are_named_where_the_configuration_does() {
    for (name, outputs, named) in [
        ("radbert", 18, false),
        ("roberta", 19, true),
        ("bert", 18, false),
    ] {
        let classifier = TextClassifier::open(folder(name)).unwrap();
        assert_eq!(classifier.outputs(), outputs);
        assert_eq!(
            classifier.names().map(<[String]>::len),
            named.then_some(outputs)
        );
    }
    let roberta = TextClassifier::open(folder("roberta")).unwrap();
    assert_eq!(roberta.names().unwrap()[2], "No finding");
}

#[test]
fn what_no_logit_needs_is_named() {
    let radbert = TextClassifier::open(folder("radbert")).unwrap();
    assert_eq!(radbert.ignored(), ["model.embeddings.position_ids"]);
    assert!(
        TextClassifier::open(folder("bert"))
            .unwrap()
            .ignored()
            .is_empty()
    );
}

/// A copy of a fixture with its tensors renamed; those renamed to nothing are left out.
fn renamed(name: &str, rename: impl Fn(&str) -> String) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::copy(
        folder(name).join("config.json"),
        place.path().join("config.json"),
    )
    .unwrap();
    let checkpoint = Checkpoint::open(folder(name)).unwrap();
    let tensors = checkpoint
        .names()
        .map(|old| (rename(old), checkpoint.tensor(old).unwrap()));
    let tensors: BTreeMap<_, _> = tensors.filter(|(new, _)| !new.is_empty()).collect();
    let path = place.path().join("model.safetensors");
    write_safetensors(path, &tensors, &BTreeMap::new()).unwrap();
    place
}

#[test]
fn whatever_wraps_the_encoder_is_looked_through() {
    let case = &cases("bert")[2];
    for rename in [
        // A wrapper around encoder and head, and one around the encoder alone.
        |name: &str| format!("net.{name}"),
        |name: &str| name.replace("bert.", "net.text.encoder."),
        |name: &str| name.replace("bert.", ""),
    ] {
        let place = renamed("bert", rename);
        let classifier = TextClassifier::open(place.path()).unwrap();
        let logits = classifier.logits(&[&case.ids]).unwrap().remove(0);
        for (met, wanted) in logits.iter().zip(&case.logits) {
            assert!((met - wanted).abs() <= TOLERANCE, "{met} for {wanted}");
        }
    }
}

#[test]
fn classifiers_that_are_none_say_why() {
    let without = |part: &'static str| {
        renamed("bert", move |name| match name.contains(part) {
            true => String::new(),
            false => name.to_owned(),
        })
    };
    let twice = renamed("bert", str::to_owned);
    let doubled = renamed("bert", |name| match name {
        "bert.embeddings.position_embeddings.weight" => {
            "other.embeddings.word_embeddings.weight".to_owned()
        }
        name => name.to_owned(),
    });
    let changed = |from: &str, to: &str| {
        let place = renamed("roberta", str::to_owned);
        let path = place.path().join("config.json");
        let config = fs::read_to_string(&path).unwrap();
        assert!(config.contains(from));
        fs::write(path, config.replace(from, to)).unwrap();
        place
    };
    for (place, fault, expected) in [
        (
            without("classifier"),
            Fault::Weights,
            "has no classification head",
        ),
        (
            without("pooler"),
            Fault::Weights,
            "has a classifier, but no linear map before it",
        ),
        (without("classifier.bias"), Fault::Weights, "1 missing"),
        (
            without("word_embeddings"),
            Fault::Weights,
            "has no token table",
        ),
        (
            doubled,
            Fault::Weights,
            "has several encoders, called bert., other.",
        ),
        (
            changed("multi_label", "single_label"),
            Fault::Config,
            "problem_type is \"single_label_classification\": it chooses one class a text",
        ),
        (
            changed(
                "    \"18\": \"Lung opacity\"",
                "    \"19\": \"Lung opacity\"",
            ),
            Fault::Config,
            "id2label holds 19 names; 19 outputs need one each, from \"0\" on",
        ),
    ] {
        let error = TextClassifier::open(place.path()).unwrap_err();
        assert!(error.what.contains(expected), "{error}");
        assert_eq!(error.fault, fault);
        assert!(!error.hint.is_empty());
    }
    assert!(TextClassifier::open(twice.path()).is_ok());
}
