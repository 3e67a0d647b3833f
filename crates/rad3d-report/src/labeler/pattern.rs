//! The small pattern language of rules files, and the plain text it is matched against.
//!
//! A pattern is a regular expression over lower-case ASCII with four shorthands, so that it
//! reads like the words it finds:
//!
//! - a blank matches any run of blanks and hyphens, and ` ?` such a run or nothing;
//! - `*` stands for the rest of a word (`calcif*`);
//! - ` ... ` skips at most six words, but no semicolon or colon;
//! - `<name>` inserts the words of that name.
//!
//! A pattern matches whole words only.

use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::error::{Fault, ReportError, Result};

/// Named pieces of patterns.
pub(crate) type Words = BTreeMap<String, String>;

/// Bytes of compiled automaton a rules file may ask for.
const SIZE_LIMIT: usize = 64 << 20;

/// The text in lower-case ASCII, byte for byte as long as the original, so that places in one
/// are places in the other. Dashes, quotes and hard blanks become their ASCII kin.
pub(crate) fn plain_ascii(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    for char in text.chars() {
        let stand_in = match char {
            '\u{2010}'..='\u{2015}' | '\u{2212}' => b'-',
            '\u{2018}' | '\u{2019}' => b'\'',
            '\u{201c}' | '\u{201d}' => b'"',
            '\u{a0}' | '\u{2000}'..='\u{200b}' => b' ',
            c if c.is_ascii() => c.to_ascii_lowercase() as u8,
            c if c.is_whitespace() => b' ',
            _ => b'~',
        };
        plain.resize(plain.len() + char.len_utf8(), stand_in);
    }
    plain
}

/// One regex that finds any of `patterns`; `None` if there are none.
pub(crate) fn any_of(place: &str, patterns: &[String], words: &Words) -> Result<Option<Regex>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let sources = expand_all(place, patterns, words)?;
    builder(&sources.join("|"))
        .map(Some)
        .map_err(|error| malformed(place, &patterns.join("`, `"), &error))
}

/// A regex for one pattern.
#[cfg(test)]
fn one(place: &str, pattern: &str, words: &Words) -> Result<Regex> {
    let source = expand(place, pattern, words)?;
    builder(&source).map_err(|error| malformed(place, pattern, &error))
}

/// A set that tells in one pass which of `patterns` occur.
pub(crate) fn set(place: &str, patterns: &[String], words: &Words) -> Result<RegexSet> {
    let sources = expand_all(place, patterns, words)?;
    RegexSetBuilder::new(sources)
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| malformed(place, "all patterns together", &error))
}

fn builder(source: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source)
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
}

fn malformed(place: &str, pattern: &str, error: &regex::Error) -> ReportError {
    let hint = "see the head of src/labeler/ct_rate.toml for the pattern language";
    ReportError::new(
        Fault::Rules,
        place,
        format!("pattern `{pattern}` is malformed: {error}"),
        hint,
    )
}

fn expand_all(place: &str, patterns: &[String], words: &Words) -> Result<Vec<String>> {
    patterns
        .iter()
        .map(|pattern| expand(place, pattern, words))
        .collect()
}

/// Turns a pattern into a regular expression.
fn expand(place: &str, pattern: &str, words: &Words) -> Result<String> {
    let mut named = pattern.to_owned();
    // Words may use other words; the bound catches a circle.
    let mut insertions = 0;
    while let Some((open, close)) = placeholder(&named) {
        let name = &named[open + 1..close];
        let Some(inner) = words.get(name) else {
            let known = words
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(ReportError::new(
                Fault::Rules,
                place,
                format!("pattern `{pattern}` uses <{name}>, which [words] does not define"),
                format!("use one of: {known}"),
            ));
        };
        insertions += 1;
        if insertions > 64 {
            let what = format!("pattern `{pattern}` nests words too deeply, at <{name}>");
            return Err(ReportError::new(
                Fault::Rules,
                place,
                what,
                "let no words use themselves",
            ));
        }
        named.replace_range(open..=close, &format!("({inner})"));
    }
    let regex = named
        .replace(" ... ", "\u{1}")
        .replace(" ?", "\u{2}")
        .replace(' ', r"[\s\-]+")
        .replace('*', "[a-z]*")
        .replace('\u{2}', r"[\s\-]*")
        .replace(
            '\u{1}',
            r#"(?:[\s,/()'"\-]+[^\s,;:/()]+){0,6}?[\s,/()'"\-]+"#,
        );
    Ok(format!(r"\b(?:{regex})\b"))
}

/// The first `<name>`, as the places of its brackets.
fn placeholder(pattern: &str) -> Option<(usize, usize)> {
    let open = pattern.find('<')?;
    let close = open + pattern[open..].find('>')?;
    Some((open, close))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        let words = Words::from([
            ("lobe".to_owned(), "upper|lower".to_owned()),
            ("place".to_owned(), "<lobe> lobe".to_owned()),
        ]);
        one("test", pattern, &words)
            .unwrap()
            .is_match(&plain_ascii(text))
    }

    #[test]
    fn shorthands() {
        assert!(finds(
            "calcif* plaque",
            "Calcific-plaques is not it, calcified plaque is"
        ));
        assert!(!finds("calcif* plaque", "calcified plaques"));
        assert!(finds(
            "nodule ... <place>",
            "nodule of 2.5 mm in the right upper lobe"
        ));
        assert!(!finds("nodule ... lobe", "nodule; upper lobe"));
        assert!(!finds("nodule ... lobe", "nodule a b c d e f g lobe"));
        assert!(finds("ground glass", "Ground\u{2013}glass"));
        assert!(!finds("node", "nodes"));
    }

    #[test]
    fn plain_text_keeps_its_length() {
        let text = "Ünal’s “Big” node – 5 × 3 mm";
        assert_eq!(plain_ascii(text).len(), text.len());
    }

    #[test]
    fn unknown_words_and_circles_are_named() {
        let words = Words::from([("a".to_owned(), "<a> x".to_owned())]);
        assert!(one("t", "<b>", &words).unwrap_err().what.contains("<b>"));
        assert!(
            one("t", "<a>", &words)
                .unwrap_err()
                .what
                .contains("too deeply")
        );
        assert!(
            one("t", "(", &words)
                .unwrap_err()
                .what
                .contains("malformed")
        );
    }
}
