//! CIDEr-D as pycocoevalcap computes it (spec `metrics` 4).

use std::collections::HashMap;

use super::tokens::Tokens;

/// A run of up to four words by their numbers, 0 where there is none.
type Gram = [u32; 4];

/// CIDEr of every pair. How much a run of words counts depends on how few references of the whole
/// set have it, so a pair's score changes with the set; a set of one scores 0.
pub fn cider(references: &[Tokens], hypotheses: &[Tokens]) -> Vec<f64> {
    let mut vocabulary: HashMap<&str, u32> = HashMap::new();
    let mut count = |tokens| counted(tokens, &mut vocabulary);
    let references: Vec<Counts> = references.iter().map(&mut count).collect();
    let hypotheses: Vec<Counts> = hypotheses.iter().map(&mut count).collect();
    let mut documents: HashMap<Gram, u32> = HashMap::new();
    for counts in &references {
        for gram in counts.grams.keys() {
            *documents.entry(*gram).or_default() += 1;
        }
    }
    let all = (references.len() as f64).ln();
    let weight = |gram: &Gram| all - f64::from(documents.get(gram).copied().unwrap_or(1)).ln();
    let pairs = references.iter().zip(&hypotheses);
    pairs.map(|(r, h)| similarity(r, h, weight)).collect()
}

/// How often each run of words occurs in a text.
struct Counts {
    grams: HashMap<Gram, u32>,
    /// Pairs of words in a row: the length that the penalty compares.
    pairs: usize,
}

fn counted<'a>(tokens: &'a Tokens, vocabulary: &mut HashMap<&'a str, u32>) -> Counts {
    let number = |word| {
        let next = vocabulary.len() as u32 + 1;
        *vocabulary.entry(word).or_insert(next)
    };
    let words: Vec<u32> = tokens.iter().map(number).collect();
    let mut grams = HashMap::new();
    for order in 1..=4 {
        for run in words.windows(order) {
            let mut gram = [0; 4];
            for (place, word) in gram.iter_mut().zip(run) {
                *place = *word;
            }
            *grams.entry(gram).or_default() += 1;
        }
    }
    Counts {
        grams,
        pairs: words.len().saturating_sub(1),
    }
}

/// Ten times the mean over the orders of clipped cosine similarity, less where lengths differ.
fn similarity(reference: &Counts, hypothesis: &Counts, weight: impl Fn(&Gram) -> f64) -> f64 {
    const SIGMA: f64 = 6.0;
    let order = |gram: &Gram| gram.iter().filter(|word| **word != 0).count() - 1;
    let mut products = [0.0; 4];
    let mut squares = [[0.0; 4]; 2];
    let mut sorted: Vec<_> = reference.grams.iter().collect();
    // Sums of floats depend on their order, and that of a map on chance.
    sorted.sort_unstable();
    for (gram, &times) in sorted {
        let value = f64::from(times) * weight(gram);
        add(&mut squares[0], order(gram), value * value);
    }
    let mut sorted: Vec<_> = hypothesis.grams.iter().collect();
    sorted.sort_unstable();
    for (gram, &times) in sorted {
        let weight = weight(gram);
        let value = f64::from(times) * weight;
        add(&mut squares[1], order(gram), value * value);
        if let Some(&wanted) = reference.grams.get(gram) {
            let wanted = f64::from(wanted) * weight;
            add(&mut products, order(gram), value.min(wanted) * wanted);
        }
    }
    let difference = hypothesis.pairs as f64 - reference.pairs as f64;
    let penalty = (-(difference * difference) / (2.0 * SIGMA * SIGMA)).exp();
    let [of_reference, of_hypothesis] = squares;
    let norms = of_reference.iter().zip(&of_hypothesis);
    let cosine = |(product, (a, b)): (f64, (&f64, &f64))| match a.sqrt() * b.sqrt() {
        0.0 => product,
        norm => product / norm,
    };
    let sum: f64 = products.into_iter().zip(norms).map(cosine).sum();
    10.0 * penalty * sum / 4.0
}

fn add(sums: &mut [f64; 4], order: usize, value: f64) {
    if let Some(sum) = sums.get_mut(order) {
        *sum += value;
    }
}
