//! A report as it is written: findings and impression, and their sentences.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::sentences::sentence_spans;

/// The two sections of a report that say something about the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// What is seen.
    Findings,
    /// What it amounts to.
    Impression,
}

/// A stretch of a section's text in bytes of its UTF-8, end excluded; always on character
/// boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The text under the span; empty if the span was made for another text.
    pub fn of<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// A sentence and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sentence {
    /// The section it belongs to.
    pub section: Section,
    /// Its place in that section's text, without surrounding blanks and bullets.
    pub span: Span,
}

/// A report: findings and impression, either of which may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What is seen, sentence by sentence.
    pub findings: String,
    /// The conclusion.
    pub impression: String,
}

/// Section headings at the start of a line or of the text, and where what follows belongs.
/// `None`: a section that says nothing about this scan (indication, technique, comparison).
const HEADINGS: [(&str, Option<Section>); 22] = [
    ("findings", Some(Section::Findings)),
    ("finding", Some(Section::Findings)),
    ("findings_en", Some(Section::Findings)),
    ("report", Some(Section::Findings)),
    ("impression", Some(Section::Impression)),
    ("impressions", Some(Section::Impression)),
    ("impressions_en", Some(Section::Impression)),
    ("conclusion", Some(Section::Impression)),
    ("conclusions", Some(Section::Impression)),
    ("opinion", Some(Section::Impression)),
    ("summary", Some(Section::Impression)),
    ("result", Some(Section::Impression)),
    ("indication", None),
    ("clinical information", None),
    ("clinical indication", None),
    ("clinical history", None),
    ("history", None),
    ("technique", None),
    ("examination", None),
    ("exam", None),
    ("comparison", None),
    ("reason for exam", None),
];

impl Report {
    /// Reads free text. Headings such as `Findings:` or `IMPRESSION` on a line of their own (with
    /// or without `#` or `*` marks) part it; text before any heading is findings; indication,
    /// technique and comparison are left out.
    pub fn parse(text: &str) -> Self {
        let mut report = Self::default();
        let mut section = Some(Section::Findings);
        for line in text.lines() {
            let mut rest = line;
            if let Some((found, after)) = heading(line) {
                section = found;
                rest = after;
            }
            let Some(section) = section else { continue };
            let target = match section {
                Section::Findings => &mut report.findings,
                Section::Impression => &mut report.impression,
            };
            if !target.is_empty() {
                target.push('\n');
            }
            target.push_str(rest.trim_end());
        }
        report.findings = report.findings.trim().to_owned();
        report.impression = report.impression.trim().to_owned();
        report
    }

    /// A report from two columns, as CT-RATE publishes them; its placeholder `Not given.` counts
    /// as empty.
    pub fn from_sections(findings: &str, impression: &str) -> Self {
        let given = |text: &str| {
            let text = text.trim();
            let placeholder = ["not given.", "not given", "nan", "none"];
            if placeholder
                .iter()
                .any(|word| text.eq_ignore_ascii_case(word))
            {
                return String::new();
            }
            text.to_owned()
        };
        Self {
            findings: given(findings),
            impression: given(impression),
        }
    }

    /// The text of a section.
    pub fn section(&self, section: Section) -> &str {
        match section {
            Section::Findings => &self.findings,
            Section::Impression => &self.impression,
        }
    }

    /// The text of a sentence of this report.
    pub fn text_of(&self, sentence: &Sentence) -> &str {
        sentence.span.of(self.section(sentence.section))
    }

    /// All sentences, findings first.
    pub fn sentences(&self) -> Vec<Sentence> {
        [Section::Findings, Section::Impression]
            .into_iter()
            .flat_map(|section| {
                sentence_spans(self.section(section))
                    .into_iter()
                    .map(move |span| Sentence { section, span })
            })
            .collect()
    }

