//! ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum (spec `metrics` 2).

use serde::Serialize;

use super::pair::{Vocabulary, common_subsequence, shared, sorted_grams};
use super::tokens::Tokens;

/// Precision, recall and F1 of what two texts share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RougeScore {
    /// Shared part of the hypothesis.
    pub precision: f64,
    /// Shared part of the reference.
    pub recall: f64,
    /// Harmonic mean; 0 if nothing is shared.
    pub f1: f64,
}

impl RougeScore {
    fn of(shared: u64, hypothesis: usize, reference: usize) -> Self {
        let precision = shared as f64 / hypothesis.max(1) as f64;
        let recall = shared as f64 / reference.max(1) as f64;
        let f1 = if shared == 0 {
            0.0
        } else {
            2.0 * precision * recall / (precision + recall)
        };
        Self {
            precision,
            recall,
            f1,
        }
    }
}

/// ROUGE of one pair as `rouge_score` computes it; of a corpus, the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rouge {
    /// Single words.
    pub one: RougeScore,
    /// Two words in a row.
    pub two: RougeScore,
    /// The longest common subsequence of the whole texts.
    pub l: RougeScore,
}

impl Rouge {
    /// Of tokens made by [`Tokens::rouge`], stemmed or not.
    pub fn of(reference: &Tokens, hypothesis: &Tokens) -> Self {
        let mut vocabulary = Vocabulary::default();
        let reference = vocabulary.numbers(reference);
        let hypothesis = vocabulary.numbers(hypothesis);
        let (grams, wanted) = (sorted_grams(&hypothesis), sorted_grams(&reference));
        let (length, other) = (hypothesis.len(), reference.len());
        let longest = common_subsequence(&reference, &hypothesis, vocabulary.len());
        Self {
            one: RougeScore::of(shared(&wanted, &grams, 1), length, other),
            two: RougeScore::of(
                shared(&wanted, &grams, 2),
                length.saturating_sub(1),
                other.saturating_sub(1),
            ),
            l: RougeScore::of(longest as u64, length, other),
        }
    }
}

/// ROUGE-L of texts in lines, `rougeLsum` of `rouge_score`: each line of the reference counts the
/// words that it has in common, in order, with any line of the hypothesis; no word counts more
/// often than either text has it. Lines are tokens made by [`Tokens::rouge`], stemmed or not.
pub fn rouge_l_sum(reference: &[Tokens], hypothesis: &[Tokens]) -> RougeScore {
    let mut vocabulary = Vocabulary::default();
    let [reference, hypothesis] = [reference, hypothesis].map(|lines| {
        let numbers = lines.iter().map(|line| vocabulary.numbers(line));
        numbers.collect::<Vec<_>>()
    });
    let mut left = [&reference, &hypothesis].map(|lines| {
        // Numbers begin with 1.
        let mut counts = vec![0_u32; vocabulary.len() + 1];
        for &word in lines.iter().flatten() {
            counts[word as usize] += 1;
        }
        counts
    });
    let mut shared = 0;
    for line in &reference {
        let mut common = vec![false; line.len()];
        for other in &hypothesis {
            mark_common(line, other, &mut common);
        }
        for (&word, _) in line.iter().zip(common).filter(|(_, common)| *common) {
            let [wanted, given] = &mut left;
            let (wanted, given) = (&mut wanted[word as usize], &mut given[word as usize]);
            if *wanted > 0 && *given > 0 {
                (*wanted, *given) = (*wanted - 1, *given - 1);
                shared += 1;
            }
        }
    }
    let length = |lines: &[Vec<u32>]| lines.iter().map(Vec::len).sum();
    RougeScore::of(shared, length(&hypothesis), length(&reference))
}

/// Marks the places of `line` that a longest common subsequence with `other` takes: of several,
/// the one that `rouge_score` finds from the end.
fn mark_common(line: &[u32], other: &[u32], common: &mut [bool]) {
    let columns = other.len() + 1;
    let mut longest = vec![0_u32; (line.len() + 1) * columns];
    for (row, word) in line.iter().enumerate() {
        for (column, other) in other.iter().enumerate() {
            let above = row * columns + column;
            longest[above + columns + 1] = match word == other {
                true => longest[above] + 1,
                false => longest[above + 1].max(longest[above + columns]),
            };
        }
    }
    let (mut row, mut column) = (line.len(), other.len());
    while row > 0 && column > 0 {
        let here = row * columns + column;
        if line[row - 1] == other[column - 1] {
            (row, column) = (row - 1, column - 1);
            common[row] = true;
        } else if longest[here - 1] > longest[here - columns] {
            column -= 1;
        } else {
            row -= 1;
        }
    }
}

/// ROUGE-L of pycocoevalcap: recall counts 1.2² times precision; words are what stands between
/// single spaces, so that two spaces make an empty word and two empty texts score 1.
pub fn coco_rouge_l(reference: &str, hypothesis: &str) -> f64 {
    const BETA_SQUARED: f64 = 1.2 * 1.2;
    let mut vocabulary = Vocabulary::default();
    let reference: Vec<u32> = reference.split(' ').map(|w| vocabulary.number(w)).collect();
    let hypothesis: Vec<u32> = hypothesis
        .split(' ')
        .map(|w| vocabulary.number(w))
        .collect();
    let longest = common_subsequence(&reference, &hypothesis, vocabulary.len()) as f64;
    if longest == 0.0 {
        return 0.0;
    }
    let precision = longest / hypothesis.len() as f64;
    let recall = longest / reference.len() as f64;
    (1.0 + BETA_SQUARED) * precision * recall / (recall + BETA_SQUARED * precision)
}
