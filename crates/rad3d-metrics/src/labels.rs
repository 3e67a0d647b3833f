//! Labels against labels, and probabilities against labels (spec `metrics` 10).

mod auroc;
mod classification;
mod curves;
mod matrix;
mod text_labeler;

pub use auroc::{Auroc, AurocStatistic};
pub use classification::{Averages, Classification, ClassificationStatistic, crg};
pub use curves::{CalibrationBin, CalibrationCurve, RocCurve, RocPoint};
pub use matrix::{Cell, LabelMatrix, Matrix, ScoreMatrix};
pub use text_labeler::TextLabeler;
