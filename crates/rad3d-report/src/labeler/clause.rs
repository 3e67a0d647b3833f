//! Cuts a sentence into clauses and tells what the cues of a clause say about a mention.
//!
//! A clause ends at a break (`but`, `;`, `except`) and, where a sentence has several predicates
//! ("A is observed in the right lung and B was not detected"), at the first joint (comma, `and`,
//! `while`) between two of them. A list under one predicate stays whole: "no A, B or C".

use std::ops::Range;

use regex::bytes::Regex;

use super::Status;
use super::pattern::any_of;
use super::rules::RulesFile;
use crate::error::Result;

/// What a cue does to the mentions in its reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Denies what follows: `no`, `without`.
    DenyAfter,
    /// Denies what precedes: `was not observed`.
    DenyBefore,
    /// Puts what follows in doubt: `suspicious for`.
    DoubtAfter,
    /// Puts what precedes in doubt: `cannot be excluded`.
    DoubtBefore,
}

/// A cue and how far it reaches, in bytes of the sentence.
#[derive(Debug)]
struct Cue {
    effect: Effect,
    at: Range<usize>,
    reach: Range<usize>,
}

/// A clause of a sentence with its cues.
#[derive(Debug)]
pub(super) struct Clause<'a> {
    sentence: &'a [u8],
    /// The clause's place in the sentence, in bytes.
    pub(super) range: Range<usize>,
    cues: Vec<Cue>,
}

impl Clause<'_> {
    /// What the clause says about the words at `start..end` of the sentence.
    pub(super) fn status(&self, start: usize, end: usize) -> Status {
        let reached = |effect: Effect| {
            self.cues.iter().any(|cue| {
                let aside = match effect {
                    Effect::DenyAfter | Effect::DoubtAfter => cue.at.end <= start,
                    Effect::DenyBefore | Effect::DoubtBefore => cue.at.start >= end,
                };
                cue.effect == effect && aside && cue.reach.start <= start && end <= cue.reach.end
            })
        };
        if reached(Effect::DenyAfter) || reached(Effect::DenyBefore) {
            Status::Denied
        } else if reached(Effect::DoubtAfter)
            || reached(Effect::DoubtBefore)
            || questioned(&self.sentence[end..self.range.end.max(end)])
        {
            Status::Uncertain
        } else {
            Status::Asserted
        }
    }
}

/// Whether a question mark follows before the phrase ends: "consolidation in this area?".
fn questioned(rest: &[u8]) -> bool {
    rest.iter().find(|byte| b"?,;:().".contains(byte)) == Some(&b'?')
}

/// The compiled cues and joints of a rules file.
#[derive(Debug)]
pub(super) struct ScopeRules {
    breaks: Option<Regex>,
    joints: Option<Regex>,
    asides: Option<Regex>,
    predicates: Option<Regex>,
    no_cue: Option<Regex>,
    cues: [(Effect, Option<Regex>); 4],
}

impl ScopeRules {
    /// Compiles `[scope]`, `[negation]` and `[doubt]`.
    pub(super) fn compile(file: &RulesFile) -> Result<Self> {
        let regex = |patterns: &[String]| any_of(&file.name, patterns, &file.words);
        Ok(Self {
            breaks: regex(&file.scope.breaks)?,
            joints: regex(&file.scope.joints)?,
            asides: regex(&file.scope.asides)?,
            predicates: regex(&file.scope.predicates)?,
            no_cue: regex(&file.negation.never)?,
            cues: [
                (Effect::DenyAfter, regex(&file.negation.before)?),
                (Effect::DenyBefore, regex(&file.negation.after)?),
                (Effect::DoubtAfter, regex(&file.doubt.before)?),
                (Effect::DoubtBefore, regex(&file.doubt.after)?),
            ],
        })
    }

