//! Scores of a classifier, and its calibration.

use rad3d_metrics::{Auroc, Matrix};
use rad3d_report::LabelSet;
use serde::Serialize;

use crate::engine::Validation;
use crate::error::Result;

/// A label's calibration, fitted on validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Calibrated {
    /// Divides the logit.
    pub temperature: f32,
    /// From this calibrated probability on the label counts as present: the largest F1.
    pub threshold: f32,
}

/// Macro AUROC, the AUROC of each label, and macro F1 and each F1 at a probability of one half.
pub(super) fn classifier_scores(
    labels: &LabelSet,
    logits: &[f32],
    truth: &[bool],
) -> Result<Validation> {
    let scores = Matrix::new(
        labels.clone(),
        logits.iter().map(|&x| f64::from(x)).collect(),
    )?;
    let truth_matrix = Matrix::new(labels.clone(), truth.to_vec())?;
    let auroc = Auroc::of(&scores, &truth_matrix)?;
    let mut found = Validation::new();
    if let Some(value) = auroc.macro_average {
        found.insert("auroc".to_owned(), value);
    }
    for (name, value) in auroc.labels.iter() {
        if let Some(value) = value {
            found.insert(format!("auroc/{name}"), *value);
        }
    }
    let count = labels.len();
    let mut sum = 0.0;
    for (index, name) in labels.names().enumerate() {
        let pairs = pairs(logits, truth, count, index);
        let f1 = f1(&pairs, 0.0);
        found.insert(format!("f1/{name}"), f1);
        sum += f1;
    }
    found.insert("f1".to_owned(), sum / count as f64);
    Ok(found)
}

fn pairs(logits: &[f32], truth: &[bool], labels: usize, label: usize) -> Vec<(f64, bool)> {
    let of = |row: usize| row * labels + label;
    (0..truth.len() / labels)
        .map(|row| (f64::from(logits[of(row)]), truth[of(row)]))
        .collect()
}

/// F1 where everything from `threshold` on counts as present; 0 where nothing is or seems so.
fn f1(pairs: &[(f64, bool)], threshold: f64) -> f64 {
    let count = |present: bool, found: bool| {
        let same = |pair: &&(f64, bool)| pair.1 == present && (pair.0 >= threshold) == found;
        pairs.iter().filter(same).count() as f64
    };
    let (hit, missed, wrong) = (count(true, true), count(true, false), count(false, true));
    if hit == 0.0 {
        return 0.0;
    }
    2.0 * hit / (2.0 * hit + missed + wrong)
}

/// Fits temperature (least log loss) and threshold (largest F1) of each label.
///
/// `logits` and `truth` are `[cases, labels]`.
#[must_use]
pub fn calibrate(logits: &[f32], truth: &[bool], labels: usize) -> Vec<Calibrated> {
    (0..labels)
        .map(|label| {
            let pairs = pairs(logits, truth, labels, label);
            let temperature = temperature(&pairs);
            let mut candidates: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
            candidates.sort_by(f64::total_cmp);
            let mut best = (0.0, -1.0);
            for middle in candidates.windows(2).map(|two| 0.5 * (two[0] + two[1])) {
                let score = f1(&pairs, middle);
                if score > best.1 {
                    best = (middle, score);
                }
            }
            let probability = 1.0 / (1.0 + (-best.0 / temperature).exp());
            Calibrated {
                temperature: temperature as f32,
                threshold: (probability as f32).clamp(0.01, 0.99),
            }
        })
        .collect()
}

/// The temperature of least log loss, between 0.05 and 20: golden-section search over its
/// logarithm, in which the loss has one valley.
fn temperature(pairs: &[(f64, bool)]) -> f64 {
    let loss = |log: f64| -> f64 {
        let scale = (-log).exp();
        pairs
            .iter()
            .map(|&(logit, present)| {
                let x = logit * scale * if present { 1.0 } else { -1.0 };
                // ln(1 + e^-x), without overflow.
                (-x).max(0.0) + (-x.abs()).exp().ln_1p()
            })
            .sum()
    };
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (0.05_f64.ln(), 20.0_f64.ln());
    for _ in 0..60 {
        let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(left) < loss(right) {
            high = right;
        } else {
            low = left;
        }
    }
    (0.5 * (low + high)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_finds_the_temperature_that_made_the_labels() {
        // Logits twice as sure as they should be: labels drawn with sigmoid(logit / 2).
        let mut draw = crate::random::Draw::new(5, "test", 0);
        let logits: Vec<f32> = (0..20_000).map(|_| (draw.normal() * 3.0) as f32).collect();
        let truth: Vec<bool> = logits
            .iter()
            .map(|&x| draw.unit() < 1.0 / (1.0 + (-f64::from(x) / 2.0).exp()))
            .collect();
        let found = calibrate(&logits, &truth, 1)[0];
        assert!((found.temperature - 2.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn the_threshold_is_that_of_the_best_f1() {
        let logits = [-3.0, -2.0, -1.0, 0.5, 1.0, 2.0];
        let truth = [false, false, true, true, true, true];
        let found = calibrate(&logits, &truth, 1)[0];
        let at = |logit: f32| 1.0 / (1.0 + (-logit / found.temperature).exp());
        assert!(
            at(-2.0) < found.threshold && found.threshold < at(-1.0),
            "{found:?}"
        );
    }
}
