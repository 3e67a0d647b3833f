//! The paired bootstrap (spec `metrics` 11): how sure is a score, and is one system better than
//! another?
//!
//! Reports are drawn with replacement, the same draws for both systems. A metric takes part as a
//! [`Statistic`]: it says what it scores when report `i` was drawn `times[i]` times.

mod holm;
mod percentile;
mod resample;

pub use holm::holm;
pub use percentile::percentile;
pub use resample::Resamples;

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Fault, MetricsError, Result};

/// Scores that can be recomputed on a resample of the reports.
pub trait Statistic: Sync {
    /// How many reports it was made from.
    fn items(&self) -> usize;

    /// How many scores it gives.
    fn scores(&self) -> usize;

    /// Computes the scores when report `i` is drawn `times[i]` times; all ones give the scores of
    /// the data as they are. NaN says that a score is undefined on this draw.
    fn score(&self, times: &[u32], scores: &mut [f64]);
}

/// The mean of one value a report: ROUGE, METEOR, CIDEr and the like.
#[derive(Debug, Clone)]
pub struct ItemMean(Box<[f64]>);

impl ItemMean {
    /// The mean of these values.
    ///
    /// # Errors
    /// No value, or one that is not finite.
    pub fn new(values: Vec<f64>) -> Result<Self> {
        let place = "values to average";
        if values.is_empty() {
            let hint = "give at least one report";
            return Err(MetricsError::new(Fault::Empty, place, "are none", hint));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let what = format!("value {} is not finite", at + 1);
            let hint = "find out why this report has no score";
            return Err(MetricsError::new(Fault::Value, place, what, hint));
        }
        Ok(Self(values.into()))
    }

    /// The values, one a report.
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

impl Statistic for ItemMean {
    fn items(&self) -> usize {
        self.0.len()
    }

    fn scores(&self) -> usize {
        1
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        let mut drawn = 0_u64;
        let mut sum = 0.0;
        for (&times, value) in times.iter().zip(&self.0) {
            drawn += u64::from(times);
            sum += f64::from(times) * value;
        }
        if let Some(score) = scores.first_mut() {
            *score = sum / drawn.max(1) as f64;
        }
    }
}

/// Several statistics of the same reports as one, their scores in order.
pub struct Together<'a>(pub Vec<&'a dyn Statistic>);

impl Statistic for Together<'_> {
    fn items(&self) -> usize {
        self.0.first().map_or(0, |first| first.items())
    }

    fn scores(&self) -> usize {
        self.0.iter().map(|one| one.scores()).sum()
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        let mut rest = scores;
        for one in &self.0 {
            let (own, others) = rest.split_at_mut(one.scores());
            one.score(times, own);
            rest = others;
        }
    }
}

impl std::fmt::Debug for Together<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Together").field(&self.0.len()).finish()
    }
}

/// A score and the interval that holds it with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The score of the data as they are.
    pub value: f64,
    /// 2.5th percentile of the resamples.
    pub low: f64,
    /// 97.5th percentile of the resamples.
    pub high: f64,
    /// Resamples on which the score was defined.
    pub resamples: usize,
}

impl Estimate {
    /// From the value and its resamples, undefined ones (NaN) among them; `None` if undefined.
    fn of(value: f64, resampled: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = resampled.filter(|one| !one.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            value: Some(value).filter(|value| !value.is_nan())?,
            low: percentile(&sorted, 2.5)?,
            high: percentile(&sorted, 97.5)?,
            resamples: sorted.len(),
        })
    }
}

/// One score of two systems on the same reports.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// The baseline's score.
    pub baseline: Estimate,
    /// The system's score.
    pub system: Estimate,
    /// System minus baseline.
    pub difference: Estimate,
    /// Chance of a difference this far from 0 in either direction if there were none:
    /// `min(1, 2 (min(#<=0, #>=0) + 1) / (N + 1))`.
    pub p_two_sided: f64,
    /// Share of the resamples on which the system is no better (Koehn 2004). Halves the question,
    /// so stand-alone it is too ready to call a winner.
    pub p_one_sided: f64,
}

