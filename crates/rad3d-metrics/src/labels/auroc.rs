//! Area under the ROC curve, by ranks.

use rad3d_report::LabelValues;
use serde::Serialize;

use super::matrix::{LabelMatrix, ScoreMatrix};
use crate::bootstrap::Statistic;
use crate::error::Result;

/// Area under the ROC curve of every label: the chance that a true case scores higher than
/// another report, ties counted half (spec `metrics` 10).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Auroc {
    /// One area a label; `None` where all reports are of one class.
    pub labels: LabelValues<Option<f64>>,
    /// Mean over the labels that have one; `None` if none has.
    pub macro_average: Option<f64>,
}

impl Auroc {
    /// Computes the areas.
    ///
    /// # Errors
    /// The two have different labels or different numbers of reports.
    pub fn of(scores: &ScoreMatrix, truth: &LabelMatrix) -> Result<Self> {
        let statistic = AurocStatistic::new(scores, truth)?;
        let mut areas = vec![0.0; statistic.scores()];
        statistic.score(&vec![1; statistic.items()], &mut areas);
        let known = |area: f64| (!area.is_nan()).then_some(area);
        let labels = LabelValues::from_fn(truth.labels().clone(), |label, _| {
            areas.get(label + 1).copied().and_then(known)
        });
        Ok(Self {
            labels,
            macro_average: areas.first().copied().and_then(known),
        })
    }
}

/// Areas under the ROC curves for the bootstrap: the macro average, then every label's.
///
/// A label whose drawn reports are of one class has no area; the macro average leaves it out.
#[derive(Debug)]
pub struct AurocStatistic {
    reports: usize,
    labels: Box<[Ranking]>,
}

/// The reports in the order of a label's scores.
#[derive(Debug)]
struct Ranking {
    /// Per report: its index, doubled, plus 1 if it is a true case.
    order: Box<[u32]>,
    /// Where each run of equal scores ends in `order`.
    ends: Box<[u32]>,
}

impl Ranking {
    fn new(scores: impl Iterator<Item = f64>, truth: impl Iterator<Item = bool>) -> Self {
        let mut ranked: Vec<(f64, u32)> = scores
            .zip(truth)
            .zip(0_u32..)
            .map(|((score, truth), report)| (score, 2 * report + u32::from(truth)))
            .collect();
        ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut ends: Vec<u32> = Vec::new();
        for (end, pair) in (1_u32..).zip(ranked.windows(2)) {
            // -0 and 0 are one score.
            if pair.first().map(|one| one.0) != pair.last().map(|one| one.0) {
                ends.push(end);
            }
        }
        ends.push(ranked.len() as u32);
        let order = ranked.into_iter().map(|(_, code)| code).collect();
        Self {
            order,
            ends: ends.into(),
        }
    }

    /// The area, or NaN if a class was not drawn.
    fn area(&self, times: &[u32]) -> f64 {
        let (mut cases, mut others, mut doubled) = (0_u64, 0_u64, 0_u64);
        let mut order = self.order.iter();
        let mut start = 0;
        for &end in &self.ends {
            let (mut tied_cases, mut tied_others) = (0_u64, 0_u64);
            for &code in order.by_ref().take((end - start) as usize) {
                let drawn = times.get((code / 2) as usize).copied().unwrap_or(0);
                // Masks instead of a branch: the classes follow no pattern along the ranks.
                tied_cases += u64::from(drawn * (code & 1));
                tied_others += u64::from(drawn * (1 - (code & 1)));
            }
            doubled += tied_cases * (2 * others + tied_others);
            cases += tied_cases;
            others += tied_others;
            start = end;
        }
        if cases == 0 || others == 0 {
            return f64::NAN;
        }
        doubled as f64 / (2.0 * cases as f64 * others as f64)
    }
}

impl AurocStatistic {
    /// Ranks the reports label by label.
    ///
    /// # Errors
    /// As [`Auroc::of`].
    pub fn new(scores: &ScoreMatrix, truth: &LabelMatrix) -> Result<Self> {
        truth.expect_shape(scores)?;
        let rank = |label| Ranking::new(scores.column(label), truth.column(label));
        Ok(Self {
            reports: truth.reports(),
            labels: (0..truth.labels().len()).map(rank).collect(),
        })
    }
}

impl Statistic for AurocStatistic {
    fn items(&self) -> usize {
        self.reports
    }

    fn scores(&self) -> usize {
        1 + self.labels.len()
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        let (mut sum, mut count) = (0.0, 0);
        let Some((macro_average, areas)) = scores.split_first_mut() else {
            return;
        };
        for (ranking, area) in self.labels.iter().zip(areas) {
            *area = ranking.area(times);
            if !area.is_nan() {
                sum += *area;
                count += 1;
            }
        }
        *macro_average = if count == 0 {
            f64::NAN
        } else {
            sum / f64::from(count)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Matrix;
    use rad3d_report::LabelSet;

    fn auroc(scores: &[f64], truth: &[bool]) -> Option<f64> {
        let labels = LabelSet::new(["a"]).unwrap();
        let scores = Matrix::new(labels.clone(), scores.to_vec()).unwrap();
        let truth = Matrix::new(labels, truth.to_vec()).unwrap();
        Auroc::of(&scores, &truth).unwrap().macro_average
    }

    #[test]
    fn by_hand() {
        assert_eq!(
            auroc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]),
            Some(0.75)
        );
        assert_eq!(auroc(&[0.5, 0.5, 0.5], &[false, true, true]), Some(0.5));
        assert_eq!(auroc(&[-0.0, 0.0], &[false, true]), Some(0.5));
        assert_eq!(auroc(&[0.5, 0.6], &[true, true]), None);
    }
}
