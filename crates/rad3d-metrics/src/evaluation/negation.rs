//! What a metric cannot see: the references' own text, with every finding turned into its
//! contrary.

mod contrary;
mod wording;

use rad3d_report::{Labeler, Report, Section};
use rayon::prelude::*;
use serde::Serialize;

use super::system::{self, System};
use super::{Keyed, Settings};
use crate::error::Result;
use crate::input::ReportText;
use contrary::contrary;

/// Each score of the references against themselves with what they assert denied and what they
/// deny asserted. A metric that judged meaning would fall to nothing; one that counts words hardly
/// falls.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NegationProbe {
    /// What was turned.
    #[serde(flatten)]
    pub counts: NegationCounts,
    /// Reports that had such a sentence; the scores are theirs.
    pub reports: usize,
    /// Scores of the contrary texts; empty without a sentence that was turned.
    pub scores: Keyed<Option<f64>>,
}

/// Sentences that were turned into their contrary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct NegationCounts {
    /// Sentences of which the labeler judges a label.
    pub judged_sentences: usize,
    /// Those in which it finds every label turned.
    pub turned_sentences: usize,
    /// Of these, those that deny a label now.
    pub denied_sentences: usize,
    /// Of these, those that assert a label now.
    pub affirmed_sentences: usize,
    /// Of these, those that no edit turned and that were written anew from their labels.
    pub rewritten_sentences: usize,
}

impl std::ops::AddAssign for NegationCounts {
    fn add_assign(&mut self, other: Self) {
        self.judged_sentences += other.judged_sentences;
        self.turned_sentences += other.turned_sentences;
        self.denied_sentences += other.denied_sentences;
        self.affirmed_sentences += other.affirmed_sentences;
        self.rewritten_sentences += other.rewritten_sentences;
    }
}

impl NegationProbe {
    pub(super) fn of(references: &[ReportText], settings: &Settings) -> Result<Self> {
        let turned: Vec<_> = references
            .par_iter()
            .map(|text| (text, negated(&text.report, &settings.labeler)))
            .collect();
        let mut counts = NegationCounts::default();
        let (mut originals, mut contraries) = (Vec::new(), Vec::new());
        for (text, (contrary, own)) in turned {
            counts += own;
            if own.turned_sentences > 0 {
                let both = [(&text.report, &mut originals), (&contrary, &mut contraries)];
                for (report, texts) in both {
                    let (findings, impression) = (&report.findings, &report.impression);
                    texts.push(ReportText::sections(&text.id, findings, impression));
                }
            }
        }
        let mut scores = Keyed(Vec::new());
        if !originals.is_empty() {
            let truth = system::labels_of(&originals, settings)?;
            let system = System::of(&originals, &contraries, &truth, settings)?;
            scores = system.statistics().corpus(settings.protocol);
            scores.0.retain(|(_, score)| score.is_some());
        }
        Ok(Self {
            counts,
            reports: originals.len(),
            scores,
        })
    }
}

/// A report with every sentence that asserts or denies a label turned into its contrary, as
/// `labeler` judges it, and how many were.
pub fn negated(report: &Report, labeler: &Labeler) -> (Report, NegationCounts) {
    let labelled = labeler.label(report);
    let mut counts = NegationCounts::default();
    let mut turned = Report::default();
    for section in [Section::Findings, Section::Impression] {
        let text = report.section(section);
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let own = labelled.sentences.iter();
        for sentence in own.filter(|one| one.sentence.section == section) {
            if sentence.mentions.is_empty() {
                continue;
            }
            counts.judged_sentences += 1;
            let span = sentence.sentence.span;
            let Some(contrary) = contrary(span.of(text), labeler) else {
                continue;
            };
            counts.turned_sentences += 1;
            counts.denied_sentences += usize::from(contrary.denied > 0);
            counts.affirmed_sentences += usize::from(contrary.affirmed > 0);
            counts.rewritten_sentences += usize::from(contrary.rewritten);
            out.push_str(text.get(copied..span.start).unwrap_or_default());
            out.push_str(&contrary.text);
            copied = span.end;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        match section {
            Section::Findings => turned.findings = out,
            Section::Impression => turned.impression = out,
        }
    }
    (turned, counts)
}
