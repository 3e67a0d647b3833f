//! Is one system rated above another?

use rad3d_metrics::{Bootstrap, Estimate, ItemMean, holm};
use serde::Serialize;

use super::{mean, pairs};
use crate::error::Result;
use crate::questions::SCALES;
use crate::ratings::Ratings;
use crate::statistics::{Wilcoxon, wilcoxon};

/// Two systems on one scale.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Key of the scale.
    pub scale: &'static str,
    /// One system.
    pub system: String,
    /// The other.
    pub other: String,
    /// Cases for which a reader scored both.
    pub cases: usize,
    /// Mean of `system` minus mean of `other`, over readers who scored both.
    pub difference: Estimate,
    /// Two-sided p of the paired bootstrap by cases.
    pub p_bootstrap: f64,
    /// The same, adjusted by Holm over every pair and scale of the study.
    pub p_bootstrap_holm: f64,
    /// Signed-rank test of the cases' differences.
    pub wilcoxon: Wilcoxon,
    /// Its p, adjusted likewise.
    pub p_wilcoxon_holm: f64,
}

pub(super) fn comparisons(ratings: &Ratings, bootstrap: Bootstrap) -> Result<Vec<Comparison>> {
    let mut all = Vec::new();
    for scale in 0..SCALES.len() {
        for (one, other) in pairs(ratings.key.systems.len()) {
            all.extend(compare(ratings, scale, [one, other], bootstrap)?);
        }
    }
    let by_bootstrap: Vec<f64> = all.iter().map(|one| one.p_bootstrap).collect();
    let by_rank: Vec<f64> = all.iter().map(|one| one.wilcoxon.p).collect();
    let adjusted = holm(&by_bootstrap).into_iter().zip(holm(&by_rank));
    for (one, (bootstrap, rank)) in all.iter_mut().zip(adjusted) {
        (one.p_bootstrap_holm, one.p_wilcoxon_holm) = (bootstrap, rank);
    }
    Ok(all)
}

/// `None` if no reader scored both systems of any case.
fn compare(
    ratings: &Ratings,
    scale: usize,
    systems: [usize; 2],
    bootstrap: Bootstrap,
) -> Result<Option<Comparison>> {
    let key = &ratings.key;
    let mut means = [Vec::new(), Vec::new()];
    for case in 0..key.cases.len() {
        let mut scores = [Vec::new(), Vec::new()];
        for reader in 0..key.readers.len() {
            let [one, other] =
                systems.map(|system| ratings.score(scale, 1, [reader, case, system]));
            if let (Some(one), Some(other)) = (one, other) {
                scores[0].push(f64::from(one));
                scores[1].push(f64::from(other));
            }
        }
        for (means, scores) in means.iter_mut().zip(&scores) {
            means.extend(mean(scores));
        }
    }
    if means[0].is_empty() {
        return Ok(None);
    }
    let differences: Vec<f64> = means[0].iter().zip(&means[1]).map(|(a, b)| a - b).collect();
    let [one, other] = means.map(ItemMean::new);
    let compared = bootstrap.compare(&other?, &one?)?.remove(0);
    Ok(compared.map(|compared| Comparison {
        scale: SCALES[scale].key,
        system: key.systems[systems[0]].clone(),
        other: key.systems[systems[1]].clone(),
        cases: differences.len(),
        difference: compared.difference,
        p_bootstrap: compared.p_two_sided,
        p_bootstrap_holm: 1.0,
        wilcoxon: wilcoxon(&differences),
        p_wilcoxon_holm: 1.0,
    }))
}
