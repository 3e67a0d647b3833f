//! Words as small numbers, so that two texts can be compared fast.

use std::collections::HashMap;

use super::tokens::Tokens;

/// Numbers for words, from 1 in order of appearance; 0 is no word.
#[derive(Debug, Default)]
pub(super) struct Vocabulary<'a>(HashMap<&'a str, u32>);

impl<'a> Vocabulary<'a> {
    /// The number of a word, a new one if it was not seen.
    pub(super) fn number(&mut self, word: &'a str) -> u32 {
        let next = self.0.len() as u32 + 1;
        *self.0.entry(word).or_insert(next)
    }

    /// The numbers of a text's words.
    pub(super) fn numbers(&mut self, tokens: &'a Tokens) -> Vec<u32> {
        tokens.iter().map(|word| self.number(word)).collect()
    }

    /// The largest number given.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Four words in a row as one number; places after the end of the text are 0.
type Gram = u128;

/// All runs of up to four words of a text, sorted: those that share their first `n` words stand
/// together, so that one sorting serves every order.
pub(super) fn sorted_grams(words: &[u32]) -> Vec<Gram> {
    let at = |place: usize| Gram::from(words.get(place).copied().unwrap_or(0));
    let gram = |start| at(start) << 96 | at(start + 1) << 64 | at(start + 2) << 32 | at(start + 3);
    let mut grams: Vec<Gram> = (0..words.len()).map(gram).collect();
    grams.sort_unstable();
    grams
}

/// The distinct runs of exactly `order` words and how often each occurs, in order.
pub(super) fn counted(grams: &[Gram], order: usize) -> impl Iterator<Item = (Gram, u64)> + '_ {
    let shift = 32 * (4 - order as u32);
    let complete = move |gram: Gram| (gram >> shift) & 0xffff_ffff != 0;
    let mut rest = grams;
    std::iter::from_fn(move || {
        loop {
            let first = *rest.first()?;
            let key = first >> shift;
            let run = rest
                .iter()
                .take_while(|&&gram| gram >> shift == key)
                .count();
            rest = rest.get(run..).unwrap_or_default();
            if complete(first) {
                return Some((key, run as u64));
            }
        }
    })
}

/// How many runs of `order` words two texts share, each as often as both have it.
pub(super) fn shared(a: &[Gram], b: &[Gram], order: usize) -> u64 {
    let (mut a, mut b) = (counted(a, order).peekable(), counted(b, order).peekable());
    let mut count = 0;
    while let (Some(&(key_a, times_a)), Some(&(key_b, times_b))) = (a.peek(), b.peek()) {
        if key_a <= key_b {
            a.next();
        }
        if key_b <= key_a {
            b.next();
        }
        if key_a == key_b {
            count += times_a.min(times_b);
        }
    }
    count
}

/// Length of the longest common subsequence, 64 places of `a` at a time (Hyyrö 2004).
///
/// `words` is the largest number in either text.
pub(super) fn common_subsequence(a: &[u32], b: &[u32], words: usize) -> usize {
    let blocks = a.len().div_ceil(64);
    if blocks == 0 {
        return 0;
    }
    // Where each word stands in `a`, as bits.
    let mut places = vec![0_u64; (words + 1) * blocks];
    for (at, &word) in a.iter().enumerate() {
        if let Some(block) = places.get_mut(word as usize * blocks + at / 64) {
            *block |= 1 << (at % 64);
        }
    }
    let mut open = vec![u64::MAX; blocks];
    for &word in b {
        let start = word as usize * blocks;
        let Some(matches) = places.get(start..start + blocks) else {
            continue;
        };
        let mut carry = false;
        for (open, &matches) in open.iter_mut().zip(matches) {
            let hit = *open & matches;
            let (sum, over) = open.overflowing_add(hit);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            carry = over || again;
            *open = sum | (*open & !matches);
        }
    }
    let unused = blocks * 64 - a.len();
    let zeros: u32 = open.iter().map(|block| block.count_zeros()).sum();
    // Bits past the end match nothing and can lose no one, but a carry may run into them.
    let last = open.last().copied().unwrap_or(u64::MAX);
    let outside = if unused == 0 {
        0
    } else {
        (last >> (64 - unused)).count_zeros() - (64 - unused) as u32
    };
    (zeros - outside) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook table.
    fn plain(a: &[u32], b: &[u32]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut corner = 0;
            for (at, y) in b.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if x == y {
                    corner + 1
                } else {
                    above.max(row[at])
                };
                corner = above;
            }
        }
        row[b.len()]
    }

    proptest! {
        #[test]
        fn subsequence_is_the_table_s(
            a in prop::collection::vec(1_u32..6, 0..200),
            b in prop::collection::vec(1_u32..6, 0..200),
        ) {
            prop_assert_eq!(common_subsequence(&a, &b, 5), plain(&a, &b));
        }

        #[test]
        fn shared_runs_are_those_counted_one_by_one(
            a in prop::collection::vec(1_u32..4, 0..40),
            b in prop::collection::vec(1_u32..4, 0..40),
            order in 1_usize..=4,
        ) {
            let mut left: Vec<&[u32]> = b.windows(order).collect();
            let mut count = 0;
            for run in a.windows(order) {
                if let Some(at) = left.iter().position(|other| *other == run) {
                    left.swap_remove(at);
                    count += 1;
                }
            }
            prop_assert_eq!(shared(&sorted_grams(&a), &sorted_grams(&b), order), count);
        }
    }
}
