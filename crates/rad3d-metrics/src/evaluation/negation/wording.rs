//! Ways to deny and to affirm, as edits of a sentence.

use rad3d_report::Span;

/// What a finding is said to be or to have.
const VERBS: [&str; 8] = [
    "is",
    "are",
    "was",
    "were",
    "has been",
    "have been",
    "has",
    "have",
];

/// What shows a finding.
const SHOWING: [&str; 12] = [
    "shows",
    "show",
    "showing",
    "demonstrates",
    "demonstrate",
    "reveals",
    "reveal",
    "sees",
    "contains",
    "has",
    "have",
    "with",
];

/// Words of denial, each with what stands in its place when it is taken back; longer ones first.
const DENIALS: [(&str, &str); 44] = [
    ("there is no evidence of", "there is"),
    ("no evidence of", "evidence of"),
    ("no signs of", "signs of"),
    ("no sign of", "signs of"),
    ("none of", "all of"),
    ("no longer", "still"),
    ("did not", "did"),
    ("does not", "does"),
    ("do not", "do"),
    ("not any", "some"),
    ("not", ""),
    ("no", ""),
    ("cannot", "can"),
    ("can't", "can"),
    ("without any", "with"),
    ("without", "with"),
    ("absence of", "presence of"),
    ("lack of", "presence of"),
    ("absent", "present"),
    ("free of", "full of"),
    ("free from", "full of"),
    ("clear of", "full of"),
    ("negative for", "positive for"),
    ("neither", "both"),
    ("nor", "and"),
    ("never", ""),
    ("denies", "reports"),
    ("ruled out", "confirmed"),
    ("rules out", "confirms"),
    ("excluded", "confirmed"),
    ("history of", "present"),
    ("resolution of", "persistence of"),
    ("disappearance of", "appearance of"),
    ("removal of", "insertion of"),
    ("resolved", "observed"),
    ("disappeared", "appeared"),
    ("regressed", "progressed"),
    ("removed", "present"),
    ("undetected", "detected"),
    ("unremarkable", "remarkable"),
    ("rather than", "and"),
    ("instead of", "and"),
    ("normal", "increased"),
    ("natural", "increased"),
];

/// Where a phrase may begin.
const JOINTS: [&str; 9] = [
    "and", "with", "but", "while", "which", "where", "also", "showing", "of",
];

/// The sentence with the mention at `span` denied, the closest to the original first.
pub(super) fn denials(sentence: &str, span: Span) -> Vec<String> {
    let lower = sentence.to_ascii_lowercase();
    let mut edits = Vec::new();
    let insert = |at: usize, word: &str| {
        let (before, after) = sentence.split_at_checked(at)?;
        Some(join(before, word, after))
    };
    // There is a nodule: there is no nodule.
    for verb in VERBS.iter().take(4) {
        let phrase = format!("there {verb}");
        let places = words(&lower, &phrase).filter(|at| *at < span.start);
        edits.extend(places.last().and_then(|at| insert(at + phrase.len(), "no")));
    }
    // A nodule is seen, a nodule has been seen: is not seen, has not been seen.
    let verbs = || {
        VERBS
            .iter()
            .flat_map(|verb| words(&lower, verb).map(move |at| (at, verb)))
    };
    let mut after: Vec<_> = verbs().filter(|(at, _)| *at >= span.start).collect();
    after.sort_unstable();
    let first_word = |verb: &str| verb.split(' ').next().map_or(0, str::len);
    let not = |(at, verb): (usize, &&str)| insert(at + first_word(verb), "not");
    edits.extend(after.first().copied().and_then(not));
    // The lungs show mild emphysema: show no mild emphysema.
    let showing = SHOWING
        .iter()
        .flat_map(|word| words(&lower, word).map(|at| at + word.len()));
    let showing = showing.filter(|end| *end < span.start).max();
    edits.extend(showing.and_then(|end| insert(end, "no")));
    // Mild emphysema of both lungs: no mild emphysema.
    if verbs().next().is_none() {
        edits.extend(insert(0, "no"));
    }
    edits.extend(phrase_start(&lower, span.start).and_then(|at| insert(at, "no")));
    edits.extend(insert(span.start, "no"));
    edits.extend(insert(0, "no"));
    let mut before: Vec<_> = verbs().filter(|(at, _)| *at < span.start).collect();
    before.sort_unstable();
    edits.extend(before.last().copied().and_then(not));
    edits.extend(after.iter().skip(1).copied().filter_map(not));
    edits.push(format!("There is no {}.", span.of(sentence)));
    edits
}

