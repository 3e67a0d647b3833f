//! `rad3d inspect` on what it can use and what it can't: exit code, stdout and stderr.

mod common;

use std::fs;

use common::{assert_code, rad3d, small_scan, stdout, text, told};

#[test]
fn bad_input_is_named_with_a_remedy() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let broken = place.join("broken.nii.gz");
    fs::write(&broken, "not a scan").unwrap();
    let cut = place.join("cut.nii.gz");
    let whole = fs::read(small_scan("prep_a.nii.gz")).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let empty = place.join("empty");
    fs::create_dir(&empty).unwrap();
    let picture = place.join("picture.png");
    fs::write(&picture, b"\x89PNG\r\n\x1a\n").unwrap();
    let none = place.join("none.dcm");
    let scan = small_scan("prep_a.nii.gz");
    let mut all = String::new();
    for (path, more) in [
        (&none, [].as_slice()),
        (&broken, &[]),
        (&cut, &[]),
        (&empty, &[]),
        (&picture, &[]),
        (&scan, &["--series", "1.2.3"]),
        (&scan, &["--recipe", "no-such-recipe"]),
        (&scan, &["--hu", "watts"]),
    ] {
        let output = rad3d(&[["inspect", text(path)].as_slice(), more].concat());
        assert_code(&output, 2);
        let name = path.file_name().unwrap().to_str().unwrap();
        let golden = scan.parent().unwrap();
        let told = told(&output, &[(place, "[place]"), (golden, "[golden]")]);
        all += &format!("=== {name} {}\n{told}", more.join(" "));
    }
    insta::assert_snapshot!(all);
}

/// A scan that would be refused is shown, its reasons once: as the verdict, not as warnings too.
#[test]
fn a_refusal_says_its_reasons_once() {
    let (scan, table) = (small_scan("prep_a.nii.gz"), small_scan("prep_metadata.csv"));
    let arguments = ["inspect", text(&scan), "--metadata", text(&table)];
    let output = rad3d(&arguments);
    assert_code(&output, 0);
    let shown = stdout(&output);
    assert_eq!(shown.matches("ml of lung, at least").count(), 1, "{shown}");
    assert!(!shown.contains("no chest CT?"), "{shown}");

    let json = rad3d(&[arguments.as_slice(), &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["verdict"]["usable"], false);
    assert!(
        !json["would"]["chest"]["objections"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    // Insisted on, the scan is used, and then the objections are what there is to be warned of.
    let forced = rad3d(&[arguments.as_slice(), &["--force"]].concat());
    let shown = stdout(&forced);
    assert!(
        shown.contains("no chest CT?") && shown.contains("usable"),
        "{shown}"
    );
}
