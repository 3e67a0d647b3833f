//! `rad3d model import` and `rad3d encode` end to end, with a small tower of the published
//! architecture.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rad3d_embeddings::{EmbeddingTable, read_parquet};
use tempfile::TempDir;

/// Makes 40 × 60 × 60 voxels, what the small tower takes.
const RECIPE: &str = r#"
name = "tiny"
tensor-axes = "SLP"
spacing-mm = [1.5, 0.75, 0.75]
size = [40, 60, 60]
clip-hu = [-1000.0, 1000.0]
clip = "before-resampling"
scale = { add = 0.0, divide = 1000.0 }
pad-hu = -1000.0
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rad3d(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rad3d"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn assert_code(output: &Output, code: i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
}

/// A folder with `model`, and `scans` that hold two small scans and one broken file.
fn workplace() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let recipe = place.path().join("tiny.toml");
    fs::write(&recipe, RECIPE).unwrap();
    let tower = root().join("tests/fixtures/ct-clip/lipro_tiny.pt");
    let model = place.path().join("model");
    let arguments = [
        "model",
        "import",
        "--tower",
        text(&tower),
        "--recipe",
        text(&recipe),
    ];
    let import = rad3d(&[arguments.as_slice(), &["--out", text(&model)]].concat());
    assert_code(&import, 0);
    let scans = place.path().join("scans/deeper");
    fs::create_dir_all(&scans).unwrap();
    let golden = root().join("crates/rad3d-volume/tests/fixtures/preprocess");
    for name in ["prep_a.nii.gz", "prep_c.nii.gz"] {
        fs::copy(golden.join(name), scans.join(name)).unwrap();
    }
    fs::write(scans.join("broken.nii.gz"), "not a scan").unwrap();
    fs::copy(
        golden.join("prep_metadata.csv"),
        place.path().join("metadata.csv"),
    )
    .unwrap();
    place
}

fn encode(place: &Path, out: &str, more: &[&str]) -> Output {
    let (scans, model) = (place.join("scans"), place.join("model"));
    let (table, out) = (place.join("metadata.csv"), place.join(out));
    let fixed = [
        "encode",
        text(&scans),
        "--model",
        text(&model),
        "--force",
        "--metadata",
        text(&table),
    ];
    rad3d(&[fixed.as_slice(), &["--out", text(&out)], more].concat())
}

fn ids(table: &EmbeddingTable) -> Vec<&str> {
    table.rows.iter().map(|row| row.id.as_str()).collect()
}

#[test]
fn scans_become_rows_and_faults_are_listed() {
    let place = workplace();
    let place = place.path();
    let first = encode(place, "all.parquet", &[]);
    assert_code(&first, 1);
    let table = read_parquet(&place.join("all.parquet")).unwrap();
    assert_eq!(ids(&table), ["prep_a.nii.gz", "prep_c.nii.gz"]);
    for row in &table.rows {
        let norm: f32 = row.embedding.iter().map(|x| x * x).sum();
        assert!(
            (norm - 1.0).abs() < 1e-5,
            "{}: |embedding|² = {norm}",
            row.id
        );
        assert_eq!(row.logits.len(), 18);
    }
    assert_ne!(table.rows[0].embedding, table.rows[1].embedding);
    assert_eq!(table.provenance.labels[0], "Medical material");
    let failures = fs::read_to_string(place.join("failures.csv")).unwrap();
    assert!(
        failures.starts_with("id,path,reason\nbroken.nii.gz,"),
        "{failures}"
    );
    assert!(
        !place.join("all.rows.jsonl").exists(),
        "the journal is gone once rows are safe"
    );
    assert!(place.join("all.parquet.run.json").exists());

    // Again: nothing is redone, the failure is tried again.
    let again = encode(place, "all.parquet", &[]);
    assert_code(&again, 1);
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert!(
        stderr.contains("2 of 3 scans are encoded already"),
        "{stderr}"
    );
    assert_eq!(read_parquet(&place.join("all.parquet")).unwrap(), table);

    // With the fault gone, the list goes too.
    fs::remove_file(place.join("scans/deeper/broken.nii.gz")).unwrap();
    assert_code(&encode(place, "all.parquet", &[]), 0);
    assert!(!place.join("failures.csv").exists());
}

