//! What an analysis says of answers whose outcome is known.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use rad3d_metrics::{Bootstrap, ReportText};
use rad3d_reader_study::answers::{Answers, ReadingAnswers, ReportAnswers};
use rad3d_reader_study::{Analysis, Design, Key, Material, Ratings, ReferenceRole, System, render};

const BOOTSTRAP: Bootstrap = Bootstrap {
    seed: 1,
    resamples: 500,
};

fn key(cases: usize, systems: &[&str]) -> Key {
    let reports = || {
        (0..cases)
            .map(|n| ReportText::whole(n.to_string(), "Clear."))
            .collect()
    };
    let system = |name: &&str| System {
        name: (*name).into(),
        reports: reports(),
    };
    let material = Material {
        references: reports(),
        systems: systems.iter().map(system).collect(),
    };
    let design = Design {
        cases: None,
        readers: vec!["R1".into(), "R2".into()],
        repeats: 0.5,
        reference: ReferenceRole::Shown,
        seed: 4,
    };
    design.draw(&material).unwrap()
}

/// Ratings by a rule: the score of every scale from reader, case, system and pass, or no answer.
fn rate(key: &Key, rule: impl Fn(&str, usize, &str, u8) -> Option<u8>) -> Ratings {
    let answers = key.readers.iter().map(|reader| {
        let readings = reader.readings.iter().map(|reading| {
            let reports = reading.reports.iter().zip('A'..).map(|(system, letter)| {
                let case = reading.case.parse().unwrap();
                let score = rule(&reader.name, case, system, reading.pass);
                let scales = key.scales.iter().zip(std::iter::repeat(score));
                let scores = scales.filter_map(|(key, score)| Some((key.clone(), score?.into())));
                let tag = match score {
                    Some(5) => vec!["none".to_owned()],
                    Some(_) => vec!["omitted".to_owned(), "location".to_owned()],
                    None => vec![],
                };
                let answers = ReportAnswers {
                    scores: scores.collect(),
                    tags: tag,
                    other: String::new(),
                    comment: if score == Some(1) {
                        "<b>Poor</b>".into()
                    } else {
                        String::new()
                    },
                };
                (letter.to_string(), answers)
            });
            ReadingAnswers {
                reports: reports.collect(),
            }
        });
        let answers = Answers::new(
            key.study().unwrap(),
            reader.name.clone(),
            readings.collect(),
        );
        (format!("{}.json", reader.name).into(), answers)
    });
    // The order of files says nothing.
    Ratings::new(key.clone(), answers.rev().collect()).unwrap()
}

#[test]
fn ranks_differences_and_errors_by_hand() {
    let key = key(8, &["good", "poor", "same"]);
    // good beats poor by 2 on every case but one, where all are equal; "same" equals good.
    let ratings = rate(&key, |_, case, system, _| {
        Some(match (system, case) {
            (_, 3) => 3,
            ("poor", _) => 3,
            _ => 5,
        })
    });
    ratings.expect_complete().unwrap();
    let analysis = Analysis::of(&ratings, BOOTSTRAP).unwrap();
    assert_eq!(analysis.rated, 2 * 8 * 3);
    let mean = |system: &str| {
        analysis
            .means
            .iter()
            .find(|one| one.system == system)
            .unwrap()
    };
    assert_eq!(mean("good").mean.unwrap().value, 4.75);
    assert_eq!(mean("good").counts, [0, 0, 2, 0, 14]);
    assert_eq!(mean("poor").mean.unwrap().value, 3.0);
    let rank = |at: usize| {
        (
            analysis.ranks[at].mean_rank.unwrap().value,
            analysis.ranks[at].best,
        )
    };
    assert_eq!(rank(0), ((7.0 * 1.5 + 2.0) / 8.0, 16));
    assert_eq!(rank(1), ((7.0 * 3.0 + 2.0) / 8.0, 2));
    assert_eq!(analysis.ranks[0].best_alone, 0);
    let preference = &analysis.preferences[0];
    assert_eq!(
        (preference.higher, preference.same, preference.lower),
        (14, 2, 0)
    );
    let [against_poor, against_same, _] = [0, 1, 2].map(|at| &analysis.tests[at]);
    assert_eq!(
        (against_poor.difference.value, against_poor.cases),
        (1.75, 8)
    );
    // Seven equal differences of one sign: 2 of 2^7 ways are as far apart.
    assert_eq!(
        (against_poor.wilcoxon.zeros, against_poor.wilcoxon.p),
        (1, 2.0 / 128.0)
    );
    assert_eq!(against_same.wilcoxon.p, 1.0);
    assert_eq!(against_same.p_bootstrap, 1.0);
    assert!(
        analysis
            .tests
            .iter()
            .all(|test| test.p_wilcoxon_holm >= test.wilcoxon.p)
    );
    let error = |system: &str, tag: &str| {
        let mut found = analysis.tags.iter();
        let found = found
            .find(|one| one.system == system && one.tag == tag)
            .unwrap();
        (found.found, found.readings)
    };
    assert_eq!(error("poor", "any"), (16, 16));
    assert_eq!(error("good", "omitted"), (2, 16));
    assert_eq!(error("good", "severity"), (0, 16));
    // Both readers say the same, each time.
    assert_eq!(analysis.between_readers[0].mean.unwrap().value, 1.0);
    assert_eq!(analysis.within_readers[0].mean.unwrap().value, 1.0);
    assert_eq!(analysis.within_readers[0].kappas[1].reports, 4 * 3);
}

