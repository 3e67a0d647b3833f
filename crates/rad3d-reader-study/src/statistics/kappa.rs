//! Agreement on ordered scales.

use rad3d_metrics::Statistic;

use crate::questions::POINTS;

const LEVELS: usize = *POINTS.end() as usize;

/// Cohen's kappa with quadratic weights (Cohen 1968) of pairs of scores from 1 to 5: 1 is perfect
/// agreement, 0 what chance gives. NaN of no pairs, and where both sides give one score throughout.
#[must_use]
pub fn quadratic_kappa(pairs: &[(u8, u8)]) -> f64 {
    let mut table = Table::default();
    for &pair in pairs {
        table.add(pair, 1);
    }
    table.kappa()
}

/// Counts of `[one side's score, the other's]`.
#[derive(Default)]
struct Table([[f64; LEVELS]; LEVELS]);

impl Table {
    fn add(&mut self, (one, other): (u8, u8), times: u32) {
        let level = |score: u8| usize::from(score).saturating_sub(1);
        let row = self.0.get_mut(level(one));
        if let Some(count) = row.and_then(|row| row.get_mut(level(other))) {
            *count += f64::from(times);
        }
    }

    fn kappa(&self) -> f64 {
        let rows = self.0.map(|row| row.iter().sum::<f64>());
        let columns: [f64; LEVELS] =
            std::array::from_fn(|column| self.0.iter().map(|row| row[column]).sum());
        let total: f64 = rows.iter().sum();
        let (mut seen, mut by_chance) = (0.0, 0.0);
        for (i, row) in self.0.iter().enumerate() {
            for (j, count) in row.iter().enumerate() {
                let weight = (i.abs_diff(j) as f64).powi(2);
                seen += weight * count;
                by_chance += weight * rows[i] * columns[j] / total;
            }
        }
        // 0 / 0 where nobody ever differs or nothing was paired.
        1.0 - seen / by_chance
    }
}

/// Several kappas and their mean, drawn case by case: all pairs of a case come or go together.
#[derive(Debug, Clone)]
pub struct Kappas {
    /// `[kappa][case]`: its pairs of scores.
    groups: Vec<Vec<Vec<(u8, u8)>>>,
}

impl Kappas {
    /// Of `[kappa][case]` lists of pairs; every kappa has the same cases.
    #[must_use]
    pub fn new(groups: Vec<Vec<Vec<(u8, u8)>>>) -> Self {
        Self { groups }
    }
}

impl Statistic for Kappas {
    fn items(&self) -> usize {
        self.groups.first().map_or(0, Vec::len)
    }

    /// One a group, and last the mean of those that are defined.
    fn scores(&self) -> usize {
        self.groups.len() + 1
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        let (mut sum, mut defined) = (0.0, 0_u32);
        for (group, score) in self.groups.iter().zip(scores.iter_mut()) {
            let mut table = Table::default();
            for (pairs, &times) in group.iter().zip(times) {
                for &pair in pairs {
                    table.add(pair, times);
                }
            }
            *score = table.kappa();
            if !score.is_nan() {
                sum += *score;
                defined += 1;
            }
        }
        if let Some(mean) = scores.last_mut() {
            *mean = sum / f64::from(defined);
        }
    }
}
