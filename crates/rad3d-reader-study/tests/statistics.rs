//! Kappa and Wilson against scikit-learn and statsmodels (`tests/golden/reader_study.py`).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use rad3d_metrics::Statistic;
use rad3d_reader_study::statistics::{Kappas, quadratic_kappa, wilson};
use serde_json::Value;

fn golden(name: &str) -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("fixtures/statistics.json")).unwrap();
    golden[name].as_array().unwrap().clone()
}

#[test]
fn kappa_as_scikit_learn() {
    let cases = golden("kappa");
    assert!(cases.len() >= 5);
    for case in cases {
        let pairs: Vec<(u8, u8)> = serde_json::from_value(case["pairs"].clone()).unwrap();
        let (got, want) = (quadratic_kappa(&pairs), case["kappa"].as_f64().unwrap());
        assert!((got - want).abs() < 1e-12, "{got}, scikit-learn {want}");
    }
}

#[test]
fn wilson_as_statsmodels() {
    let cases = golden("wilson");
    assert!(cases.len() >= 5);
    for case in cases {
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let [low, high] = wilson(number("count"), number("total")).unwrap();
        assert!(
            (low - case["low"].as_f64().unwrap()).abs() < 1e-12,
            "{case}"
        );
        assert!(
            (high - case["high"].as_f64().unwrap()).abs() < 1e-12,
            "{case}"
        );
    }
    assert_eq!(wilson(0, 0), None);
}

#[test]
fn a_case_drawn_twice_counts_twice() {
    let case = vec![vec![(1, 2), (3, 3)], vec![(5, 4)], vec![(2, 2)]];
    let drawn = [(1, 2), (3, 3), (1, 2), (3, 3), (2, 2)];
    let kappas = Kappas::new(vec![case.clone(), vec![vec![]; 3]]);
    let mut scores = [0.0; 3];
    kappas.score(&[2, 0, 1], &mut scores);
    let want = quadratic_kappa(&drawn);
    assert!((scores[0] - want).abs() < 1e-12);
    assert!(scores[1].is_nan(), "nothing was paired");
    assert_eq!(scores[2], scores[0], "the mean leaves undefined kappas out");
}
