//! GREEN, F1-RadGraph and RaTEScore against their authors' code, on completions and annotations
//! written for the purpose (`tests/golden/metrics_models.py`).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::path::PathBuf;
use std::sync::LazyLock;

use rad3d_metrics::saved::{
    GreenSection, RadGraphAnnotation, RadGraphRelease, RateAnnotation, rate_entities,
};
use rad3d_metrics::{
    Affinity, GreenCounts, RadGraphF1, RateScore, ReportText, read_green, read_radgraph, read_rate,
};
use serde_json::{Value, json};

const TOLERANCE: f64 = 1e-9;
/// RaTEScore computes in f32.
const F32_TOLERANCE: f64 = 1e-6;

static FIXTURE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("fixtures/saved.json")).unwrap());

fn cases(name: &str) -> &'static [Value] {
    FIXTURE[name].as_array().unwrap()
}

fn close(got: f64, want: &Value, tolerance: f64, what: &str) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= tolerance, "{what}: {got} for {want}");
}

#[test]
fn green_counts_as_its_parser() {
    assert_eq!(cases("green").len(), 18);
    for case in cases("green") {
        let name = case["name"].as_str().unwrap();
        // The completion as generated, prompt and all, and as the reference cleans it.
        for form in ["raw", "cleaned"] {
            let text = case[form].as_str().unwrap();
            let what = format!("{name} {form}");
            let counts = GreenCounts::of(text);
            close(counts.score(), &case["green"], TOLERANCE, &what);
            let row = counts.errors.into_iter().chain([counts.matched]);
            let row: Vec<f64> = row.collect();
            assert_eq!(json!(row), as_floats(&case["error_count_row"]), "{what}");
            let minor = GreenCounts::errors(text, GreenSection::Insignificant);
            let total: f64 = minor.iter().sum();
            close(total, &case["insignificant"][0], TOLERANCE, &what);
            assert_eq!(json!(minor), as_floats(&case["insignificant"][1]), "{what}");
        }
    }
}

fn as_floats(row: &Value) -> Value {
    let numbers = row.as_array().unwrap().iter();
    numbers.map(|number| json!(number.as_f64())).collect()
}

#[test]
fn radgraph_compares_the_sets_of_both_releases() {
    assert_eq!(cases("radgraph").len(), 10);
    for case in cases("radgraph") {
        let side = |name: &str| -> RadGraphAnnotation {
            serde_json::from_value(case[name].clone()).unwrap()
        };
        for (release, key) in [
            (RadGraphRelease::Head, "rg_e_simple_partial_complete"),
            (RadGraphRelease::Pypi0118, "pypi_0_1_18"),
        ] {
            let got = RadGraphF1::of(&side("hyp"), &side("ref"), release).unwrap();
            for (at, got) in [got.simple, got.partial, got.complete]
                .into_iter()
                .enumerate()
            {
                let what = format!("{} {release:?}", case["name"]);
                close(got, &case[key][at], TOLERANCE, &what);
            }
        }
    }
}

#[test]
fn ratescore_weighs_matches_by_kind() {
    assert_eq!(cases("rate").len(), 8);
    for case in cases("rate") {
        let annotation: RateAnnotation = serde_json::from_value(case.clone()).unwrap();
        for (affinity, key) in [
            (Affinity::Long, "DEFAULT_MATRIX_LONG"),
            (Affinity::Short, "DEFAULT_MATRIX_SHORT"),
        ] {
            let got = RateScore::of(&annotation, affinity).unwrap();
            let want = &case[key];
            for (got, name) in [
                (got.precision, "precision_score"),
                (got.recall, "recall_score"),
                (got.score, "rate"),
            ] {
                // Harmonic means of values that nearly cancel magnify the rounding.
                close(got, &want[name], F32_TOLERANCE, &format!("{key} {name}"));
            }
        }
    }
    let nothing = RateAnnotation {
        ref_types: vec![],
        ref_emb: vec![],
        hyp_types: vec![],
        hyp_emb: vec![],
    };
    let got = RateScore::of(&nothing, Affinity::Long).unwrap();
    assert_eq!(got.score, 0.5);
}

