//! BLEU of a corpus, of four programs that differ in everything but the idea (spec `metrics` 1).

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::pair::{Vocabulary, shared, sorted_grams};
use super::tokens::Tokens;
use crate::bootstrap::Statistic;
use crate::error::{Fault, MetricsError, Result};

/// Everything BLEU needs to know of a pair; those of a corpus are the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BleuCounts {
    /// Runs of 1 to 4 words that reference and hypothesis share.
    pub matches: [u64; 4],
    /// Runs of 1 to 4 words of the hypothesis.
    pub totals: [u64; 4],
    /// Hypotheses without a run of 1 to 4 words; NLTK counts each of them as one.
    pub without: [u64; 4],
    /// Words of the hypothesis.
    pub hypothesis: u64,
    /// Words of the reference.
    pub reference: u64,
}

impl BleuCounts {
    /// The counts of one pair.
    pub fn of(reference: &Tokens, hypothesis: &Tokens) -> Self {
        let mut vocabulary = Vocabulary::default();
        let reference = vocabulary.numbers(reference);
        let hypothesis = vocabulary.numbers(hypothesis);
        let (grams, wanted) = (sorted_grams(&hypothesis), sorted_grams(&reference));
        let length = hypothesis.len() as u64;
        let totals = [0, 1, 2, 3].map(|less| length.saturating_sub(less));
        Self {
            matches: [1, 2, 3, 4].map(|order| shared(&wanted, &grams, order)),
            totals,
            without: totals.map(|total| u64::from(total == 0)),
            hypothesis: length,
            reference: reference.len() as u64,
        }
    }

    fn sum(counts: impl Iterator<Item = Self>) -> Self {
        let mut sum = Self::default();
        counts.for_each(|one| sum += one);
        sum
    }

    fn times(mut self, times: u64) -> Self {
        for counts in [&mut self.matches, &mut self.totals, &mut self.without] {
            for count in counts {
                *count *= times;
            }
        }
        self.hypothesis *= times;
        self.reference *= times;
        self
    }
}

impl AddAssign for BleuCounts {
    fn add_assign(&mut self, other: Self) {
        let add = |own: &mut [u64; 4], other: [u64; 4]| {
            for (own, other) in own.iter_mut().zip(other) {
                *own += other;
            }
        };
        add(&mut self.matches, other.matches);
        add(&mut self.totals, other.totals);
        add(&mut self.without, other.without);
        self.hypothesis += other.hypothesis;
        self.reference += other.reference;
    }
}

/// What sacreBLEU puts in place of a precision of 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SacreSmoothing {
    /// Nothing: the score is 0.
    None,
    /// 1/2, 1/4, 1/8 of a match, in the order the zeros come; the default.
    Exp,
    /// A tenth of a match.
    Floor,
    /// One more match and one more run, for every order but the first.
    AddK,
}

/// What NLTK puts in place of a precision of 0. Its methods 5 to 7 average over orders, can exceed
/// 1 or fail, and are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NltkSmoothing {
    /// The smallest positive number, so that the score is all but 0; the default.
    Method0,
    /// A tenth of a match.
    Method1,
    /// One more match and one more run, for every order but the first.
    Method2,
    /// 1/2, 1/4, 1/8 of a match.
    Method3,
    /// As method 3, with smaller shares for shorter texts.
    Method4,
}

/// Whose BLEU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bleu {
    /// `evaluate.load("bleu")` of Hugging Face: 0 as soon as one precision is 0. The default.
    HuggingFace {
        /// One more match and one more run for every order.
        smooth: bool,
    },
    /// pycocoevalcap, used by VLM3D, R2Gen and CT2Rep: tiny numbers keep it above 0.
    Coco,
    /// sacreBLEU, here between 0 and 1.
    SacreBleu {
        /// In place of zeros.
        smoothing: SacreSmoothing,
        /// Leave out orders longer than the hypothesis, as sacreBLEU does for single sentences.
        effective_order: bool,
    },
    /// NLTK's `corpus_bleu`; of one pair, its `sentence_bleu`.
    Nltk {
        /// In place of zeros.
        smoothing: NltkSmoothing,
    },
}

impl Default for Bleu {
    fn default() -> Self {
        Self::HuggingFace { smooth: false }
    }
}

impl Bleu {
    /// BLEU-1 to BLEU-4 of summed counts; BLEU-k is the geometric mean of the precisions up to
    /// order k times the brevity penalty.
    ///
    /// `None` where Hugging Face's program divides by zero: no words at all on a side.
    pub fn score(&self, counts: &BleuCounts) -> Option<[f64; 4]> {
        match *self {
            Self::HuggingFace { smooth } => hugging_face(counts, smooth),
            Self::Coco => Some(coco(counts)),
            Self::SacreBleu {
                smoothing,
                effective_order,
            } => Some([1, 2, 3, 4].map(|order| sacre(counts, order, smoothing, effective_order))),
            Self::Nltk { smoothing } => Some(nltk(counts, smoothing)),
        }
    }
}

/// Geometric means of the first 1 to 4 values; 0 once one of them is 0.
fn geometric_means(precisions: [f64; 4]) -> [f64; 4] {
    let mut sum = 0.0;
    let mut order = 0.0;
    precisions.map(|precision| {
        sum += precision.ln();
        order += 1.0;
        (sum / order).exp()
    })
}

fn hugging_face(counts: &BleuCounts, smooth: bool) -> Option<[f64; 4]> {
    if counts.hypothesis == 0 || counts.reference == 0 {
        return None;
    }
    let more = u64::from(smooth);
    let precision = |order: usize| match (counts.matches.get(order), counts.totals.get(order)) {
        (Some(&matches), Some(&total)) if total + more > 0 => {
            (matches + more) as f64 / (total + more) as f64
        }
        _ => 0.0,
    };
    let ratio = counts.hypothesis as f64 / counts.reference as f64;
    let penalty = if ratio > 1.0 {
        1.0
    } else {
        (1.0 - 1.0 / ratio).exp()
    };
    Some(geometric_means([0, 1, 2, 3].map(precision)).map(|mean| mean * penalty))
}

