//! Kappa, signed ranks and shares against scikit-learn, SciPy and statsmodels
//! (`tests/golden/reader_study.py`).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use rad3d_metrics::Statistic;
use rad3d_reader_study::statistics::{Kappas, Table, quadratic_kappa, wilcoxon, wilson};
use serde_json::Value;

const TOLERANCE: f64 = 1e-12;
/// Of the normal distribution's tail, relative.
const TAIL_TOLERANCE: f64 = 1e-10;

fn fixture(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("fixtures/statistics.json")).unwrap();
    all[name].as_array().unwrap().clone()
}

fn scores(value: &Value) -> Vec<u8> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_u64().unwrap() as u8).collect()
}

#[test]
fn kappas_are_scikit_learn_s() {
    for case in fixture("kappas") {
        let (first, second) = (scores(&case["first"]), scores(&case["second"]));
        let mut table = Table::default();
        for (a, b) in first.iter().zip(&second) {
            table[usize::from(a - 1)][usize::from(b - 1)] += 1;
        }
        let kappa = quadratic_kappa(&table);
        match case["kappa"].as_f64() {
            None => assert_eq!(kappa, None),
            Some(want) => assert!(
                (kappa.unwrap() - want).abs() < TOLERANCE,
                "{kappa:?} {want}"
            ),
        }
        // The same as a statistic, every pair a case of its own, and drawn twice.
        let pairs = first.iter().zip(&second).enumerate();
        let pairs: Vec<_> = pairs.map(|(at, (a, b))| (10 * at, *a, *b)).collect();
        let kappas = Kappas::new(&[pairs]).unwrap();
        assert_eq!((kappas.items(), kappas.scores()), (first.len(), 2));
        let mut drawn = [0.0; 2];
        kappas.score(&vec![2; first.len()], &mut drawn);
        for score in drawn {
            assert!((score - kappa.unwrap_or(score)).abs() < TOLERANCE || score.is_nan());
            assert_eq!(score.is_nan(), kappa.is_none());
        }
    }
    assert!(Kappas::new(&[Vec::new(), Vec::new()]).is_none());
}

#[test]
fn signed_ranks_are_scipy_s() {
    for case in fixture("signed_ranks") {
        let differences = case["differences"].as_array().unwrap().iter();
        let differences: Vec<f64> = differences.map(|one| one.as_f64().unwrap()).collect();
        let test = wilcoxon(&differences);
        let (method, n) = (&case["method"], differences.len());
        assert_eq!(test.exact, method != "asymptotic", "{method} of {n}");
        let (statistic, p) = (
            case["statistic"].as_f64().unwrap(),
            case["p"].as_f64().unwrap(),
        );
        assert!(
            (test.statistic - statistic).abs() < TOLERANCE,
            "{method} of {n}: {test:?}"
        );
        let tolerance = if test.exact {
            TOLERANCE
        } else {
            TAIL_TOLERANCE * p
        };
        assert!(
            (test.p - p).abs() <= tolerance,
            "{method} of {n}: {test:?} for {p}"
        );
        assert_eq!(test.differences + test.zeros, n);
        // The other way round, the same.
        let turned: Vec<f64> = differences.iter().map(|one| -one).collect();
        assert!((wilcoxon(&turned).p - test.p).abs() < TOLERANCE);
    }
    for nothing in [[].as_slice(), &[0.0, 0.0, 1e-12]] {
        assert_eq!(wilcoxon(nothing).p, 1.0);
    }
}

#[test]
fn shares_are_statsmodels() {
    for case in fixture("shares") {
        let count = |name: &str| case[name].as_u64().unwrap() as usize;
        let share = wilson(count("hits"), count("trials")).unwrap();
        for (got, want) in [(share.low, &case["low"]), (share.high, &case["high"])] {
            assert!(
                (got - want.as_f64().unwrap()).abs() < TOLERANCE,
                "{share:?} for {case}"
            );
        }
    }
    assert!(wilson(0, 0).is_none());
}
