//! Do the texts follow the image classifier, correct it, or contradict it for the worse?

use serde::Serialize;

use crate::error::Result;
use crate::labels::{LabelMatrix, ScoreMatrix};

/// Decisions of one stretch of the classifier's confidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct DependencyBin {
    /// Confidence from here: twice the distance of the probability from 0.5.
    pub from: f64,
    /// To here.
    pub to: f64,
    /// The text says what the classifier says, and both are right.
    pub follows_right: usize,
    /// The text says what the classifier says, and both are wrong.
    pub follows_wrong: usize,
    /// The text says otherwise and is right.
    pub corrects: usize,
    /// The text says otherwise and is wrong.
    pub contradicts: usize,
}

impl DependencyBin {
    /// All decisions of the bin.
    pub fn decisions(&self) -> usize {
        self.follows_right + self.follows_wrong + self.corrects + self.contradicts
    }
}

/// How texts depend on the classifier, over all reports and labels, yes from a probability of 0.5.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dependency {
    /// Share of decisions on which text and classifier agree.
    pub follows: f64,
    /// Share on which the text is right against the classifier.
    pub corrects: f64,
    /// Share on which the text is wrong against the classifier.
    pub contradicts: f64,
    /// The same by confidence, five equal bins.
    pub bins: Vec<DependencyBin>,
}

impl Dependency {
    /// Of probabilities, the hypotheses' labels and the true ones.
    ///
    /// # Errors
    /// They differ in labels or reports.
    pub fn of(scores: &ScoreMatrix, found: &LabelMatrix, truth: &LabelMatrix) -> Result<Self> {
        const BINS: usize = 5;
        truth.expect_shape(scores)?;
        truth.expect_shape(found)?;
        let edge = |bin: usize| bin as f64 / BINS as f64;
        let mut bins: Vec<DependencyBin> = (0..BINS)
            .map(|bin| DependencyBin {
                from: edge(bin),
                to: edge(bin + 1),
                ..DependencyBin::default()
            })
            .collect();
        let texts = found.rows().flatten().zip(truth.rows().flatten());
        for (&score, (&said, &truth)) in scores.rows().flatten().zip(texts) {
            let confidence = 2.0 * (score - 0.5).abs();
            let at = ((confidence * BINS as f64) as usize).min(BINS - 1);
            let Some(bin) = bins.get_mut(at) else {
                continue;
            };
            *match (said == (score >= 0.5), said == truth) {
                (true, true) => &mut bin.follows_right,
                (true, false) => &mut bin.follows_wrong,
                (false, true) => &mut bin.corrects,
                (false, false) => &mut bin.contradicts,
            } += 1;
        }
        let all: usize = bins.iter().map(DependencyBin::decisions).sum();
        let share = |count: fn(&DependencyBin) -> usize| {
            bins.iter().map(count).sum::<usize>() as f64 / all.max(1) as f64
        };
        Ok(Self {
            follows: share(|bin| bin.follows_right + bin.follows_wrong),
            corrects: share(|bin| bin.corrects),
            contradicts: share(|bin| bin.contradicts),
            bins,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Matrix;
    use rad3d_report::LabelSet;

    #[test]
    fn by_hand() {
        let labels = LabelSet::new(["a", "b"]).unwrap();
        let scores = Matrix::new(labels.clone(), vec![0.95, 0.5, 0.05, 0.45]).unwrap();
        let found = Matrix::new(labels.clone(), vec![true, false, true, false]).unwrap();
        let truth = Matrix::new(labels, vec![true, false, false, true]).unwrap();
        let got = Dependency::of(&scores, &found, &truth).unwrap();
        assert_eq!(
            (got.follows, got.corrects, got.contradicts),
            (0.5, 0.25, 0.25)
        );
        let last = got.bins[4];
        assert_eq!((last.follows_right, last.contradicts), (1, 1));
        let first = got.bins[0];
        assert_eq!((first.corrects, first.follows_wrong), (1, 1));
    }
}
