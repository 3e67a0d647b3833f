//! The bootstrap against reference values computed with numpy from the same draws.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use rad3d_metrics::{
    Bleu, BleuCounts, BleuStatistic, Bootstrap, Comparison, Estimate, ItemMean, Resamples,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Of the reference's index matrix, 10,000 rows of 40 little-endian `u16`.
const INDEX_MATRIX_SHA256: &str =
    "650b7dd6dd77b3b8585610bb3021f6d1aa8de9c2f161be1bbd73723c0ea12fd3";
const SEED: u64 = 20_240_613;
const TOLERANCE: f64 = 1e-12;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/bootstrap.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

fn close(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= TOLERANCE, "{what}: {got} for {want}");
}

fn interval(got: &Estimate, want: &Value, what: &str) {
    close(got.low, &want[0], what);
    close(got.high, &want[1], what);
}

fn comparison(got: &Comparison, want: &Value) {
    close(got.baseline.value, &want["observed_A"], "baseline");
    close(got.system.value, &want["observed_B"], "system");
    close(got.difference.value, &want["observed_diff"], "difference");
    interval(&got.baseline, &want["ci95_A"], "interval of the baseline");
    interval(&got.system, &want["ci95_B"], "interval of the system");
    interval(
        &got.difference,
        &want["ci95_diff"],
        "interval of the difference",
    );
    close(got.p_two_sided, &want["p_two_sided_plus1"], "two-sided");
    close(got.p_one_sided, &want["p_one_sided_koehn"], "one-sided");
}

#[test]
fn every_index_is_the_reference_s() {
    let draws = Resamples::new(SEED, 40, 10_000).unwrap();
    let mut hasher = Sha256::new();
    for row in 0..draws.rows() {
        for index in draws.indices(row) {
            hasher.update((index as u16).to_le_bytes());
        }
    }
    let hex: String = hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(hex, INDEX_MATRIX_SHA256);
}

#[test]
fn means_of_items() {
    let fixture = fixture();
    let mean = |name: &str| ItemMean::new(numbers(&fixture["per_item"][name])).unwrap();
    let (a, b, c) = (mean("rougeL_A"), mean("rougeL_B"), mean("rougeL_C"));
    for resamples in [1_000, 10_000] {
        let bootstrap = Bootstrap {
            seed: SEED,
            resamples,
        };
        for (system, name) in [(&b, "rougeL_mean"), (&c, "close_pair_rougeL")] {
            let got = bootstrap.compare(&a, system).unwrap();
            let want = &fixture["results"][format!("{name}.n{resamples}")];
            comparison(&got[0].unwrap(), want);
        }
        let estimate = bootstrap.estimate(&a).unwrap()[0].unwrap();
        let want = &fixture["results"][format!("rougeL_mean.n{resamples}")];
        interval(&estimate, &want["ci95_A"], "alone");
    }
    let first = Bootstrap {
        seed: SEED,
        resamples: 10,
    };
    let got = first.resample(&a).unwrap();
    let want = numbers(&fixture["first10_resamples"]["rougeL_A"]);
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= TOLERANCE, "{got} for {want}");
    }
}

/// A system's BLEU from the counts of its pairs: matches and totals of 1 to 4 words, then words of
/// hypothesis and reference.
fn bleu(rows: &Value) -> BleuStatistic {
    let rows = rows.as_array().unwrap().iter();
    let counts = rows.map(|row| {
        let at = |place: usize| row[place].as_u64().unwrap();
        BleuCounts {
            matches: [0, 1, 2, 3].map(at),
            totals: [4, 5, 6, 7].map(at),
            hypothesis: at(8),
            reference: at(9),
            ..BleuCounts::default()
        }
    });
    BleuStatistic::new(Bleu::HuggingFace { smooth: false }, counts.collect()).unwrap()
}

#[test]
fn bleu_of_the_corpus_is_recomputed_on_every_resample() {
    let fixture = fixture();
    let (a, b) = (bleu(&fixture["bleu_suff_A"]), bleu(&fixture["bleu_suff_B"]));
    for resamples in [1_000, 10_000] {
        let bootstrap = Bootstrap {
            seed: SEED,
            resamples,
        };
        let got = bootstrap.compare(&a, &b).unwrap();
        let want = &fixture["results"][format!("hf_bleu4_corpus.n{resamples}")];
        comparison(&got[3].unwrap(), want);
    }
    let first = Bootstrap {
        seed: SEED,
        resamples: 10,
    };
    for (system, name) in [(&a, "bleu4_A"), (&b, "bleu4_B")] {
        let got = first.resample(system).unwrap();
        let want = numbers(&fixture["first10_resamples"][name]);
        assert_eq!(want.len(), 10);
        for (got, want) in got.chunks(4).zip(want) {
            assert!((got[3] - want).abs() <= TOLERANCE, "{} for {want}", got[3]);
        }
    }
}

#[test]
fn a_system_is_no_better_than_itself() {
    let values = ItemMean::new(vec![0.1, 0.5, 0.9]).unwrap();
    let got = Bootstrap::default().compare(&values, &values).unwrap()[0].unwrap();
    assert_eq!((got.difference.low, got.difference.high), (0.0, 0.0));
    assert_eq!((got.p_two_sided, got.p_one_sided), (1.0, 1.0));
}

#[test]
fn other_reports_are_refused() {
    let (a, b) = (ItemMean::new(vec![0.1]), ItemMean::new(vec![0.1, 0.2]));
    let error = Bootstrap::default()
        .compare(&a.unwrap(), &b.unwrap())
        .unwrap_err();
    assert!(error.what.contains("1 reports"), "{error}");
    assert!(ItemMean::new(vec![f64::NAN]).is_err());
    assert!(ItemMean::new(vec![]).is_err());
}
