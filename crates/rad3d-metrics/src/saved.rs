//! Scores by models that ran elsewhere, computed from what they left behind: completions of
//! GREEN's language model, annotations of RadGraph and of RaTEScore's entity model (spec `metrics`
//! 6 to 8).

mod green;
mod radgraph;
mod rate;
mod read;

pub use green::{GreenCounts, GreenSection};
pub use radgraph::{RadGraphAnnotation, RadGraphEntity, RadGraphF1, RadGraphRelease};
pub use rate::{Affinity, RateAnnotation, RateScore, RateType, rate_entities};
pub use read::{read_green, read_radgraph, read_rate};

/// One system's scores by such models, each in the order of the references; `None` where the
/// model's output was not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedScores {
    /// GREEN.
    pub green: Option<Vec<f64>>,
    /// F1-RadGraph.
    pub radgraph: Option<Vec<RadGraphF1>>,
    /// RaTEScore.
    pub ratescore: Option<Vec<f64>>,
}

impl SavedScores {
    /// How many reports each that is there scores.
    pub(crate) fn lengths(&self) -> [Option<usize>; 3] {
        [
            self.green.as_ref().map(Vec::len),
            self.radgraph.as_ref().map(Vec::len),
            self.ratescore.as_ref().map(Vec::len),
        ]
    }
}
