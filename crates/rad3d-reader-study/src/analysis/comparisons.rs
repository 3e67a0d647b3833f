//! Is one system better than another?

use rad3d_metrics::{Bootstrap, Estimate, holm};
use serde::Serialize;

use super::pairs;
use crate::error::Result;
use crate::questions::SCALES;
use crate::ratings::Ratings;
use crate::statistics::{PooledMean, Wilcoxon, wilcoxon};

/// Two systems on a scale, paired by reader and case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedTest {
    /// Key of the scale.
    pub scale: &'static str,
    /// One system.
    pub system: String,
    /// The other.
    pub other: String,
    /// Cases that a reader scored for both.
    pub cases: usize,
    /// `system` minus `other`, resampled by case.
    pub difference: Estimate,
    /// Two-sided, of the paired bootstrap.
    pub p_bootstrap: f64,
    /// The same by Holm over all tests of the study.
    pub p_bootstrap_holm: f64,
    /// Wilcoxon's signed-rank test of the cases' differences, each the mean over readers.
    pub wilcoxon: Wilcoxon,
    /// Its p by Holm over all tests of the study.
    pub p_wilcoxon_holm: f64,
}

pub(super) fn of(ratings: &Ratings, bootstrap: &Bootstrap) -> Result<Vec<PairedTest>> {
    let key = &ratings.key;
    let mut tests = Vec::new();
    for (scale, asked) in SCALES.iter().enumerate() {
        for (a, b) in pairs(key.systems.len()) {
            let fresh = || PooledMean::of_cases(key.cases.len());
            let (mut own, mut others, mut differences) = (fresh(), fresh(), fresh());
            for reader in 0..key.readers.len() {
                for case in 0..key.cases.len() {
                    let score = |system| ratings.score(scale, 1, [reader, case, system]);
                    if let (Some(one), Some(other)) = (score(a), score(b)) {
                        let (one, other) = (f64::from(one), f64::from(other));
                        own.add(case, one);
                        others.add(case, other);
                        differences.add(case, one - other);
                    }
                }
            }
            let compared = bootstrap.compare(&others, &own)?;
            // Systems that nobody scored side by side cannot be compared.
            let Some(compared) = compared.into_iter().next().flatten() else { continue };
            let by_case: Vec<f64> = differences.case_means().collect();
            tests.push(PairedTest {
                scale: asked.key,
                system: key.systems[a].clone(),
                other: key.systems[b].clone(),
                cases: by_case.len(),
                difference: compared.difference,
                p_bootstrap: compared.p_two_sided,
                p_bootstrap_holm: 1.0,
                wilcoxon: wilcoxon(&by_case),
                p_wilcoxon_holm: 1.0,
            });
        }
    }
    let adjusted = |p: fn(&PairedTest) -> f64| holm(&tests.iter().map(p).collect::<Vec<_>>());
    let by_bootstrap = adjusted(|test| test.p_bootstrap);
    let by_wilcoxon = adjusted(|test| test.wilcoxon.p);
    for ((test, bootstrap), wilcoxon) in tests.iter_mut().zip(by_bootstrap).zip(by_wilcoxon) {
        test.p_bootstrap_holm = bootstrap;
        test.p_wilcoxon_holm = wilcoxon;
    }
    Ok(tests)
}