/// The bootstrap: how often to draw, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bootstrap {
    /// Where the draws start; the same seed gives the same intervals on every machine.
    pub seed: u64,
    /// How many resamples.
    pub resamples: usize,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            seed: 20_240_613,
            resamples: 10_000,
        }
    }
}

impl Bootstrap {
    /// Estimates every score of `statistic`, in its order; `None` where a score is undefined.
    ///
    /// # Errors
    /// No reports, or no resamples asked for.
    pub fn estimate(&self, statistic: &dyn Statistic) -> Result<Vec<Option<Estimate>>> {
        let resampled = self.resample(statistic)?;
        let observed = observed(statistic);
        let count = observed.len();
        let estimate =
            |(score, value): (usize, &f64)| Estimate::of(*value, column(&resampled, count, score));
        Ok(observed
            .par_iter()
            .enumerate()
            .map(|(s, v)| estimate((s, v)))
            .collect())
    }

    /// Compares `system` with `baseline`, score by score; `None` where one is undefined.
    ///
    /// # Errors
    /// The two are of different reports or metrics; else as [`Bootstrap::estimate`].
    pub fn compare(
        &self,
        baseline: &dyn Statistic,
        system: &dyn Statistic,
    ) -> Result<Vec<Option<Comparison>>> {
        if (baseline.items(), baseline.scores()) != (system.items(), system.scores()) {
            let what = format!(
                "{} reports and {} scores of the baseline, {} and {} of the system",
                baseline.items(),
                baseline.scores(),
                system.items(),
                system.scores()
            );
            let hint = "score the same reports with the same metrics";
            return Err(MetricsError::new(Fault::Mismatch, "bootstrap", what, hint));
        }
        let (a, b) = (self.resample(baseline)?, self.resample(system)?);
        let (value_a, value_b) = (observed(baseline), observed(system));
        let count = value_a.len();
        let compare = |score: usize| {
            let (own_a, own_b) = (*value_a.get(score)?, *value_b.get(score)?);
            let (a, b) = (|| column(&a, count, score), || column(&b, count, score));
            let differences: Vec<f64> = b().zip(a()).map(|(b, a)| b - a).collect();
            let difference = Estimate::of(own_b - own_a, differences.iter().copied())?;
            let at_most = differences.iter().filter(|d| **d <= 0.0).count();
            let at_least = differences.iter().filter(|d| **d >= 0.0).count();
            let drawn = difference.resamples as f64;
            let rarer = at_most.min(at_least) as f64;
            Some(Comparison {
                baseline: Estimate::of(own_a, a())?,
                system: Estimate::of(own_b, b())?,
                difference,
                p_two_sided: (2.0 * (rarer + 1.0) / (drawn + 1.0)).min(1.0),
                p_one_sided: at_most as f64 / drawn,
            })
        };
        Ok((0..count).into_par_iter().map(compare).collect())
    }

    /// The scores on every resample, resample by resample, shape `[resamples, scores]`.
    ///
    /// # Errors
    /// As [`Bootstrap::estimate`].
    pub fn resample(&self, statistic: &dyn Statistic) -> Result<Vec<f64>> {
        let draws = Resamples::new(self.seed, statistic.items(), self.resamples)?;
        let scores = statistic.scores();
        let mut resampled = vec![f64::NAN; self.resamples * scores];
        if scores == 0 {
            return Ok(resampled);
        }
        let fresh = || vec![0_u32; statistic.items()];
        resampled
            .par_chunks_exact_mut(scores)
            .enumerate()
            .for_each_init(fresh, |times, (row, scores)| {
                draws.count(row, times);
                statistic.score(times, scores);
            });
        Ok(resampled)
    }
}

/// The scores of the data as they are.
fn observed(statistic: &dyn Statistic) -> Vec<f64> {
    let mut scores = vec![f64::NAN; statistic.scores()];
    statistic.score(&vec![1; statistic.items()], &mut scores);
    scores
}

/// One score on every resample.
fn column(resampled: &[f64], scores: usize, score: usize) -> impl Iterator<Item = f64> + '_ {
    resampled.iter().skip(score).step_by(scores).copied()
}
