//! Two texts side by side, word by word.

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The words with what stands between them.
    pub text: &'a str,
    /// Whether the other text lacks them here.
    pub differs: bool,
}

/// The longest text that is compared, in words; a longer one is shown as different from there on.
const MOST_WORDS: usize = 3_000;

/// Both texts in stretches that they share or not, by the longest common subsequence of words
/// without case and punctuation. All pieces of a text together are the text.
pub fn differences<'a>(a: &'a str, b: &'a str) -> (Vec<Piece<'a>>, Vec<Piece<'a>>) {
    let (words_a, words_b) = (words(a), words(b));
    let (plain_a, plain_b) = (plain(&words_a), plain(&words_b));
    let columns = plain_b.len() + 1;
    // Length of the common subsequence of what follows each pair of places.
    let mut table = vec![0_u16; (plain_a.len() + 1) * columns];
    let at = |i: usize, j: usize| i * columns + j;
    for i in (0..plain_a.len()).rev() {
        for j in (0..plain_b.len()).rev() {
            let value = if plain_a.get(i) == plain_b.get(j) {
                table.get(at(i + 1, j + 1)).copied().unwrap_or(0) + 1
            } else {
                let down = table.get(at(i + 1, j)).copied().unwrap_or(0);
                down.max(table.get(at(i, j + 1)).copied().unwrap_or(0))
            };
            if let Some(cell) = table.get_mut(at(i, j)) {
                *cell = value;
            }
        }
    }
    let mut shared = (vec![false; words_a.len()], vec![false; words_b.len()]);
    let (mut i, mut j) = (0, 0);
    while let (Some(one), Some(other)) = (plain_a.get(i), plain_b.get(j)) {
        if one == other {
            if let (Some(a), Some(b)) = (shared.0.get_mut(i), shared.1.get_mut(j)) {
                (*a, *b) = (true, true);
            }
            (i, j) = (i + 1, j + 1);
        } else if table.get(at(i + 1, j)) >= table.get(at(i, j + 1)) {
            i += 1;
        } else {
            j += 1;
        }
    }
    (
        pieces(a, &words_a, &shared.0),
        pieces(b, &words_b, &shared.1),
    )
}

/// Words with the blanks after them.
fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(char::is_whitespace).collect()
}

fn plain(words: &[&str]) -> Vec<String> {
    let plain = |word: &&str| {
        let kept = word.chars().filter(|c| c.is_alphanumeric());
        kept.flat_map(char::to_lowercase).collect()
    };
    words.iter().take(MOST_WORDS).map(plain).collect()
}

/// Joins neighbouring words of one kind.
fn pieces<'a>(text: &'a str, words: &[&str], shared: &[bool]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    let mut kind = None;
    for (word, &shared) in words.iter().zip(shared) {
        if kind.is_some_and(|kind| kind != shared) {
            pieces.extend(piece(text, start, end, kind));
            start = end;
        }
        kind = Some(shared);
        end += word.len();
    }
    pieces.extend(piece(text, start, end, kind));
    pieces
}

fn piece(text: &str, start: usize, end: usize, shared: Option<bool>) -> Option<Piece<'_>> {
    Some(Piece {
        text: text.get(start..end)?,
        differs: !shared?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_what_the_other_lacks() {
        let (a, b) = differences("No effusion. Small nodule.", "no large effusion");
        let marked = |pieces: Vec<Piece<'_>>| -> Vec<(String, bool)> {
            pieces
                .iter()
                .map(|p| (p.text.to_owned(), p.differs))
                .collect()
        };
        assert_eq!(
            marked(a),
            [
                ("No effusion. ".into(), false),
                ("Small nodule.".into(), true)
            ]
        );
        assert_eq!(
            marked(b),
            [
                ("no ".into(), false),
                ("large ".into(), true),
                ("effusion".into(), false)
            ]
        );
    }
}
