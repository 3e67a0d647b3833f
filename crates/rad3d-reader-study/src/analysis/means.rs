//! Mean scores.

use rad3d_metrics::{Bootstrap, Estimate, ItemMean};
use serde::Serialize;

use super::mean;
use crate::error::Result;
use crate::questions::SCALES;
use crate::ratings::Ratings;

/// A system's mean score on one scale.
#[derive(Debug, Clone, Serialize)]
pub struct SystemMean {
    /// Key of the scale.
    pub scale: &'static str,
    /// The system.
    pub system: String,
    /// Scores behind it.
    pub ratings: usize,
    /// Mean over cases of the mean over readers, with its 95 % interval by cases; `None` if nothing
    /// was answered.
    pub mean: Option<Estimate>,
}

pub(super) fn means(ratings: &Ratings, bootstrap: Bootstrap) -> Result<Vec<SystemMean>> {
    let key = &ratings.key;
    let mut means = Vec::new();
    for (scale, about) in SCALES.iter().enumerate() {
        for (system, name) in key.systems.iter().enumerate() {
            let (mut count, mut by_case) = (0, Vec::new());
            for case in 0..key.cases.len() {
                let readers = 0..key.readers.len();
                let given = readers.filter_map(|r| ratings.score(scale, 1, [r, case, system]));
                let scores: Vec<f64> = given.map(f64::from).collect();
                count += scores.len();
                by_case.extend(mean(&scores));
            }
            let mean = match by_case.is_empty() {
                true => None,
                false => bootstrap.estimate(&ItemMean::new(by_case)?)?.remove(0),
            };
            means.push(SystemMean {
                scale: about.key,
                system: name.clone(),
                ratings: count,
                mean,
            });
        }
    }
    Ok(means)
}
