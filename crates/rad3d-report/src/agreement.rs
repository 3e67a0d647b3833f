//! Does the text say what the classifier saw? Sentence by sentence and label by label.
//!
//! A language model writes fluent sentences whether or not the image supports them, so every
//! claim of the text is held against the classifier, and what differs is shown, never hidden.

use serde::{Deserialize, Serialize};

use crate::error::{Fault, ReportError, Result};
use crate::label_set::{LabelSet, LabelValues};
use crate::labeler::{LabeledReport, Mention, Status};
use crate::report::{Sentence, Span};

/// The classifier's calibrated probabilities, with the threshold above which each counts as yes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Classified {
    probabilities: LabelValues<f32>,
    thresholds: LabelValues<f32>,
}

/// [`Classified`] as read, before its values are checked.
#[derive(Deserialize)]
struct Unchecked {
    probabilities: LabelValues<f32>,
    thresholds: LabelValues<f32>,
}

impl TryFrom<Unchecked> for Classified {
    type Error = ReportError;

    fn try_from(read: Unchecked) -> Result<Self> {
        Self::new(read.probabilities, read.thresholds)
    }
}

impl Classified {
    /// Probabilities and thresholds, each from 0 to 1, of one label set.
    ///
    /// # Errors
    /// Two label sets, or a value that is no probability.
    pub fn new(probabilities: LabelValues<f32>, thresholds: LabelValues<f32>) -> Result<Self> {
        for (name, &probability, &threshold) in probabilities.zip(&thresholds)? {
            for (kind, value) in [("probability", probability), ("threshold", threshold)] {
                if !(0.0..=1.0).contains(&value) {
                    return Err(ReportError::new(
                        Fault::Draft,
                        name,
                        format!("the {kind} is {value}, expected 0 to 1"),
                        "pass calibrated probabilities, not logits",
                    ));
                }
            }
        }
        Ok(Self {
            probabilities,
            thresholds,
        })
    }

    /// The label set.
    pub fn labels(&self) -> &LabelSet {
        self.probabilities.labels()
    }

    /// The calibrated probabilities.
    pub fn probabilities(&self) -> &LabelValues<f32> {
        &self.probabilities
    }

    /// The thresholds; a probability at or above its threshold is a yes.
    pub fn thresholds(&self) -> &LabelValues<f32> {
        &self.thresholds
    }

    /// Name, probability, threshold and the classifier's yes or no of every label, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = ClassifiedLabel<'_>> {
        let thresholds = self.thresholds.values().iter();
        self.probabilities
            .iter()
            .zip(thresholds)
            .map(|((label, &probability), &threshold)| ClassifiedLabel {
                label,
                probability,
                threshold,
                positive: probability >= threshold,
            })
    }
}

/// What the classifier says about one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassifiedLabel<'a> {
    /// The label's name.
    pub label: &'a str,
    /// Its calibrated probability, 0 to 1.
    pub probability: f32,
    /// The threshold, 0 to 1.
    pub threshold: f32,
    /// Whether the probability reaches the threshold.
    pub positive: bool,
}

/// How a claim of the text stands to the classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both say yes, or both say no.
    Agrees,
    /// One says yes, the other no.
    Disagrees,
    /// The text itself is in doubt.
    Open,
}

/// One claim of a sentence about a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The label's name.
    pub label: String,
    /// What the text says.
    pub status: Status,
    /// The words, in bytes of the section's text.
    pub span: Span,
    /// The classifier's probability of the label.
    pub probability: f32,
    /// The classifier's yes or no.
    pub classifier_positive: bool,
    /// Whether the two agree.
    pub verdict: Verdict,
}

/// A sentence with its claims; often none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedSentence {
    /// The sentence.
    #[serde(flatten)]
    pub sentence: Sentence,
    /// What it claims, in order of the text.
    pub claims: Vec<Claim>,
    /// Mean natural-log probability of its tokens, if the language model gave any.
    pub mean_token_log_probability: Option<f64>,
}

impl CheckedSentence {
    /// The worst verdict of the sentence's claims; `None` if it claims nothing.
    pub fn verdict(&self) -> Option<Verdict> {
        let verdicts = || self.claims.iter().map(|claim| claim.verdict);
        [Verdict::Disagrees, Verdict::Open, Verdict::Agrees]
            .into_iter()
            .find(|wanted| verdicts().any(|verdict| verdict == *wanted))
    }
}

/// The whole text held against the classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Every sentence, findings first.
    pub sentences: Vec<CheckedSentence>,
    /// Labels the text asserts and the classifier does not see.
    pub asserted_not_classified: Vec<String>,
    /// Labels the text denies and the classifier sees.
    pub denied_but_classified: Vec<String>,
    /// Labels the classifier sees and the text does not speak of.
    pub classified_but_silent: Vec<String>,
}