    /// The clauses of a sentence in plain ASCII, in order; together they cover it.
    pub(super) fn clauses<'a>(&self, sentence: &'a [u8]) -> Vec<Clause<'a>> {
        let mut cuts = vec![0];
        cuts.extend(places(&self.breaks, sentence, 0).map(|at| at.start));
        cuts.extend(
            sentence
                .iter()
                .enumerate()
                .filter(|(_, b)| b";:".contains(b))
                .map(|(i, _)| i),
        );
        cuts.push(sentence.len());
        cuts.sort_unstable();
        cuts.dedup();
        let mut clauses = Vec::new();
        for pair in cuts.windows(2) {
            let mut start = pair[0];
            let text = &sentence[start..pair[1]];
            let asides: Vec<_> = places(&self.asides, text, start).collect();
            let predicates: Vec<_> = places(&self.predicates, text, start)
                .filter(|at| !asides.iter().any(|aside| overlap(aside, at)))
                .collect();
            for between in predicates.windows(2) {
                let gap = between[0].end..between[1].start.max(between[0].end);
                if let Some(joint) = self.first_joint(sentence, gap) {
                    clauses.push(self.clause(sentence, start..joint));
                    start = joint;
                }
            }
            clauses.push(self.clause(sentence, start..pair[1]));
        }
        clauses
    }

    /// The first comma before a blank, or joining word, in `range`.
    fn first_joint(&self, sentence: &[u8], range: Range<usize>) -> Option<usize> {
        let gap = &sentence[range.clone()];
        let comma = gap
            .windows(2)
            .position(|pair| pair[0] == b',' && pair[1].is_ascii_whitespace());
        let word = places(&self.joints, gap, 0).next().map(|at| at.start);
        let first = match (comma, word) {
            (Some(comma), Some(word)) => comma.min(word),
            (one, other) => one.or(other)?,
        };
        Some(range.start + first)
    }

    /// The clause at `range` with its cues.
    fn clause<'a>(&self, sentence: &'a [u8], range: Range<usize>) -> Clause<'a> {
        let text = &sentence[range.clone()];
        let never: Vec<_> = places(&self.no_cue, text, range.start).collect();
        let mut cues = Vec::new();
        for (effect, regex) in &self.cues {
            for at in places(regex, text, range.start) {
                let denies = matches!(effect, Effect::DenyAfter | Effect::DenyBefore);
                if denies && never.iter().any(|other| overlap(other, &at)) {
                    continue;
                }
                let mut reach = aside(sentence, &range, &at);
                if *effect == Effect::DenyAfter {
                    reach.end = self.end_of_denial(sentence, at.end..reach.end);
                }
                cues.push(Cue {
                    effect: *effect,
                    at,
                    reach,
                });
            }
        }
        Clause {
            sentence,
            range,
            cues,
        }
    }

    /// Where the reach of `no` or `without` ends: at the first comma behind the predicate
    /// ("no A or B was detected in C, …"), else with the clause.
    fn end_of_denial(&self, sentence: &[u8], after: Range<usize>) -> usize {
        let rest = &sentence[after.clone()];
        let Some(predicate) = places(&self.predicates, rest, 0).next() else {
            return after.end;
        };
        let tail = &rest[predicate.end..];
        let comma = tail
            .windows(2)
            .position(|p| p[0] == b',' && p[1].is_ascii_whitespace());
        comma.map_or(after.end, |comma| after.start + predicate.end + comma)
    }
}

/// How far a cue at `at` of the clause `range` reaches: out of a bracket it does not.
fn aside(sentence: &[u8], range: &Range<usize>, at: &Range<usize>) -> Range<usize> {
    let before = &sentence[range.start..at.start];
    let open = before.iter().rposition(|&byte| byte == b'(');
    let closed = before.iter().rposition(|&byte| byte == b')');
    match open {
        Some(open) if closed.is_none_or(|closed| closed < open) => {
            let after = &sentence[at.end..range.end];
            let close = after
                .iter()
                .position(|&byte| byte == b')')
                .unwrap_or(after.len());
            range.start + open..at.end + close
        }
        _ => range.clone(),
    }
}

/// All places of a pattern in `text`, moved by `offset`.
fn places<'a>(
    regex: &'a Option<Regex>,
    text: &'a [u8],
    offset: usize,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let found = regex.iter().flat_map(move |regex| regex.find_iter(text));
    found.map(move |found| found.start() + offset..found.end() + offset)
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
