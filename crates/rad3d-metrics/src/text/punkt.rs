//! Punkt's decision where a sentence ends (Kiss and Strunk 2006), as NLTK takes it with its
//! trained parameters for English.
//!
//! A full stop, `?` or `!` before white space or a closing mark is a candidate; the word before it
//! and the word after it decide. Two of the parameters' four lists and the collocations are built
//! in; the fourth, in which case 20,000 newspaper words were seen, is read from `nltk_data`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::tokens::is_white_space;
use crate::error::{Fault, MetricsError, Result};

const ABBREVIATIONS: &str = include_str!("punkt/abbreviations.txt");
const COLLOCATIONS: &str = include_str!("punkt/collocations.tab");
const SENTENCE_STARTERS: &str = include_str!("punkt/sentence_starters.txt");

/// A word was seen in upper case inside a sentence.
const MIDDLE_UPPER: u32 = 1 << 2;
/// In upper case anywhere: at the start, inside, or unclear.
const UPPER: u32 = 1 << 1 | 1 << 2 | 1 << 3;
/// In lower case at the start of a sentence.
const BEGIN_LOWER: u32 = 1 << 4;
/// In lower case anywhere.
const LOWER: u32 = 1 << 4 | 1 << 5 | 1 << 6;

/// Parts English text into sentences. Build once, use from any number of threads.
#[derive(Debug)]
pub struct Punkt {
    abbreviations: HashSet<String>,
    collocations: HashSet<(String, String)>,
    starters: HashSet<String>,
    /// The cases in which words were seen, by lower-case word; empty if not loaded.
    cases: HashMap<String, u32>,
}

impl Default for Punkt {
    fn default() -> Self {
        Self::from_lists(ABBREVIATIONS, COLLOCATIONS, SENTENCE_STARTERS)
    }
}

