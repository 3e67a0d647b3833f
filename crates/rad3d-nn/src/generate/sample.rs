//! Random choice of a token.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::settings::SampleSettings;

/// Chooses tokens for one prompt.
pub(super) struct Sampler {
    settings: SampleSettings,
    random: ChaCha8Rng,
}

impl Sampler {
    /// For prompt number `stream` of a batch.
    pub(super) fn new(settings: SampleSettings, stream: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        random.set_stream(stream as u64);
        Self { settings, random }
    }

    /// Draws a token; temperature, then `top_k`, then `top_p` apply.
    pub(super) fn draw(&mut self, scores: &[f32]) -> u32 {
        let SampleSettings {
            temperature,
            top_k,
            top_p,
            ..
        } = self.settings;
        let mut tokens: Vec<u32> = (0..scores.len() as u32)
            .filter(|&token| scores[token as usize] > f32::NEG_INFINITY)
            .collect();
        let score = |token: u32| f64::from(scores[token as usize]) / f64::from(temperature);
        let by_score = |a: &u32, b: &u32| score(*b).total_cmp(&score(*a)).then(a.cmp(b));
        if top_k > 0 && top_k < tokens.len() {
            tokens.select_nth_unstable_by(top_k - 1, by_score);
            tokens.truncate(top_k);
        }
        tokens.sort_unstable_by(by_score);
        let Some(&best) = tokens.first() else {
            return 0;
        };
        let mut weights: Vec<f64> = tokens
            .iter()
            .map(|&token| (score(token) - score(best)).exp())
            .collect();
        if top_p < 1.0 {
            let total: f64 = weights.iter().sum();
            let mut sum = 0.0;
            // The token that reaches the sum is kept, so at least one is.
            let kept = weights
                .iter()
                .position(|weight| {
                    sum += weight / total;
                    sum >= f64::from(top_p)
                })
                .map_or(weights.len(), |last| last + 1);
            weights.truncate(kept);
        }
        let total: f64 = weights.iter().sum();
        let mut left = self.unit() * total;
        for (weight, &token) in weights.iter().zip(&tokens) {
            left -= weight;
            if left < 0.0 {
                return token;
            }
        }
        tokens[weights.len() - 1]
    }

    /// A number from 0 to below 1, from the upper 53 bits of the generator's next 64.
    fn unit(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(settings: SampleSettings, scores: &[f32], draws: usize) -> Vec<usize> {
        let mut sampler = Sampler::new(settings, 0);
        let mut counts = vec![0; scores.len()];
        for _ in 0..draws {
            counts[sampler.draw(scores) as usize] += 1;
        }
        counts
    }

    #[test]
    fn frequencies_are_the_probabilities() {
        let scores = [0.7f32.ln(), f32::NEG_INFINITY, 0.2f32.ln(), 0.1f32.ln()];
        let counts = counts(SampleSettings::default(), &scores, 20_000);
        for (count, expected) in counts.iter().zip([0.7, 0.0, 0.2, 0.1]) {
            // Four standard deviations of a count are below 0.013.
            assert!(
                (*count as f64 / 20_000.0 - expected).abs() < 0.013,
                "{counts:?}"
            );
        }
    }

    #[test]
    fn top_k_and_top_p_leave_the_rest_out() {
        let scores = [0.1f32.ln(), 0.4f32.ln(), 0.3f32.ln(), 0.2f32.ln()];
        let two = counts(
            SampleSettings {
                top_k: 2,
                ..Default::default()
            },
            &scores,
            2000,
        );
        assert!(
            two[0] == 0 && two[3] == 0 && two[1] > 900 && two[2] > 700,
            "{two:?}"
        );
        let most = counts(
            SampleSettings {
                top_p: 0.65,
                ..Default::default()
            },
            &scores,
            2000,
        );
        assert!(most[0] == 0 && most[3] == 0 && most[2] > 700, "{most:?}");
        let one = counts(
            SampleSettings {
                top_p: 0.01,
                ..Default::default()
            },
            &scores,
            100,
        );
        assert_eq!(one[1], 100);
    }

    #[test]
    fn a_low_temperature_is_greedy_and_a_seed_repeats_itself() {
        let scores = [1.0, 1.5, 0.0];
        let cold = SampleSettings {
            temperature: 0.01,
            ..Default::default()
        };
        assert_eq!(counts(cold, &scores, 100)[1], 100);
        let draws = |seed, stream| {
            let mut sampler = Sampler::new(
                SampleSettings {
                    seed,
                    ..Default::default()
                },
                stream,
            );
            (0..50).map(|_| sampler.draw(&scores)).collect::<Vec<_>>()
        };
        assert_eq!(draws(7, 0), draws(7, 0));
        assert_ne!(draws(7, 0), draws(8, 0));
        assert_ne!(draws(7, 0), draws(7, 1));
    }
}
