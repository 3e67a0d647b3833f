//! Generation of text with a [`CausalLm`].

mod beam;
mod sample;
mod scores;
mod settings;

use std::ops::ControlFlow;

pub use scores::{log_softmax, most_likely};
pub use settings::{BeamSettings, EarlyStopping, GenerationSettings, SampleSettings, Strategy};

use sample::Sampler;
use scores::{log_probability, penalise};

use crate::causal_lm::{CausalLm, LogitsOf, Segment, SegmentInput};
use crate::{Fault, NnError, Result};

/// What a text begins with: ids, embeddings, or both in turn.
#[derive(Debug, Clone)]
pub struct Prompt<'a>(pub Vec<SegmentInput<'a>>);

impl<'a> Prompt<'a> {
    /// A prompt of token ids.
    pub fn ids(ids: &'a [u32]) -> Self {
        Self(vec![SegmentInput::Ids(ids)])
    }

    /// A prompt of vectors in the place of tokens: `[tokens, embedding width]`.
    pub fn embeddings(values: &'a [f32]) -> Self {
        Self(vec![SegmentInput::Embeddings(values)])
    }

    /// Goes on with token ids; none change nothing.
    #[must_use]
    pub fn then_ids(mut self, ids: &'a [u32]) -> Self {
        if !ids.is_empty() {
            self.0.push(SegmentInput::Ids(ids));
        }
        self
    }

    /// Number of tokens, embeddings counted as such.
    fn length(&self, model: &CausalLm) -> usize {
        let width = model.config().embedding_width;
        let lengths = self.0.iter().map(|input| match input {
            SegmentInput::Ids(ids) => ids.len(),
            SegmentInput::Embeddings(values) => values.len() / width,
        });
        lengths.sum()
    }

    fn segments(&self, sequence: usize) -> Vec<Segment<'a>> {
        self.0
            .iter()
            .map(|&input| Segment { sequence, input })
            .collect()
    }

    /// The token ids in it, which count for repetition; embeddings have none.
    fn known_ids(&self) -> Vec<u32> {
        let ids = self.0.iter().filter_map(|input| match input {
            SegmentInput::Ids(ids) => Some(ids.iter().copied()),
            SegmentInput::Embeddings(_) => None,
        });
        ids.flatten().collect()
    }
}

/// A generated text.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The new tokens, a stop token included.
    pub tokens: Vec<u32>,
    /// The model's log-probability of each, before penalties and temperature.
    pub log_probabilities: Vec<f32>,
    /// Why it ended.
    pub ended: Ended,
    /// In beam search, the score by which it won.
    pub beam_score: Option<f32>,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A stop token came.
    StopToken,
    /// `max_new_tokens` or `max_length` were reached.
    Length,
    /// The observer asked to stop.
    Cancelled,
}

/// A token, told to an observer as soon as it is chosen.
#[derive(Debug, Clone, Copy)]
pub struct NewToken {
    /// Index of the prompt.
    pub prompt: usize,
    /// The token's id.
    pub token: u32,
    /// The model's log-probability of it.
    pub log_probability: f32,
    /// Why the text ends with this token, if it does.
    pub ended: Option<Ended>,
}

/// One text of a batch in the making.
struct Draft {
    prompt: usize,
    history: Vec<u32>,
    /// Most tokens of the text.
    room: usize,
    text: Generated,
    sampler: Option<Sampler>,
}

