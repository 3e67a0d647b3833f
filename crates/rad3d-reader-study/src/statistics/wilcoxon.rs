//! Wilcoxon's signed-rank test.

use serde::Serialize;

/// Up to as many differences the distribution is counted out: 2^50 is still exact in `f64`.
const MOST_EXACT: usize = 50;

/// Differences closer than this are one: means of several readers differ by rounding.
const GRAIN: f64 = 1e-9;

/// How a p-value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// All ways to sign the ranks were counted, tied ranks included.
    Exact,
    /// By the normal distribution, its variance corrected for ties, without continuity correction.
    Normal,
}

/// Result of the signed-rank test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Wilcoxon {
    /// Sum of the ranks of positive differences.
    pub rank_sum: f64,
    /// Differences that are not 0; the others are left out (`zero_method="wilcox"`).
    pub differences: usize,
    /// How the p-value was found.
    pub method: Method,
    /// Two-sided p-value; 1 if every difference is 0.
    pub p: f64,
}

/// Wilcoxon's signed-rank test of paired differences (1945): exact up to 50 that are not 0.
#[must_use]
pub fn wilcoxon(differences: &[f64]) -> Wilcoxon {
    let method = match differences.iter().filter(|one| one.abs() > GRAIN).count() {
        0..=MOST_EXACT => Method::Exact,
        _ => Method::Normal,
    };
    wilcoxon_by(differences, method)
}

/// The test by a given method.
fn wilcoxon_by(differences: &[f64], method: Method) -> Wilcoxon {
    let mut signed: Vec<f64> = differences
        .iter()
        .map(|one| (one / GRAIN).round())
        .collect();
    signed.retain(|one| *one != 0.0);
    signed.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    // Ranks are halves where values tie; twice the rank is whole.
    let mut doubled = Vec::with_capacity(signed.len());
    let mut ties = 0.0;
    for run in signed.chunk_by(|a, b| a.abs() == b.abs()) {
        let before = doubled.len();
        doubled.extend(run.iter().map(|_| 2 * before + run.len() + 1));
        let length = run.len() as f64;
        ties += length * (length * length - 1.0);
    }
    let positive = signed
        .iter()
        .zip(&doubled)
        .filter(|(value, _)| **value > 0.0);
    let sum: usize = positive.map(|(_, rank)| rank).sum();
    Wilcoxon {
        rank_sum: sum as f64 / 2.0,
        differences: signed.len(),
        method,
        p: match method {
            Method::Exact => exact(&doubled, sum),
            Method::Normal => normal(signed.len() as f64, sum as f64 / 2.0, ties),
        },
    }
}

/// Counts the ways to sign the (doubled) ranks by the sum that they reach.
fn exact(doubled: &[usize], sum: usize) -> f64 {
    let mut ways = vec![0.0; doubled.iter().sum::<usize>() + 1];
    ways[0] = 1.0;
    let mut reached = 0;
    for rank in doubled {
        for at in (0..=reached).rev() {
            ways[at + rank] += ways[at];
        }
        reached += rank;
    }
    let all: f64 = ways.iter().sum();
    let at_most: f64 = ways[..=sum].iter().sum();
    let at_least: f64 = ways[sum..].iter().sum();
    (2.0 * at_most.min(at_least) / all).min(1.0)
}

fn normal(count: f64, sum: f64, ties: f64) -> f64 {
    let mean = count * (count + 1.0) / 4.0;
    let variance = count * (count + 1.0) * (2.0 * count + 1.0) / 24.0 - ties / 48.0;
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (sum - mean).abs() / variance.sqrt();
    libm::erfc(z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: scipy, by `tests/golden/reader_study.py`.
    #[test]
    fn as_scipy() {
        let text = include_str!("../../tests/fixtures/statistics.json");
        let golden: serde_json::Value = serde_json::from_str(text).unwrap();
        let cases = golden["wilcoxon"].as_array().unwrap();
        assert!(cases.len() >= 6);
        for case in cases {
            let differences: Vec<f64> =
                serde_json::from_value(case["differences"].clone()).unwrap();
            let method = match case["method"].as_str().unwrap() {
                "normal" => Method::Normal,
                _ => Method::Exact,
            };
            let got = wilcoxon_by(&differences, method);
            assert_eq!(got.rank_sum, case["rank_sum"].as_f64().unwrap());
            let want = case["p"].as_f64().unwrap();
            assert!((got.p - want).abs() < 1e-12, "{got:?}, scipy {want}");
        }
    }

    #[test]
    fn few_are_counted_out_and_none_is_no_evidence() {
        assert_eq!(wilcoxon(&[1.0; 50]).method, Method::Exact);
        assert_eq!(wilcoxon(&[1.0; 51]).method, Method::Normal);
        assert_eq!(wilcoxon(&[0.0, 0.0]).p, 1.0);
        // Ties by rounding are ties.
        let by_rounding = wilcoxon(&[0.1 + 0.2, -0.3, 1.0]);
        assert_eq!(by_rounding.rank_sum, 4.5);
    }
}
