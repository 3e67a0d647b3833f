//! METEOR as NLTK computes it (spec `metrics` 3); the Java program of the same name is another
//! metric.

use std::collections::HashMap;
use std::sync::Arc;

use super::porter::porter_stem;
use super::tokens::Tokens;
use super::wordnet::WordNet;

/// Words are matched as they are, then by stem, then by synonym; F of precision and recall, less
/// for matches that are out of order. Keep one a thread: it remembers stems and synonyms.
#[derive(Debug, Default)]
pub struct Meteor<'a> {
    wordnet: Option<&'a WordNet>,
    stems: HashMap<String, Arc<str>>,
    synonyms: HashMap<Arc<str>, Vec<String>>,
}

/// Weight of recall against precision.
const ALPHA: f64 = 0.9;
/// How fast the penalty grows with broken order.
const BETA: i32 = 3;
/// The largest penalty.
const GAMMA: f64 = 0.5;

impl<'a> Meteor<'a> {
    /// With synonyms if a dictionary is given; without it, scores of chest CT reports are lower by
    /// about 0.002 (spec `metrics` 3).
    pub fn new(wordnet: Option<&'a WordNet>) -> Self {
        Self {
            wordnet,
            ..Self::default()
        }
    }

    /// The score of one pair, 0 to 1; of a corpus, the mean. Tokens are taken in lower case.
    ///
    /// Identical texts of n words score `1 - 0.5 / n³`.
    pub fn score(&mut self, reference: &Tokens, hypothesis: &Tokens) -> f64 {
        let (reference, hypothesis) = (reference.lower_case(), hypothesis.lower_case());
        let mut wanted = Side::new(&reference);
        let mut given = Side::new(&hypothesis);
        let mut matches = Vec::with_capacity(given.words.len());
        take_equal(&mut wanted.words, &mut given.words, &mut matches);
        for side in [&mut wanted, &mut given] {
            for (_, word) in &mut side.words {
                *word = self.stem(word);
            }
        }
        take_equal(&mut wanted.words, &mut given.words, &mut matches);
        if let Some(wordnet) = self.wordnet {
            self.take_synonyms(wordnet, &mut wanted.words, &mut given.words, &mut matches);
        }
        if matches.is_empty() {
            return 0.0;
        }
        matches.sort_unstable();
        let matched = matches.len() as f64;
        let precision = matched / given.length as f64;
        let recall = matched / wanted.length as f64;
        let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
        let breaks = matches.windows(2).filter(|pair| match pair {
            [(h, r), (next_h, next_r)] => *next_h != h + 1 || *next_r != r + 1,
            _ => false,
        });
        let chunks = 1 + breaks.count();
        let penalty = GAMMA * (chunks as f64 / matched).powi(BETA);
        (1.0 - penalty) * mean
    }

    fn stem(&mut self, word: &str) -> Arc<str> {
        if let Some(stem) = self.stems.get(word) {
            return stem.clone();
        }
        let stem: Arc<str> = porter_stem(word).into();
        self.stems.insert(word.to_owned(), stem.clone());
        stem
    }

    /// Looks up the hypothesis's *stems*, as NLTK does, and takes reference stems that are among
    /// their synonyms.
    fn take_synonyms(
        &mut self,
        wordnet: &WordNet,
        wanted: &mut Vec<Numbered>,
        given: &mut Vec<Numbered>,
        matches: &mut Vec<(usize, usize)>,
    ) {
        for at in (0..given.len()).rev() {
            let Some((place, word)) = given.get(at).cloned() else {
                continue;
            };
            if wanted.is_empty() {
                return;
            }
            let synonyms = self
                .synonyms
                .entry(word)
                .or_insert_with_key(|word| wordnet.synonyms(word));
            let known = |(_, word): &Numbered| synonyms.iter().any(|one| **one == **word);
            if let Some(found) = wanted.iter().rposition(known) {
                let (other, _) = wanted.remove(found);
                given.remove(at);
                matches.push((place, other));
            }
        }
    }
}

/// A word and its place in the text.
type Numbered = (usize, Arc<str>);

/// The words of a text that are not matched yet.
struct Side {
    words: Vec<Numbered>,
    length: usize,
}

impl Side {
    fn new(tokens: &Tokens) -> Self {
        let words: Vec<Numbered> = tokens.iter().map(Arc::from).enumerate().collect();
        Self {
            length: words.len(),
            words,
        }
    }
}

/// Takes equal words off both sides: hypothesis words from the last to the first, each with the
/// last reference word that is left.
fn take_equal(
    wanted: &mut Vec<Numbered>,
    given: &mut Vec<Numbered>,
    matches: &mut Vec<(usize, usize)>,
) {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::with_capacity(wanted.len());
    for (at, (_, word)) in wanted.iter().enumerate() {
        places.entry(word).or_default().push(at);
    }
    let mut pairs = Vec::new();
    for (at, (_, word)) in given.iter().enumerate().rev() {
        if let Some(other) = places.get_mut(&**word).and_then(Vec::pop) {
            pairs.push((at, other));
        }
    }
    let mut taken = (vec![false; given.len()], vec![false; wanted.len()]);
    for (at, other) in pairs {
        if let (Some((place, _)), Some((other_place, _))) = (given.get(at), wanted.get(other)) {
            matches.push((*place, *other_place));
        }
        if let Some(taken) = taken.0.get_mut(at) {
            *taken = true;
        }
        if let Some(taken) = taken.1.get_mut(other) {
            *taken = true;
        }
    }
    let keep = |words: &mut Vec<Numbered>, taken: Vec<bool>| {
        let mut taken = taken.into_iter();
        words.retain(|_| !taken.next().unwrap_or(false));
    };
    keep(given, taken.0);
    keep(wanted, taken.1);
}
