//! ROC and calibration curves of one label.

use serde::Serialize;

use super::matrix::{LabelMatrix, ScoreMatrix};
use crate::error::Result;

/// One point of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RocPoint {
    /// Scores at or above it count as yes; `None` at the start of the curve, where none does.
    pub threshold: Option<f64>,
    /// Share of the other reports that are called cases.
    pub false_positive_rate: f64,
    /// Share of the cases that are called cases.
    pub true_positive_rate: f64,
}

/// A label's ROC curve from (0, 0) to (1, 1), one point a distinct score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RocCurve {
    /// The points, by falling threshold.
    pub points: Vec<RocPoint>,
}

impl RocCurve {
    /// The curves of all labels in order; `None` where all reports are of one class.
    ///
    /// # Errors
    /// The two have different labels or different numbers of reports.
    pub fn of_labels(scores: &ScoreMatrix, truth: &LabelMatrix) -> Result<Vec<Option<Self>>> {
        truth.expect_shape(scores)?;
        let curve = |label| Self::of(scores.column(label).zip(truth.column(label)).collect());
        Ok((0..truth.labels().len()).map(curve).collect())
    }

    fn of(mut pairs: Vec<(f64, bool)>) -> Option<Self> {
        let all = pairs.iter().filter(|(_, truth)| *truth).count();
        let others = pairs.len() - all;
        if all == 0 || others == 0 {
            return None;
        }
        pairs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut points = vec![RocPoint {
            threshold: None,
            false_positive_rate: 0.0,
            true_positive_rate: 0.0,
        }];
        let (mut hits, mut alarms) = (0, 0);
        for tied in pairs.chunk_by(|(a, _), (b, _)| a == b) {
            let cases = tied.iter().filter(|(_, truth)| *truth).count();
            hits += cases;
            alarms += tied.len() - cases;
            points.push(RocPoint {
                threshold: tied.first().map(|(score, _)| *score),
                false_positive_rate: alarms as f64 / others as f64,
                true_positive_rate: hits as f64 / all as f64,
            });
        }
        Some(Self { points })
    }
}

/// Reports whose probability falls into one interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// How many reports.
    pub reports: usize,
    /// Their mean probability.
    pub mean_probability: f64,
    /// The share of them that are cases.
    pub observed: f64,
}

/// How far probabilities can be taken at their word.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalibrationCurve {
    /// Ten equal intervals of probability, those without a report left out.
    pub bins: Vec<CalibrationBin>,
    /// Mean distance of probability and observed share over the bins, weighted by reports.
    pub expected_calibration_error: f64,
    /// Mean squared distance of probability and truth (Brier score).
    pub brier: f64,
}

impl CalibrationCurve {
    /// The curve of probabilities, all labels and reports pooled.
    ///
    /// # Errors
    /// The two have different labels or different numbers of reports.
    pub fn pooled(probabilities: &ScoreMatrix, truth: &LabelMatrix) -> Result<Self> {
        truth.expect_shape(probabilities)?;
        let pairs = probabilities.rows().flatten().zip(truth.rows().flatten());
        Ok(Self::of(pairs.map(|(p, t)| (*p, *t))))
    }

    /// The curves of all labels in order.
    ///
    /// # Errors
    /// As [`CalibrationCurve::pooled`].
    pub fn of_labels(probabilities: &ScoreMatrix, truth: &LabelMatrix) -> Result<Vec<Self>> {
        truth.expect_shape(probabilities)?;
        let curve = |label| Self::of(probabilities.column(label).zip(truth.column(label)));
        Ok((0..truth.labels().len()).map(curve).collect())
    }

    fn of(pairs: impl Iterator<Item = (f64, bool)>) -> Self {
        const BINS: usize = 10;
        let mut sums = [(0_usize, 0.0_f64, 0_usize); BINS];
        let (mut count, mut squared) = (0_usize, 0.0);
        for (probability, truth) in pairs {
            // A negative product saturates at bin 0; probabilities outside 0 to 1 join the ends.
            let bin = ((probability * BINS as f64) as usize).min(BINS - 1);
            if let Some((reports, sum, cases)) = sums.get_mut(bin) {
                *reports += 1;
                *sum += probability;
                *cases += usize::from(truth);
            }
            count += 1;
            squared += (probability - f64::from(u8::from(truth))).powi(2);
        }
        let bins: Vec<CalibrationBin> = sums
            .into_iter()
            .filter(|(reports, ..)| *reports > 0)
            .map(|(reports, sum, cases)| CalibrationBin {
                reports,
                mean_probability: sum / reports as f64,
                observed: cases as f64 / reports as f64,
            })
            .collect();
        let total = count.max(1) as f64;
        let distance = |bin: &CalibrationBin| {
            bin.reports as f64 / total * (bin.mean_probability - bin.observed).abs()
        };
        Self {
            expected_calibration_error: bins.iter().map(distance).sum(),
            brier: squared / total,
            bins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roc_joins_ties() {
        let curve = RocCurve::of(vec![(0.2, false), (0.8, true), (0.8, false), (0.1, true)]);
        let curve = curve.unwrap();
        let points: Vec<_> = curve
            .points
            .iter()
            .map(|p| (p.false_positive_rate, p.true_positive_rate))
            .collect();
        assert_eq!(points, [(0.0, 0.0), (0.5, 0.5), (1.0, 0.5), (1.0, 1.0)]);
    }

    #[test]
    fn calibration_by_hand() {
        let pairs = [(0.05, false), (0.95, true), (0.95, false), (1.0, true)];
        let curve = CalibrationCurve::of(pairs.into_iter());
        assert_eq!(curve.bins.len(), 2);
        let last = curve.bins[1];
        assert_eq!((last.reports, last.observed), (3, 2.0 / 3.0));
        let expected = 0.25 * 0.05 + 0.75 * (2.9 / 3.0 - 2.0 / 3.0);
        assert!((curve.expected_calibration_error - expected).abs() < 1e-12);
    }
}
