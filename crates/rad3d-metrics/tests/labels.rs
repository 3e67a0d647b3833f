//! Label metrics against scikit-learn (`tests/golden/metrics_labels.py`), on all reports and on a
//! resample.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use rad3d_metrics::{
    Auroc, AurocStatistic, Averages, Classification, ClassificationStatistic, Matrix, Statistic,
};
use rad3d_report::LabelSet;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    truth: Vec<Vec<u8>>,
    found: Vec<Vec<u8>>,
    scores: Vec<Vec<f64>>,
    drawn: Vec<usize>,
    all: Reference,
    resample: Reference,
}

#[derive(Deserialize)]
struct Reference {
    r#macro: [f64; 3],
    micro: [f64; 3],
    weighted: [f64; 3],
    labels: Vec<[f64; 3]>,
    auroc: Vec<Option<f64>>,
    auroc_macro: f64,
}

const TOLERANCE: f64 = 1e-12;

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= TOLERANCE, "{what}: {got} for {want}");
}

fn averages(got: Averages, want: [f64; 3], what: &str) {
    close(got.precision, want[0], what);
    close(got.recall, want[1], what);
    close(got.f1, want[2], what);
}

fn labels() -> LabelSet {
    LabelSet::new(["a", "b", "c", "d", "no case", "no call"]).unwrap()
}

fn yes(rows: &[Vec<u8>]) -> Matrix<bool> {
    let values = rows.iter().flatten().map(|&value| value == 1).collect();
    Matrix::new(labels(), values).unwrap()
}

fn numbers(rows: &[Vec<f64>]) -> Matrix<f64> {
    Matrix::new(labels(), rows.concat()).unwrap()
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/labels.json")).unwrap()
}

#[test]
fn all_reports() {
    let fixture = fixture();
    let (truth, found) = (yes(&fixture.truth), yes(&fixture.found));
    let got = Classification::of(&found, &truth).unwrap();
    let want = &fixture.all;
    averages(got.macro_average(), want.r#macro, "macro");
    averages(got.micro_average(), want.micro, "micro");
    averages(got.weighted_average(), want.weighted, "weighted");
    for ((name, counts), want) in got.labels.iter().zip(&want.labels) {
        close(counts.precision(), want[0], name);
        close(counts.recall(), want[1], name);
        close(counts.f1(), want[2], name);
    }
    let got = Auroc::of(&numbers(&fixture.scores), &truth).unwrap();
    close(got.macro_average.unwrap(), want.auroc_macro, "AUROC");
    for ((name, got), want) in got.labels.iter().zip(&want.auroc) {
        match (got, want) {
            (Some(got), Some(want)) => close(*got, *want, name),
            (got, want) => assert_eq!(got, want, "{name}"),
        }
    }
    assert_eq!(got.labels.get("no case"), Some(&None));
}

#[test]
fn a_resample() {
    let fixture = fixture();
    let (truth, found) = (yes(&fixture.truth), yes(&fixture.found));
    let mut times = vec![0; fixture.truth.len()];
    for &report in &fixture.drawn {
        times[report] += 1;
    }
    let statistic = ClassificationStatistic::new(&found, &truth).unwrap();
    let mut got = vec![0.0; statistic.scores()];
    statistic.score(&times, &mut got);
    let want = &fixture.resample;
    let pooled = [want.r#macro, want.micro, want.weighted].concat();
    for (at, want) in pooled.iter().enumerate() {
        close(got[at], *want, "pooled");
    }
    for (label, want) in want.labels.iter().enumerate() {
        close(
            got[ClassificationStatistic::F1_OF_LABELS + label],
            want[2],
            "label",
        );
    }
    let statistic = AurocStatistic::new(&numbers(&fixture.scores), &truth).unwrap();
    let mut got = vec![0.0; statistic.scores()];
    statistic.score(&times, &mut got);
    close(got[0], want.auroc_macro, "AUROC");
    for (got, want) in got[1..].iter().zip(&want.auroc) {
        match want {
            Some(want) => close(*got, *want, "AUROC of a label"),
            None => assert!(got.is_nan()),
        }
    }
}

/// CRG of the corner cases named in spec `metrics` 10.
#[test]
fn crg_of_corner_cases() {
    let truth = yes(&fixture().truth);
    let crg = |found: &dyn Fn(bool) -> bool| {
        let values = truth.rows().flatten().map(|&truth| found(truth)).collect();
        let found = Matrix::new(labels(), values).unwrap();
        Classification::of(&found, &truth).unwrap().crg().unwrap()
    };
    close(crg(&|truth| truth), 1.0, "perfect");
    close(crg(&|_| false), 1.0 / 3.0, "nothing found");
    close(crg(&|_| true), 1.0 / 3.0, "everything found");
    close(crg(&|truth| !truth), 0.2, "all wrong");
    let nothing = Matrix::new(labels(), vec![false; 6]).unwrap();
    let none = Classification::of(&nothing, &nothing).unwrap();
    assert_eq!(none.crg(), None);
}
