//! Who labels: the rules, or a text classifier; and what each says of its labels.

use std::collections::VecDeque;

use rad3d_report::{
    LabelSet, LabelValues, LabeledSentence, Labeler, Report, ReportError, ReportRow,
};
use serde_json::{Value, json};

use super::{Args, usage};
use crate::run_report::HashedInput;
use crate::text_labeler::ClassifierLabeler;

/// Reports that a classifier works on together.
const REPORTS_TOGETHER: usize = 32;

/// Who labels.
pub(super) enum By {
    /// The built-in rules, or those of a file.
    Rules(Box<Labeler>),
    /// A text classifier.
    Classifier(Box<ClassifierLabeler>),
}

/// A row with its labels, and what they rest on.
pub(super) struct Labelled {
    pub(super) row: ReportRow,
    pub(super) labels: LabelValues<bool>,
    grounds: Grounds,
}

/// What labels rest on.
enum Grounds {
    /// Sentences, all of the report.
    Sentences(Vec<LabeledSentence>),
    /// Logits of a classifier.
    Logits(LabelValues<f32>),
}

impl By {
    /// The labeler that was asked for.
    pub(super) fn of(args: &Args) -> anyhow::Result<Self> {
        if let Some(folder) = &args.classifier {
            return Ok(Self::Classifier(Box::new(ClassifierLabeler::open(folder)?)));
        }
        let labeler = match &args.rules {
            None => Labeler::ct_rate(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ReportError::unreadable(path, error))
                .and_then(|text| Labeler::from_toml(&path.to_string_lossy(), &text)),
        };
        Ok(Self::Rules(Box::new(labeler.map_err(usage)?)))
    }

    /// The labels that it judges.
    pub(super) fn labels(&self) -> &LabelSet {
        match self {
            Self::Rules(labeler) => labeler.labels(),
            Self::Classifier(classifier) => classifier.labels(),
        }
    }

    /// A classifier's weight files.
    pub(super) fn files(&self) -> &[HashedInput] {
        match self {
            Self::Rules(_) => &[],
            Self::Classifier(classifier) => classifier.files(),
        }
    }

    fn reports_together(&self) -> usize {
        match self {
            Self::Rules(_) => 1,
            Self::Classifier(_) => REPORTS_TOGETHER,
        }
    }

    fn label(&self, rows: Vec<ReportRow>) -> anyhow::Result<Vec<Labelled>> {
        match self {
            Self::Rules(labeler) => {
                let label = |row: ReportRow| {
                    let labelled = labeler.label(&row.report);
                    Labelled {
                        row,
                        labels: labelled.labels,
                        grounds: Grounds::Sentences(labelled.sentences),
                    }
                };
                Ok(rows.into_iter().map(label).collect())
            }
            Self::Classifier(classifier) => {
                let reports: Vec<&Report> = rows.iter().map(|row| &row.report).collect();
                let logits = classifier
                    .logits(&reports)
                    .map_err(crate::exit::of_metrics)?;
                let label = |(row, logits): (ReportRow, LabelValues<f32>)| Labelled {
                    row,
                    labels: logits.map(|logit| ClassifierLabeler::is_there(*logit)),
                    grounds: Grounds::Logits(logits),
                };
                Ok(rows.into_iter().zip(logits).map(label).collect())
            }
        }
    }
}

/// Labels rows, as many at a time as pays; what comes before a faulty row is labelled still.
pub(super) fn labelled(
    by: &By,
    mut rows: impl Iterator<Item = anyhow::Result<ReportRow>>,
) -> impl Iterator<Item = anyhow::Result<Labelled>> {
    let mut ready: VecDeque<anyhow::Result<Labelled>> = VecDeque::new();
    std::iter::from_fn(move || {
        if ready.is_empty() {
            let (mut whole, mut fault) = (Vec::new(), None);
            for row in rows.by_ref().take(by.reports_together()) {
                match row {
                    Ok(row) => whole.push(row),
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                }
            }
            match by.label(whole) {
                Ok(labelled) => ready.extend(labelled.into_iter().map(Ok)),
                Err(error) => return Some(Err(error)),
            }
            ready.extend(fault.map(Err));
        }
        ready.pop_front()
    })
}

impl Labelled {
    /// A report's labels with every sentence that speaks of one and the words that do, or with
    /// their probabilities.
    pub(super) fn as_json(&self) -> Value {
        let mut json = json!({ "id": self.row.id, "line": self.row.line, "labels": self.labels });
        match &self.grounds {
            Grounds::Sentences(sentences) => {
                let speaking = sentences.iter().filter(|one| !one.mentions.is_empty());
                json["sentences"] = speaking.map(|one| self.sentence(one)).collect();
            }
            Grounds::Logits(logits) => {
                json["probabilities"] = json!(logits.map(|logit| 1.0 / (1.0 + (-logit).exp())));
            }
        }
        json
    }

    fn sentence(&self, labelled: &LabeledSentence) -> Value {
        let (report, labels) = (&self.row.report, self.labels.labels());
        let section = report.section(labelled.sentence.section);
        let mentions = labelled.mentions.iter().map(|mention| {
            json!({
                "label": labels.name(mention.label),
                "status": mention.status,
                "counts": mention.counts,
                "words": mention.span.of(section),
                "span": mention.span,
            })
        });
        json!({
            "section": labelled.sentence.section,
            "text": report.text_of(&labelled.sentence),
            "span": labelled.sentence.span,
            "mentions": mentions.collect::<Vec<_>>(),
        })
    }
}
