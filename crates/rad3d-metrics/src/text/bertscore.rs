//! BERTScore (Zhang 2020) as `bert-score` 0.3.13 computes it (spec `metrics` 5): tokens in
//! context, each matched with the most similar one of the other text.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;

use crate::error::{Fault, MetricsError, Result};

/// Pairs whose token vectors are in memory together: 64 pairs of full length at the width of
/// RoBERTa-large are 270 MB.
const PAIRS_TOGETHER: usize = 64;
/// Partial sums of an inner product.
const PARTIAL: usize = 16;

/// Turns texts into token vectors; the network lives outside this crate.
pub trait TokenEmbedder: std::fmt::Debug + Sync {
    /// Encoder and layer, for those who read the scores.
    fn describe(&self) -> String;

    /// Ids of the tokens that begin and end every text.
    fn ends(&self) -> [u32; 2];

    /// Token ids of a text, with its ends, cut to the longest that the encoder takes.
    ///
    /// # Errors
    /// The text holds what the vocabulary cannot express.
    fn tokens(&self, text: &str) -> Result<Vec<u32>>;

    /// Token vectors `[tokens, width]` of each text.
    ///
    /// # Errors
    /// The encoder failed.
    fn embed(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>>;
}

/// How similar two texts are, token by token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BertScores {
    /// Of the hypothesis' tokens. NaN where all of its tokens weigh nothing.
    pub precision: f64,
    /// Of the reference's tokens. NaN as above.
    pub recall: f64,
    /// Harmonic mean; 0 where it is undefined.
    pub f1: f64,
}

/// BERTScore with an encoder.
#[derive(Debug)]
pub struct BertScore {
    embedder: Box<dyn TokenEmbedder + Send>,
    idf: bool,
    baseline: Option<f64>,
}

impl BertScore {
    /// With all tokens of equal weight and no rescaling, the defaults of `bert-score`.
    pub fn new(embedder: Box<dyn TokenEmbedder + Send>) -> Self {
        Self {
            embedder,
            idf: false,
            baseline: None,
        }
    }

    /// Weighs tokens by how few of the references hold them, ln((N + 1) / (df + 1)).
    #[must_use]
    pub fn with_idf(mut self, idf: bool) -> Self {
        self.idf = idf;
        self
    }

    /// Rescales F1 to (F1 − baseline) / (1 − baseline), where `baseline` is the F1 of unrelated
    /// texts ([`read_bertscore_baseline`]).
    #[must_use]
    pub fn with_baseline(mut self, baseline: Option<f64>) -> Self {
        self.baseline = baseline;
        self
    }

    /// Encoder and settings in words.
    pub fn describe(&self) -> String {
        let weights = if self.idf { "idf weights" } else { "no idf" };
        let rescaled = match self.baseline {
            Some(baseline) => format!("rescaled by the baseline {baseline}"),
            None => "not rescaled".into(),
        };
        format!("{}, {weights}, {rescaled}, mean", self.embedder.describe())
    }

    /// F1 of each pair, rescaled if a baseline was given.
    ///
    /// # Errors
    /// As [`BertScore::score`].
    pub fn f1(&self, references: &[String], hypotheses: &[String]) -> Result<Vec<f64>> {
        let rescale = |scores: BertScores| match self.baseline {
            Some(baseline) => (scores.f1 - baseline) / (1.0 - baseline),
            None => scores.f1,
        };
        let scores = self.score(references, hypotheses)?;
        Ok(scores.into_iter().map(rescale).collect())
    }

    /// Scores of each pair, not rescaled. With idf, a score depends on all the references.
    ///
    /// # Errors
    /// Sides of different lengths, and whatever the embedder reports.
    pub fn score(&self, references: &[String], hypotheses: &[String]) -> Result<Vec<BertScores>> {
        if references.len() != hypotheses.len() {
            let (wanted, given) = (references.len(), hypotheses.len());
            let what = format!("{given} hypotheses for {wanted} references");
            let hint = "match the sides by id first";
            return Err(MetricsError::new(Fault::Mismatch, "BERTScore", what, hint));
        }
        let tokens = |texts: &[String]| -> Result<Vec<Vec<u32>>> {
            let texts = texts.par_iter();
            texts
                .map(|text| self.embedder.tokens(text.trim()))
                .collect()
        };
        let (references, hypotheses) = (tokens(references)?, tokens(hypotheses)?);
        let weights = Weights::of(&references, self.embedder.ends(), self.idf);
        let mut scores = Vec::with_capacity(references.len());
        let references = references.chunks(PAIRS_TOGETHER);
        for (wanted, given) in references.zip(hypotheses.chunks(PAIRS_TOGETHER)) {
            let texts: Vec<&[u32]> = wanted.iter().chain(given).map(Vec::as_slice).collect();
            let mut vectors = self.embedder.embed(&texts)?;
            if vectors.len() != texts.len() {
                let what = format!("gave {} texts for {}", vectors.len(), texts.len());
                let hint = "this is a fault of the encoder";
                return Err(MetricsError::new(Fault::Mismatch, "encoder", what, hint));
            }
            let own = vectors.split_off(wanted.len());
            let pairs = wanted.par_iter().zip(given).zip(vectors).zip(own);
            let pairs = pairs.map(|(((wanted, given), reference), hypothesis)| {
                let reference = Side::new(wanted, reference, &weights);
                Side::new(given, hypothesis, &weights).against(&reference)
            });
            scores.par_extend(pairs);
        }
        Ok(scores)
    }
}

