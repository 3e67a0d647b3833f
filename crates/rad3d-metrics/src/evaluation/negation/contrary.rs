//! A sentence turned into its contrary: what it asserts denied, what it denies asserted.
//!
//! English has many ways to say no, so edits are tried out: from the smallest to the crudest,
//! each judged by the labeler, until every label of the sentence is turned.

use rad3d_report::{Labeler, Mention, Report};

use super::wording::{affirmations, denials};

/// A sentence's contrary.
pub(super) struct Contrary {
    pub(super) text: String,
    /// Labels that are denied now.
    pub(super) denied: usize,
    /// Labels that are asserted now.
    pub(super) affirmed: usize,
    /// Whether no edit was enough and the sentence was written anew from its labels.
    pub(super) rewritten: bool,
}

/// What a text says of one label: its place in the label set, and whether the text makes a report
/// positive for it.
type Claim = (usize, bool);

/// The contrary of `sentence`; `None` if the labeler judges nothing in it, or if no contrary was
/// found.
pub(super) fn contrary(sentence: &str, labeler: &Labeler) -> Option<Contrary> {
    let wanted: Vec<Claim> = claims(&mentions(sentence, labeler))
        .into_iter()
        .map(|(label, positive)| (label, !positive))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let edited = edited(sentence, &wanted, labeler);
    let rewritten = edited.is_none();
    let text = match edited {
        Some(text) => text,
        None => rewrite(&wanted, labeler)?,
    };
    let affirmed = wanted.iter().filter(|(_, positive)| *positive).count();
    Some(Contrary {
        text,
        denied: wanted.len() - affirmed,
        affirmed,
        rewritten,
    })
}

/// Edits the sentence, mention by mention, until it claims what is wanted.
fn edited(sentence: &str, wanted: &[Claim], labeler: &Labeler) -> Option<String> {
    let mut text = sentence.to_owned();
    let mut reached = agreement(&mentions(&text, labeler), wanted);
    // Each round turns a label at least.
    while reached < wanted.len() as isize {
        let found = mentions(&text, labeler);
        let mut best: Option<(isize, String)> = None;
        for mention in found
            .iter()
            .filter(|mention| !is_as_wanted(mention, wanted))
        {
            let edits = match mention.counts {
                true => denials(&text, mention.span),
                false => affirmations(&text, mention.span),
            };
            for edit in edits {
                let score = agreement(&mentions(&edit, labeler), wanted);
                if score > best.as_ref().map_or(reached, |(score, _)| *score) {
                    best = Some((score, edit));
                }
            }
        }
        (reached, text) = best?;
    }
    Some(text)
}

/// A sentence a label, where editing failed.
fn rewrite(wanted: &[Claim], labeler: &Labeler) -> Option<String> {
    let sentences = wanted.iter().map(|&(label, positive)| {
        let name = labeler.labels().names().nth(label)?.to_lowercase();
        Some(match positive {
            true => format!("There is {name}."),
            false => format!("There is no {name}."),
        })
    });
    let text = sentences.collect::<Option<Vec<_>>>()?.join(" ");
    let reached = agreement(&mentions(&text, labeler), wanted);
    (reached == wanted.len() as isize).then_some(text)
}

fn mentions(text: &str, labeler: &Labeler) -> Vec<Mention> {
    let report = Report {
        findings: text.to_owned(),
        impression: String::new(),
    };
    let labelled = labeler.label(&report);
    let sentences = labelled.sentences.into_iter();
    sentences.flat_map(|sentence| sentence.mentions).collect()
}

/// One claim a label, in order of the labels.
fn claims(mentions: &[Mention]) -> Vec<Claim> {
    let mut claims: Vec<Claim> = Vec::new();
    for mention in mentions {
        match claims.iter_mut().find(|(label, _)| *label == mention.label) {
            Some((_, positive)) => *positive |= mention.counts,
            None => claims.push((mention.label, mention.counts)),
        }
    }
    claims.sort_unstable();
    claims
}

fn is_as_wanted(mention: &Mention, wanted: &[Claim]) -> bool {
    wanted.contains(&(mention.label, mention.counts))
}

/// Labels claimed as wanted, less those that came in unasked.
fn agreement(mentions: &[Mention], wanted: &[Claim]) -> isize {
    let worth = |claim: &Claim| {
        let known = wanted.iter().any(|(label, _)| *label == claim.0);
        match (known, wanted.contains(claim)) {
            (true, true) => 1,
            (true, false) => 0,
            (false, _) => -1,
        }
    };
    claims(mentions).iter().map(worth).sum()
}
