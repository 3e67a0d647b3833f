//! What happens to scores before a token is chosen.

use std::collections::HashSet;

use super::settings::GenerationSettings;
use crate::cpu::{Isa, exp, largest, sum_of, vectorised};

/// Logarithms of the probabilities that `logits` stand for.
pub fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let shift = log_sum(Isa::detect(), logits);
    logits.iter().map(|logit| logit - shift).collect()
}

/// Logarithm of the probability of one token.
pub(super) fn log_probability(logits: &[f32], token: u32) -> f32 {
    logits[token as usize] - log_sum(Isa::detect(), logits)
}

vectorised! {
    /// `ln(sum of e^logit)`; short sums in 32 bits, their sum in 64.
    fn log_sum(logits: &[f32]) -> f32 {
        let largest = largest(logits);
        let mut sum = 0.0;
        for part in logits.chunks(1024) {
            sum += f64::from(sum_of(part, |logit| exp::<FMA>(logit - largest)));
        }
        largest + sum.ln() as f32
    }

    /// The largest score.
    fn highest(scores: &[f32]) -> f32 {
        largest(scores)
    }
}

/// Applies the penalties of `settings`; `history` are the ids of prompt and text so far.
pub(super) fn penalise(settings: &GenerationSettings, history: &[u32], scores: &mut [f32]) {
    let penalty = settings.repetition_penalty;
    if penalty != 1.0 {
        let seen: HashSet<u32> = history.iter().copied().collect();
        for token in seen {
            if let Some(score) = scores.get_mut(token as usize) {
                *score = if *score < 0.0 {
                    *score * penalty
                } else {
                    *score / penalty
                };
            }
        }
    }
    let length = settings.no_repeat_ngram;
    if length > 0 && history.len() + 1 >= length {
        let (_, tail) = history.split_at(history.len() + 1 - length);
        for run in history.windows(length) {
            if let Some((&last, start)) = run.split_last()
                && start == tail
                && let Some(score) = scores.get_mut(last as usize)
            {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}

/// Index of the largest score, the first if several are equal.
pub fn most_likely(scores: &[f32]) -> u32 {
    let highest = highest(Isa::detect(), scores);
    let found = scores.iter().position(|score| *score == highest);
    found.unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let logs = log_softmax(&[3.0, -1.0, 0.5, 80.0, 79.0]);
        let sum: f32 = logs.iter().map(|log| log.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
        assert!((logs[3] - log_probability(&[3.0, -1.0, 0.5, 80.0, 79.0], 3)).abs() < 1e-5);
    }

    #[test]
    fn repetition_is_penalised_once_for_each_token_and_towards_less() {
        let settings = GenerationSettings {
            repetition_penalty: 2.0,
            ..Default::default()
        };
        let mut scores = [4.0, -4.0, 1.0];
        penalise(&settings, &[0, 1, 0, 1], &mut scores);
        assert_eq!(scores, [2.0, -8.0, 1.0]);
    }

    #[test]
    fn no_run_of_tokens_is_completed_twice() {
        let settings = GenerationSettings {
            no_repeat_ngram: 3,
            ..Default::default()
        };
        let mut scores = [0.0; 8];
        penalise(&settings, &[1, 2, 3, 1, 2, 4, 1, 2], &mut scores);
        assert_eq!(
            scores.map(f32::is_finite),
            [true, true, true, false, false, true, true, true]
        );
        let settings = GenerationSettings {
            no_repeat_ngram: 1,
            ..Default::default()
        };
        let mut scores = [0.0; 4];
        penalise(&settings, &[2], &mut scores);
        assert_eq!(scores[2], f32::NEG_INFINITY);
        assert_eq!(scores[1], 0.0);
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        assert_eq!(most_likely(&[1.0, 3.0, 3.0, f32::NEG_INFINITY]), 1);
        let many: Vec<f32> = (0..1000)
            .map(|i| ((i * 37 % 251) as f32).min(200.0))
            .collect();
        let first = many.iter().position(|score| *score == 200.0);
        assert_eq!(first, Some(most_likely(&many) as usize));
    }
}
