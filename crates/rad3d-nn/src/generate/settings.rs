//! How text is to be generated.

use serde::{Deserialize, Serialize};

use crate::{Fault, NnError, Result};

/// How the next tokens are chosen, and when to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GenerationSettings {
    /// Most tokens that are generated, the stop token included.
    pub max_new_tokens: usize,
    /// Most tokens of a prompt and its text together, where there is such a limit; each prompt of a
    /// batch counts by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Tokens that end the text.
    pub stop_tokens: Vec<u32>,
    /// How tokens are chosen.
    pub strategy: Strategy,
    /// Divides positive, multiplies negative scores of tokens seen before (Keskar et al., CTRL,
    /// arXiv 1909.05858); 1 leaves them alone.
    pub repetition_penalty: f32,
    /// No run of so many tokens is written twice; 0 allows all.
    pub no_repeat_ngram: usize,
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            max_length: None,
            stop_tokens: Vec::new(),
            strategy: Strategy::Greedy,
            repetition_penalty: 1.0,
            no_repeat_ngram: 0,
        }
    }
}

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Strategy {
    /// The likeliest token each time; the lower id if two are equal.
    Greedy,
    /// The likeliest texts, several followed at a time.
    Beam(BeamSettings),
    /// A random token each time.
    Sample(SampleSettings),
}

/// Beam search with the meaning that `transformers` gives these settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct BeamSettings {
    /// Texts followed at a time.
    pub beams: usize,
    /// A finished text scores its log-probability divided by its length to this power.
    pub length_penalty: f32,
    /// When to end.
    pub early_stopping: EarlyStopping,
}

impl Default for BeamSettings {
    fn default() -> Self {
        Self {
            beams: 4,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::Heuristic,
        }
    }
}

/// When beam search ends before `max_new_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyStopping {
    /// When the best running text, at its present length, scores less than every finished one
    /// (`False` in `transformers`).
    Heuristic,
    /// As soon as as many texts as beams are finished (`True`).
    WhenFull,
    /// When no running text can overtake, at whatever length (`"never"`).
    Never,
}

/// Random choice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SampleSettings {
    /// Divides the scores: below 1 bolder, above 1 more varied.
    pub temperature: f32,
    /// Only the so many likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens whose probabilities sum to this; 1 for all.
    pub top_p: f32,
    /// Beginning of the random numbers: ChaCha with 8 rounds, one stream for each prompt of a
    /// batch, one number for each token. The same seed gives the same text on every machine with
    /// the same scores.
    pub seed: u64,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed: 0,
        }
    }
}

impl GenerationSettings {
    /// Most tokens that are generated after a prompt of `length` tokens.
    #[must_use]
    pub fn room_after(&self, length: usize) -> usize {
        let left = self.max_length.map(|most| most.saturating_sub(length));
        left.unwrap_or(usize::MAX).min(self.max_new_tokens)
    }

    /// Checks that every number is in range.
    ///
    /// # Errors
    /// [`Fault::Tokens`] that names the setting.
    pub fn validate(&self) -> Result<()> {
        let check = |name: &str, holds: bool, met: String, needed: &str| {
            if holds {
                return Ok(());
            }
            let what = format!("{name} is {met}");
            Err(NnError::new(
                Fault::Tokens,
                "generation settings",
                what,
                needed,
            ))
        };
        let positive = |x: f32| x.is_finite() && x > 0.0;
        let tokens = self.max_new_tokens;
        check(
            "max-new-tokens",
            tokens > 0,
            tokens.to_string(),
            "take 1 or more",
        )?;
        let penalty = self.repetition_penalty;
        check(
            "repetition-penalty",
            positive(penalty),
            penalty.to_string(),
            "take a number above 0; 1 is none",
        )?;
        match self.strategy {
            Strategy::Greedy => Ok(()),
            Strategy::Beam(beam) => {
                check(
                    "beams",
                    beam.beams > 0,
                    beam.beams.to_string(),
                    "take 1 or more",
                )?;
                let penalty = beam.length_penalty;
                check(
                    "length-penalty",
                    penalty.is_finite(),
                    penalty.to_string(),
                    "take a number; 0 is none",
                )
            }
            Strategy::Sample(sample) => {
                let temperature = sample.temperature;
                check(
                    "temperature",
                    positive(temperature),
                    temperature.to_string(),
                    "take a number above 0, or greedy choice",
                )?;
                let top_p = sample.top_p;
                let in_range = top_p > 0.0 && top_p <= 1.0;
                check(
                    "top-p",
                    in_range,
                    top_p.to_string(),
                    "take a number above 0, at most 1",
                )
            }
        }
    }
}
