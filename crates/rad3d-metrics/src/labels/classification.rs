//! Precision, recall and F1, and CRG.

use rad3d_report::{Confusion, LabelValues};
use serde::Serialize;

use super::matrix::LabelMatrix;
use crate::bootstrap::Statistic;
use crate::error::Result;

/// Precision, recall and F1 under one way of averaging; 0 where nothing can be divided
/// (`zero_division=0` of scikit-learn).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Averages {
    /// True among those found.
    pub precision: f64,
    /// Found among those true.
    pub recall: f64,
    /// Harmonic mean of the two, taken label by label before averaging.
    pub f1: f64,
}

impl Averages {
    fn of(counts: &Confusion) -> Self {
        Self {
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
        }
    }

    /// Division last, so that a mean of ones is one.
    fn divided(self, by: f64) -> Self {
        Self {
            precision: self.precision / by,
            recall: self.recall / by,
            f1: self.f1 / by,
        }
    }

    fn add(&mut self, other: Self, weight: f64) {
        self.precision += weight * other.precision;
        self.recall += weight * other.recall;
        self.f1 += weight * other.f1;
    }
}

/// How well found labels match true ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// Counts of every label.
    pub labels: LabelValues<Confusion>,
}

impl Classification {
    /// Counts `found` against `truth`, report by report.
    ///
    /// # Errors
    /// The two have different labels or different numbers of reports.
    pub fn of(found: &LabelMatrix, truth: &LabelMatrix) -> Result<Self> {
        truth.expect_shape(found)?;
        let mut labels = LabelValues::from_fn(truth.labels().clone(), |_, _| Confusion::default());
        for (found, truth) in found.rows().zip(truth.rows()) {
            let pairs = found.iter().zip(truth);
            for (counts, (&found, &truth)) in labels.values_mut().iter_mut().zip(pairs) {
                count(counts, found, truth);
            }
        }
        Ok(Self { labels })
    }

    /// Plain mean over the labels; macro F1 is the mean of the labels' F1.
    pub fn macro_average(&self) -> Averages {
        let labels = self.labels.values();
        let mut sum = Averages::default();
        for counts in labels {
            sum.add(Averages::of(counts), 1.0);
        }
        sum.divided(labels.len() as f64)
    }

    /// Of all decisions pooled.
    pub fn micro_average(&self) -> Averages {
        Averages::of(&self.pooled())
    }

    /// Mean over the labels, each weighted by its true cases; 0 if there are none.
    pub fn weighted_average(&self) -> Averages {
        let pooled = self.pooled();
        let cases = (pooled.true_positives + pooled.false_negatives).max(1) as f64;
        let mut sum = Averages::default();
        for counts in self.labels.values() {
            let support = (counts.true_positives + counts.false_negatives) as f64;
            sum.add(Averages::of(counts), support / cases);
        }
        sum
    }

    /// CRG of all decisions pooled, see [`crg`].
    pub fn crg(&self) -> Option<f64> {
        crg(&self.pooled())
    }

    /// The counts of all labels together.
    pub fn pooled(&self) -> Confusion {
        let mut sum = Confusion::default();
        for counts in self.labels.values() {
            sum.true_positives += counts.true_positives;
            sum.false_positives += counts.false_positives;
            sum.false_negatives += counts.false_negatives;
            sum.true_negatives += counts.true_negatives;
        }
        sum
    }
}

/// Clinically relevant score (arXiv 2505.17167; spec `metrics` 10) of pooled decisions.
///
/// A found case earns, and a missed one costs, in proportion to how rare cases are, so that
/// finding nothing and finding everything both score 1/3; a perfect result scores 1. `None`
/// without a single case, or if all are cases: the score is then undefined.
pub fn crg(counts: &Confusion) -> Option<f64> {
    let cases = (counts.true_positives + counts.false_negatives) as f64;
    let others = (counts.false_positives + counts.true_negatives) as f64;
    if cases == 0.0 || others == 0.0 {
        return None;
    }
    let reward = others / (2.0 * cases);
    let best = others / 2.0;
    let earned = reward * (counts.true_positives as f64 - counts.false_negatives as f64);
    let score = earned - counts.false_positives as f64;
    Some(best / (2.0 * best - score))
}