impl Agreement {
    /// Holds a labeled text against the classifier.
    ///
    /// A label counts as asserted if the text is positive for it, and as denied if the text only
    /// denies it; a label left in doubt is on none of the lists.
    ///
    /// # Errors
    /// The two are made for different label sets.
    pub fn check(labeled: &LabeledReport, classified: &Classified) -> Result<Self> {
        labeled.labels.expect_labels(classified.labels())?;
        let rows: Vec<_> = classified.rows().collect();
        let claim = |mention: &Mention| {
            let row = rows[mention.label];
            let verdict = match (mention.status, row.positive) {
                (Status::Uncertain, _) => Verdict::Open,
                (Status::Asserted, true) | (Status::Denied, false) => Verdict::Agrees,
                (Status::Asserted, false) | (Status::Denied, true) => Verdict::Disagrees,
            };
            Claim {
                label: row.label.to_owned(),
                status: mention.status,
                span: mention.span,
                probability: row.probability,
                classifier_positive: row.positive,
                verdict,
            }
        };
        let sentences = labeled.sentences.iter().map(|labeled| CheckedSentence {
            sentence: labeled.sentence,
            claims: labeled.mentions.iter().map(claim).collect(),
            mean_token_log_probability: None,
        });
        let mut agreement = Self {
            sentences: sentences.collect(),
            asserted_not_classified: Vec::new(),
            denied_but_classified: Vec::new(),
            classified_but_silent: Vec::new(),
        };
        for (label, row) in rows.iter().enumerate() {
            let said = |status: Status| {
                let mut mentions = labeled.sentences.iter().flat_map(|s| &s.mentions);
                mentions.any(|mention| mention.label == label && mention.status == status)
            };
            let list = match (
                row.positive,
                said(Status::Asserted),
                said(Status::Uncertain),
            ) {
                (false, true, _) => &mut agreement.asserted_not_classified,
                (true, false, false) if said(Status::Denied) => {
                    &mut agreement.denied_but_classified
                }
                (true, false, false) => &mut agreement.classified_but_silent,
                _ => continue,
            };
            list.push(row.label.to_owned());
        }
        Ok(agreement)
    }

    /// Whether text and classifier differ anywhere.
    pub fn has_disagreements(&self) -> bool {
        let lists = [
            &self.asserted_not_classified,
            &self.denied_but_classified,
            &self.classified_but_silent,
        ];
        lists.iter().any(|list| !list.is_empty())
            || self
                .sentences
                .iter()
                .any(|s| s.verdict() == Some(Verdict::Disagrees))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Labeler, Report};

    fn classified(yes: &[&str]) -> Classified {
        let labels = LabelSet::ct_rate();
        let probabilities =
            LabelValues::from_fn(
                labels.clone(),
                |_, name| {
                    if yes.contains(&name) { 0.5 } else { 0.49 }
                },
            );
        Classified::new(probabilities, LabelValues::from_fn(labels, |_, _| 0.5)).unwrap()
    }

    fn check(text: &str, yes: &[&str]) -> Agreement {
        let labeled = Labeler::ct_rate().unwrap().label(&Report::parse(text));
        Agreement::check(&labeled, &classified(yes)).unwrap()
    }

    #[test]
    fn each_list_gets_its_labels() {
        let text = "There is emphysema. No pleural effusion. Possible consolidation.";
        let agreement = check(
            text,
            &["Pleural effusion", "Hiatal hernia", "Consolidation"],
        );
        assert_eq!(agreement.asserted_not_classified, ["Emphysema"]);
        assert_eq!(agreement.denied_but_classified, ["Pleural effusion"]);
        assert_eq!(agreement.classified_but_silent, ["Hiatal hernia"]);
        let verdicts: Vec<_> = agreement
            .sentences
            .iter()
            .map(CheckedSentence::verdict)
            .collect();
        assert_eq!(
            verdicts,
            [
                Some(Verdict::Disagrees),
                Some(Verdict::Disagrees),
                Some(Verdict::Open)
            ]
        );
        assert!(agreement.has_disagreements());
    }

    #[test]
    fn agreement_is_no_disagreement() {
        let agreement = check("There is emphysema. No pleural effusion.", &["Emphysema"]);
        assert!(!agreement.has_disagreements(), "{agreement:?}");
    }

    #[test]
    fn survives_json() {
        let agreement = check("There is emphysema.", &["Emphysema"]);
        let json = serde_json::to_string(&agreement).unwrap();
        assert_eq!(serde_json::from_str::<Agreement>(&json).unwrap(), agreement);
    }

    #[test]
    fn values_that_are_no_probabilities_are_refused() {
        let labels = LabelSet::new(["a"]).unwrap();
        let values = |value| LabelValues::new(labels.clone(), vec![value]).unwrap();
        for bad in [-0.1, 1.1, f32::NAN] {
            assert!(Classified::new(values(bad), values(0.5)).is_err());
            assert!(Classified::new(values(0.5), values(bad)).is_err());
        }
        let json = r#"{"probabilities":{"a":2.0},"thresholds":{"a":0.5}}"#;
        assert!(serde_json::from_str::<Classified>(json).is_err());
    }
}