fn coco(counts: &BleuCounts) -> [f64; 4] {
    const TINY: f64 = 1e-15;
    const SMALL: f64 = 1e-9;
    let ratio = (counts.hypothesis as f64 + TINY) / (counts.reference as f64 + SMALL);
    let penalty = if ratio < 1.0 {
        (1.0 - 1.0 / ratio).exp()
    } else {
        1.0
    };
    let mut product = 1.0;
    let mut order = 0.0;
    let mut scores = [0.0; 4];
    let pairs = counts.matches.iter().zip(&counts.totals);
    for (score, (&matches, &total)) in scores.iter_mut().zip(pairs) {
        product *= (matches as f64 + TINY) / (total as f64 + SMALL);
        order += 1.0;
        *score = product.powf(1.0 / order) * penalty;
    }
    scores
}

fn sacre(counts: &BleuCounts, orders: usize, smoothing: SacreSmoothing, effective: bool) -> f64 {
    let pairs = || counts.matches.iter().zip(&counts.totals).take(orders);
    if pairs().all(|(&matches, _)| matches == 0) {
        return 0.0;
    }
    let (length, wanted) = (counts.hypothesis as f64, counts.reference as f64);
    let penalty = if length < wanted {
        (1.0 - wanted / length).exp()
    } else {
        1.0
    };
    let mut share = 1.0;
    let mut logarithms = 0.0;
    let mut used = 0;
    for (order, (&matches, &total)) in pairs().enumerate() {
        let (mut matches, mut total) = (matches as f64, total as f64);
        if smoothing == SacreSmoothing::AddK && order > 0 {
            matches += 1.0;
            total += 1.0;
        }
        if total == 0.0 {
            break;
        }
        used = order + 1;
        let precision = match smoothing {
            _ if matches > 0.0 => matches / total,
            SacreSmoothing::Exp => {
                share /= 2.0;
                share / total
            }
            SacreSmoothing::Floor => 0.1 / total,
            SacreSmoothing::None | SacreSmoothing::AddK => 0.0,
        };
        logarithms += precision.ln();
    }
    match (effective, used) {
        (true, used) if used > 0 => penalty * (logarithms / used as f64).exp(),
        (false, used) if used == orders => penalty * (logarithms / orders as f64).exp(),
        _ => 0.0,
    }
}

fn nltk(counts: &BleuCounts, smoothing: NltkSmoothing) -> [f64; 4] {
    if counts.matches.first() == Some(&0) {
        return [0.0; 4];
    }
    let (length, wanted) = (counts.hypothesis as f64, counts.reference as f64);
    let penalty = if length > wanted {
        1.0
    } else {
        (1.0 - wanted / length).exp()
    };
    let mut share = 1.0;
    let mut first = true;
    let mut precision = |order: usize| {
        let count = |counts: &[u64; 4]| counts.get(order).copied().unwrap_or(0) as f64;
        let matches = count(&counts.matches);
        let total = count(&counts.totals) + count(&counts.without);
        if matches == 0.0 && !matches!(smoothing, NltkSmoothing::Method2) {
            share /= 2.0;
        }
        let after_first = !std::mem::replace(&mut first, false);
        match smoothing {
            NltkSmoothing::Method2 if after_first => (matches + 1.0) / (total + 1.0),
            _ if matches > 0.0 => matches / total,
            NltkSmoothing::Method1 => 0.1 / total,
            NltkSmoothing::Method3 => share / total,
            NltkSmoothing::Method4 if length > 1.0 => share * length.ln() / 5.0 / total,
            // A precision of 0 is left out of the mean.
            NltkSmoothing::Method4 | NltkSmoothing::Method2 => 1.0,
            NltkSmoothing::Method0 => f64::MIN_POSITIVE,
        }
    };
    geometric_means([precision(0), precision(1), precision(2), precision(3)])
        .map(|mean| mean * penalty)
}

/// BLEU-1 to BLEU-4 of a corpus for the bootstrap, recomputed from the drawn pairs' counts.
#[derive(Debug)]
pub struct BleuStatistic {
    bleu: Bleu,
    counts: Box<[BleuCounts]>,
}

impl BleuStatistic {
    /// Of these pairs.
    ///
    /// # Errors
    /// No pair.
    pub fn new(bleu: Bleu, counts: Vec<BleuCounts>) -> Result<Self> {
        if counts.is_empty() {
            let hint = "give at least one report";
            return Err(MetricsError::new(
                Fault::Empty,
                "BLEU",
                "of no report",
                hint,
            ));
        }
        Ok(Self {
            bleu,
            counts: counts.into(),
        })
    }

    /// BLEU of the whole corpus, see [`Bleu::score`].
    pub fn corpus(&self) -> Option<[f64; 4]> {
        self.bleu
            .score(&BleuCounts::sum(self.counts.iter().copied()))
    }
}

impl Statistic for BleuStatistic {
    fn items(&self) -> usize {
        self.counts.len()
    }

    fn scores(&self) -> usize {
        4
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        let drawn = self
            .counts
            .iter()
            .zip(times)
            .filter(|(_, times)| **times > 0);
        let sum = BleuCounts::sum(drawn.map(|(counts, &times)| counts.times(times.into())));
        let values = self.bleu.score(&sum).unwrap_or([f64::NAN; 4]);
        scores.copy_from_slice(&values);
    }
}