#[test]
fn shards_merge_to_the_whole() {
    let place = workplace();
    let place = place.path();
    fs::remove_file(place.join("scans/deeper/broken.nii.gz")).unwrap();
    assert_code(&encode(place, "all.parquet", &[]), 0);
    assert_code(&encode(place, "part.parquet", &["--shard", "1/2"]), 0);
    assert_code(&encode(place, "part.parquet", &["--shard", "2/2"]), 0);
    let shards = [1, 2].map(|i| place.join(format!("part.shard-{i}-of-2.parquet")));
    let merged = place.join("merged.parquet");
    let merge = [
        "encode",
        "merge",
        text(&shards[0]),
        text(&shards[1]),
        "--out",
        text(&merged),
    ];
    assert_code(&rad3d(&merge), 0);
    let whole = read_parquet(&place.join("all.parquet")).unwrap();
    assert_eq!(read_parquet(&merged).unwrap(), whole);
    // A shard twice is a mistake.
    let twice = [
        "encode",
        "merge",
        text(&shards[0]),
        text(&shards[0]),
        "--out",
        text(&merged),
    ];
    assert_code(&rad3d(&twice), 2);
    assert_eq!(
        read_parquet(&merged).unwrap(),
        whole,
        "a failed merge changes nothing"
    );
}

#[test]
fn a_kill_loses_no_finished_row() {
    let place = workplace();
    let place = place.path();
    fs::remove_file(place.join("scans/deeper/broken.nii.gz")).unwrap();
    assert_code(&encode(place, "all.parquet", &[]), 0);
    let whole = read_parquet(&place.join("all.parquet")).unwrap();
    // What a kill after the first row leaves: a journal with that row and half of the next.
    let mut journal = serde_json::to_string(&whole.provenance).unwrap();
    let mut first = whole.rows[0].clone();
    first.path = "kept from before the kill".into();
    journal += &format!("\n{}\n{{\"id\":", serde_json::to_string(&first).unwrap());
    fs::write(place.join("killed.rows.jsonl"), journal).unwrap();
    let resumed = encode(place, "killed.parquet", &[]);
    assert_code(&resumed, 0);
    let rows = read_parquet(&place.join("killed.parquet")).unwrap().rows;
    assert_eq!(rows[0], first, "the finished row was not made again");
    assert_eq!(rows[1], whole.rows[1]);
}

#[test]
fn rows_of_two_precisions_never_meet() {
    let place = workplace();
    let place = place.path();
    fs::remove_file(place.join("scans/deeper/broken.nii.gz")).unwrap();
    let rounded = ["--precision", "bf16-emulated"];
    assert_code(&encode(place, "plain.parquet", &[]), 0);
    assert_code(&encode(place, "rounded.parquet", &rounded), 0);
    let [plain, other] = ["plain.parquet", "rounded.parquet"].map(|name| place.join(name));
    let before = read_parquet(&plain).unwrap();
    assert_eq!(before.provenance.precision, "f32");
    let provenance = read_parquet(&other).unwrap().provenance;
    assert_eq!(provenance.precision, "bf16-emulated");

    let refused = |output: &Output| {
        assert_code(output, 2);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("another precision"), "{stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
    };
    refused(&encode(place, "plain.parquet", &rounded));
    assert_eq!(read_parquet(&plain).unwrap(), before);
    let journal = serde_json::to_string(&provenance).unwrap();
    fs::write(place.join("killed.rows.jsonl"), journal + "\n").unwrap();
    refused(&encode(place, "killed.parquet", &[]));
    let merged = place.join("merged.parquet");
    let tables = [text(&plain), text(&other)];
    let merge = [["encode", "merge"], tables, ["--out", text(&merged)]].concat();
    refused(&rad3d(&merge));
    assert!(!merged.exists());
}

#[test]
fn calls_that_cannot_work_say_why() {
    let place = workplace();
    let place = place.path();
    for (out, more, words) in [
        ("all.csv", [].as_slice(), ".parquet"),
        ("all.parquet", &["--shard", "3/2"], "i/n"),
    ] {
        let output = encode(place, out, more);
        assert_code(&output, 2);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(words), "{stderr}");
    }
    let empty = place.join("empty");
    fs::create_dir(&empty).unwrap();
    let (model, out) = (place.join("model"), place.join("none.parquet"));
    let output = rad3d(&[
        "encode",
        text(&empty),
        "--model",
        text(&model),
        "--out",
        text(&out),
    ]);
    assert_code(&output, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no scans there"));
}