/// How much a token counts.
struct Weights {
    ends: [u32; 2],
    idf: Option<(HashMap<u32, f64>, f64)>,
}

impl Weights {
    fn of(references: &[Vec<u32>], ends: [u32; 2], idf: bool) -> Self {
        let idf = idf.then(|| {
            let mut found_in: HashMap<u32, usize> = HashMap::new();
            for text in references {
                let mut distinct = text.clone();
                distinct.sort_unstable();
                distinct.dedup();
                for id in distinct {
                    *found_in.entry(id).or_insert(0) += 1;
                }
            }
            let count = (references.len() + 1) as f64;
            let weight = |(id, times)| (id, (count / (times as f64 + 1.0)).ln());
            (found_in.into_iter().map(weight).collect(), count.ln())
        });
        Self { ends, idf }
    }

    fn weight(&self, id: u32) -> f64 {
        match &self.idf {
            _ if self.ends.contains(&id) => 0.0,
            None => 1.0,
            Some((weights, unseen)) => weights.get(&id).copied().unwrap_or(*unseen),
        }
    }
}

/// One text of a pair.
struct Side {
    /// `[tokens, width]`, each of length 1.
    vectors: Vec<f32>,
    weights: Vec<f64>,
}

impl Side {
    fn new(tokens: &[u32], mut vectors: Vec<f32>, weights: &Weights) -> Self {
        let width = (vectors.len() / tokens.len().max(1)).max(1);
        for vector in vectors.chunks_exact_mut(width) {
            let length = dot(vector, vector).sqrt();
            vector.iter_mut().for_each(|value| *value /= length);
        }
        let weights = tokens.iter().map(|&id| weights.weight(id)).collect();
        Self { vectors, weights }
    }

    /// This hypothesis against a reference.
    fn against(&self, reference: &Self) -> BertScores {
        let nothing = BertScores {
            precision: 0.0,
            recall: 0.0,
            f1: 0.0,
        };
        // Two tokens are the ends of a text without a word.
        if self.weights.len() <= 2 || reference.weights.len() <= 2 {
            return nothing;
        }
        let width = self.vectors.len() / self.weights.len();
        // The reference program fills shorter texts of a batch up with tokens of similarity 0 to
        // everything, so that no token's best is below 0.
        let mut best = vec![0.0_f32; self.weights.len()];
        let mut best_of_reference = vec![0.0_f32; reference.weights.len()];
        let own = self.vectors.chunks_exact(width).zip(&mut best);
        for (vector, best) in own {
            let others = reference.vectors.chunks_exact(width);
            for (other, best_of_other) in others.zip(&mut best_of_reference) {
                let similarity = dot(vector, other);
                *best = best.max(similarity);
                *best_of_other = best_of_other.max(similarity);
            }
        }
        let precision = mean(&best, &self.weights);
        let recall = mean(&best_of_reference, &reference.weights);
        let f1 = 2.0 * precision * recall / (precision + recall);
        BertScores {
            precision,
            recall,
            f1: if f1.is_nan() { 0.0 } else { f1 },
        }
    }
}

/// Weighted mean; NaN where nothing has weight.
fn mean(values: &[f32], weights: &[f64]) -> f64 {
    let pairs = values.iter().zip(weights);
    let sum: f64 = pairs
        .map(|(value, weight)| f64::from(*value) * weight)
        .sum();
    sum / weights.iter().sum::<f64>()
}

/// Inner product, in partial sums that the compiler can lay side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<PARTIAL>();
    let (b, b_rest) = b.as_chunks::<PARTIAL>();
    let mut partial = [0.0_f32; PARTIAL];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in partial.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    partial.iter().sum::<f32>() + rest
}

