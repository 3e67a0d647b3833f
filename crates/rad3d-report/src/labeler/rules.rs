//! The rules file as it is written, and its findings compiled for the search.

use regex::bytes::{Regex, RegexSet, SetMatches};
use serde::Deserialize;

use super::Status;
use super::clause::Clause;
use super::pattern::{Words, any_of, set};
use crate::error::{Fault, ReportError, Result};
use crate::label_set::LabelSet;

/// A rules file; see the head of `ct_rate.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesFile {
    /// What errors call the file.
    #[serde(skip)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) words: Words,
    pub(super) scope: Scope,
    pub(super) negation: Negation,
    pub(super) doubt: Doubt,
    finding: Vec<Finding>,
}

/// Where clauses end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    pub(super) breaks: Vec<String>,
    pub(super) joints: Vec<String>,
    #[serde(default)]
    pub(super) asides: Vec<String>,
    pub(super) predicates: Vec<String>,
}

/// Cues that deny.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Negation {
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) never: Vec<String>,
}

/// Cues of doubt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doubt {
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

/// One label and how texts speak of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    label: String,
    /// Wordings that speak of it.
    mention: Vec<Rule>,
    /// Wordings that deny it without a negation: "heart size is normal".
    #[serde(default)]
    denied: Vec<Rule>,
}

/// One way to speak of a label.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The words looked for.
    find: Vec<String>,
    /// The clause must hold one of these too.
    #[serde(default)]
    near: Vec<String>,
    /// The sentence must hold one of these too.
    #[serde(default)]
    with: Vec<String>,
    /// The clause must hold none of these.
    #[serde(default)]
    unless: Vec<String>,
    /// The sentence must hold none of these.
    #[serde(default)]
    without: Vec<String>,
    /// Words that mean something else where they overlap the words found.
    #[serde(default)]
    except: Vec<String>,
    /// Whether an uncertain mention makes the report positive.
    #[serde(default = "yes")]
    doubt_counts: bool,
}

fn yes() -> bool {
    true
}

impl RulesFile {
    /// Reads a rules file.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        let mut file: Self = toml::from_str(text).map_err(|error| {
            let hint = "see src/labeler/ct_rate.toml for a complete rules file";
            ReportError::new(Fault::Rules, name, "is no rules file", hint).because(error)
        })?;
        name.clone_into(&mut file.name);
        Ok(file)
    }

    /// The labels in the file's order.
    pub(super) fn label_set(&self) -> Result<LabelSet> {
        LabelSet::new(self.finding.iter().map(|finding| finding.label.as_str()))
    }
}

/// Words found that speak of a label.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) label: usize,
    /// Place in the sentence, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Set when the wording itself decides.
    pub(super) status: Option<Status>,
    pub(super) doubt_counts: bool,
}

/// A rule ready to be searched for.
#[derive(Debug)]
struct Compiled {
    label: usize,
    find: Regex,
    near: Option<Regex>,
    with: Option<Regex>,
    unless: Option<Regex>,
    without: Option<Regex>,
    except: Option<Regex>,
    status: Option<Status>,
    doubt_counts: bool,
}

/// All rules of a file, and one automaton that tells which of them a sentence concerns.
#[derive(Debug)]
pub(super) struct FindingRules {
    prefilter: RegexSet,
    rules: Vec<Compiled>,
}

impl FindingRules {
    /// Compiles every `[[finding]]`.
    pub(super) fn compile(file: &RulesFile) -> Result<Self> {
        let (mut rules, mut finds) = (Vec::new(), Vec::new());
        for (label, finding) in file.finding.iter().enumerate() {
            let place = format!("{}, {}", file.name, finding.label);
            let ways = finding.mention.iter().map(|rule| (rule, None));
            let ways = ways.chain(
                finding
                    .denied
                    .iter()
                    .map(|rule| (rule, Some(Status::Denied))),
            );
            for (rule, status) in ways {
                let regex = |patterns: &[String]| any_of(&place, patterns, &file.words);
                let Some(find) = regex(&rule.find)? else {
                    let hint = "name the words to look for";
                    return Err(ReportError::new(
                        Fault::Rules,
                        &place,
                        "`find` is empty",
                        hint,
                    ));
                };
                finds.push(format!("({})", rule.find.join("|")));
                rules.push(Compiled {
                    label,
                    find,
                    near: regex(&rule.near)?,
                    with: regex(&rule.with)?,
                    unless: regex(&rule.unless)?,
                    without: regex(&rule.without)?,
                    except: regex(&rule.except)?,
                    status,
                    doubt_counts: rule.doubt_counts,
                });
            }
        }
        Ok(Self {
            prefilter: set(&file.name, &finds, &file.words)?,
            rules,
        })
    }

    /// The rules whose words occur in a sentence in plain ASCII; `None` if none do.
    pub(super) fn candidates(&self, sentence: &[u8]) -> Option<SetMatches> {
        let matches = self.prefilter.matches(sentence);
        matches.matched_any().then_some(matches)
    }

    /// Tells `found` of every mention in a clause.
    pub(super) fn scan(
        &self,
        candidates: &SetMatches,
        sentence: &[u8],
        clause: &Clause<'_>,
        mut found: impl FnMut(Found),
    ) {
        let text = &sentence[clause.range.clone()];
        let has = |regex: &Option<Regex>, text: &[u8]| regex.as_ref().map(|r| r.is_match(text));
        for rule in candidates.iter().map(|index| &self.rules[index]) {
            let mut places = rule.find.find_iter(text).peekable();
            if places.peek().is_none()
                || has(&rule.near, text) == Some(false)
                || has(&rule.with, sentence) == Some(false)
                || has(&rule.unless, text) == Some(true)
                || has(&rule.without, sentence) == Some(true)
            {
                continue;
            }
            for place in places {
                let other = |regex: &Regex| {
                    regex
                        .find_iter(text)
                        .any(|o| o.start() < place.end() && place.start() < o.end())
                };
                if rule.except.as_ref().is_some_and(other) {
                    continue;
                }
                found(Found {
                    label: rule.label,
                    start: clause.range.start + place.start(),
                    end: clause.range.start + place.end(),
                    status: rule.status,
                    doubt_counts: rule.doubt_counts,
                });
            }
        }
    }
}
