//! `rad3d evaluate`: scores, intervals and the page; and what it says of sides that do not match.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{assert_code, rad3d, stderr, stdout, text};
use rad3d_report::CT_RATE_LABELS;
use serde_json::Value;
use tempfile::TempDir;

const REFERENCES: &str = "id,findings,impression\n\
    a,Emphysema is seen in both upper lobes. No pleural effusion.,Emphysema.\n\
    b,Heart size is normal. A hiatal hernia is observed.,Hiatal hernia.\n\
    c,The lungs are clear. Heart size is normal.,Not given.\n\
    d,Pleural effusion is seen on the left. There is cardiomegaly.,Pleural effusion.\n";

const HYPOTHESES: &str = "{\"id\":\"d\",\"report\":\"Pleural effusion is seen on the left. Pleural effusion.\"}\n\
    {\"id\":\"a\",\"report\":\"Emphysema is seen in both upper lobes. No pleural effusion. Emphysema.\"}\n\
    {\"id\":\"c\",\"report\":\"The lungs are clear. Emphysema is seen.\"}\n\
    {\"id\":\"b\",\"report\":\"Heart size is normal.\"}\n";

const BASELINE: &str = "id,report\n\
    a,The lungs are clear.\nb,The lungs are clear.\nc,The lungs are clear.\nd,The lungs are clear.\n";

fn place(files: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(place.path().join(name), text).unwrap();
    }
    place
}

/// Runs the verb in `place` on `r.csv` and `h.jsonl`.
fn evaluate(place: &Path, more: &[&str]) -> Output {
    let file = |name: &str| text(&place.join(name)).to_owned();
    let mut arguments = vec![
        "evaluate".to_owned(),
        "--references".into(),
        file("r.csv"),
        "--hypotheses".into(),
        file("h.jsonl"),
        "--out".into(),
        file("out"),
    ];
    // Names of files in the folder stand for their paths.
    arguments.extend(more.iter().map(|argument| match argument.contains('.') {
        true => file(argument),
        false => (*argument).to_owned(),
    }));
    rad3d(&arguments)
}

