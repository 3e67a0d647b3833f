//! Precision, recall and F1 of labels against a reference, label by label.

use serde::Serialize;

use crate::error::Result;
use crate::label_set::{LabelSet, LabelValues};

/// Counts of one label over a set of reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Found and true.
    pub true_positives: u64,
    /// Found, not true.
    pub false_positives: u64,
    /// True, not found.
    pub false_negatives: u64,
    /// Neither.
    pub true_negatives: u64,
}

impl Confusion {
    /// True among those found; 0 when nothing was found.
    pub fn precision(&self) -> f64 {
        ratio(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// Found among those true; 0 when nothing is true.
    pub fn recall(&self) -> f64 {
        ratio(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// Harmonic mean of precision and recall; 0 when both are.
    pub fn f1(&self) -> f64 {
        let doubled = 2 * self.true_positives;
        ratio(
            doubled,
            doubled + self.false_positives + self.false_negatives,
        )
    }

    fn add(&mut self, found: bool, truth: bool) {
        let count = match (found, truth) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, true) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        };
        *count += 1;
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// Counts of every label; grows report by report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// One set of counts a label.
    pub labels: LabelValues<Confusion>,
}

impl Evaluation {
    /// No reports yet.
    pub fn new(labels: LabelSet) -> Self {
        Self {
            labels: LabelValues::from_fn(labels, |_, _| Confusion::default()),
        }
    }

    /// Counts one report.
    ///
    /// # Errors
    /// `found` or `truth` belong to another label set.
    pub fn add(&mut self, found: &LabelValues<bool>, truth: &LabelValues<bool>) -> Result<()> {
        found.expect_labels(self.labels.labels())?;
        truth.expect_labels(self.labels.labels())?;
        let pairs = found.values().iter().zip(truth.values());
        for (counts, (&found, &truth)) in self.labels.values_mut().iter_mut().zip(pairs) {
            counts.add(found, truth);
        }
        Ok(())
    }

    /// Mean of the labels' F1, those without a single case included (as 0).
    pub fn macro_f1(&self) -> f64 {
        self.mean(Confusion::f1)
    }

    /// Mean of the labels' precision.
    pub fn macro_precision(&self) -> f64 {
        self.mean(Confusion::precision)
    }

    /// Mean of the labels' recall.
    pub fn macro_recall(&self) -> f64 {
        self.mean(Confusion::recall)
    }

    /// F1 of all decisions pooled.
    pub fn micro_f1(&self) -> f64 {
        let sum = self
            .labels
            .values()
            .iter()
            .fold(Confusion::default(), |sum, one| Confusion {
                true_positives: sum.true_positives + one.true_positives,
                false_positives: sum.false_positives + one.false_positives,
                false_negatives: sum.false_negatives + one.false_negatives,
                true_negatives: sum.true_negatives + one.true_negatives,
            });
        sum.f1()
    }

    fn mean(&self, score: impl Fn(&Confusion) -> f64) -> f64 {
        let values = self.labels.values();
        values.iter().map(score).sum::<f64>() / values.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_hand() {
        let labels = LabelSet::new(["a", "b"]).unwrap();
        let values = |a, b| LabelValues::new(labels.clone(), vec![a, b]).unwrap();
        let mut evaluation = Evaluation::new(labels.clone());
        evaluation
            .add(&values(true, false), &values(true, true))
            .unwrap();
        evaluation
            .add(&values(true, false), &values(false, false))
            .unwrap();
        let a = evaluation.labels.get("a").unwrap();
        assert_eq!((a.precision(), a.recall(), a.f1()), (0.5, 1.0, 2.0 / 3.0));
        assert_eq!(evaluation.labels.get("b").unwrap().f1(), 0.0);
        assert_eq!(evaluation.macro_f1(), 1.0 / 3.0);
        assert_eq!(evaluation.micro_f1(), 0.5);
    }

    #[test]
    fn another_label_set_is_refused() {
        let labels = LabelSet::new(["a", "b"]).unwrap();
        let other = LabelSet::new(["b", "a"]).unwrap();
        let found = LabelValues::from_fn(other, |_, _| true);
        let truth = LabelValues::from_fn(labels.clone(), |_, _| true);
        let error = Evaluation::new(labels).add(&found, &truth).unwrap_err();
        assert!(
            error.what.contains("label 1 is \"b\", expected \"a\""),
            "{error}"
        );
    }
}
