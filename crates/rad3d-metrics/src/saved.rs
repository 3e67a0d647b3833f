//! Scores computed from what other models wrote: completions of GREEN's language model, which can
//! be run from here, annotations of RadGraph and of RaTEScore's entity model (spec `metrics` 6 to
//! 8).

mod green;
mod green_prompt;
mod green_run;
mod radgraph;
mod rate;
mod read;

pub use green::{GreenCounts, GreenSection};
pub use green_prompt::GreenPrompt;
pub use green_run::{
    Completer, Completion, GREEN_MAX_TOKENS, GreenProgress, GreenProvenance, GreenRun,
};
pub use radgraph::{RadGraphAnnotation, RadGraphEntity, RadGraphF1, RadGraphRelease};
pub use rate::{Affinity, RateAnnotation, RateScore, RateType, rate_entities};
pub use read::{read_green, read_radgraph, read_rate};

/// One system's scores by such models, each in the order of the references; `None` where the
/// model's output was not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedScores {
    /// GREEN.
    pub green: Option<Vec<f64>>,
    /// What GREEN's completions were made with, where its model was run for this.
    pub green_by: Option<GreenProvenance>,
    /// F1-RadGraph.
    pub radgraph: Option<Vec<RadGraphF1>>,
    /// RaTEScore.
    pub ratescore: Option<Vec<f64>>,
}

impl SavedScores {
    /// How each that is there was made, in words.
    pub(crate) fn describe(&self) -> Vec<&'static str> {
        let all = [
            (
                self.green.is_some(),
                "GREEN: the authors' parser on saved completions, mean",
            ),
            (
                self.radgraph.is_some(),
                "F1-RadGraph: sets as in the repository's head, from saved annotations; \
                 radgraph_f1 is RG_ER; means",
            ),
            (
                self.ratescore.is_some(),
                "RaTEScore: affinity matrix for whole reports, from saved annotations, mean",
            ),
        ];
        let there = all.into_iter().filter(|(there, _)| *there);
        there.map(|(_, how)| how).collect()
    }

    /// How many reports each that is there scores.
    pub(crate) fn lengths(&self) -> [Option<usize>; 3] {
        [
            self.green.as_ref().map(Vec::len),
            self.radgraph.as_ref().map(Vec::len),
            self.ratescore.as_ref().map(Vec::len),
        ]
    }
}