#[test]
fn rate_entities_are_read_off_tags() {
    for case in cases("rate_tags") {
        let words = |name: &str| -> Vec<&str> {
            let list = case[name].as_array().unwrap().iter();
            list.map(|word| word.as_str().unwrap()).collect()
        };
        let tokens = words("tokens");
        let got: Vec<Value> = rate_entities(&tokens, &words("labels"))
            .into_iter()
            .map(|(place, kind)| json!([tokens[place].join(" "), kind]))
            .collect();
        assert_eq!(json!(got), case["pairs"], "{tokens:?}");
    }
}

/// Two references, and a file with these lines.
fn file(lines: &str) -> (tempfile::TempDir, PathBuf, Vec<ReportText>) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("saved.jsonl");
    std::fs::write(&path, lines).unwrap();
    let references = ["a", "b"].map(|id| ReportText::whole(id, "Text."));
    (place, path, references.to_vec())
}

#[test]
fn scores_come_in_the_order_of_the_references() {
    let perfect = "[Matched Findings]:\\n2. x; y";
    let half = "[Clinically Significant Errors]:\\n(a) False: 1. x\\n\\n[Matched Findings]:\\n1. y";
    let (_place, path, references) = file(&format!(
        "{{\"id\":\"b\",\"green_analysis\":\"{half}\"}}\n{{\"id\":\"a\",\"completion\":\"{perfect}\"}}\n"
    ));
    assert_eq!(read_green(&path, &references).unwrap(), [1.0, 0.5]);
    let (_place, path, references) =
        file("id,completion\nb,nothing\na,\"[Matched Findings]:\n1. x\"\n");
    assert_eq!(read_green(&path, &references).unwrap(), [1.0, 0.0]);
    let entity = "{\"entities\":{\"1\":{\"tokens\":\"x\",\"label\":\"y\",\"relations\":[]}}}";
    let empty = "{\"entities\":{}}";
    let (_place, path, references) = file(&format!(
        "{{\"id\":\"b\",\"ref\":{entity},\"hyp\":{empty}}}\n\
         {{\"id\":\"a\",\"reference\":{entity},\"hypothesis\":{entity}}}\n"
    ));
    let scores = read_radgraph(&path, &references).unwrap();
    assert_eq!([scores[0].partial, scores[1].partial], [1.0, 0.0]);
}

#[test]
fn records_that_cannot_be_scored_are_listed() {
    let check = |error: rad3d_metrics::MetricsError, expected: &str| {
        assert!(error.what.contains(expected), "{error}");
        assert!(!error.hint.is_empty());
    };
    let (_place, path, references) = file("{\"id\":\"a\"}\n{\"id\":\"b\",\"completion\":3}\n");
    let error = read_green(&path, &references).unwrap_err();
    check(
        error,
        "cannot be scored for 2 ids: a, b (has no completion)",
    );
    let (_place, path, references) = file("{\"id\":\"a\",\"completion\":\"\"}\n{\"id\":\"c\"}\n");
    let error = read_green(&path, &references).unwrap_err();
    check(error, "lacks 1 id: b; has 1 id: c that the references lack");
    let dangling = "{\"entities\":{\"1\":{\"tokens\":\"x\",\"label\":\"y\",\"relations\":[[\"modify\",\"9\"]]}}}";
    let (_place, path, references) = file(&format!(
        "{{\"id\":\"a\",\"ref\":{dangling},\"hyp\":{dangling}}}\n{{\"id\":\"b\",\"ref\":{{}}}}\n"
    ));
    let error = read_radgraph(&path, &references).unwrap_err();
    check(
        error,
        "2 ids: a, b (a relation points to entity 9, which is missing)",
    );
    let record = |types: &str, emb: &str| {
        format!("\"ref_types\":{types},\"ref_emb\":{emb},\"hyp_types\":{types},\"hyp_emb\":{emb}")
    };
    let (_place, path, references) = file(&format!(
        "{{\"id\":\"a\",{}}}\n{{\"id\":\"b\",{}}}\n",
        record("[\"DISEASE\"]", "[]"),
        record("[\"DISEASE\",\"ANATOMY\"]", "[[1],[1,2]]")
    ));
    let error = read_rate(&path, &references, Affinity::Long).unwrap_err();
    check(error, "2 ids: a, b (reference: 1 types for 0 vectors)");
    let (_place, path, references) = file("{\"id\":\"a\"}\n{\"id\":\"b\",\"ref_types\":[\"X\"]}\n");
    let error = read_rate(&path, &references, Affinity::Long).unwrap_err();
    check(error, "missing field `ref_types`");
}
