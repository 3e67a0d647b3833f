//! One row a report, one column a label.

use rad3d_report::{LabelSet, LabelValues};

use crate::error::{Fault, MetricsError, Result};

mod sealed {
    pub trait Sealed {}
    impl Sealed for bool {}
    impl Sealed for f64 {}
}

/// What a matrix can hold: yes or no (`bool`), or a finite score (`f64`).
pub trait Cell: Copy + sealed::Sealed {
    /// Whether the value can be scored; NaN and infinities cannot.
    fn is_valid(self) -> bool;
}

impl Cell for bool {
    fn is_valid(self) -> bool {
        true
    }
}

impl Cell for f64 {
    fn is_valid(self) -> bool {
        self.is_finite()
    }
}

/// A value for every report and label, tied to its label set; at least one report.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix<T> {
    labels: LabelSet,
    values: Box<[T]>,
}

/// Yes or no for every report and label, shape `[reports, labels]`.
pub type LabelMatrix = Matrix<bool>;

/// A finite score for every report and label (a probability, a logit), shape `[reports, labels]`.
pub type ScoreMatrix = Matrix<f64>;

impl<T: Cell> Matrix<T> {
    /// A matrix from its values, report by report, each in the order of `labels`.
    ///
    /// # Errors
    /// No values, a count that is no multiple of the labels, NaN or an infinity (the message
    /// names report and label).
    pub fn new(labels: LabelSet, values: Vec<T>) -> Result<Self> {
        let place = "label matrix";
        if values.is_empty() {
            let hint = "give at least one report";
            return Err(MetricsError::new(
                Fault::Empty,
                place,
                "holds no report",
                hint,
            ));
        }
        if !values.len().is_multiple_of(labels.len()) {
            let what = format!("{} values for {} labels", values.len(), labels.len());
            let hint = "give every report one value a label, in the label set's order";
            return Err(MetricsError::new(Fault::Mismatch, place, what, hint));
        }
        if let Some(at) = values.iter().position(|value| !value.is_valid()) {
            let (report, label) = (at / labels.len() + 1, at % labels.len());
            let name = labels.name(label).unwrap_or_default();
            let what = format!("report {report} has no finite score for \"{name}\"");
            let hint = "remove the report, or find out why its score is NaN or infinite";
            return Err(MetricsError::new(Fault::Value, place, what, hint));
        }
        Ok(Self {
            labels,
            values: values.into(),
        })
    }

    /// A matrix from one row a report.
    ///
    /// # Errors
    /// As [`Matrix::new`], or a row of another label set.
    pub fn from_rows<'a>(
        labels: LabelSet,
        rows: impl IntoIterator<Item = &'a LabelValues<T>>,
    ) -> Result<Self>
    where
        T: 'a,
    {
        let mut values = Vec::new();
        for row in rows {
            row.expect_labels(&labels).map_err(|error| {
                MetricsError::new(Fault::Mismatch, &error.place, &error.what, &error.hint)
            })?;
            values.extend_from_slice(row.values());
        }
        Self::new(labels, values)
    }

    /// The label set.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// How many reports; at least one.
    pub fn reports(&self) -> usize {
        self.values.len() / self.labels.len()
    }

    /// The values of every report, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[T]> {
        self.values.chunks_exact(self.labels.len())
    }

    /// The values of one label in the order of the reports; none for a label that is not there.
    pub fn column(&self, label: usize) -> impl Iterator<Item = T> + '_ {
        self.rows().filter_map(move |row| row.get(label).copied())
    }

    /// Checks that `other` is about the same labels and as many reports.
    ///
    /// # Errors
    /// It is not.
    pub fn expect_shape<U: Cell>(&self, other: &Matrix<U>) -> Result<()> {
        let hint = "score the same reports with the same labels on both sides";
        if self.labels != other.labels {
            let what = "the two sides have different label sets";
            return Err(MetricsError::new(
                Fault::Mismatch,
                "label matrix",
                what,
                hint,
            ));
        }
        if self.values.len() != other.values.len() {
            let what = format!(
                "{} reports on one side, {} on the other",
                self.reports(),
                other.reports()
            );
            return Err(MetricsError::new(
                Fault::Mismatch,
                "label matrix",
                what,
                hint,
            ));
        }
        Ok(())
    }
}

impl ScoreMatrix {
    /// Yes where a score reaches its label's threshold.
    ///
    /// # Errors
    /// Thresholds of another label set.
    pub fn at_thresholds(&self, thresholds: &LabelValues<f64>) -> Result<LabelMatrix> {
        thresholds.expect_labels(&self.labels).map_err(|error| {
            MetricsError::new(Fault::Mismatch, &error.place, &error.what, &error.hint)
        })?;
        let decide = |row: &[f64]| -> Vec<bool> {
            let pairs = row.iter().zip(thresholds.values());
            pairs.map(|(score, threshold)| score >= threshold).collect()
        };
        Matrix::new(self.labels.clone(), self.rows().flat_map(decide).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> LabelSet {
        LabelSet::new(["a", "b"]).unwrap()
    }

    #[test]
    fn rows_and_columns() {
        let matrix = Matrix::new(labels(), vec![0.1, 0.9, 0.4, 0.6]).unwrap();
        assert_eq!(matrix.reports(), 2);
        assert_eq!(matrix.column(1).collect::<Vec<_>>(), [0.9, 0.6]);
        let thresholds = LabelValues::new(labels(), vec![0.4, 0.7]).unwrap();
        let yes = matrix.at_thresholds(&thresholds).unwrap();
        assert_eq!(
            yes.rows().collect::<Vec<_>>(),
            [[false, true], [true, false]]
        );
    }

    #[test]
    fn faults_name_report_and_label() {
        let error = Matrix::new(labels(), vec![0.1, 0.2, 0.3, f64::NAN]).unwrap_err();
        assert_eq!(error.fault, Fault::Value);
        assert!(error.what.contains("report 2") && error.what.contains("\"b\""));
        assert_eq!(
            Matrix::new(labels(), vec![true]).unwrap_err().fault,
            Fault::Mismatch
        );
        assert_eq!(
            LabelMatrix::new(labels(), vec![]).unwrap_err().fault,
            Fault::Empty
        );
    }
}
