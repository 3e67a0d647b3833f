//! Does the system write the same thing again and again?
//!
//! A model that answers every scan with the commonest normal report scores well on text metrics,
//! since most sentences of most reports are normal.

use std::collections::HashMap;

use serde::Serialize;

use super::system::System;
use crate::input::ReportText;
use crate::labels::LabelMatrix;
use crate::text::{Bleu, BleuCounts, Tokens};

/// How varied a set of texts is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CollapseSide {
    /// Different texts, as a share of all.
    pub distinct_reports: f64,
    /// The share of the commonest text.
    pub commonest_report: f64,
    /// Sentences in all.
    pub sentences: usize,
    /// Different sentences, as a share of all.
    pub distinct_sentences: f64,
    /// Mean words a report.
    pub words: f64,
    /// Reports without a single label: normal ones.
    pub normal: f64,
    /// BLEU-4 (Hugging Face, corpus) of every text against the ten that follow it by id; 1 is one
    /// text over and over. `None` of one report.
    pub self_bleu: Option<f64>,
}

/// A label that few references have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RareFinding {
    /// The label.
    pub label: String,
    /// References that have it.
    pub cases: usize,
    /// Those of them whose hypothesis has it too.
    pub found: usize,
}

/// The hypotheses' variety beside the references'.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Collapse {
    /// The references.
    pub references: CollapseSide,
    /// The hypotheses.
    pub hypotheses: CollapseSide,
    /// Labels of at most a tenth of the references.
    pub rare: Vec<RareFinding>,
    /// The share of rare cases that survive into the hypotheses; `None` without a case.
    pub rare_survival: Option<f64>,
}

impl Collapse {
    pub(super) fn of(
        references: &[ReportText],
        hypotheses: &[ReportText],
        system: &System,
        truth: &LabelMatrix,
    ) -> Self {
        let rare = rare(system.found(), truth);
        let cases: usize = rare.iter().map(|one| one.cases).sum();
        let found: usize = rare.iter().map(|one| one.found).sum();
        Self {
            references: CollapseSide::of(references, truth),
            hypotheses: CollapseSide::of(hypotheses, system.found()),
            rare,
            rare_survival: (cases > 0).then(|| found as f64 / cases as f64),
        }
    }
}

fn rare(found: &LabelMatrix, truth: &LabelMatrix) -> Vec<RareFinding> {
    let most = truth.reports().div_ceil(10);
    let count = |label: usize| {
        let both = || truth.column(label).zip(found.column(label));
        let cases = both().filter(|(truth, _)| *truth).count();
        (
            cases,
            both().filter(|(truth, found)| *truth && *found).count(),
        )
    };
    let rows = truth.labels().names().enumerate();
    rows.map(|(label, name)| (name, count(label)))
        .filter(|(_, (cases, _))| (1..=most).contains(cases))
        .map(|(name, (cases, found))| RareFinding {
            label: name.to_owned(),
            cases,
            found,
        })
        .collect()
}

impl CollapseSide {
    fn of(texts: &[ReportText], labels: &LabelMatrix) -> Self {
        let plain = |text: &str| Tokens::rouge(text).iter().collect::<Vec<_>>().join(" ");
        let mut reports: HashMap<String, usize> = HashMap::new();
        let mut sentences: HashMap<String, usize> = HashMap::new();
        let mut words = 0;
        for text in texts {
            words += Tokens::white_space(&text.text).iter().count();
            *reports.entry(plain(&text.text)).or_default() += 1;
            for sentence in text.report.sentences() {
                let sentence = plain(text.report.text_of(&sentence));
                *sentences.entry(sentence).or_default() += 1;
            }
        }
        let count = texts.len().max(1) as f64;
        let all_sentences: usize = sentences.values().sum();
        let normal = labels.rows().filter(|row| !row.contains(&true)).count();
        Self {
            distinct_reports: reports.len() as f64 / count,
            commonest_report: reports.values().max().copied().unwrap_or(0) as f64 / count,
            sentences: all_sentences,
            distinct_sentences: sentences.len() as f64 / all_sentences.max(1) as f64,
            words: words as f64 / count,
            normal: normal as f64 / count,
            self_bleu: self_bleu(texts),
        }
    }
}

/// Texts against those that follow them by id, so that the order of the file does not matter.
fn self_bleu(texts: &[ReportText]) -> Option<f64> {
    const NEIGHBOURS: usize = 10;
    let mut sorted: Vec<&ReportText> = texts.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    let tokens: Vec<Tokens> = sorted
        .iter()
        .map(|text| Tokens::thirteen_a(&text.text))
        .collect();
    let mut sum = BleuCounts::default();
    for (at, own) in tokens.iter().enumerate() {
        let others = tokens.iter().cycle().skip(at + 1);
        for other in others.take(NEIGHBOURS.min(tokens.len() - 1)) {
            sum += BleuCounts::of(other, own);
        }
    }
    Bleu::default().score(&sum).map(|scores| scores[3])
}
