//! Who is rated above whom, by each reader on each case, on the overall scale.

use serde::Serialize;

use super::{mean, pairs};
use crate::ratings::Ratings;

/// Place of the overall scale in [`SCALES`](crate::questions::SCALES).
const OVERALL: usize = 0;

/// How a system ranks.
#[derive(Debug, Clone, Serialize)]
pub struct Rank {
    /// The system.
    pub system: String,
    /// Readings in which every system has an overall score.
    pub readings: usize,
    /// Mean rank over them, 1 the best, ties sharing the mean of theirs; `None` of none.
    pub mean_rank: Option<f64>,
    /// Share of readings in which none is rated higher; ties count for each.
    pub best: Option<f64>,
}

/// How two systems stand to each other.
#[derive(Debug, Clone, Serialize)]
pub struct Preference {
    /// One system.
    pub system: String,
    /// The other.
    pub other: String,
    /// Readings in which `system` is rated higher, the same, and lower.
    pub higher: usize,
    /// The same.
    pub equal: usize,
    /// Lower.
    pub lower: usize,
}

/// Best first.
pub(super) fn ranks(ratings: &Ratings) -> Vec<Rank> {
    let key = &ratings.key;
    let mut ranks = vec![Vec::new(); key.systems.len()];
    let mut best = vec![Vec::new(); key.systems.len()];
    for scores in first_readings(ratings) {
        let Some(scores) = scores.into_iter().collect::<Option<Vec<u8>>>() else {
            continue;
        };
        for (system, own) in scores.iter().enumerate() {
            let higher = scores.iter().filter(|score| *score > own).count() as f64;
            let equal = scores.iter().filter(|score| *score == own).count() as f64;
            ranks[system].push(higher + f64::midpoint(equal, 1.0));
            best[system].push(if higher == 0.0 { 1.0 } else { 0.0 });
        }
    }
    let systems = key.systems.iter().zip(ranks.iter().zip(&best));
    let mut all: Vec<Rank> = systems
        .map(|(system, (ranks, best))| Rank {
            system: system.clone(),
            readings: ranks.len(),
            mean_rank: mean(ranks),
            best: mean(best),
        })
        .collect();
    let order = |rank: &Rank| rank.mean_rank.unwrap_or(f64::INFINITY);
    all.sort_by(|a, b| order(a).total_cmp(&order(b)));
    all
}

pub(super) fn preferences(ratings: &Ratings) -> Vec<Preference> {
    let key = &ratings.key;
    let compare = |(one, other): (usize, usize)| {
        let mut counts = [0; 3];
        for scores in first_readings(ratings) {
            if let (Some(one), Some(other)) = (scores[one], scores[other]) {
                counts[(other.cmp(&one) as i8 + 1) as usize] += 1;
            }
        }
        let [higher, equal, lower] = counts;
        Preference {
            system: key.systems[one].clone(),
            other: key.systems[other].clone(),
            higher,
            equal,
            lower,
        }
    };
    pairs(key.systems.len()).map(compare).collect()
}

/// Overall scores by system, reading by reading.
fn first_readings(ratings: &Ratings) -> impl Iterator<Item = Vec<Option<u8>>> {
    let (readers, cases) = (ratings.key.readers.len(), ratings.key.cases.len());
    let systems = ratings.key.systems.len();
    (0..readers * cases).map(move |at| {
        let (reader, case) = (at / cases, at % cases);
        let score = |system| ratings.score(OVERALL, 1, [reader, case, system]);
        (0..systems).map(score).collect()
    })
}
