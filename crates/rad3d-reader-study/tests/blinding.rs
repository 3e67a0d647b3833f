//! Nothing of a sheet tells who wrote a report; every report is read, and by seed always the same.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::collections::{BTreeMap, HashSet};

use rad3d_metrics::ReportText;
use rad3d_reader_study::{
    Design, Key, Material, Pictures, ReadingKey, ReferenceRole, SheetMaker, System,
};
use serde_json::Value;

fn reports(cases: usize, words: &str) -> Vec<ReportText> {
    let report = |n| ReportText::sections(format!("case{n}"), &format!("{words} {n}."), "Done.");
    (0..cases).map(report).collect()
}

fn material(cases: usize) -> Material {
    let system = |name: &str, words: &str| System {
        name: name.into(),
        reports: reports(cases, words),
    };
    Material {
        references: reports(cases, "Nodule"),
        systems: vec![
            system("secretone", "Opacity"),
            system("secrettwo", "Effusion"),
        ],
    }
}

fn design(seed: u64) -> Design {
    Design {
        cases: None,
        readers: vec!["R1".into(), "R2".into()],
        repeats: 0.2,
        reference: ReferenceRole::Rated,
        seed,
    }
}

fn sheet(key: &Key, material: &Material, reader: usize) -> String {
    let pictures = Pictures::default();
    let maker = SheetMaker {
        key,
        material,
        pictures: &pictures,
        shows_ids: false,
    };
    maker.html(&key.readers[reader]).unwrap()
}

/// What the page's script works on.
fn data(page: &str) -> Value {
    let data = page.split_once("id=\"data\">").unwrap().1;
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn every_report_is_read_once_and_some_twice() {
    let material = material(40);
    for cases in [None, Some(25), Some(1)] {
        let key = Design { cases, ..design(3) }.draw(&material).unwrap();
        let count = cases.unwrap_or(40);
        assert_eq!(key.cases.len(), count);
        for (at, reader) in key.readers.iter().enumerate() {
            let of_pass = |pass| reader.readings.iter().filter(move |one| one.pass == pass);
            let first: HashSet<_> = of_pass(1).map(|one| &one.case).collect();
            assert_eq!(first, key.cases.iter().collect());
            assert_eq!(of_pass(1).count(), count);
            let again: HashSet<_> = of_pass(2).map(|one| &one.case).collect();
            assert_eq!(again.len(), of_pass(2).count());
            assert_eq!(again.len(), (count as f64 * 0.2).round() as usize);
            // The page shows just what the key says.
            let data = data(&sheet(&key, &material, at));
            for (shown, reading) in data["readings"]
                .as_array()
                .unwrap()
                .iter()
                .zip(&reader.readings)
            {
                let shown = shown["reports"].as_array().unwrap();
                assert_eq!(shown.len(), 3);
                for (shown, system) in shown.iter().zip(&reading.reports) {
                    let words = match system.as_str() {
                        "reference" => "Nodule",
                        "secretone" => "Opacity",
                        _ => "Effusion",
                    };
                    let number = reading.case.strip_prefix("case").unwrap();
                    assert_eq!(shown["findings"], format!("{words} {number}."));
                }
            }
        }
    }
}

#[test]
fn letters_and_orders_betray_nothing() {
    const CASES: usize = 600;
    let key = Design {
        repeats: 0.0,
        ..design(5)
    }
    .draw(&material(CASES))
    .unwrap();
    // Each system stands behind each letter in a third of the readings: within 5 sigma.
    let sigma = (CASES as f64 * 2.0 / 9.0).sqrt();
    for reader in &key.readers {
        for system in &key.systems {
            for letter in 0..3 {
                let stands = |one: &&ReadingKey| one.reports[letter] == *system;
                let count = reader.readings.iter().filter(stands).count() as f64;
                assert!(
                    (count - CASES as f64 / 3.0).abs() < 5.0 * sigma,
                    "{system} {letter}: {count}"
                );
            }
        }
    }
    // Readers' orders have no more in common than chance: of cases, and of letters in a case.
    let [one, two] = [0, 1].map(|at| &key.readers[at].readings);
    let same_place = one
        .iter()
        .zip(two)
        .filter(|(a, b)| a.case == b.case)
        .count();
    assert!(same_place < 8, "{same_place}");
    let letters: BTreeMap<_, _> = two.iter().map(|one| (&one.case, &one.reports)).collect();
    let same = one
        .iter()
        .filter(|one| letters[&one.case] == &one.reports)
        .count() as f64;
    assert!(
        (same - CASES as f64 / 6.0).abs() < 5.0 * (CASES as f64 * 5.0 / 36.0).sqrt(),
        "{same}"
    );
    // Nor has the order of reading with that of the file.
    let in_order = one.windows(2).filter(|pair| {
        let place = |at: usize| {
            key.cases
                .iter()
                .position(|case| *case == pair[at].case)
                .unwrap()
        };
        place(0) < place(1)
    });
    assert!(
        (in_order.count() as f64 - CASES as f64 / 2.0).abs() < 5.0 * (CASES as f64 / 12.0).sqrt()
    );
}

#[test]
fn pages_name_neither_systems_nor_cases_nor_repeats() {
    let material = material(10);
    let key = design(1).draw(&material).unwrap();
    for reader in [0, 1] {
        let page = sheet(&key, &material, reader);
        for betrayal in [
            "secretone",
            "secrettwo",
            "case3",
            "\"pass\"",
            "\"repeat\"",
            "\"seed\"",
        ] {
            assert!(!page.contains(betrayal), "{betrayal}");
        }
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("//cdn"));
        let data = data(&page);
        // A repeat looks like any other reading.
        let shape = |reading: &Value| {
            let keys: Vec<_> = reading.as_object().unwrap().keys().cloned().collect();
            (keys, reading["id"].clone())
        };
        let shapes: HashSet<_> = data["readings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let (keys, id) = shape(one);
                (keys, id.to_string())
            })
            .collect();
        assert_eq!(shapes.len(), 1);
    }
}