/// The sentence with the mention at `span` affirmed: each word of denial taken back, those closest
/// before the mention first, then those after it.
pub(super) fn affirmations(sentence: &str, span: Span) -> Vec<String> {
    let lower = sentence.to_ascii_lowercase();
    let cues = DENIALS.iter().enumerate();
    let mut places: Vec<_> = cues
        .flat_map(|(rank, &(cue, instead))| {
            words(&lower, cue).map(move |at| (at, rank, cue, instead))
        })
        .collect();
    places.sort_by_key(|&(at, rank, ..)| (at >= span.start, at.abs_diff(span.start), rank));
    let take_back = |&(at, _, cue, instead): &(usize, usize, &str, &str)| {
        let before = sentence.get(..at)?;
        let after = sentence.get(at + cue.len()..)?;
        Some(join(before, instead, after))
    };
    let mut edits: Vec<String> = places.iter().filter_map(take_back).collect();
    edits.push(format!("There is {}.", span.of(sentence)));
    edits
}

/// Where the noun phrase that ends at `end` begins: after a comma or a joint before it.
fn phrase_start(lower: &str, end: usize) -> Option<usize> {
    let before = lower.get(..end)?;
    let comma = before.rfind([',', ';', ':', '(']).map(|at| at + 1);
    let joints = JOINTS.iter().filter_map(|joint| {
        let last = words(before, joint).last();
        last.map(|at| at + joint.len())
    });
    joints.chain(comma).max()
}

/// Places of a word or phrase, as whole words.
fn words<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    let places = text.match_indices(phrase);
    let whole = move |&(at, _): &(usize, &str)| {
        let before = text.get(..at).and_then(|rest| rest.chars().next_back());
        let after = text
            .get(at + phrase.len()..)
            .and_then(|rest| rest.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    };
    places.filter(whole).map(|(at, _)| at)
}

/// `before`, `word` and `after` with single blanks between, an article beside "no" dropped, and the
/// capital at the beginning kept where it belongs.
fn join(before: &str, word: &str, after: &str) -> String {
    let (mut before, mut after) = (before.trim_end(), after.trim_start());
    if word == "no" {
        let articles = ["a", "an", "the", "A", "An", "The"];
        let follows = |article: &&str| after.starts_with(&format!("{article} "));
        if let Some(article) = articles.into_iter().find(follows) {
            after = after.get(article.len() + 1..).unwrap_or_default();
        }
        let last = before.rsplit(' ').next().unwrap_or_default();
        if articles.contains(&last) {
            before = before.strip_suffix(last).unwrap_or(before).trim_end();
        }
    }
    let mut text = before.to_owned();
    for part in [word, after] {
        let tight = part.starts_with(['.', ',', ';', ':']) || text.ends_with(['(', '-']);
        if !text.is_empty() && !part.is_empty() && !tight {
            text.push(' ');
        }
        match text.is_empty() {
            true => text.push_str(&capitalised(part)),
            false if before.is_empty() => text.push_str(&uncapitalised(part)),
            false => text.push_str(part),
        }
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// The first letter small; an abbreviation keeps its capitals.
fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().to_string() + chars.as_str()
        }
        _ => text.to_owned(),
    }
}
