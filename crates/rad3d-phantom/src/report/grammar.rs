//! Templates that read in many ways.
//!
//! `[a|b|c]` is one of its parts, which may hold brackets themselves; `{name}` is a slot.

use crate::random::Random;

/// Words for the slots of a template.
pub(super) type Slots<'a> = &'a [(&'a str, String)];

/// Writes a template out: chooses among alternatives, fills slots, starts with a capital, ends
/// with a full stop.
pub(super) fn sentence(template: &str, slots: Slots<'_>, random: &mut Random) -> String {
    let mut text = String::new();
    choose(template, random, &mut text);
    for (name, words) in slots {
        text = text.replace(&format!("{{{name}}}"), words);
    }
    let text = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(" ,", ",");
    let mut letters = text.chars();
    let mut text: String = match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => return text,
    };
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// Appends `template` with one alternative of every bracket.
fn choose(template: &str, random: &mut Random, out: &mut String) {
    let mut rest = template;
    while let Some(open) = rest.find('[') {
        out.push_str(&rest[..open]);
        let inner = &rest[open + 1..];
        let (parts, after) = alternatives(inner);
        choose(parts[random.below(parts.len())], random, out);
        rest = after;
    }
    out.push_str(rest);
}

/// The parts of a bracket, and what follows it. A bracket that is never closed ends with the text.
fn alternatives(inner: &str) -> (Vec<&str>, &str) {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth > 0 => depth -= 1,
            b']' => {
                parts.push(&inner[start..at]);
                return (parts, &inner[at + 1..]);
            }
            b'|' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    (parts, "")
}

/// "a", "a and b", "a, b and c".
pub(super) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_nest_and_slots_fill() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..60 {
            let mut random = Random::new(seed, "test");
            let slots = [("size", "5 mm".to_owned())];
            seen.insert(sentence(
                "[a [small|tiny]|no] thing [of {size}|]",
                &slots,
                &mut random,
            ));
        }
        let all = [
            "A small thing of 5 mm.",
            "A small thing.",
            "A tiny thing of 5 mm.",
            "A tiny thing.",
            "No thing of 5 mm.",
            "No thing.",
        ];
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
    }

    #[test]
    fn lists() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