#[test]
fn the_seed_alone_decides() {
    let material = material(12);
    let make = |seed| {
        let key = design(seed).draw(&material).unwrap();
        (sheet(&key, &material, 0), key)
    };
    assert_eq!(make(9), make(9));
    let (page, key) = make(9);
    assert_ne!(page, make(10).0);
    // A reader's sheet does not change when another reader joins; the study's name does.
    let mut more = design(9);
    more.readers.push("R3".into());
    let more = more.draw(&material).unwrap();
    assert_eq!(more.readers[0], key.readers[0]);
    assert_ne!(more.study().unwrap(), key.study().unwrap());
    // Another text is another study, even if every draw is the same.
    let mut other = material.clone();
    other.systems[0].reports[0] = ReportText::whole("case0", "Something else.");
    let other = design(9).draw(&other).unwrap();
    assert_eq!(other.readers, key.readers);
    assert_ne!(other.study().unwrap(), key.study().unwrap());
}

#[test]
fn texts_are_data_and_never_markup() {
    let evil = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \u{2028}";
    let mut material = material(1);
    material.systems[0].reports[0] = ReportText::whole("case0", evil);
    let key = design(1).draw(&material).unwrap();
    let page = sheet(&key, &material, 0);
    assert_eq!(page.matches("<script").count(), 2);
    assert!(!page.contains("<img") && !page.contains("<!--"));
    let data = data(&page);
    let shown = data["readings"][0]["reports"].as_array().unwrap();
    assert!(shown.iter().any(|report| report["findings"] == evil.trim()));
}

#[test]
fn a_shown_reference_is_not_rated() {
    let material = material(3);
    let shown = Design {
        reference: ReferenceRole::Shown,
        ..design(1)
    };
    let key = shown.draw(&material).unwrap();
    assert_eq!(key.systems, ["secretone", "secrettwo"]);
    let data = data(&sheet(&key, &material, 0));
    let reading = &data["readings"][0];
    assert!(
        reading["reference"]["findings"]
            .as_str()
            .unwrap()
            .starts_with("Nodule")
    );
    assert_eq!(reading["reports"].as_array().unwrap().len(), 2);
}

#[test]
fn reports_that_name_their_author_are_found() {
    let mut material = material(3);
    assert!(material.give_away().is_empty());
    material.systems[1].reports[2] = ReportText::whole("case2", "Written by SecretTwo.");
    assert_eq!(material.give_away(), ["secrettwo, case2"]);
}

#[test]
fn pictures_are_embedded_once() {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let material = material(4);
    let key = Design {
        repeats: 0.5,
        ..design(2)
    }
    .draw(&material)
    .unwrap();
    for case in ["case0", "case1", "case2"] {
        write(&format!("{case}.png"), &[PNG, case.as_bytes()].concat());
    }
    let missing = Pictures::read(folder.path(), &key.cases).unwrap_err();
    assert!(missing.what.contains("case3"), "{missing}");
    write("case3/b.png", &[PNG, b"b"].concat());
    write("case3/a.PNG", &[PNG, b"a"].concat());
    write("case3/notes.txt", b"not a picture");
    let pictures = Pictures::read(folder.path(), &key.cases).unwrap();
    assert_eq!(pictures.of("case3").len(), 2);
    assert!(pictures.of("case3")[0] < pictures.of("case3")[1]);
    let maker = SheetMaker {
        key: &key,
        material: &material,
        pictures: &pictures,
        shows_ids: true,
    };
    let data = data(&maker.html(&key.readers[0]).unwrap());
    assert_eq!(data["pictures"].as_array().unwrap().len(), 5);
    for reading in data["readings"].as_array().unwrap() {
        let count = if reading["id"] == "case3" { 2 } else { 1 };
        assert_eq!(reading["pictures"].as_array().unwrap().len(), count);
    }
    // Ids lead nowhere else.
    let outside = ["../case0", "/etc/passwd", ".."];
    assert!(Pictures::read(&folder.path().join("case3"), &outside).is_err());
    write("case3/b.png", b"GIF89a");
    assert!(
        Pictures::read(folder.path(), &key.cases)
            .unwrap_err()
            .what
            .contains("no PNG")
    );
}
