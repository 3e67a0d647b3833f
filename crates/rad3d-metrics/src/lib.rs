//! How good is a report? Scores of labels and probabilities, and the paired bootstrap that says
//! how sure they are.
//!
//! Every metric follows the published implementation it is named after, quirks included, so that
//! numbers can be held against published tables; the definitions are in
//! `docs/reference-metrics.md`.
//!
//! # Labels
//!
//! [`LabelMatrix`] and [`ScoreMatrix`] hold one row a report and one column a label.
//! [`Classification`] gives precision, recall, F1 and CRG, [`Auroc`] the areas under the ROC
//! curves, [`RocCurve`] and [`CalibrationCurve`] what to draw.
//!
//! ```
//! use rad3d_metrics::{Auroc, Bootstrap, Classification, Matrix};
//! use rad3d_metrics::{AurocStatistic, ClassificationStatistic};
//! use rad3d_report::LabelSet;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let labels = LabelSet::new(["Emphysema", "Pleural effusion"])?;
//! // Three reports, two labels; values report by report.
//! let truth = Matrix::new(labels.clone(), vec![true, false, false, true, false, false])?;
//! let found = Matrix::new(labels.clone(), vec![true, false, true, true, false, false])?;
//! let scores = Matrix::new(labels, vec![0.9, 0.2, 0.6, 0.8, 0.3, 0.1])?;
//!
//! let classification = Classification::of(&found, &truth)?;
//! assert_eq!(classification.macro_average().recall, 1.0);
//! assert_eq!(classification.micro_average().precision, 2.0 / 3.0);
//! assert_eq!(classification.labels.get("Pleural effusion").map(|c| c.f1()), Some(1.0));
//! assert_eq!(Auroc::of(&scores, &truth)?.macro_average, Some(1.0));
//!
//! // A 95 % interval: 10,000 resamples, seeded, on all cores.
//! let statistic = ClassificationStatistic::new(&found, &truth)?;
//! let estimates = Bootstrap::default().estimate(&statistic)?;
//! let f1 = estimates[ClassificationStatistic::F1_MACRO].ok_or("undefined")?;
//! assert!(f1.low <= f1.value && f1.value <= f1.high);
//!
//! // Two systems on the same reports: interval of the difference, two-sided p, one-sided value.
//! let (a, b) = (AurocStatistic::new(&scores, &truth)?, AurocStatistic::new(&scores, &truth)?);
//! let comparisons = Bootstrap::default().compare(&a, &b)?;
//! assert!(comparisons[0].is_some_and(|c| c.p_two_sided == 1.0));
//! # Ok(())
//! # }
//! ```
//!
//! [`holm`] adjusts the p-values of several metrics; [`ItemMean`] brings any score that is one
//! value a report into the bootstrap, and [`Together`] joins statistics so that they share their
//! draws.

pub mod bootstrap;
pub mod error;
pub mod evaluation;
pub mod input;
pub mod labels;
pub mod protocol;
pub mod render;
pub mod saved;
pub mod text;

pub use bootstrap::{
    Bootstrap, Comparison, Estimate, ItemMean, Resamples, Statistic, Together, holm, percentile,
};
pub use error::{Fault, MetricsError, Result};
pub use evaluation::{Evaluation, Settings, Subjects};
pub use input::{ReportText, align, read_labels, read_reports, read_scores};
pub use labels::{
    Auroc, AurocStatistic, Averages, CalibrationBin, CalibrationCurve, Cell, Classification,
    ClassificationStatistic, LabelMatrix, Matrix, RocCurve, RocPoint, ScoreMatrix, TextLabeler,
    crg,
};
pub use protocol::{BleuProgram, Protocol};
pub use saved::{
    Affinity, Completer, Completion, GREEN_MAX_TOKENS, GreenCounts, GreenProgress, GreenPrompt,
    GreenProvenance, GreenRun, RadGraphF1, RateScore, SavedScores, read_green, read_radgraph,
    read_rate,
};
pub use text::{
    BertScore, BertScores, Bleu, BleuCounts, BleuStatistic, Meteor, NltkSmoothing, Punkt, Rouge,
    RougeScore, SacreSmoothing, TokenEmbedder, Tokens, WordNet, cider, coco_rouge_l, porter_stem,
    read_bertscore_baseline, rouge_l_sum,
};
