//! What `rad3d evaluate` says, word for word: of a run that goes well, and of every input that
//! cannot be scored.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{assert_code, rad3d, text, told};
use rad3d_report::CT_RATE_LABELS;

const REFERENCES: &str = "id,findings,impression\n\
    a,Emphysema is seen in both upper lobes. No pleural effusion.,Emphysema.\n\
    b,Heart size is normal. A hiatal hernia is observed.,Hiatal hernia.\n\
    c,The lungs are clear. Heart size is normal.,Not given.\n\
    d,Pleural effusion is seen on the left. There is cardiomegaly.,Pleural effusion.\n";
const HYPOTHESES: &str = "id,report\n\
    d,Pleural effusion is seen on the left. Pleural effusion.\n\
    a,Emphysema is seen in both upper lobes. No pleural effusion. Emphysema.\n\
    c,The lungs are clear. Emphysema is seen.\n\
    b,Heart size is normal.\n";
const BASELINE: &str = "id,report\n\
    a,The lungs are clear.\nb,The lungs are clear.\nc,The lungs are clear.\nd,The lungs are clear.\n";

/// A folder with the files that most calls are given.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let files = [
        ("r.csv", REFERENCES),
        ("h.csv", HYPOTHESES),
        ("b.csv", BASELINE),
    ];
    for (name, text) in files {
        fs::write(place.path().join(name), text).unwrap();
    }
    place
}

/// Runs the verb on files of `place`: references, hypotheses, then options, of which those with a
/// dot are files too.
fn evaluate(place: &Path, references: &str, hypotheses: &str, options: &[&str]) -> Output {
    let file = |name: &str| text(&place.join(name)).to_owned();
    let mut arguments = vec!["evaluate".to_owned(), "--resamples".into(), "200".into()];
    arguments.extend(["--references".into(), file(references)]);
    arguments.extend([
        "--hypotheses".into(),
        file(hypotheses),
        "--out".into(),
        file("out"),
    ]);
    arguments.extend(options.iter().map(|option| match option.contains('.') {
        true => file(option),
        false => (*option).to_owned(),
    }));
    rad3d(&arguments)
}

/// Exit code and both streams, without the folder's name and the time.
fn told_in(place: &Path, output: &Output) -> String {
    let all = told(output, &[(place, "[place]")]);
    let timeless = all.lines().map(|line| match line.rsplit_once(" in ") {
        Some((before, seconds)) if seconds.ends_with(" s") && line.starts_with("wrote ") => {
            format!("{before} in [time]\n")
        }
        _ => format!("{line}\n"),
    });
    timeless.collect()
}

#[test]
fn a_system_is_scored() {
    let place = place();
    let output = evaluate(place.path(), "r.csv", "h.csv", &[]);
    assert_code(&output, 0);
    insta::assert_snapshot!(told_in(place.path(), &output));
}

#[test]
fn a_system_is_compared_with_a_baseline() {
    let place = place();
    let options = ["--baseline", "b.csv", "--protocol", "ct2rep"];
    let output = evaluate(place.path(), "r.csv", "h.csv", &options);
    assert_code(&output, 0);
    insta::assert_snapshot!(told_in(place.path(), &output));
}

/// A table of every label, with `values` of the first for reports a to d.
fn labels(values: [&str; 4]) -> String {
    let mut table = format!("id,{}\n", CT_RATE_LABELS.join(","));
    for (id, value) in ["a", "b", "c", "d"].into_iter().zip(values) {
        table += &format!("{id},{value}{}\n", ",0".repeat(CT_RATE_LABELS.len() - 1));
    }
    table
}

#[test]
fn input_that_cannot_be_scored_says_why() {
    let place = place();
    let place = place.path();
    let many: String = (0..60).map(|n| format!("x{n:02},Clear.\n")).collect();
    for (name, content) in [
        ("missing.csv", "id,report\na,Clear.\nc,Clear.\n"),
        ("other.csv", "id,report\na,x\nb,x\nc,x\ne,x\n"),
        ("many.csv", &format!("id,report\n{many}")),
        ("doubled.csv", "id,report\na,x\nb,x\na,y\nc,x\nd,x\nb,z\n"),
        ("noname.csv", "id,report\na,x\n,y\n"),
        ("empty.csv", ""),
        ("blank.csv", " \n\n"),
        ("header.csv", "id,report\n"),
        ("columns.csv", "id,words\na,x\n"),
        ("noid.csv", "name,report\na,x\n"),
        (
            "broken.jsonl",
            "{\"id\":\"a\",\"report\":\"x\"}\n{\"id\":\"b\"\n",
        ),
        ("list.json", "[{\"id\":\"a\",\"report\":[\"x\"]}]"),
        ("textless.jsonl", "{\"id\":\"a\",\"age\":7}\n"),
        ("nan.csv", &labels(["0", "nan", "1", ""])),
        ("over.csv", &labels(["0.2", "1.5", "NaN", "1"])),
        ("few.csv", "id,Emphysema\na,1\nb,0\nc,0\nd,0\n"),
        (
            "short.csv",
            &labels(["0", "1", "0", "1"]).replace("\nd,", "\ne,"),
        ),
    ] {
        fs::write(place.join(name), content).unwrap();
    }
    fs::write(place.join("latin.csv"), b"id,report\na,x\nb,caf\xe9\n").unwrap();
    let cases: [(&str, &str, &[&str]); 24] = [
        ("r.csv", "missing.csv", &[]),
        ("missing.csv", "r.csv", &[]),
        ("r.csv", "other.csv", &[]),
        ("many.csv", "h.csv", &[]),
        ("r.csv", "h.csv", &["--baseline", "missing.csv"]),
        ("r.csv", "doubled.csv", &[]),
        ("doubled.csv", "h.csv", &[]),
        ("noname.csv", "h.csv", &[]),
        ("empty.csv", "h.csv", &[]),
        ("r.csv", "blank.csv", &[]),
        ("r.csv", "header.csv", &[]),
        ("r.csv", "columns.csv", &[]),
        ("noid.csv", "h.csv", &[]),
        ("r.csv", "broken.jsonl", &[]),
        ("r.csv", "list.json", &[]),
        ("r.csv", "textless.jsonl", &[]),
        ("r.csv", "latin.csv", &[]),
        ("r.csv", "none.csv", &[]),
        ("r.csv", "h.csv", &["--labels", "nan.csv"]),
        ("r.csv", "h.csv", &["--labels", "few.csv"]),
        ("r.csv", "h.csv", &["--labels", "short.csv"]),
        ("r.csv", "h.csv", &["--probabilities", "over.csv"]),
        ("r.csv", "h.csv", &["--seed", "-1"]),
        ("r.csv", "h.csv", &["--protocol", "radeval"]),
    ];
    let mut all = String::new();
    for (references, hypotheses, options) in cases {
        let output = evaluate(place, references, hypotheses, options);
        assert_code(&output, 2);
        let call = [&[references, hypotheses], options].concat().join(" ");
        all += &format!("=== {call}\n{}", told_in(place, &output));
    }
    insta::assert_snapshot!(all);
    assert!(!place.join("out").exists(), "nothing is written");
}
