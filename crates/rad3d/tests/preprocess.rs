//! `rad3d preprocess`: what it leaves behind, and what it says of calls that cannot work.

mod common;

use std::fs;

use common::{assert_code, rad3d, small_scan, stderr, text, told};
use safetensors::SafeTensors;

#[test]
fn a_tensor_comes_with_its_run() {
    let place = tempfile::tempdir().unwrap();
    let (scan, table) = (small_scan("prep_a.nii.gz"), small_scan("prep_metadata.csv"));
    // The built-in recipes make 221 MB; a small one says the same of the command.
    let recipe = place.path().join("tiny.toml");
    let small = "name = \"tiny\"\ntensor-axes = \"SLP\"\nspacing-mm = [1.5, 0.75, 0.75]\n\
                 size = [8, 10, 12]\nclip-hu = [-1000.0, 1000.0]\nclip = \"before-resampling\"\n\
                 scale = { add = 0.0, divide = 1000.0 }\npad-hu = -1000.0\n";
    fs::write(&recipe, small).unwrap();
    let out = place.path().join("scan.safetensors");
    let output = rad3d(&[
        "preprocess",
        text(&scan),
        "--metadata",
        text(&table),
        "--recipe",
        text(&recipe),
        "--force",
        "--out",
        text(&out),
    ]);
    assert_code(&output, 0);
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("wrote"));
    let bytes = fs::read(&out).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("volume").unwrap().shape(), [1, 1, 8, 10, 12]);
    let run = fs::read_to_string(place.path().join("scan.safetensors.run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["verb"], "preprocess");
    assert_eq!(run["settings"]["recipe"]["name"], "tiny");
    assert_eq!(run["inputs"].as_array().unwrap().len(), 1);
}

#[test]
fn calls_that_cannot_work_say_why() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let scan = small_scan("prep_a.nii.gz");
    let golden = scan.parent().unwrap();
    let copy = place.join("scan.nii.gz");
    fs::copy(&scan, &copy).unwrap();
    let nowhere = place.join("none/scan.safetensors");
    let picture = place.join("scan.png");
    let tensor = place.join("scan.safetensors");
    let mut all = String::new();
    for (name, arguments) in [
        ("no_out", vec![text(&scan)]),
        ("unknown_ending", vec![text(&scan), "--out", text(&picture)]),
        ("onto_itself", vec![text(&copy), "--out", text(&copy)]),
        ("not_hounsfield", vec![text(&scan), "--out", text(&tensor)]),
        (
            "no_folder",
            vec![
                text(&scan),
                "--force",
                "--hu",
                "hu",
                "--out",
                text(&nowhere),
            ],
        ),
        (
            "no_scan",
            vec![
                text(golden.parent().unwrap()),
                "--recipe",
                "x.toml",
                "--out",
                "x.nii",
            ],
        ),
    ] {
        let output = rad3d(&[["preprocess"].as_slice(), &arguments].concat());
        assert_code(&output, 2);
        let fixtures = golden.parent().unwrap();
        let places = [
            (place, "[place]"),
            (golden, "[golden]"),
            (fixtures, "[fixtures]"),
        ];
        all += &format!("=== {name}\n{}", told(&output, &places));
    }
    insta::assert_snapshot!(all);
    assert!(!tensor.exists() && !nowhere.exists());
    assert_eq!(
        fs::read(&copy).unwrap(),
        fs::read(&scan).unwrap(),
        "the input is whole"
    );
}
