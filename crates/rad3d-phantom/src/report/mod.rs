//! A report from the facts, by a grammar with many phrasings.

mod grammar;
mod phrases;

use rad3d_report::Report;
use serde::Serialize;

use crate::facts::{FactSheet, Finding};
use crate::random::Random;

/// The order in which a reader goes through a chest: what is normal, by index into
/// [`phrases::NORMAL`], and which labels' findings follow it.
const TOPICS: [(usize, &[usize]); 18] = [
    (14, &[0]),
    (0, &[]),
    (1, &[2]),
    (2, &[3]),
    (3, &[1]),
    (4, &[4]),
    (5, &[5]),
    (6, &[6]),
    (7, &[7]),
    (10, &[13]),
    (9, &[15, 10]),
    (8, &[9]),
    (11, &[16, 14]),
    (12, &[17, 11]),
    (13, &[12, 8]),
    (15, &[]),
    (16, &[]),
    (17, &[]),
];

/// Findings that a reader may leave to the findings section: material, plaques, hernia, scars.
const MINOR: [usize; 5] = [0, 1, 4, 5, 11];
/// How often that happens.
const MINOR_LEFT_OUT: f32 = 0.25;

/// Which of the grammar's phrasings a reader uses. The first and the second have no template in
/// common where there are two or more, as two hospitals say the same in other words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phrasing {
    /// All of them.
    #[default]
    All,
    /// The first half of the templates of each kind of sentence.
    First,
    /// The second half.
    Second,
}

impl Phrasing {
    /// One of `templates`.
    fn pick(self, templates: &[&'static str], random: &mut Random) -> Option<&'static str> {
        let middle = templates.len().div_ceil(2);
        let mine = match self {
            Self::All => templates,
            Self::First => &templates[..middle],
            // What there is only one way to say, all say.
            Self::Second if templates.len() < 2 => templates,
            Self::Second => &templates[middle..],
        };
        mine.get(random.below(mine.len())).copied()
    }
}

impl FactSheet {
    /// The report: what is there, what is not, and what it amounts to. The same facts give the
    /// same text.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report_in(Phrasing::All)
    }

    /// The report in one of the phrasings.
    #[must_use]
    pub fn report_in(&self, phrasing: Phrasing) -> Report {
        let mut random = Random::new(self.seed, "report");
        let random = &mut random;
        Report {
            findings: self.findings_text(phrasing, random),
            impression: self.impression_text(phrasing, random),
        }
    }

    /// What the referring doctor knew: everything that is there, in an order and words of their
    /// own, or, one time in five, nothing. The same facts give the same text.
    ///
    /// A language model that learns reports with this before them learns to write in the light of
    /// what stands before; one that doesn't can't be steered by a prefix either.
    #[must_use]
    pub fn clinical_information(&self, phrasing: Phrasing) -> String {
        let mut random = Random::new(self.seed, "referral");
        if random.chance(0.2) {
            return String::new();
        }
        let told: Vec<&Finding> = self.findings.iter().collect();
        let known = summed_up(&told, phrasing, &mut random);
        format!("Known from before: {known}")
    }

    fn findings_text(&self, phrasing: Phrasing, random: &mut Random) -> String {
        let has = |label: &usize| {
            self.findings
                .iter()
                .any(|finding| finding.label() == *label)
        };
        let mut sentences = Vec::new();
        // Some readers begin with the lungs.
        let mut topics = TOPICS;
        if random.chance(0.35) {
            topics[1..15].rotate_left(7);
        }
        for (normal, labels) in topics {
            let normal = &phrases::NORMAL[normal];
            if !normal.labels.iter().any(has)
                && random.chance(normal.chance)
                && let Some(template) = phrasing.pick(normal.templates, random)
            {
                sentences.push(grammar::sentence(template, &[], random));
            }
            for finding in self.findings.iter().filter(|f| labels.contains(&f.label())) {
                sentences.extend(finding_sentences(finding, phrasing, random));
            }
        }
        sentences.join(" ")
    }

    fn impression_text(&self, phrasing: Phrasing, random: &mut Random) -> String {
        let told: Vec<&Finding> = self
            .findings
            .iter()
            .filter(|finding| !(MINOR.contains(&finding.label()) && random.chance(MINOR_LEFT_OUT)))
            .collect();
        // But a scan with findings is never summed up as normal.
        let told = if told.is_empty() {
            self.findings.iter().collect()
        } else {
            told
        };
        summed_up(&told, phrasing, random)
    }
}

/// A sentence for each of the findings, in any order, or that there is nothing.
fn summed_up(told: &[&Finding], phrasing: Phrasing, random: &mut Random) -> String {
    let mut sentences: Vec<String> = told
        .iter()
        .filter_map(|finding| {
            let phrases = phrases::of(finding);
            let template = phrasing.pick(phrases.impression, random)?;
            Some(grammar::sentence(template, &phrases.slots, random))
        })
        .collect();
    random.shuffle(&mut sentences);
    if sentences.is_empty() {
        let nothing = phrasing.pick(phrases::NOTHING, random).unwrap_or_default();
        sentences.push(grammar::sentence(nothing, &[], random));
    }
    sentences.join(" ")
}

fn finding_sentences(finding: &Finding, phrasing: Phrasing, random: &mut Random) -> Vec<String> {
    let phrases = phrases::of(finding);
    let mut sentences = Vec::new();
    if let Some(template) = phrasing.pick(phrases.findings, random) {
        sentences.push(grammar::sentence(template, &phrases.slots, random));
    }
    for (template, slots) in &phrases.more {
        sentences.push(grammar::sentence(template, slots, random));
    }
    sentences
}
