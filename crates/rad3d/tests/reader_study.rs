//! `rad3d reader-study`: a study from its tables to its analysis, and what it says of bad input.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{assert_code, rad3d, text, told};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "study/key.json";

/// Six cases: references, and two systems, whose names no report holds.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (file, words) in [
        ("references.csv", "Nodule of the right lung"),
        ("alpha.csv", "Nodule of the left lung"),
        ("beta.csv", "The lungs are clear"),
    ] {
        let rows = (1..=6).map(|n| format!("scan{n},\"{words}, {n}.\",Impression {n}.\n"));
        let table = "id,findings,impression\n".to_owned() + &rows.collect::<String>();
        fs::write(place.path().join(file), table).unwrap();
    }
    place
}

/// Runs `reader-study` in `place`; words with a dot are files there.
fn study(place: &Path, arguments: &[&str]) -> Output {
    let located = arguments.iter().map(|word| match word.split_once('=') {
        Some((name, file)) => format!("{name}={}", text(&place.join(file))),
        None if word.contains(['.', '/']) && word.parse::<f64>().is_err() => {
            text(&place.join(word)).to_owned()
        }
        None => (*word).to_owned(),
    });
    let all: Vec<String> = ["reader-study".to_owned()]
        .into_iter()
        .chain(located)
        .collect();
    rad3d(&all)
}

const NEW: [&str; 13] = [
    "new",
    "--references",
    "references.csv",
    "--system",
    "alphasystem=alpha.csv",
    "--system",
    "betasystem=beta.csv",
    "--readers",
    "R1,R2",
    "--seed",
    "7",
    "--out",
    "study/",
];

fn new(place: &Path, more: &[&str]) -> Output {
    study(place, &[&NEW, more].concat())
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Answers as a reader's page would save them: the reference gets 5, alpha 3, beta 1, the second
/// reader one less in completeness; wrong sides and omissions are found where they are.
fn fill(place: &Path) {
    let key = read(&place.join(KEY));
    for (at, reader) in key["readers"].as_array().unwrap().iter().enumerate() {
        let name = reader["name"].as_str().unwrap();
        let page = fs::read_to_string(place.join(format!("study/sheets/{name}.html"))).unwrap();
        let data = page.split_once("id=\"data\">").unwrap().1;
        let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
        let readings = data["readings"].as_array().unwrap().iter().map(|reading| {
            let reports = reading["reports"].as_array().unwrap().iter().map(|report| {
                let findings = report["findings"].as_str().unwrap();
                let (score, tag) = match findings {
                    words if words.contains("right") => (5, "none"),
                    words if words.contains("left") => (3, "location"),
                    _ => (1, "omitted"),
                };
                // Cases differ a little, so that intervals are no points.
                let less = i32::from(findings.contains('2') && score == 3);
                let answer = json!({
                    "scores": {
                        "overall": score - less, "completeness": (score - at as i32).max(1),
                        "correctness": score, "readability": 5,
                    },
                    "tags": [tag], "other": "", "comment": "",
                });
                (report["letter"].as_str().unwrap().to_owned(), answer)
            });
            json!({ "reports": reports.collect::<serde_json::Map<_, _>>() })
        });
        let answers = json!({
            "format": "rad3d-reader-study-answers", "version": 1, "study": data["study"],
            "reader": name, "saved": "2026-11-28T12:00:00Z", "complete": true,
            "readings": readings.collect::<Vec<_>>(),
        });
        fs::write(place.join(format!("{name}.json")), answers.to_string()).unwrap();
    }
}

fn analyse(place: &Path, more: &[&str]) -> Output {
    let call = ["analyse", "--key", KEY, "--out", "results/", "--answers"];
    study(place, &[&call, more].concat())
}

#[test]
fn a_study_from_tables_to_analysis() {
    let place = place();
    let place = place.path();
    let made = new(place, &["--repeats", "0.5"]);
    insta::assert_snapshot!("new", told(&made, &[(place, "[place]")]));
    fill(place);
    let analysed = analyse(place, &["R1.json", "R2.json"]);
    insta::assert_snapshot!("analyse", told(&analysed, &[(place, "[place]")]));

    let analysis = read(&place.join("results/analysis.json"));
    assert_eq!(
        analysis["systems"],
        json!(["reference", "alphasystem", "betasystem"])
    );
    assert_eq!(analysis["means"][0]["mean"]["value"], 5.0);
    let kappa = |scale: &str, kind: &str, mean: bool| {
        let all = analysis["agreement"].as_array().unwrap().iter();
        let mut own = all.filter(|one| one["scale"] == scale && one["kind"] == kind);
        own.find(|one| one["readers"].is_null() == mean).unwrap()
    };
    assert_eq!(kappa("overall", "intra", true)["kappa"]["value"], 1.0);
    assert_eq!(kappa("completeness", "inter", false)["pairs"], 18);
    let between = &kappa("completeness", "inter", false)["kappa"]["value"];
    assert!(between.as_f64().unwrap() < 1.0);
    // All readability scores are 5, so that chance agrees fully.
    assert!(kappa("readability", "inter", true)["kappa"].is_null());
    let omitted = analysis["errors"].as_array().unwrap().iter();
    let omitted = omitted.filter(|one| one["error"] == "omitted");
    let omitted: Vec<_> = omitted.map(|one| &one["count"]).collect();
    assert_eq!(omitted, [&json!(0), &json!(0), &json!(12)]);
    for (file, held) in [
        (
            "analysis.csv",
            "difference,overall,reference,betasystem,6,4,",
        ),
        ("analysis.html", "alphasystem"),
        (
            "analysis.json.run.json",
            "\"verb\": \"reader-study analyse\"",
        ),
    ] {
        let text = fs::read_to_string(place.join("results").join(file)).unwrap();
        assert!(text.contains(held), "{file}: {text}");
    }
    let page = fs::read_to_string(place.join("results/analysis.html")).unwrap();
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"));
}

#[test]
fn the_sheets_name_no_system() {
    let place = place();
    let place = place.path();
    assert_code(&new(place, &["--show-ids"]), 0);
    for reader in ["R1", "R2"] {
        let page = fs::read_to_string(place.join(format!("study/sheets/{reader}.html"))).unwrap();
        for betrayal in [
            "alphasystem",
            "betasystem",
            "alpha.csv",
            "beta.csv",
            "references.csv",
        ] {
            assert!(!page.contains(betrayal), "{reader}: {betrayal}");
        }
        assert!(page.contains("scan6") && !page.contains("http:") && !page.contains("https:"));
    }
    // Only sheets lie in the folder that goes to the readers.
    let sheets = fs::read_dir(place.join("study/sheets")).unwrap();
    let mut names: Vec<_> = sheets.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["R1.html", "R2.html"]);
}

