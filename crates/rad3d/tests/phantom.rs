//! `rad3d phantom`: the same seed, the same bytes; and calls that cannot work.

mod common;

use std::fs;

use common::{assert_code, rad3d, text, told};

#[test]
fn calls_that_cannot_work_say_why() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let full = place.join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("notes.txt"), "mine").unwrap();
    let file = place.join("file");
    fs::write(&file, "mine").unwrap();
    let new = place.join("new");
    let mut all = String::new();
    for (name, arguments) in [
        ("no_out", vec![]),
        ("none_wanted", vec!["--count", "0", "--out", text(&new)]),
        (
            "turned_dicom",
            vec!["--turned", "--as", "dicom", "--out", text(&new)],
        ),
        ("no_format", vec!["--as", "png", "--out", text(&new)]),
        ("not_empty", vec!["--out", text(&full)]),
        ("a_file", vec!["--out", text(&file)]),
    ] {
        let output = rad3d(&[["phantom"].as_slice(), &arguments].concat());
        assert_code(&output, 2);
        all += &format!("=== {name}\n{}", told(&output, &[(place, "[place]")]));
    }
    insta::assert_snapshot!(all);
    assert!(!new.exists());
    assert_eq!(fs::read_to_string(full.join("notes.txt")).unwrap(), "mine");
}
