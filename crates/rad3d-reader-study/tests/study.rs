//! From reports to sheets, and from answers to an analysis.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use rad3d_metrics::{Bootstrap, ReportText};
use rad3d_reader_study::{
    Analysis, Answers, Design, Fault, Key, Kind, Material, Pictures, Ratings, ReadingAnswers,
    ReferenceRole, ReportAnswers, SheetMaker, System, render,
};

const HOSTILE: &str = "</script><script>alert(1)</script>";

fn material() -> Material {
    let reports = |who: &str| {
        let text =
            |case: usize| ReportText::whole(format!("c{case}"), format!("{who} {case} {HOSTILE}"));
        (0..12).map(text).collect::<Vec<_>>()
    };
    let system = |name: &str, who: &str| System {
        name: name.into(),
        reports: reports(who),
    };
    Material {
        references: reports("Truth"),
        systems: vec![system("zebra-net", "First"), system("yak-net", "Second")],
    }
}

fn design(seed: u64) -> Design {
    Design {
        cases: Some(10),
        readers: vec!["anna".into(), "ben".into()],
        repeats: 0.3,
        reference: ReferenceRole::Rated,
        seed,
    }
}

/// Answers that depend on who wrote: the first system is always one point better than the second.
fn answers(key: &Key, reader: usize) -> Answers {
    let reader = &key.readers[reader];
    let readings = reader.readings.iter().map(|reading| {
        let reports = reading.reports.iter().zip('A'..).map(|(system, letter)| {
            let case = key
                .cases
                .iter()
                .position(|case| *case == reading.case)
                .unwrap();
            let better =
                usize::from(system == "zebra-net") + 2 * usize::from(system == "reference");
            let score = 1 + case % 3 + better;
            let scales = ["overall", "completeness", "correctness", "readability"];
            let tags = match system.as_str() {
                "yak-net" => vec!["omitted".to_owned()],
                _ => vec!["none".to_owned()],
            };
            let answers = ReportAnswers {
                scores: scales.map(|scale| (scale.to_owned(), score.into())).into(),
                tags,
                ..ReportAnswers::default()
            };
            (letter.to_string(), answers)
        });
        ReadingAnswers {
            reports: reports.collect::<BTreeMap<_, _>>(),
        }
    });
    Answers::new(
        key.study().unwrap(),
        reader.name.clone(),
        readings.collect(),
    )
}

fn both(key: &Key) -> Vec<(PathBuf, Answers)> {
    vec![
        ("a.json".into(), answers(key, 0)),
        ("b.json".into(), answers(key, 1)),
    ]
}

#[test]
fn sheets_are_blind_inert_and_the_same_by_seed() {
    let (material, pictures) = (material(), Pictures::default());
    let key = design(5).draw(&material).unwrap();
    let html = |key: &Key| {
        let maker = SheetMaker {
            key,
            material: &material,
            pictures: &pictures,
            shows_ids: false,
        };
        maker.html(&key.readers[0]).unwrap()
    };
    let page = html(&key);
    for secret in ["zebra", "yak", "\"pass\"", "http:", "https:"] {
        assert!(!page.contains(secret), "{secret}");
    }
    assert!(!page.contains(HOSTILE));
    assert_eq!(page.matches("</script>").count(), 2);
    assert_eq!(page, html(&design(5).draw(&material).unwrap()));
    assert_ne!(page, html(&design(6).draw(&material).unwrap()));
}

#[test]
fn every_report_is_read_once_and_orders_differ() {
    let key = design(5).draw(&material()).unwrap();
    let mut orders = HashSet::new();
    for reader in &key.readers {
        let mut once = HashSet::new();
        for reading in reader.readings.iter().filter(|reading| reading.pass == 1) {
            assert_eq!(reading.reports.len(), 3);
            for system in &reading.reports {
                assert!(once.insert((&reading.case, system)));
            }
        }
        assert_eq!(once.len(), 30);
        assert_eq!(
            reader.readings.iter().filter(|one| one.pass == 2).count(),
            3
        );
        let letters: HashSet<_> = reader.readings.iter().map(|one| &one.reports).collect();
        assert!(letters.len() > 1, "one order throughout tells who is who");
        orders.insert(
            reader
                .readings
                .iter()
                .map(|one| &one.case)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(orders.len(), 2);
}

#[test]
fn answers_come_back_to_their_systems() {
    let key = design(5).draw(&material()).unwrap();
    let ratings = Ratings::new(key.clone(), both(&key)).unwrap();
    ratings.expect_complete().unwrap();
    let analysis = Analysis::of(&ratings, Bootstrap::default()).unwrap();
    let pair = analysis
        .comparisons
        .iter()
        .find(|one| one.scale == "overall" && one.other == "yak-net" && one.system == "zebra-net")
        .unwrap();
    let difference = pair.difference;
    for value in [difference.value, difference.low, difference.high] {
        assert!((value - 1.0).abs() < 1e-12, "{difference:?}");
    }
    // Ten differences of one sign: 2 / 2^10.
    assert!((pair.wilcoxon.p - 2.0 / 1024.0).abs() < 1e-15);
    for one in &analysis.agreement {
        assert_eq!(one.kappa.unwrap().value, 1.0, "{one:?}");
    }
    assert!(
        analysis
            .agreement
            .iter()
            .any(|one| one.kind == Kind::Intra && one.pairs == 9)
    );
    let omitted = |system: &str| {
        let found = analysis
            .errors
            .iter()
            .find(|one| one.system == system && one.error == "omitted");
        found.map(|one| (one.count, one.readings)).unwrap()
    };
    assert_eq!(omitted("yak-net"), (20, 20));
    assert_eq!(omitted("zebra-net"), (0, 20));
    assert_eq!(analysis.ranks[0].system, "reference");
    assert!(render::csv(&analysis).unwrap().lines().count() > 50);
    assert!(render::html(&analysis).unwrap().contains("zebra-net"));
}

#[test]
fn bad_answers_are_refused() {
    let key = design(5).draw(&material()).unwrap();
    let fault = |given: Vec<(PathBuf, Answers)>| Ratings::new(key.clone(), given).unwrap_err();
    let mut twice = both(&key);
    twice[1].1 = answers(&key, 0);
    assert!(fault(twice).what.contains("as a.json does"));
    let other = design(6).draw(&material()).unwrap();
    assert!(fault(both(&other)).what.contains("another study"));
    for (scale, value) in [("overall", 6), ("overall", 0), ("beauty", 3)] {
        let mut given = both(&key);
        let report = given[1].1.readings[2].reports.get_mut("B").unwrap();
        report.scores.insert(scale.into(), value.into());
        let error = fault(given);
        assert_eq!(error.place, PathBuf::from("b.json"));
        assert!(
            error.what.contains("reading 3, report B") && error.what.contains(scale),
            "{error}"
        );
    }
    let mut open = both(&key);
    open[0].1.readings[0]
        .reports
        .get_mut("A")
        .unwrap()
        .scores
        .remove("overall");
    let ratings = Ratings::new(key.clone(), open).unwrap();
    assert_eq!(ratings.owed[0].missing, 1);
    let error = ratings.expect_complete().unwrap_err();
    assert!(
        error.fault == Fault::Incomplete && error.what.contains("anna lacks 1 of"),
        "{error}"
    );
    Analysis::of(&ratings, Bootstrap::default()).unwrap();
}
