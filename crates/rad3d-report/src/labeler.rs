//! The built-in labeler: rules in one readable file, negation and doubt scoped to clauses.
//!
//! A sentence is cut into clauses (`clause`), mentions of findings are looked up in each
//! (`rules`), and the cues around a mention decide whether it is asserted, denied or uncertain.

mod clause;
mod pattern;
mod rules;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::label_set::{LabelSet, LabelValues};
use crate::report::{Report, Sentence, Span};
use clause::ScopeRules;
use rules::{FindingRules, RulesFile};

/// What a text says about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is there.
    Asserted,
    /// It is not there.
    Denied,
    /// It may be there.
    Uncertain,
}

/// One place where a text speaks of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mention {
    /// Position of the label in the labeler's label set.
    pub label: usize,
    /// What is said of it.
    pub status: Status,
    /// Whether it makes the report positive for the label: asserted, or uncertain where the
    /// rules count doubt as yes.
    pub counts: bool,
    /// The words, in bytes of the section's text.
    pub span: Span,
}

/// A sentence with what it says about the labels, in order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabeledSentence {
    /// The sentence.
    #[serde(flatten)]
    pub sentence: Sentence,
    /// Its mentions; often none.
    pub mentions: Vec<Mention>,
}

/// What a report says about every label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabeledReport {
    /// Whether the report is positive for the label.
    pub labels: LabelValues<bool>,
    /// All sentences, findings first.
    pub sentences: Vec<LabeledSentence>,
}

/// Labels reports by rules. Build once, use from any number of threads.
#[derive(Debug)]
pub struct Labeler {
    labels: LabelSet,
    scope: ScopeRules,
    findings: FindingRules,
}

/// The rules for CT-RATE's 18 labels.
const CT_RATE_RULES: &str = include_str!("labeler/ct_rate.toml");

impl Labeler {
    /// The labeler of the 18 CT-RATE labels, [`LabelSet::ct_rate`].
    ///
    /// # Errors
    /// Never with the rules this crate is tested with.
    pub fn ct_rate() -> Result<Self> {
        Self::from_toml("ct_rate.toml", CT_RATE_RULES)
    }

    /// A labeler from a rules file; `name` is what errors call it. The file explains itself:
    /// `src/labeler/ct_rate.toml`.
    ///
    /// # Errors
    /// Malformed TOML or patterns, or doubled labels.
    pub fn from_toml(name: &str, text: &str) -> Result<Self> {
        let file = RulesFile::parse(name, text)?;
        Ok(Self {
            labels: file.label_set()?,
            scope: ScopeRules::compile(&file)?,
            findings: FindingRules::compile(&file)?,
        })
    }

    /// The label set the rules are for.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// Labels a report sentence by sentence.
    pub fn label(&self, report: &Report) -> LabeledReport {
        let mut positive = LabelValues::from_fn(self.labels.clone(), |_, _| false);
        let sentences = report.sentences().into_iter().map(|sentence| {
            let mentions = self.mentions(report.text_of(&sentence), sentence.span.start);
            for mention in mentions.iter().filter(|mention| mention.counts) {
                positive.values_mut()[mention.label] = true;
            }
            LabeledSentence { sentence, mentions }
        });
        let sentences = sentences.collect();
        LabeledReport {
            labels: positive,
            sentences,
        }
    }

    /// What one sentence says; `offset` is its place in the section.
    fn mentions(&self, text: &str, offset: usize) -> Vec<Mention> {
        let plain = pattern::plain_ascii(text);
        let Some(candidates) = self.findings.candidates(&plain) else {
            return Vec::new();
        };
        let mut mentions = Vec::new();
        for clause in self.scope.clauses(&plain) {
            self.findings.scan(&candidates, &plain, &clause, |found| {
                let (status, counts) = match found.status {
                    Some(status) => (status, status == Status::Asserted),
                    None => {
                        let status = clause.status(found.start, found.end);
                        let doubt = status == Status::Uncertain && found.doubt_counts;
                        (status, status == Status::Asserted || doubt)
                    }
                };
                let start = offset + text.floor_char_boundary(found.start);
                let end = offset + text.ceil_char_boundary(found.end);
                let span = Span { start, end };
                mentions.push(Mention {
                    label: found.label,
                    status,
                    counts,
                    span,
                });
            });
        }
        mentions.sort_by_key(|mention| (mention.span.start, mention.label, mention.span.end));
        mentions.dedup_by(|next, kept| {
            // Words of one label side by side ("fibrotic sequela"), or found by two of its rules,
            // are one mention.
            let gap = kept.span.end - offset..next.span.start - offset;
            let joined = text
                .get(gap)
                .is_none_or(|gap| gap.chars().all(|c| c == ' ' || c == '-'));
            let joined = joined && next.label == kept.label && next.status == kept.status;
            if joined {
                kept.span.end = kept.span.end.max(next.span.end);
                kept.counts |= next.counts;
            }
            joined
        });
        mentions
    }
}