fn count(counts: &mut Confusion, found: bool, truth: bool) {
    let count = match (found, truth) {
        (true, true) => &mut counts.true_positives,
        (true, false) => &mut counts.false_positives,
        (false, true) => &mut counts.false_negatives,
        (false, false) => &mut counts.true_negatives,
    };
    *count += 1;
}

/// Classification for the bootstrap. Scores, in this order: precision, recall and F1 macro, then
/// micro, then weighted; CRG; F1 of every label.
#[derive(Debug)]
pub struct ClassificationStatistic {
    labels: usize,
    reports: usize,
    /// Found and true, found, true: three groups of columns a report.
    columns: Box<[f32]>,
}

/// Position of the scores that do not belong to one label.
const POOLED_SCORES: usize = 10;

impl ClassificationStatistic {
    /// Position of macro F1 among the scores.
    pub const F1_MACRO: usize = 2;
    /// Position of micro F1 among the scores.
    pub const F1_MICRO: usize = 5;
    /// Position of weighted F1 among the scores.
    pub const F1_WEIGHTED: usize = 8;
    /// Position of CRG among the scores.
    pub const CRG: usize = 9;
    /// Position of the first label's F1; the others follow in order.
    pub const F1_OF_LABELS: usize = POOLED_SCORES;

    /// Prepares `found` against `truth`.
    ///
    /// # Errors
    /// As [`Classification::of`].
    pub fn new(found: &LabelMatrix, truth: &LabelMatrix) -> Result<Self> {
        truth.expect_shape(found)?;
        let labels = truth.labels().len();
        let mut columns = Vec::with_capacity(3 * labels * truth.reports());
        let as_number = |value: bool| if value { 1.0 } else { 0.0 };
        for (found, truth) in found.rows().zip(truth.rows()) {
            let both = found.iter().zip(truth);
            columns.extend(both.map(|(&found, &truth)| as_number(found && truth)));
            columns.extend(found.iter().map(|&value| as_number(value)));
            columns.extend(truth.iter().map(|&value| as_number(value)));
        }
        Ok(Self {
            labels,
            reports: truth.reports(),
            columns: columns.into(),
        })
    }
}

impl Statistic for ClassificationStatistic {
    fn items(&self) -> usize {
        self.reports
    }

    fn scores(&self) -> usize {
        POOLED_SCORES + self.labels
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        // Whole numbers below 2^24 are exact in f32, and a resample draws `reports` times.
        let mut sums = vec![0.0_f32; 3 * self.labels];
        for (&times, columns) in times.iter().zip(self.columns.chunks_exact(3 * self.labels)) {
            if times > 0 {
                let times = times as f32;
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum += times * column;
                }
            }
        }
        let drawn: u64 = times.iter().map(|&times| u64::from(times)).sum();
        let count = |at: usize| sums.get(at).map_or(0, |&sum| sum as u64);
        let set = |label: usize| {
            let both = count(label);
            let found = count(self.labels + label);
            let truth = count(2 * self.labels + label);
            Confusion {
                true_positives: both,
                false_positives: found - both,
                false_negatives: truth - both,
                true_negatives: drawn + both - found - truth,
            }
        };
        let counts: Vec<Confusion> = (0..self.labels).map(set).collect();
        let (mut macro_average, mut weighted) = (Averages::default(), Averages::default());
        let mut pooled = Confusion::default();
        let (pooled_scores, of_labels) = scores.split_at_mut(POOLED_SCORES);
        for (counts, f1) in counts.iter().zip(of_labels) {
            let own = Averages::of(counts);
            macro_average.add(own, 1.0);
            let support = counts.true_positives + counts.false_negatives;
            weighted.add(own, support as f64);
            pooled.true_positives += counts.true_positives;
            pooled.false_positives += counts.false_positives;
            pooled.false_negatives += counts.false_negatives;
            pooled.true_negatives += counts.true_negatives;
            *f1 = own.f1;
        }
        let cases = (pooled.true_positives + pooled.false_negatives).max(1) as f64;
        let micro = Averages::of(&pooled);
        let macro_average = macro_average.divided(self.labels as f64);
        pooled_scores.copy_from_slice(&[
            macro_average.precision,
            macro_average.recall,
            macro_average.f1,
            micro.precision,
            micro.recall,
            micro.f1,
            weighted.precision / cases,
            weighted.recall / cases,
            weighted.f1 / cases,
            crg(&pooled).unwrap_or(f64::NAN),
        ]);
    }
}
