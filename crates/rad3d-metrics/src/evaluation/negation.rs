//! What a metric cannot see: the references' own text, with every finding denied.

use rad3d_report::{Labeler, Report, Section};
use serde::Serialize;

use super::system::System;
use super::{Keyed, Settings};
use crate::error::Result;
use crate::input::ReportText;

/// Each score of the references against themselves with their findings denied. A metric that
/// judged meaning would fall to nothing; one that counts words hardly falls.
#[derive(Debug, Clone, Serialize)]
pub struct NegationProbe {
    /// Sentences that were turned into their contrary.
    pub denied_sentences: usize,
    /// Reports that had such a sentence; the scores are theirs.
    pub reports: usize,
    /// Scores of the denied texts; empty without a finding to deny.
    pub scores: Keyed<Option<f64>>,
}

impl NegationProbe {
    pub(super) fn of(references: &[ReportText], settings: &Settings) -> Result<Self> {
        let mut denied_sentences = 0;
        let (mut originals, mut denied) = (Vec::new(), Vec::new());
        for text in references {
            let (contrary, sentences) = deny(&text.report, &settings.labeler);
            if sentences > 0 {
                denied_sentences += sentences;
                let Report {
                    findings,
                    impression,
                } = &text.report;
                originals.push(ReportText::sections(&text.id, findings, impression));
                let Report {
                    findings,
                    impression,
                } = &contrary;
                denied.push(ReportText::sections(&text.id, findings, impression));
            }
        }
        let mut scores = Keyed(Vec::new());
        if !originals.is_empty() {
            let truth = super::system::labels_of(&originals, &settings.labeler)?;
            let system = System::of(&originals, &denied, &truth, settings)?;
            scores = system.statistics().corpus(settings.protocol);
            scores.0.retain(|(_, score)| score.is_some());
        }
        Ok(Self {
            denied_sentences,
            reports: originals.len(),
            scores,
        })
    }
}

/// A report with every sentence that asserts a label turned into its contrary, and how many.
fn deny(report: &Report, labeler: &Labeler) -> (Report, usize) {
    let labelled = labeler.label(report);
    let mut contrary = Report::default();
    let mut count = 0;
    for section in [Section::Findings, Section::Impression] {
        let text = report.section(section);
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let own = labelled.sentences.iter();
        for sentence in own.filter(|one| one.sentence.section == section) {
            if sentence.mentions.iter().any(|mention| mention.counts) {
                let span = sentence.sentence.span;
                out.push_str(text.get(copied..span.start).unwrap_or_default());
                out.push_str(&deny_sentence(span.of(text)));
                copied = span.end;
                count += 1;
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        match section {
            Section::Findings => contrary.findings = out,
            Section::Impression => contrary.impression = out,
        }
    }
    (contrary, count)
}

/// The contrary: "not" after the verb, or "No" before a sentence without one.
fn deny_sentence(sentence: &str) -> String {
    for verb in [" is ", " are ", " was ", " were ", " has ", " have "] {
        if let Some(at) = sentence.find(verb) {
            let (before, after) = sentence.split_at(at + verb.len());
            return format!("{before}not {after}");
        }
    }
    let mut chars = sentence.chars();
    match chars.next() {
        // An abbreviation keeps its capitals.
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => {
            format!("No {}{}", first.to_lowercase(), chars.as_str())
        }
        _ => format!("No {sentence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_findings_are_denied() {
        let labeler = Labeler::ct_rate().unwrap();
        let text = "Heart size is normal. Emphysema is seen. Hiatal hernia.";
        let (contrary, count) = deny(&Report::parse(text), &labeler);
        assert_eq!(
            contrary.findings,
            "Heart size is normal. Emphysema is not seen. No hiatal hernia."
        );
        assert_eq!(count, 2);
        let labels = labeler.label(&contrary).labels;
        assert!(labels.values().iter().all(|positive| !positive));
    }
}
