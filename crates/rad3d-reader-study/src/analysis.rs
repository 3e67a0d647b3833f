//! What the ratings say of readers and systems.

mod agreement;
mod comparison;
mod errors;
mod means;
mod preference;

use rad3d_metrics::Bootstrap;
use serde::Serialize;

pub use agreement::{Agreement, Kind};
pub use comparison::Comparison;
pub use errors::{Erring, Remark};
pub use means::SystemMean;
pub use preference::{Preference, Rank};

use crate::error::Result;
use crate::ratings::{Owed, Ratings};

/// The analysis of a study.
///
/// Second readings count for the agreement of readers with themselves and for nothing else.
#[derive(Debug, Clone, Serialize)]
pub struct Analysis {
    /// The study's name, see [`Key::study`](crate::Key::study).
    pub study: String,
    /// The readers.
    pub readers: Vec<String>,
    /// What was rated.
    pub systems: Vec<String>,
    /// How many cases.
    pub cases: usize,
    /// What readers still owe; empty if all is there.
    pub owed: Vec<Owed>,
    /// Behind every interval: cases are drawn, with all that belongs to them.
    pub bootstrap: Bootstrap,
    /// Mean scores, system by system within each scale.
    pub means: Vec<SystemMean>,
    /// Every pair of systems on every scale.
    pub comparisons: Vec<Comparison>,
    /// Agreement of readers with each other and with themselves.
    pub agreement: Vec<Agreement>,
    /// Shares of reports with errors.
    pub errors: Vec<Erring>,
    /// Systems by their rank on the overall scale.
    pub ranks: Vec<Rank>,
    /// How often one system was rated above another.
    pub preferences: Vec<Preference>,
    /// What readers wrote.
    pub remarks: Vec<Remark>,
}

impl Analysis {
    /// Analyses ratings, whole or not; see [`Ratings::expect_complete`].
    ///
    /// # Errors
    /// No resamples asked for.
    pub fn of(ratings: &Ratings, bootstrap: Bootstrap) -> Result<Self> {
        let key = &ratings.key;
        Ok(Self {
            study: key.study()?,
            readers: key.readers.iter().map(|one| one.name.clone()).collect(),
            systems: key.systems.clone(),
            cases: key.cases.len(),
            owed: ratings.owed.clone(),
            bootstrap,
            means: means::means(ratings, bootstrap)?,
            comparisons: comparison::comparisons(ratings, bootstrap)?,
            agreement: agreement::agreement(ratings, bootstrap)?,
            errors: errors::errors(ratings),
            ranks: preference::ranks(ratings),
            preferences: preference::preferences(ratings),
            remarks: errors::remarks(ratings),
        })
    }
}

/// Every pair of `0..count`, the earlier first.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |one| (one + 1..count).map(move |other| (one, other)))
}

/// Mean; `None` of none.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
