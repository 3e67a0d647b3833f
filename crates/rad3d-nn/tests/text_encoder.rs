//! Text encoders against `transformers`, layer by layer, on tiny random BERT, RoBERTa and
//! DistilBERT (fixtures by tests/golden/text_encoder.py).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::path::{Path, PathBuf};

use rad3d_nn::{Fault, TextEncoder};
use serde::Deserialize;

/// Absolute, of values of about 1.
const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Case {
    ids: Vec<u32>,
    /// After 0, 1, … blocks: `[layer][token][feature]`.
    states: Vec<Vec<Vec<f32>>>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/text_encoder/{name}"))
}

fn cases(name: &str) -> Vec<Case> {
    let path = folder(name).join("states.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn hidden_states_are_those_of_transformers() {
    for name in ["bert", "roberta", "distilbert"] {
        let encoder = TextEncoder::open(folder(name)).unwrap();
        let cases = cases(name);
        assert!(cases.len() >= 3);
        // All texts in one call: none may change another.
        let texts: Vec<&[u32]> = cases.iter().map(|case| &case.ids[..]).collect();
        for layer in 0..=encoder.config().layers {
            let met = encoder.encode(&texts, layer).unwrap();
            for (case, met) in cases.iter().zip(met) {
                let wanted: Vec<f32> = case.states[layer].concat();
                assert_eq!(met.len(), wanted.len());
                for (at, (met, wanted)) in met.iter().zip(wanted).enumerate() {
                    assert!(
                        (met - wanted).abs() <= TOLERANCE,
                        "{name}, layer {layer}, value {at}: {met} for {wanted}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_text_s_states_do_not_depend_on_its_company() {
    let encoder = TextEncoder::open(folder("bert")).unwrap();
    let texts: Vec<Vec<u32>> = (0..90)
        .map(|n| {
            (0..1 + n % 30)
                .map(|i| 2 + (i * 7 + n) as u32 % 30)
                .collect()
        })
        .collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let together = encoder.encode(&texts, 2).unwrap();
    assert_eq!(together.len(), texts.len());
    for (text, together) in texts.iter().zip(together) {
        let alone = encoder.encode(&[text], 2).unwrap().remove(0);
        assert_eq!(together.len(), text.len() * encoder.config().width);
        for (a, b) in together.iter().zip(alone) {
            assert!((a - b).abs() <= TOLERANCE, "{a} for {b}");
        }
    }
}

#[test]
fn mistakes_are_named() {
    let encoder = TextEncoder::open(folder("bert")).unwrap();
    let config = encoder.config();
    let long = vec![5; config.context() + 1];
    let unknown = [config.vocabulary as u32];
    for (text, layer, expected) in [
        (&[][..], 1, "got a text of 0 tokens, takes 1 to 40"),
        (&long[..], 1, "got a text of 41 tokens, takes 1 to 40"),
        (&unknown[..], 1, "its vocabulary has"),
        (&[5][..], 3, "has 2 layers, asked for layer 3"),
    ] {
        let error = encoder.encode(&[text], layer).unwrap_err();
        assert_eq!(error.fault, Fault::Tokens);
        assert!(error.what.contains(expected), "{error}");
    }
    let error = TextEncoder::open(folder("nowhere")).unwrap_err();
    assert_eq!(error.fault, Fault::Config);
    let error = TextEncoder::open(folder("../smollm2.json")).unwrap_err();
    assert_eq!(error.fault, Fault::Config);
}
