//! How the text is to be chosen, as the command line says it.

use rad3d_nn::generate::{BeamSettings, GenerationSettings, SampleSettings, Strategy};

/// How the text is chosen, token by token.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Text")]
pub(super) struct GenerationArgs {
    /// Follow so many texts at a time and take the likeliest, instead of the likeliest token
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    beams: Option<usize>,

    /// Draw tokens at random, with this temperature: below 1 bolder, above 1 more varied
    #[arg(long, value_name = "TEMPERATURE", conflicts_with = "beams")]
    sample: Option<f32>,

    /// With --sample: only the likeliest tokens whose probabilities sum to this
    #[arg(long, value_name = "SHARE", requires = "sample", default_value_t = 1.0)]
    top_p: f32,

    /// With --sample: only so many likeliest tokens; 0 for all
    #[arg(long, value_name = "N", requires = "sample", default_value_t = 0)]
    top_k: usize,

    /// With --sample: beginning of the random numbers
    #[arg(long, requires = "sample", default_value_t = 0)]
    seed: u64,

    /// Most tokens written
    #[arg(long, value_name = "N", default_value_t = 384, value_parser = at_least_one)]
    max_tokens: usize,

    /// No run of so many tokens is written twice, which breaks loops; 0 allows all
    #[arg(long, value_name = "N", default_value_t = 24)]
    no_repeat: usize,

    /// Makes tokens seen before less likely; 1 leaves them alone
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    repetition_penalty: f32,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected 1 or more".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

impl GenerationArgs {
    /// The settings, for a model that has room for `room` tokens.
    pub(super) fn settings(&self, room: usize) -> GenerationSettings {
        let strategy = match (self.beams, self.sample) {
            (Some(beams), _) => Strategy::Beam(BeamSettings {
                beams,
                ..BeamSettings::default()
            }),
            (None, Some(temperature)) => Strategy::Sample(SampleSettings {
                temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                seed: self.seed,
            }),
            (None, None) => Strategy::Greedy,
        };
        GenerationSettings {
            max_new_tokens: self.max_tokens.min(room),
            max_length: None,
            stop_tokens: Vec::new(),
            strategy,
            repetition_penalty: self.repetition_penalty,
            no_repeat_ngram: self.no_repeat,
        }
    }
}

/// The way of choosing, in words.
pub(super) fn in_words(strategy: Strategy) -> String {
    match strategy {
        Strategy::Greedy => "the likeliest token each time".into(),
        Strategy::Beam(beam) => format!("beam search over {} texts", beam.beams),
        Strategy::Sample(sample) => format!(
            "drawn at random (temperature {}, top-p {}, top-k {}, seed {})",
            sample.temperature, sample.top_p, sample.top_k, sample.seed
        ),
    }
}
