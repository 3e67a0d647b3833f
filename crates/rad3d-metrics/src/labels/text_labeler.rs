//! Labels read off texts by a model instead of by rules.

use rad3d_report::{LabelValues, Report};

use crate::error::Result;

/// Reads labels off reports; the network lives outside this crate.
pub trait TextLabeler: std::fmt::Debug + Sync {
    /// Which model it is, for those who read the scores.
    fn describe(&self) -> String;

    /// The labels of each report, all of the label set of the built-in labeler.
    ///
    /// # Errors
    /// The model failed.
    fn label(&self, reports: &[&Report]) -> Result<Vec<LabelValues<bool>>>;
}
