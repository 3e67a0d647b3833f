//! Which system's report did a reader like best?

use rad3d_metrics::{Bootstrap, Estimate};
use serde::Serialize;

use super::{estimate, pairs};
use crate::error::Result;
use crate::ratings::Ratings;
use crate::statistics::PooledMean;

/// Place of the scale that ranks: overall quality.
const OVERALL: usize = 0;

/// How a system ranks among all, by overall quality.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemRank {
    /// The system.
    pub system: String,
    /// Readings of a case in which every system was scored.
    pub readings: u32,
    /// The mean rank, 1 being the best and ties sharing theirs, resampled by case.
    pub mean_rank: Option<Estimate>,
    /// Readings in which no system was better.
    pub best: usize,
    /// Readings in which every other system was worse.
    pub best_alone: usize,
}

/// Two systems side by side, by overall quality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preference {
    /// One system.
    pub system: String,
    /// The other.
    pub other: String,
    /// Readings in which `system` was scored higher.
    pub higher: usize,
    /// Readings in which both were scored the same.
    pub same: usize,
    /// Readings in which `system` was scored lower.
    pub lower: usize,
}

pub(super) fn ranks(ratings: &Ratings, bootstrap: &Bootstrap) -> Result<Vec<SystemRank>> {
    let key = &ratings.key;
    let systems = key.systems.len();
    let mut pooled = vec![PooledMean::of_cases(key.cases.len()); systems];
    let (mut best, mut alone) = (vec![0; systems], vec![0; systems]);
    for reader in 0..key.readers.len() {
        for case in 0..key.cases.len() {
            let scores = (0..systems).map(|at| ratings.score(OVERALL, 1, [reader, case, at]));
            let Some(scores) = scores.collect::<Option<Vec<u8>>>() else { continue };
            for (at, own) in scores.iter().enumerate() {
                let better = scores.iter().filter(|score| *score > own).count();
                let equal = scores.iter().filter(|score| *score == own).count();
                pooled[at].add(case, better as f64 + (equal as f64 + 1.0) / 2.0);
                best[at] += usize::from(better == 0);
                alone[at] += usize::from(better == 0 && equal == 1);
            }
        }
    }
    let ranks = key.systems.iter().enumerate().map(|(at, name)| {
        Ok(SystemRank {
            system: name.clone(),
            readings: pooled[at].values(),
            mean_rank: estimate(bootstrap, &pooled[at])?,
            best: best[at],
            best_alone: alone[at],
        })
    });
    ranks.collect()
}

pub(super) fn preferences(ratings: &Ratings) -> Vec<Preference> {
    let key = &ratings.key;
    let prefer = |(a, b): (usize, usize)| {
        let mut preference = Preference {
            system: key.systems[a].clone(),
            other: key.systems[b].clone(),
            higher: 0,
            same: 0,
            lower: 0,
        };
        for reader in 0..key.readers.len() {
            for case in 0..key.cases.len() {
                let score = |system| ratings.score(OVERALL, 1, [reader, case, system]);
                let (Some(one), Some(other)) = (score(a), score(b)) else { continue };
                match one.cmp(&other) {
                    std::cmp::Ordering::Greater => preference.higher += 1,
                    std::cmp::Ordering::Equal => preference.same += 1,
                    std::cmp::Ordering::Less => preference.lower += 1,
                }
            }
        }
        preference
    };
    pairs(key.systems.len()).map(prefer).collect()
}