/// F1 of unrelated texts at `layer`, from a baseline file of `bert-score`: a CSV with the columns
/// `LAYER`, `P`, `R`, `F`.
///
/// # Errors
/// The file cannot be read, is no such table, or lacks the layer.
pub fn read_bertscore_baseline(path: &Path, layer: usize) -> Result<f64> {
    let fault = |what: String| {
        let hint = "give a file of bert-score's rescale_baseline for this encoder";
        MetricsError::new(Fault::Data, path, what, hint)
    };
    let text =
        std::fs::read_to_string(path).map_err(|error| MetricsError::unreadable(path, error))?;
    let mut rows = text.lines();
    let header: Vec<&str> = rows.next().unwrap_or_default().split(',').collect();
    let place = |name: &str| {
        let mut names = header.iter();
        let found = names.position(|column| column.trim().eq_ignore_ascii_case(name));
        found.ok_or_else(|| fault(format!("has no column {name}")))
    };
    let (layers, scores) = (place("LAYER")?, place("F")?);
    let row = rows.map(|row| row.split(',').map(str::trim).collect::<Vec<_>>());
    let own = row.into_iter().find(|row| {
        let named = row.get(layers).and_then(|cell| cell.parse().ok());
        named == Some(layer)
    });
    let row = own.ok_or_else(|| fault(format!("has no row for layer {layer}")))?;
    let score = row.get(scores).and_then(|cell| cell.parse::<f64>().ok());
    match score {
        Some(score) if score < 1.0 => Ok(score),
        _ => Err(fault(format!("layer {layer}: F is no number below 1"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words are token ids; a token's vector lies at that angle, in degrees.
    #[derive(Debug)]
    struct Angles;

    impl TokenEmbedder for Angles {
        fn describe(&self) -> String {
            "angles".into()
        }

        fn ends(&self) -> [u32; 2] {
            [1000, 1090]
        }

        fn tokens(&self, text: &str) -> Result<Vec<u32>> {
            let words = text.split_whitespace().map(|word| word.parse().unwrap());
            Ok([1000].into_iter().chain(words).chain([1090]).collect())
        }

        fn embed(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
            let vector = |id: &u32| {
                let angle = (*id as f32).to_radians();
                // Lengths do not matter.
                [3.0 * angle.cos(), 3.0 * angle.sin()]
            };
            let text = |ids: &&[u32]| ids.iter().flat_map(vector).collect();
            Ok(texts.iter().map(text).collect())
        }
    }

    fn score(idf: bool, pairs: &[(&str, &str)]) -> Vec<BertScores> {
        let side = |of: fn(&(&str, &str)) -> String| pairs.iter().map(of).collect::<Vec<_>>();
        let bertscore = BertScore::new(Box::new(Angles)).with_idf(idf);
        let (references, hypotheses) = (side(|pair| pair.0.into()), side(|pair| pair.1.into()));
        bertscore.score(&references, &hypotheses).unwrap()
    }

    #[test]
    fn each_token_takes_its_best_match() {
        // The ends lie at 280 and 10 degrees: matched, but of no weight.
        let scores = score(false, &[(" 30 60 ", "30")])[0];
        let half = 0.75_f64.sqrt();
        assert!((scores.precision - 1.0).abs() < 1e-6, "{scores:?}");
        assert!(
            (scores.recall - f64::midpoint(1.0, half)).abs() < 1e-6,
            "{scores:?}"
        );
        // Nothing of the hypothesis points towards 190 degrees.
        let scores = score(false, &[("190", "10 20")])[0];
        assert_eq!(scores.recall, 0.0);
    }

    #[test]
    fn texts_without_a_word_or_a_weight_score_nothing() {
        for pair in [("", ""), ("30", " "), ("", "30")] {
            let scores = score(false, &[pair])[0];
            assert_eq!(
                (scores.precision, scores.recall, scores.f1),
                (0.0, 0.0, 0.0)
            );
        }
        // 30 is in every reference, so with idf it weighs nothing.
        let scores = score(true, &[("30 40", "30"), ("30 50", "40")]);
        assert!(scores[0].precision.is_nan());
        assert_eq!(scores[0].f1, 0.0);
        assert!(scores[1].f1 > 0.9);
    }

    #[test]
    fn baselines_are_read_by_layer() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("baseline.csv");
        std::fs::write(&path, "LAYER,P,R,F\n0,0.1,0.2,0.3\n17,0.8,0.8,0.83\n").unwrap();
        assert_eq!(read_bertscore_baseline(&path, 17).unwrap(), 0.83);
        let error = read_bertscore_baseline(&path, 3).unwrap_err();
        assert!(error.what.contains("no row for layer 3"), "{error}");
        std::fs::write(&path, "LAYER,P,R\n").unwrap();
        let error = read_bertscore_baseline(&path, 3).unwrap_err();
        assert!(error.what.contains("no column F"), "{error}");
    }
}
