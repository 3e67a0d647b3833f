//! Words of a text, as the different tokenizers cut it.

use super::porter::porter_stem;
use super::{punkt::Punkt, thirteen_a, treebank};

/// Words in order; no word is empty or holds white space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The words with one space between them: one allocation a text, not one a word.
    joined: String,
}

impl Tokens {
    /// These words; what is between white space counts as one.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut joined = String::new();
        for word in words.into_iter().flat_map(split_white_space) {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(word);
        }
        Self { joined }
    }

    /// What stands between white space (`str.split()` of Python).
    pub fn white_space(text: &str) -> Self {
        Self::new([text])
    }

    /// `13a`, the tokenizer of mteval and sacreBLEU; case is kept (spec `metrics` 1).
    pub fn thirteen_a(text: &str) -> Self {
        Self::white_space(&thirteen_a::spaced(text))
    }

    /// The tokenizer of `rouge_score`: lower case, runs of `a-z0-9`; anything else parts words,
    /// and text of other scripts disappears (spec `metrics` 2).
    pub fn rouge(text: &str) -> Self {
        let mut joined = String::with_capacity(text.len());
        let mut push = |c: char| {
            if c.is_ascii_alphanumeric() {
                joined.push(c);
            } else if !joined.is_empty() && !joined.ends_with(' ') {
                joined.push(' ');
            }
        };
        if text.is_ascii() {
            text.bytes()
                .for_each(|b| push(b.to_ascii_lowercase().into()));
        } else {
            text.to_lowercase().chars().for_each(push);
        }
        joined.truncate(joined.trim_end_matches(' ').len());
        Self { joined }
    }

    /// NLTK's `word_tokenize`: Punkt sentences, then the tokenizer of the Penn Treebank as NLTK
    /// improved it (spec `metrics` 3).
    pub fn nltk(text: &str, punkt: &Punkt) -> Self {
        let mut joined = String::with_capacity(text.len() + text.len() / 8);
        for sentence in punkt.sentences(text) {
            for word in split_white_space(&treebank::spaced(sentence)) {
                if !joined.is_empty() {
                    joined.push(' ');
                }
                joined.push_str(word);
            }
        }
        Self { joined }
    }

    /// The same words in lower case.
    #[must_use]
    pub fn lower_case(&self) -> Self {
        let joined = if self.joined.is_ascii() {
            self.joined.to_ascii_lowercase()
        } else {
            self.joined.to_lowercase()
        };
        Self { joined }
    }

    /// The words' Porter stems, those of up to three characters left alone (`rouge_score` with
    /// its stemmer).
    #[must_use]
    pub fn stemmed(&self) -> Self {
        let stems: Vec<String> = self
            .iter()
            .map(|word| match word.len() {
                0..=3 => word.to_owned(),
                _ => porter_stem(word),
            })
            .collect();
        Self::new(stems.iter().map(String::as_str))
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.joined.split(' ').filter(|word| !word.is_empty())
    }
}

/// White space as Python's `str.split` sees it: Unicode's, and four separators of ASCII.
pub(super) fn is_white_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.split()` of Python.
pub(super) fn split_white_space(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_white_space).filter(|word| !word.is_empty())
}
