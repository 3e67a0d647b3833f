//! The tokenizer `13a` of mteval, as sacreBLEU has it.

use std::borrow::Cow;

/// `text` with white space wherever `13a` parts words.
pub(super) fn spaced(text: &str) -> String {
    let text = unescaped(text);
    // Every rule looks at single ASCII characters and their neighbours, and "no digit" holds for
    // any byte of a longer character, so bytes will do.
    let mut line = Vec::with_capacity(text.len() + text.len() / 4);
    line.push(b' ');
    for &byte in text.as_bytes() {
        if parts_always(byte) {
            line.extend([b' ', byte, b' ']);
        } else {
            line.push(byte);
        }
    }
    line.push(b' ');
    let stop = |byte: u8| byte == b'.' || byte == b',';
    let digit = |byte: u8| byte.is_ascii_digit();
    let line = pairs(
        &line,
        |a, b| !digit(a) && stop(b),
        |a, b| [a, b' ', b, b' '],
    );
    let line = pairs(
        &line,
        |a, b| stop(a) && !digit(b),
        |a, b| [b' ', a, b' ', b],
    );
    let line = pairs(
        &line,
        |a, b| digit(a) && b == b'-',
        |a, b| [a, b' ', b, b' '],
    );
    // Only whole characters were copied and ASCII was put between them.
    String::from_utf8(line).unwrap_or_default()
}

/// `text` on one line, its four entities replaced, broken words rejoined.
fn unescaped(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    let replacements = [
        ("<skipped>", ""),
        ("-\n", ""),
        ("\n", " "),
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    for (from, to) in replacements {
        if text.contains(from) {
            text = Cow::Owned(text.replace(from, to));
        }
    }
    text
}

/// Marks that stand alone wherever they are: all of ASCII but letters, digits and `' , - .`
fn parts_always(byte: u8) -> bool {
    byte.is_ascii_punctuation() && !matches!(byte, b'\'' | b',' | b'-' | b'.')
}

/// Replaces pairs of bytes from left to right, none of them twice.
fn pairs(
    line: &[u8],
    matches: impl Fn(u8, u8) -> bool,
    replacement: impl Fn(u8, u8) -> [u8; 4],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + line.len() / 8);
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        match after.split_first() {
            Some((&second, after)) if matches(first, second) => {
                out.extend(replacement(first, second));
                rest = after;
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}
