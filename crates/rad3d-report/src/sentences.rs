//! Where sentences begin and end in radiologists' prose: full stops that are no decimal points,
//! bullets, quotation marks used as bullets, line breaks, numbered lists.

use crate::report::Span;

/// Words whose full stop ends no sentence.
const ABBREVIATIONS: [&str; 13] = [
    "approx", "ca", "cf", "dr", "e.g", "fig", "i.e", "im", "max", "min", "prof", "st", "vs",
];

/// The sentences of `text` in order; never empty, trimmed of blanks and list marks.
pub(crate) fn sentence_spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let after = at + char.len_utf8();
        let next = chars.peek().map(|&(_, next)| next);
        let ends = match char {
            '.' => full_stop_ends(text, start, at, next),
            '?' | '!' => next.is_none_or(|next| next.is_whitespace() || next == '"'),
            '"' | '“' | '”' | '•' | '·' | '▪' | '●' | '◦' => true,
            '\n' => line_break_ends(&text[after..]),
            _ => false,
        };
        if ends {
            push(text, start, after, &mut spans);
            start = after;
        }
    }
    push(text, start, text.len(), &mut spans);
    spans
}

/// Whether the full stop at `at` of the sentence begun at `start` closes it.
fn full_stop_ends(text: &str, start: usize, at: usize, next: Option<char>) -> bool {
    let before = &text[start..at];
    let word = before
        .rsplit(|c: char| !(c.is_alphanumeric() || c == '.'))
        .next()
        .unwrap_or("");
    match next {
        None => true,
        // "2.5 mm" and "e.g." go on, "lesion.The" and "3.5 mm.In" do not.
        Some(next) if next.is_ascii_digit() => !word.ends_with(|c: char| c.is_ascii_digit()),
        Some(next) if next.is_lowercase() => false,
        Some(_) => {
            let list_number = !word.is_empty()
                && word.len() <= 2
                && word.chars().all(|c| c.is_ascii_digit())
                && before.trim() == word;
            !list_number
                && !ABBREVIATIONS
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(word))
        }
    }
}

/// Whether a line break before `rest` closes a sentence: a blank line, a list item or a new
/// sentence follows; wrapped prose goes on.
fn line_break_ends(rest: &str) -> bool {
    let next_line = rest.split('\n').next().unwrap_or("").trim();
    match next_line.chars().next() {
        None => true,
        Some(first) => !first.is_lowercase(),
    }
}

/// Keeps the sentence `start..end` unless it is blank.
fn push(text: &str, start: usize, end: usize, spans: &mut Vec<Span>) {
    let mark = |c: char| c.is_whitespace() || "\"“”•·▪●◦*-–—>#".contains(c);
    let slice = &text[start..end];
    let left = slice.trim_start_matches(mark);
    let body = left.trim_end_matches(|c: char| c.is_whitespace() || "\"“”•·▪●◦".contains(c));
    if body.chars().any(char::is_alphanumeric) {
        let start = start + (slice.len() - left.len());
        spans.push(Span {
            start,
            end: start + body.len(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentence_spans(text)
            .iter()
            .map(|span| span.of(text))
            .collect()
    }

    #[test]
    fn decimals_and_abbreviations_go_on() {
        assert_eq!(
            split("A 2.5 mm nodule. Dr. Who agrees.The end."),
            ["A 2.5 mm nodule.", "Dr. Who agrees.", "The end."]
        );
    }

    #[test]
    fn bullets_and_lines_part() {
        assert_eq!(
            split("• One\n• Two\n1. Three\n\n- Four goes\non here"),
            ["One", "Two", "1. Three", "Four goes\non here"]
        );
    }

    #[test]
    fn questions_end_only_before_a_blank() {
        assert_eq!(
            split("Nodule (metastasis?) seen. Viral? Other"),
            ["Nodule (metastasis?) seen.", "Viral?", "Other"]
        );
    }

    #[test]
    fn empty_text_has_none() {
        assert!(split(" \n . \" ").is_empty());
    }
}