fn scores(place: &Path) -> Value {
    let text = fs::read_to_string(place.join("out/scores.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Messages with the folder's name taken out.
fn complaint(place: &Path, output: &Output) -> String {
    assert_code(output, 2);
    assert!(output.stdout.is_empty());
    stderr(output).replace(text(place), "PLACE")
}

#[test]
fn both_sides_are_scored() {
    let place = place(&[("r.csv", REFERENCES), ("h.jsonl", HYPOTHESES)]);
    let output = evaluate(place.path(), &[]);
    assert_code(&output, 0);
    let table = stdout(&output);
    assert!(
        table.starts_with("                        value  95 % interval\nbleu_1 "),
        "{table}"
    );
    let crg = table.lines().find(|line| line.starts_with("crg ")).unwrap();
    assert_eq!(crg.matches(" to ").count(), 1, "{crg}");
    let scores = scores(place.path());
    assert_eq!(scores["protocol"]["name"], "paper");
    assert_eq!(scores["count"], 4);
    // Four true labels, two of them found, one found that is not true.
    assert_eq!(scores["corpus"]["f1_micro"], 4.0 / 7.0);
    assert_eq!(scores["reports"][0]["rouge_l"], 1.0);
    assert_eq!(scores["reports"][2]["added"][0], "Emphysema");
    assert!(scores["corpus"]["bertscore_f1"].is_null());
    let interval = &scores["intervals"]["rouge_l"];
    assert!(interval["low"].as_f64() < interval["high"].as_f64());
    let page = fs::read_to_string(place.path().join("out/report.html")).unwrap();
    assert!(
        page.contains("<ins>Emphysema </ins>is <ins>seen.</ins>"),
        "{page}"
    );
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"));
    let csv = fs::read_to_string(place.path().join("out/scores.csv")).unwrap();
    assert!(csv.starts_with("score,value,low,high\nbleu_1,"), "{csv}");
    assert!(place.path().join("out/scores.json.run.json").is_file());
}

#[test]
fn a_baseline_is_compared() {
    let files = [
        ("r.csv", REFERENCES),
        ("h.jsonl", HYPOTHESES),
        ("b.csv", BASELINE),
    ];
    let place = place(&files);
    assert_code(&evaluate(place.path(), &["--baseline", "b.csv"]), 0);
    let first = scores(place.path());
    let rouge = &first["comparison"]["rouge_l"];
    let difference = rouge["difference"]["value"].as_f64().unwrap();
    let both = ["system", "baseline"].map(|side| rouge[side]["value"].as_f64().unwrap());
    assert!((difference - (both[0] - both[1])).abs() < 1e-12);
    assert!(rouge["p_holm"].as_f64() >= rouge["p_two_sided"].as_f64());
    assert_eq!(first["collapse"]["hypotheses"]["distinct_reports"], 1.0);
    // The same seed draws the same.
    assert_code(&evaluate(place.path(), &["--baseline", "b.csv"]), 0);
    assert_eq!(scores(place.path()), first);
}

/// One record a report, `record` with its id put in.
fn records(ids: &[&str], record: &str) -> String {
    let lines = ids.iter().map(|id| record.replace("ID", id));
    lines.collect::<Vec<_>>().join("\n")
}

/// Half of the findings matched.
const COMPLETION: &str = r#"{"id":"ID","completion":"[Clinically Significant Errors]:\n(a) False: 1. x\n\n[Matched Findings]:\n1. y"}"#;
/// The same entity on both sides, and one that only the reference has.
const ENTITIES: &str = r#"{"id":"ID","reference":{"entities":{"1":{"tokens":"x","label":"O","relations":[]},"2":{"tokens":"y","label":"O","relations":[]}}},"hypothesis":{"entities":{"1":{"tokens":"X","label":"O","relations":[]}}}}"#;
/// The same entity on both sides.
const VECTORS: &str = r#"{"id":"ID","ref_types":["DISEASE"],"ref_emb":[[1,0]],"hyp_types":["DISEASE"],"hyp_emb":[[2,0]]}"#;

#[test]
fn saved_output_of_other_models_is_scored() {
    let ids = ["a", "b", "c", "d"];
    let files = [
        ("r.csv", REFERENCES),
        ("h.jsonl", HYPOTHESES),
        ("b.csv", BASELINE),
        ("green.jsonl", &records(&ids, COMPLETION)),
        ("radgraph.jsonl", &records(&ids, ENTITIES)),
        ("rate.jsonl", &records(&ids, VECTORS)),
    ];
    let place = place(&files);
    let own = ["--green", "green.jsonl", "--radgraph", "radgraph.jsonl"];
    let rate = ["--rate", "rate.jsonl"];
    assert_code(&evaluate(place.path(), &[&own[..], &rate].concat()), 0);
    let alone = scores(place.path());
    let expected = [
        ("green", 0.5),
        ("radgraph_f1", 2.0 / 3.0),
        ("ratescore", 1.0),
    ];
    for (key, expected) in expected {
        for value in [
            &alone["corpus"][key],
            &alone["intervals"][key]["value"],
            &alone["reports"][1][key],
        ] {
            assert!(
                (value.as_f64().unwrap() - expected).abs() < 1e-12,
                "{key}: {value}"
            );
        }
    }
    assert_eq!(alone["protocol"]["saved"].as_array().unwrap().len(), 3);
    // A baseline is compared on what both have.
    let baseline = ["--baseline", "b.csv", "--baseline-green", "green.jsonl"];
    assert_code(&evaluate(place.path(), &[&own[..], &baseline].concat()), 0);
    let both = scores(place.path());
    assert_eq!(both["comparison"]["green"]["difference"]["value"], 0.0);
    assert!(both["comparison"]["radgraph_f1"].is_null());
    assert_eq!(
        both["corpus"]["radgraph_f1"],
        alone["corpus"]["radgraph_f1"]
    );
    assert_eq!(both["intervals"]["rouge_l"], alone["intervals"]["rouge_l"]);
}

#[test]
fn saved_output_that_does_not_fit_lists_the_ids() {
    let files = [
        ("r.csv", REFERENCES),
        ("h.jsonl", HYPOTHESES),
        ("short.jsonl", &records(&["a", "b", "z"], COMPLETION)),
        (
            "empty.jsonl",
            &records(&["a", "b", "c", "d"], r#"{"id":"ID"}"#),
        ),
    ];
    let place = place(&files);
    for (arguments, expected) in [
        (
            ["--green", "short.jsonl"],
            "PLACE/short.jsonl: lacks 2 ids: c, d; has 1 id: z that the references lack",
        ),
        (
            ["--green", "empty.jsonl"],
            "PLACE/empty.jsonl: cannot be scored for 4 ids: a, b, c, d (has no completion)",
        ),
        (
            ["--radgraph", "empty.jsonl"],
            "cannot be scored for 4 ids: a, b, c, d (missing field `reference`)",
        ),
        (
            ["--rate", "empty.jsonl"],
            "cannot be scored for 4 ids: a, b, c, d (missing field `ref_types`)",
        ),
    ] {
        let told = complaint(place.path(), &evaluate(place.path(), &arguments));
        assert!(told.contains(expected) && told.contains("hint: "), "{told}");
    }
    let told = complaint(
        place.path(),
        &evaluate(place.path(), &["--baseline-green", "short.jsonl"]),
    );
    assert!(told.contains("--baseline <FILE>"), "{told}");
}

#[test]
fn protocols_name_what_they_compute() {
    let place = place(&[("r.csv", REFERENCES), ("h.jsonl", HYPOTHESES)]);
    for protocol in ["vlm3d", "ct2rep"] {
        assert_code(&evaluate(place.path(), &["--protocol", protocol]), 0);
        let scores = scores(place.path());
        assert_eq!(scores["protocol"]["name"], protocol);
        let bleu = scores["protocol"]["bleu"].as_str().unwrap();
        assert!(bleu.starts_with("pycocoevalcap"), "{bleu}");
        assert!(scores["corpus"]["meteor"].is_null());
    }
}

/// A table of every label, with `value` for one of them.
fn table(label: &str, value: &str, rest: &str) -> String {
    let mut table = format!("id,{}\n", CT_RATE_LABELS.join(","));
    for id in ["a", "b", "c", "d"] {
        let cells = CT_RATE_LABELS.map(|name| if name == label { value } else { rest });
        table += &format!("{id},{}\n", cells.join(","));
    }
    table
}

#[test]
fn probabilities_are_drawn_and_followed() {
    let probabilities = table("Emphysema", "0.9", "0.1");
    let files = [
        ("r.csv", REFERENCES),
        ("h.jsonl", HYPOTHESES),
        ("p.csv", &probabilities),
    ];
    let place = place(&files);
    assert_code(&evaluate(place.path(), &["--probabilities", "p.csv"]), 0);
    let scores = scores(place.path());
    // All scores of a label are equal, so that no label tells reports apart.
    assert_eq!(scores["probabilities"]["auroc_macro"]["value"], 0.5);
    let dependency = &scores["probabilities"]["dependency"];
    let shares = ["follows", "corrects", "contradicts"].map(|key| dependency[key].as_f64());
    assert_eq!(shares.into_iter().flatten().sum::<f64>(), 1.0);
    let page = fs::read_to_string(place.path().join("out/report.html")).unwrap();
    assert!(page.contains("ROC, one curve a label"));
}

#[test]
fn faults_list_the_ids() {
    let labels = table("Emphysema", "nan", "0");
    let files = [
        ("r.csv", REFERENCES),
        (
            "h.jsonl",
            "{\"id\":\"a\",\"report\":\"x\"}\n{\"id\":\"z\",\"report\":\"x\"}\n",
        ),
        ("good.csv", BASELINE),
        ("double.csv", "id,report\na,x\nb,x\na,y\nb,z\n"),
        ("empty.csv", "\n"),
        ("columns.csv", "id,words\na,x\n"),
        ("labels.csv", &labels),
    ];
    let place = place(&files);
    let mismatch = complaint(place.path(), &evaluate(place.path(), &[]));
    let expected = "PLACE/h.jsonl: lacks 3 ids: b, c, d; has 1 id: z that the references lack";
    assert!(mismatch.contains(expected), "{mismatch}");
    assert!(
        mismatch.contains("hint: give both files the same ids"),
        "{mismatch}"
    );
    for (option, file, expected) in [
        ("--hypotheses", "double.csv", "doubles 2 ids: a, b"),
        ("--hypotheses", "empty.csv", "is empty"),
        (
            "--hypotheses",
            "columns.csv",
            "has no column report (columns: id, words)",
        ),
        (
            "--labels",
            "labels.csv",
            "column \"Emphysema\" holds \"nan\", expected 0 or 1; at fault: 4 ids: a, b, c, d",
        ),
    ] {
        let path = |name: &str| text(&place.path().join(name)).to_owned();
        let mut arguments = vec!["evaluate".to_owned(), "--references".into(), path("r.csv")];
        if option == "--labels" {
            arguments.extend(["--hypotheses".into(), path("good.csv")]);
        }
        arguments.extend([option.into(), path(file), "--out".into(), path("out")]);
        let told = complaint(place.path(), &rad3d(&arguments));
        assert!(
            told.contains(&format!("PLACE/{file}: {expected}")),
            "{told}"
        );
    }
    assert!(!place.path().join("out").exists());
}