    /// The report without sentences that stand in the same section already, word for word, and how
    /// many those were. Greedy decoding likes to say a thing again.
    #[must_use]
    pub fn without_repeats(&self) -> (Self, usize) {
        let (findings, first) = unrepeated(&self.findings);
        let (impression, second) = unrepeated(&self.impression);
        let report = Self {
            findings,
            impression,
        };
        (report, first + second)
    }
}

/// A section's text without the sentences that it has already, and how many those were.
fn unrepeated(text: &str) -> (String, usize) {
    let spans = sentence_spans(text);
    let mut seen = HashSet::new();
    let mut kept = String::with_capacity(text.len());
    let (mut from, mut repeats) = (0, 0);
    for (index, span) in spans.iter().enumerate() {
        let words: Vec<&str> = span.of(text).split_whitespace().collect();
        // A sentence takes the blanks and bullets before it along.
        let end = match index + 1 == spans.len() {
            true => text.len(),
            false => span.end,
        };
        if seen.insert(words.join(" ").to_lowercase()) {
            kept.push_str(text.get(from..end).unwrap_or_default());
        } else {
            repeats += 1;
        }
        from = end;
    }
    match repeats {
        0 => (text.to_owned(), 0),
        _ => (kept.trim().to_owned(), repeats),
    }
}

/// The section a line opens and the rest of the line, if it begins with a heading: the heading
/// alone, or followed by a colon.
fn heading(line: &str) -> Option<(Option<Section>, &str)> {
    let bare = line.trim_start().trim_start_matches(['#', '*', '_', ' ']);
    let (head, rest) = match bare.split_once(':') {
        Some((head, rest)) => (head, rest.trim_start_matches(['*', '_'])),
        None => (bare, ""),
    };
    let head = head
        .trim()
        .trim_end_matches(['*', '_'])
        .to_ascii_lowercase();
    let (_, section) = HEADINGS.iter().find(|(name, _)| *name == head)?;
    Some((*section, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stands_once_in_a_section() {
        let report = Report {
            findings: "The heart is normal. No effusion.  The heart is normal.".into(),
            impression: "- Nodule.\n- Central catheter in place.\n- central catheter in place."
                .into(),
        };
        let (found, repeats) = report.without_repeats();
        assert_eq!(repeats, 2);
        assert_eq!(found.findings, "The heart is normal. No effusion.");
        assert_eq!(found.impression, "- Nodule.\n- Central catheter in place.");
        assert_eq!(found.without_repeats(), (found.clone(), 0));
        // The same sentence in both sections is no repeat.
        let both = Report {
            findings: "Nodule.".into(),
            impression: "Nodule.".into(),
        };
        assert_eq!(both.without_repeats(), (both.clone(), 0));
    }

    #[test]
    fn headings_part_a_report() {
        let text = "TECHNIQUE: no contrast\nFindings:\nClear lungs.\nSmall heart.\n\n**Impression:** Normal.\n";
        let report = Report::parse(text);
        assert_eq!(report.findings, "Clear lungs.\nSmall heart.");
        assert_eq!(report.impression, "Normal.");
    }

    #[test]
    fn text_without_headings_is_findings() {
        let report = Report::parse("Findings are stable. Summary of doses: none.");
        assert_eq!(
            report.findings,
            "Findings are stable. Summary of doses: none."
        );
        assert!(report.impression.is_empty());
    }

    #[test]
    fn placeholder_is_no_text() {
        assert_eq!(
            Report::from_sections(" A. ", "Not given."),
            Report {
                findings: "A.".into(),
                impression: String::new()
            }
        );
    }

    #[test]
    fn sentences_carry_section_and_place() {
        let report =
            Report::from_sections("Node of 2.5 mm. Heart is normal", "\" Nodule.\" Hernia");
        let texts: Vec<_> = report
            .sentences()
            .iter()
            .map(|s| report.text_of(s))
            .collect();
        assert_eq!(
            texts,
            ["Node of 2.5 mm.", "Heart is normal", "Nodule.", "Hernia"]
        );
        assert_eq!(report.sentences()[2].section, Section::Impression);
    }
}