#[test]
fn readers_who_contradict_each_other_and_themselves() {
    let key = key(20, &["one", "two"]);
    let ratings = rate(&key, |reader, case, _, pass| {
        let good = case % 2 == 0;
        Some(if good != (reader == "R2") && pass == 1 {
            5
        } else {
            1
        })
    });
    let analysis = Analysis::of(&ratings, BOOTSTRAP).unwrap();
    let between = &analysis.between_readers[0].kappas[0];
    assert_eq!(between.kappa.unwrap().value, -1.0);
    assert_eq!(between.same, Some(0.0));
    // The second time all is 1: no better than chance.
    assert_eq!(analysis.within_readers[0].mean.unwrap().value, 0.0);
}

#[test]
fn what_is_missing_is_left_out_of_both_sides() {
    let key = key(6, &["one", "two"]);
    // R2 never rates "two"; nobody rates case 5.
    let ratings = rate(&key, |reader, case, system, _| {
        let open = case == 5 || (reader == "R2" && system == "two");
        (!open).then_some(if system == "one" { 4 } else { 2 })
    });
    let owed = &ratings.owed;
    assert_eq!(owed.len(), 2);
    assert!(owed[1].missing > owed[0].missing, "{owed:?}");
    assert!(
        ratings
            .expect_complete()
            .unwrap_err()
            .what
            .contains("R1 lacks")
    );
    let analysis = Analysis::of(&ratings, BOOTSTRAP).unwrap();
    assert_eq!(analysis.means[0].readings, 10);
    assert_eq!(analysis.means[1].readings, 5);
    assert_eq!(
        (analysis.tests[0].cases, analysis.tests[0].difference.value),
        (5, 2.0)
    );
    assert_eq!(analysis.preferences[0].higher, 5);
    assert_eq!(analysis.ranks[0].readings, 5);

    // Nothing at all is no figure, and no panic.
    let nothing = Analysis::of(&rate(&key, |_, _, _, _| None), BOOTSTRAP).unwrap();
    assert!(nothing.tests.is_empty() && nothing.means[0].mean.is_none());
    assert!(render::html(&nothing).unwrap().contains("undefined"));
    assert!(
        render::csv(&nothing)
            .unwrap()
            .contains("mean,overall,one,,0,,,,,,,")
    );
}

#[test]
fn words_of_readers_are_escaped() {
    let ratings = rate(&key(4, &["<i>one</i>"]), |_, _, _, _| Some(1));
    let analysis = Analysis::of(&ratings, BOOTSTRAP).unwrap();
    let page = render::html(&analysis).unwrap();
    assert!(!page.contains("<b>Poor") && !page.contains("<i>one"));
    assert_eq!(analysis.remarks.len(), 2 * (4 + 2));
}