impl Punkt {
    /// All of NLTK's parameters from a folder `nltk_data`: its
    /// `tokenizers/punkt_tab/english/ortho_context.tab` joins what is built in.
    ///
    /// # Errors
    /// The file cannot be read or is no table of words and numbers.
    pub fn load(nltk_data: &Path) -> Result<Self> {
        let path = nltk_data.join("tokenizers/punkt_tab/english/ortho_context.tab");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| MetricsError::unreadable(&path, error))?;
        let mut cases = HashMap::new();
        for (line, row) in text.lines().enumerate() {
            let entry = row.rsplit_once('\t');
            let Some((word, Ok(seen))) = entry.map(|(word, seen)| (word, seen.trim().parse()))
            else {
                let what = format!("line {}: is no word and number", line + 1);
                let hint = "unpack punkt_tab of nltk_data again";
                return Err(MetricsError::new(Fault::Data, &path, what, hint));
            };
            cases.insert(word.to_owned(), seen);
        }
        Ok(Self {
            cases,
            ..Self::default()
        })
    }

    /// Whether the words' cases were loaded, so that every decision is NLTK's.
    pub fn is_complete(&self) -> bool {
        !self.cases.is_empty()
    }

    fn from_lists(abbreviations: &str, collocations: &str, starters: &str) -> Self {
        let words = |list: &str| list.lines().map(str::to_owned).collect();
        let pair = |line: &str| {
            let (first, second) = line.split_once('\t')?;
            Some((first.to_owned(), second.to_owned()))
        };
        Self {
            abbreviations: words(abbreviations),
            collocations: collocations.lines().filter_map(pair).collect(),
            starters: words(starters),
            cases: HashMap::new(),
        }
    }

    /// The sentences of `text`, closing quotes and brackets with the sentence they close.
    pub fn sentences<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let slices = self.slices(text);
        let mut sentences = Vec::with_capacity(slices.len());
        let mut taken = 0;
        for (at, &(start, end)) in slices.iter().enumerate() {
            let start = start + taken;
            let Some(&(next_start, next_end)) = slices.get(at + 1) else {
                sentences.extend(text.get(start..end).filter(|text| !text.is_empty()));
                break;
            };
            let next = text.get(next_start..next_end).unwrap_or_default();
            match closing_marks(next) {
                Some((marks, whole)) => {
                    sentences.extend(text.get(start..next_start + marks));
                    taken = whole;
                }
                None => {
                    sentences.extend(text.get(start..end).filter(|text| !text.is_empty()));
                    taken = 0;
                }
            }
        }
        sentences
    }

    /// Sentences as stretches of bytes, before closing marks are given back.
    fn slices(&self, text: &str) -> Vec<(usize, usize)> {
        let mut slices = Vec::new();
        let mut start = 0;
        for candidate in candidates(text) {
            if self.breaks(text.get(candidate.context.clone()).unwrap_or_default()) {
                slices.push((start, candidate.after));
                start = candidate.next;
            }
        }
        slices.push((start, text.trim_end_matches(is_white_space).len()));
        slices
    }

    /// Whether a sentence ends inside of `context`, not at its end.
    fn breaks(&self, context: &str) -> bool {
        let mut words = Vec::with_capacity(3);
        for line in context.split('\n') {
            words_of(line, |word| words.push(self.first_pass(word)));
        }
        let pairs = words.windows(2);
        pairs.into_iter().any(|pair| match pair {
            [word, next] => self.second_pass(word, next),
            _ => false,
        })
    }

    /// What a word says by itself.
    fn first_pass<'a>(&self, text: &'a str) -> Word<'a> {
        let lower = text.to_lowercase();
        let kind = match text {
            "." | "?" | "!" => Ending::Break,
            _ if is_ellipsis(text) => Ending::Ellipsis,
            _ if text.ends_with('.') && !text.ends_with("..") => {
                let stem = lower.strip_suffix('.').unwrap_or(&lower);
                let last_part = stem.rsplit('-').next().unwrap_or(stem);
                let known = |word: &str| self.abbreviations.contains(word);
                if known(stem) || known(last_part) {
                    Ending::Abbreviation
                } else {
                    Ending::Break
                }
            }
            _ => Ending::None,
        };
        let lower = if is_number(&lower) {
            "##number##".to_owned()
        } else {
            lower
        };
        Word {
            text,
            lower,
            ending: kind,
        }
    }

    /// Whether a sentence ends after `word`, given the word after it.
    fn second_pass(&self, word: &Word<'_>, next: &Word<'_>) -> bool {
        let first_guess = word.ending == Ending::Break;
        if !word.text.ends_with('.') {
            return first_guess;
        }
        let (own, follower) = (word.without_stop(), next.without_break_stop());
        let collocation = (own.to_owned(), follower.to_owned());
        if self.collocations.contains(&collocation) {
            return false;
        }
        let upper = next.text.starts_with(char::is_uppercase);
        let initial = is_initial(word.text);
        let shortened = matches!(word.ending, Ending::Abbreviation | Ending::Ellipsis);
        if shortened && !initial {
            let starts = self.starts_sentence(next) == Some(true);
            return starts || (upper && self.starters.contains(follower));
        }
        if initial || own == "##number##" {
            match self.starts_sentence(next) {
                Some(false) => return false,
                None if initial && upper && self.seen(follower) & LOWER == 0 => return false,
                _ => {}
            }
        }
        first_guess
    }

    /// Whether a word begins a sentence by the case it is written in; `None` if that tells
    /// nothing.
    fn starts_sentence(&self, word: &Word<'_>) -> Option<bool> {
        if matches!(word.text, ";" | ":" | "," | "." | "!" | "?") {
            return Some(false);
        }
        let seen = self.seen(word.without_break_stop());
        if word.text.starts_with(char::is_uppercase)
            && seen & LOWER != 0
            && seen & MIDDLE_UPPER == 0
        {
            return Some(true);
        }
        let lower = word.text.starts_with(char::is_lowercase);
        (lower && (seen & UPPER != 0 || seen & BEGIN_LOWER == 0)).then_some(false)
    }

    fn seen(&self, word: &str) -> u32 {
        self.cases.get(word).copied().unwrap_or(0)
    }
}

/// How a word ends, judged by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    None,
    Break,
    Abbreviation,
    Ellipsis,
}

/// A word of a context.
struct Word<'a> {
    text: &'a str,
    /// In lower case; numbers all become one word.
    lower: String,
    ending: Ending,
}

impl Word<'_> {
    fn without_stop(&self) -> &str {
        match self.lower.strip_suffix('.') {
            Some(stem) if !stem.is_empty() => stem,
            _ => &self.lower,
        }
    }

    fn without_break_stop(&self) -> &str {
        if self.ending == Ending::Break {
            self.without_stop()
        } else {
            &self.lower
        }
    }
}

/// A place where a sentence may end.
struct Candidate {
    /// The word before it, the mark, and what comes after.
    context: std::ops::Range<usize>,
    /// One past the mark.
    after: usize,
    /// Where the next sentence would begin.
    next: usize,
}