#[test]
fn studies_that_cannot_be_say_why() {
    let place = place();
    let place = place.path();
    fs::write(place.join("short.csv"), "id,report\nscan1,x\nscan9,y\n").unwrap();
    fs::create_dir(place.join("pictures.d")).unwrap();
    fs::write(place.join("pictures.d/scan1.png"), "GIF89a").unwrap();
    let mut all = String::new();
    for more in [
        ["--system", "gamma=short.csv"].as_slice(),
        &["--system", "ALPHAsystem=beta.csv"],
        &["--system", "Reference=beta.csv"],
        &["--cases", "7"],
        &["--cases", "0"],
        &["--repeats", "0.6"],
        &["--readers", "r1"],
        &["--readers", "../R3"],
        &["--pictures", "pictures.d"],
        &["--system", "gamma"],
    ] {
        let output = new(place, more);
        all += &format!(
            "=== {}\n{}",
            more.join(" "),
            told(&output, &[(place, "[place]")])
        );
        assert!(!place.join("study").exists());
    }
    assert_code(&new(place, &["--show-ids"]), 0);
    all += &format!(
        "=== again\n{}",
        told(&new(place, &[]), &[(place, "[place]")])
    );
    insta::assert_snapshot!(all);
}

#[test]
fn answers_that_do_not_fit_say_why() {
    let place = place();
    let place = place.path();
    assert_code(&new(place, &["--show-ids"]), 0);
    fill(place);
    let first = read(&place.join("R1.json"));
    let change = |file: &str, change: &dyn Fn(&mut Value)| {
        let mut answers = first.clone();
        change(&mut answers);
        fs::write(place.join(file), answers.to_string()).unwrap();
    };
    let report = |answers: &mut Value, key: &str, value: Value| {
        answers["readings"][1]["reports"]["B"][key] = value;
    };
    change("study.json", &|all| all["study"] = json!("0123"));
    change("stranger.json", &|all| all["reader"] = json!("R9"));
    change("short.json", &|all| {
        all["readings"].as_array_mut().unwrap().pop();
    });
    change("scale.json", &|all| {
        report(all, "scores", json!({ "beauty": 3 }))
    });
    change("six.json", &|all| {
        report(all, "scores", json!({ "overall": 6 }))
    });
    change("half.json", &|all| {
        report(all, "scores", json!({ "overall": 2.5 }))
    });
    change("both.json", &|all| {
        report(all, "tags", json!(["none", "omitted"]))
    });
    change("tag.json", &|all| report(all, "tags", json!(["typo"])));
    change("letter.json", &|all| {
        all["readings"][1]["reports"]["Z"] = json!({});
    });
    change("open.json", &|all| {
        report(all, "scores", json!({ "overall": null, "readability": 2 }))
    });
    change("field.json", &|all| all["rating"] = json!(3));
    fs::write(place.join("none.json"), "no answers").unwrap();
    let mut all = String::new();
    for files in [
        ["study.json", "R2.json"].as_slice(),
        &["stranger.json"],
        &["R1.json", "R2.json", "open.json"],
        &["short.json"],
        &["scale.json"],
        &["six.json"],
        &["half.json"],
        &["both.json"],
        &["tag.json"],
        &["letter.json"],
        &["field.json"],
        &["none.json"],
        &["missing.json"],
        &["open.json", "R2.json"],
        &["R2.json"],
    ] {
        let output = analyse(place, files);
        all += &format!(
            "=== {}\n{}",
            files.join(" "),
            told(&output, &[(place, "[place]")])
        );
        assert_code(&output, 2);
    }
    assert!(!place.join("results").exists());
    let key = fs::read_to_string(place.join(KEY)).unwrap();
    fs::write(
        place.join(KEY),
        key.replacen("\"betasystem\"", "\"alphasystem\"", 1),
    )
    .unwrap();
    let output = analyse(place, &["R1.json", "R2.json"]);
    all += &format!("=== changed key\n{}", told(&output, &[(place, "[place]")]));
    fs::write(place.join(KEY), key).unwrap();
    let output = analyse(place, &["open.json", "--allow-incomplete"]);
    all += &format!(
        "=== --allow-incomplete\n{}",
        told(&output, &[(place, "[place]")])
    );
    insta::assert_snapshot!(all);
    let analysis = read(&place.join("results/analysis.json"));
    let owed = &analysis["owed"];
    assert_eq!([&owed[0]["missing"], &owed[0]["questions"]], [3, 105]);
    assert_eq!([&owed[1]["missing"], &owed[1]["questions"]], [105, 105]);
}
