//! The abnormality head of CT-LiPro (spec 2.6): an embedding in, a score for each label out.

use serde::{Deserialize, Serialize};

use crate::cpu::{Isa, linear, relu};
use crate::source::{Scope, Weight, WeightSource};
use crate::{Fault, NnError, Result};

/// How a label's logit becomes a probability and a decision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calibration {
    /// Divides the logit; 1 leaves it as it is.
    pub temperature: f32,
    /// Probability from which on the label counts as present.
    pub threshold: f32,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            threshold: 0.5,
        }
    }
}

/// What the head says of one label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LabelScore {
    /// Output of the linear layer, not calibrated: what the prefix mapper takes as its prior.
    pub logit: f32,
    /// Sigmoid of logit / temperature.
    pub probability: f32,
    /// Whether the probability reaches the threshold.
    pub present: bool,
}

/// ReLU and a linear layer from the embedding to one logit a label, and their calibration.
#[derive(Debug, Clone)]
pub struct AbnormalityHead {
    embedding: usize,
    labels: Vec<String>,
    weight: Weight,
    bias: Weight,
    calibration: Vec<Calibration>,
}

impl AbnormalityHead {
    /// Loads `classifier.weight` `[labels, embedding]` and `classifier.bias` `[labels]`; the order
    /// of `labels` is that of the rows. Every label starts with [`Calibration::default`].
    ///
    /// # Errors
    /// [`Fault::Config`] without labels, and whatever `weights` reports.
    pub fn load(
        embedding: usize,
        labels: Vec<String>,
        weights: &mut dyn WeightSource,
    ) -> Result<Self> {
        if labels.is_empty() || embedding == 0 {
            let what = "has no labels or no embedding";
            let hint = "name the labels in the model's manifest";
            return Err(NnError::new(Fault::Config, "abnormality head", what, hint));
        }
        let mut scope = Scope::new(weights, "classifier.");
        Ok(Self {
            embedding,
            weight: scope.take("weight", &[labels.len(), embedding])?,
            bias: scope.take("bias", &[labels.len()])?,
            calibration: vec![Calibration::default(); labels.len()],
            labels,
        })
    }

    /// Sets temperature and threshold of each label.
    ///
    /// # Errors
    /// [`Fault::Config`] if their number is not that of the labels, if a temperature is not above
    /// 0 or a threshold not within 0 and 1.
    pub fn with_calibration(mut self, calibration: Vec<Calibration>) -> Result<Self> {
        let fault = |what: String| {
            let hint = "correct the calibration in the model's manifest";
            Err(NnError::new(Fault::Config, "calibration", what, hint))
        };
        if calibration.len() != self.labels.len() {
            return fault(format!(
                "holds {} entries for {} labels",
                calibration.len(),
                self.labels.len()
            ));
        }
        for (
            label,
            Calibration {
                temperature,
                threshold,
            },
        ) in self.labels.iter().zip(&calibration)
        {
            if !(temperature.is_finite() && *temperature > 0.0) {
                return fault(format!("{label}: temperature {temperature} is not above 0"));
            }
            if !(0.0..=1.0).contains(threshold) {
                return fault(format!(
                    "{label}: threshold {threshold} is not within 0 and 1"
                ));
            }
        }
        self.calibration = calibration;
        Ok(self)
    }

    /// The labels, in the order of the scores.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The calibration, in the order of the labels.
    #[must_use]
    pub fn calibration(&self) -> &[Calibration] {
        &self.calibration
    }

    /// Raw logits `[batch, labels]` of embeddings `[batch, embedding]`.
    ///
    /// # Errors
    /// [`Fault::Shape`] if the values are no whole number of embeddings.
    pub fn logits(&self, embeddings: &[f32]) -> Result<Vec<f32>> {
        if !embeddings.len().is_multiple_of(self.embedding) {
            return Err(NnError::shape(
                "embeddings",
                &[embeddings.len()],
                &[1, self.embedding],
            ));
        }
        let isa = Isa::detect();
        let mut positive = embeddings.to_vec();
        relu(isa, &mut positive);
        Ok(linear(
            isa,
            &positive,
            self.embedding,
            &self.weight,
            Some(&self.bias),
        ))
    }

    /// Scores `[batch, labels]` of embeddings `[batch, embedding]`.
    ///
    /// # Errors
    /// As [`AbnormalityHead::logits`].
    pub fn scores(&self, embeddings: &[f32]) -> Result<Vec<LabelScore>> {
        let logits = self.logits(embeddings)?;
        let calibrated = logits.iter().zip(self.calibration.iter().cycle());
        Ok(calibrated
            .map(|(&logit, calibration)| calibration.score(logit))
            .collect())
    }
}

impl Calibration {
    /// Probability and decision for one logit.
    #[must_use]
    pub fn score(self, logit: f32) -> LabelScore {
        // In f64 the exponential of any f32 logit neither overflows nor loses the sigmoid's tail.
        let probability = 1.0 / (1.0 + (-f64::from(logit) / f64::from(self.temperature)).exp());
        let probability = probability as f32;
        LabelScore {
            logit,
            probability,
            present: probability >= self.threshold,
        }
    }
}
