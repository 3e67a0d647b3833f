//! The mean of a varying number of values a case.

use rad3d_metrics::Statistic;

/// The mean of all values of the cases drawn; NaN if these have none.
#[derive(Debug, Clone, Default)]
pub struct PooledMean {
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl PooledMean {
    /// The mean over `cases` cases, without a value yet.
    #[must_use]
    pub fn of_cases(cases: usize) -> Self {
        Self {
            sums: vec![0.0; cases],
            counts: vec![0; cases],
        }
    }

    /// Adds a value of a case.
    pub fn add(&mut self, case: usize, value: f64) {
        if let (Some(sum), Some(count)) = (self.sums.get_mut(case), self.counts.get_mut(case)) {
            *sum += value;
            *count += 1;
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn values(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// The mean of each case that has a value.
    pub fn case_means(&self) -> impl Iterator<Item = f64> + '_ {
        let cases = self.sums.iter().zip(&self.counts);
        let filled = cases.filter(|(_, count)| **count > 0);
        filled.map(|(sum, &count)| sum / f64::from(count))
    }
}

impl Statistic for PooledMean {
    fn items(&self) -> usize {
        self.sums.len()
    }

    fn scores(&self) -> usize {
        1
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        let (mut sum, mut drawn) = (0.0, 0_u64);
        for ((&times, own), &count) in times.iter().zip(&self.sums).zip(&self.counts) {
            sum += f64::from(times) * own;
            drawn += u64::from(times) * u64::from(count);
        }
        if let Some(score) = scores.first_mut() {
            *score = if drawn == 0 { f64::NAN } else { sum / drawn as f64 };
        }
    }
}