/// Continues each prompt, all in one batch; texts that have ended leave it.
///
/// `observe` sees every token when it is chosen, and may end that prompt's text by breaking. Beam
/// search decides on tokens at the end only, and handles one prompt after the other.
///
/// # Errors
/// [`Fault::Tokens`] for settings out of range, an empty prompt, ids outside the vocabulary, and
/// prompts that with the tokens to generate exceed the model's context, or `max_length` by
/// themselves; else as [`CausalLm::forward`].
pub fn generate(
    model: &CausalLm,
    prompts: &[Prompt<'_>],
    settings: &GenerationSettings,
    observe: &mut dyn FnMut(NewToken) -> ControlFlow<()>,
) -> Result<Vec<Generated>> {
    settings.validate()?;
    for (index, prompt) in prompts.iter().enumerate() {
        let (length, context) = (prompt.length(model), model.config().context);
        let room = settings.room_after(length);
        if length == 0 || room == 0 || length.saturating_add(room) > context {
            let most = settings.max_length.unwrap_or(context).min(context);
            return Err(NnError::new(
                Fault::Tokens,
                format!("prompt {index}"),
                format!("{length} tokens with {room} to generate"),
                format!("this model takes 1 to {most} tokens in all"),
            ));
        }
    }
    match settings.strategy {
        Strategy::Beam(beam) => {
            let mut texts = Vec::with_capacity(prompts.len());
            for (index, prompt) in prompts.iter().enumerate() {
                let own = GenerationSettings {
                    max_new_tokens: settings.room_after(prompt.length(model)),
                    ..settings.clone()
                };
                let mut text = beam::search(model, prompt, &own, beam)?;
                let last = text.tokens.len().saturating_sub(1);
                let tokens = text.tokens.iter().zip(&text.log_probabilities);
                for (at, (&token, &log_probability)) in tokens.enumerate() {
                    if observe(NewToken {
                        prompt: index,
                        token,
                        log_probability,
                        ended: (at == last).then_some(text.ended),
                    })
                    .is_break()
                    {
                        text.ended = Ended::Cancelled;
                        break;
                    }
                }
                texts.push(text);
            }
            Ok(texts)
        }
        Strategy::Greedy => one_by_one(model, prompts, settings, None, observe),
        Strategy::Sample(sample) => one_by_one(model, prompts, settings, Some(sample), observe),
    }
}

/// Chooses a token at a time for every prompt.
fn one_by_one(
    model: &CausalLm,
    prompts: &[Prompt<'_>],
    settings: &GenerationSettings,
    sample: Option<SampleSettings>,
    observe: &mut dyn FnMut(NewToken) -> ControlFlow<()>,
) -> Result<Vec<Generated>> {
    let whole = prompts.iter().map(|prompt| {
        let length = prompt.length(model);
        length + settings.room_after(length)
    });
    let Some(longest) = whole.max() else {
        return Ok(Vec::new());
    };
    let mut cache = model.cache(prompts.len(), longest)?;
    let mut drafts: Vec<Draft> = prompts
        .iter()
        .enumerate()
        .map(|(index, prompt)| Draft {
            prompt: index,
            history: prompt.known_ids(),
            room: settings.room_after(prompt.length(model)),
            text: Generated {
                tokens: Vec::new(),
                log_probabilities: Vec::new(),
                ended: Ended::Length,
                beam_score: None,
            },
            sampler: sample.map(|sample| Sampler::new(sample, index)),
        })
        .collect();
    let segments: Vec<Segment<'_>> = prompts
        .iter()
        .enumerate()
        .flat_map(|(index, prompt)| prompt.segments(index))
        .collect();
    let mut logits = model.forward(&mut cache, &segments, LogitsOf::Last)?;
    let mut done: Vec<Draft> = Vec::new();
    loop {
        let mut open = Vec::with_capacity(drafts.len());
        for (row, mut draft) in drafts.into_iter().enumerate() {
            match draft.choose(logits.row(row), settings, observe) {
                ControlFlow::Continue(()) => open.push(draft),
                ControlFlow::Break(ended) => {
                    draft.text.ended = ended;
                    done.push(draft);
                }
            }
        }
        drafts = open;
        if drafts.is_empty() {
            break;
        }
        let segments: Vec<Segment<'_>> = drafts
            .iter()
            .map(|draft| {
                let (_, last) = draft.history.split_at(draft.history.len() - 1);
                Segment {
                    sequence: draft.prompt,
                    input: SegmentInput::Ids(last),
                }
            })
            .collect();
        logits = model.forward(&mut cache, &segments, LogitsOf::Last)?;
    }
    done.sort_by_key(|draft| draft.prompt);
    Ok(done.into_iter().map(|draft| draft.text).collect())
}

impl Draft {
    /// Adds the next token; breaks when the text has ended.
    fn choose(
        &mut self,
        logits: &[f32],
        settings: &GenerationSettings,
        observe: &mut dyn FnMut(NewToken) -> ControlFlow<()>,
    ) -> ControlFlow<Ended> {
        let mut scores = logits.to_vec();
        penalise(settings, &self.history, &mut scores);
        let token = match &mut self.sampler {
            Some(sampler) => sampler.draw(&scores),
            None => most_likely(&scores),
        };
        let log_probability = log_probability(logits, token);
        self.history.push(token);
        self.text.tokens.push(token);
        self.text.log_probabilities.push(log_probability);
        let ended = if settings.stop_tokens.contains(&token) {
            Some(Ended::StopToken)
        } else if self.text.tokens.len() == self.room {
            Some(Ended::Length)
        } else {
            None
        };
        let told = observe(NewToken {
            prompt: self.prompt,
            token,
            log_probability,
            ended,
        });
        match ended {
            Some(Ended::StopToken) => ControlFlow::Break(Ended::StopToken),
            _ if told.is_break() => ControlFlow::Break(Ended::Cancelled),
            Some(ended) => ControlFlow::Break(ended),
            None => ControlFlow::Continue(()),
        }
    }
}
