//! `rad3d label`: CSV in, labels out, and what it says of tables that are none.

mod common;

use std::fs;

use common::{assert_code, rad3d, stdout, text, told};

const REPORTS: &str = "id,report\n\
    a,\"There is emphysema. No pleural effusion.\"\n\
    b,\"Findings: Normal.\nImpression: Hiatal hernia.\"\n";

#[test]
fn reports_become_labels() {
    let place = tempfile::tempdir().unwrap();
    let reports = place.path().join("reports.csv");
    fs::write(&reports, REPORTS).unwrap();
    let printed = rad3d(&["label", text(&reports)]);
    assert_code(&printed, 0);
    insta::assert_snapshot!(stdout(&printed));

    let out = place.path().join("labels.csv");
    let written = rad3d(&["label", text(&reports), "--out", text(&out)]);
    assert_code(&written, 0);
    assert!(written.stdout.is_empty());
    assert_eq!(fs::read_to_string(&out).unwrap(), stdout(&printed));
    let run = fs::read_to_string(place.path().join("labels.csv.run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["result"]["reports"], 2);
    let sha256 = run["inputs"][0]["sha256"].as_str().unwrap();
    assert_eq!(
        sha256,
        rad3d_weights::sha256_of_file(&reports, |_| {}).unwrap()
    );
}

#[test]
fn json_tells_which_words_say_what() {
    let place = tempfile::tempdir().unwrap();
    let reports = place.path().join("reports.csv");
    fs::write(&reports, REPORTS).unwrap();
    let output = rad3d(&["label", text(&reports), "--json"]);
    assert_code(&output, 0);
    let first: serde_json::Value =
        serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
    assert_eq!(first["labels"]["Emphysema"], true);
    assert_eq!(first["labels"]["Pleural effusion"], false);
    let sentences = first["sentences"].as_array().unwrap();
    assert_eq!(sentences[1]["mentions"][0]["status"], "denied");
    assert_eq!(sentences[1]["mentions"][0]["words"], "pleural effusion");
}

#[test]
fn tables_that_are_none_are_named() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let table = |name: &str, content: &str| {
        let path = place.join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let good = table("good.csv", REPORTS);
    let cases = [
        (place.join("none.csv"), [].as_slice()),
        (table("no-id.csv", "name,report\na,b\n"), &[]),
        (table("no-text.csv", "id,age\na,7\n"), &[]),
        (table("twice.csv", "id,report\na,b\na,c\n"), &[]),
        (table("cut.csv", "id,report\na\n"), &[]),
        (table("empty.csv", ""), &[]),
        (good.clone(), &["--check"]),
        (good.clone(), &["--rules", "/no/such/rules.toml"]),
        (good.clone(), &["--out", "GOOD"]),
    ];
    let mut all = String::new();
    for (path, more) in cases {
        let more = more
            .iter()
            .map(|&word| if word == "GOOD" { text(&good) } else { word });
        let more: Vec<&str> = more.collect();
        let output = rad3d(&[["label", text(&path)].as_slice(), &more].concat());
        assert_code(&output, 2);
        let name = path.file_name().unwrap().to_str().unwrap();
        all += &format!("=== {name}\n{}", told(&output, &[(place, "[place]")]));
    }
    insta::assert_snapshot!(all);
    assert_eq!(
        fs::read_to_string(&good).unwrap(),
        REPORTS,
        "the input is whole"
    );
}