/// Marks after which words cannot go on.
fn ends_word(c: char) -> bool {
    ")\";}]*:@'({[?!\u{2018}\u{2019}\u{201c}\u{201d}\u{ab}\u{bb}".contains(c)
}

/// All candidates; of several that share a word, the last.
fn candidates(text: &str) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut last: Option<Candidate> = None;
    // Where the word before the last mark begins and ends.
    let mut word = 0..0;
    for (at, mark) in text.match_indices(['.', '?', '!']) {
        let after = at + mark.len();
        let rest = text.get(after..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            break;
        };
        let (end, next) = if ends_word(first) {
            (after + first.len_utf8(), after)
        } else if is_white_space(first) {
            let word = rest.trim_start_matches(is_white_space);
            let length = word.find(is_white_space).unwrap_or(word.len());
            if length == 0 {
                continue;
            }
            let next = text.len() - word.len();
            (next + length, next)
        } else {
            continue;
        };
        let before = text.get(word.end..at).unwrap_or_default();
        let start = match before.rfind([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']) {
            // NLTK takes a blank at the very start for none.
            None | Some(0) => word.start,
            Some(blank) => word.end + blank + 1,
        };
        if start >= word.end {
            found.extend(last.take());
        }
        word = start..at;
        last = Some(Candidate {
            context: start..end,
            after,
            next,
        });
    }
    found.extend(last);
    found
}

/// Punkt's own words of one line: punctuation parted, full stops left on.
fn words_of<'a>(line: &'a str, mut push: impl FnMut(&'a str)) {
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = match multiple_mark(rest) {
            Some(length) => length,
            None if is_white_space(first) => {
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            None if "(\"`{[:;&#*@)}]-,".contains(first) => first.len_utf8(),
            None => {
                let ends = |&at: &usize| ends_here(rest.get(at..).unwrap_or_default());
                let places = rest.char_indices().skip(1).map(|(at, _)| at);
                places.into_iter().find(ends).unwrap_or(rest.len())
            }
        };
        let (word, after) = rest.split_at(length);
        push(word);
        rest = after;
    }
}

/// Whether a word ends before `rest`.
fn ends_here(rest: &str) -> bool {
    let ends = |rest: &str| {
        let first = rest.chars().next();
        first.is_none_or(|c| is_white_space(c) || ends_word(c)) || multiple_mark(rest).is_some()
    };
    ends(rest) || rest.strip_prefix(',').is_some_and(ends)
}

/// Length of a dash or an ellipsis at the start of `text`.
fn multiple_mark(text: &str) -> Option<usize> {
    let run = |mark: u8| text.bytes().take_while(|&byte| byte == mark).count();
    if let length @ 2.. = run(b'-') {
        return Some(length);
    }
    if let length @ 2.. = run(b'.') {
        return Some(length);
    }
    // Full stops with one blank between them, at least three.
    let mut length = 0;
    let mut stops = 0;
    let mut rest = text;
    while let Some(after) = rest.strip_prefix('.') {
        stops += 1;
        length = text.len() - after.len();
        match after.chars().next() {
            Some(blank) if is_white_space(blank) => {
                rest = after.get(blank.len_utf8()..).unwrap_or_default();
            }
            _ => break,
        }
    }
    (stops >= 3).then_some(length)
}

/// Closing marks at the start of a sentence that belong to the one before: their length, and
/// their length with the white space after them.
fn closing_marks(sentence: &str) -> Option<(usize, usize)> {
    let closes = |c: char| "\"')]}\u{2018}\u{2019}\u{201c}\u{201d}\u{ab}\u{bb}".contains(c);
    let mut end = 0;
    for c in sentence.chars().take_while(|&c| closes(c)) {
        end += c.len_utf8();
        let rest = sentence.get(end..).unwrap_or_default();
        let bare = rest.trim_start_matches(is_white_space);
        if bare.len() < rest.len() {
            return Some((end, sentence.len() - bare.len()));
        }
        if rest.is_empty() || rest.starts_with("--") {
            return Some((end, end));
        }
    }
    None
}

/// Two full stops or more and nothing else.
fn is_ellipsis(text: &str) -> bool {
    text.len() >= 2 && text.bytes().all(|byte| byte == b'.')
}

/// One letter and a full stop.
fn is_initial(text: &str) -> bool {
    let mut chars = text.chars();
    let letter = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    letter && chars.as_str() == "."
}

/// A number, with or without sign, separators and a final stop.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let text = text.strip_prefix(['.', ',']).unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.' | b'-'))
}
