//! Beam search over one prompt, step for step as `transformers` 5 does it.

use super::scores::{log_softmax, penalise};
use super::settings::{BeamSettings, EarlyStopping, GenerationSettings};
use super::{Ended, Generated, Prompt};
use crate::Result;
use crate::causal_lm::{CausalLm, LogitsOf, Segment, SegmentInput};

/// Score of what must never win; finite, so that it can be compared and divided.
const NEVER: f32 = -1.0e9;

/// A text that is still growing.
#[derive(Clone)]
struct Beam {
    tokens: Vec<u32>,
    log_probabilities: Vec<f32>,
    /// Sum of the processed log-probabilities.
    score: f32,
    /// The beam of the previous step that this one continues.
    origin: usize,
}

/// A text that has ended.
struct Finished {
    beam: Beam,
    /// Score by the length penalty.
    score: f32,
}

/// The best text for `prompt`.
pub(super) fn search(
    model: &CausalLm,
    prompt: &Prompt<'_>,
    settings: &GenerationSettings,
    beam: BeamSettings,
) -> Result<Generated> {
    let prompt_ids = prompt.known_ids();
    let capacity = prompt.length(model) + settings.max_new_tokens;
    let mut cache = model.cache(beam.beams, capacity)?;
    let mut logits = model.forward(&mut cache, &prompt.segments(0), LogitsOf::Last)?;
    cache.reorder(&vec![0; beam.beams]);

    let mut running = vec![Beam {
        tokens: Vec::new(),
        log_probabilities: Vec::new(),
        score: 0.0,
        origin: 0,
    }];
    let mut finished: Vec<Finished> = Vec::new();
    // Twice as many candidates as beams, so that enough are left when some end.
    let kept = beam.beams * (1 + settings.stop_tokens.len()).max(2);
    for length in 1..=settings.max_new_tokens {
        let mut candidates: Vec<(f32, usize, u32, f32)> = Vec::new();
        for (index, beam) in running.iter().enumerate() {
            let raw = log_softmax(logits.row(index));
            let mut scores = raw.clone();
            let history = [prompt_ids.as_slice(), &beam.tokens].concat();
            penalise(settings, &history, &mut scores);
            candidates.extend(
                scores
                    .iter()
                    .zip(raw)
                    .enumerate()
                    .map(|(token, (score, raw))| (beam.score + score, index, token as u32, raw)),
            );
        }
        let kept = kept.min(candidates.len());
        candidates.select_nth_unstable_by(kept - 1, by_score);
        candidates.truncate(kept);
        candidates.sort_unstable_by(by_score);

        let at_limit = length == settings.max_new_tokens;
        let mut open = Vec::new();
        for (rank, &(score, origin, token, log_probability)) in candidates.iter().enumerate() {
            let ends = at_limit || settings.stop_tokens.contains(&token);
            if ends && rank >= beam.beams || !ends && open.len() == beam.beams {
                continue;
            }
            let mut grown = running[origin].clone();
            grown.tokens.push(token);
            grown.log_probabilities.push(log_probability);
            (grown.score, grown.origin) = (score, origin);
            if ends {
                let score = score / (length as f32).powf(beam.length_penalty);
                finished.push(Finished { beam: grown, score });
            } else {
                open.push(grown);
            }
        }
        finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        finished.truncate(beam.beams);
        running = open;

        let is_full = finished.len() == beam.beams;
        if running.is_empty()
            || is_full && beam.early_stopping == EarlyStopping::WhenFull
            || is_full && !can_improve(beam, settings, length, &running, &finished)
        {
            break;
        }
        // Fewer may be open than there are beams only when the vocabulary is tiny.
        let mut origins: Vec<usize> = running.iter().map(|beam| beam.origin).collect();
        origins.resize(beam.beams, 0);
        cache.reorder(&origins);
        let last: Vec<[u32; 1]> = running
            .iter()
            .map(|beam| [beam.tokens.last().copied().unwrap_or(0)])
            .collect();
        let segments: Vec<Segment<'_>> = last
            .iter()
            .enumerate()
            .map(|(sequence, token)| Segment {
                sequence,
                input: SegmentInput::Ids(token),
            })
            .collect();
        logits = model.forward(&mut cache, &segments, LogitsOf::Last)?;
    }

    let (best, score) = finished
        .into_iter()
        .next()
        .map(|finished| (finished.beam, finished.score))
        .or_else(|| running.into_iter().next().map(|beam| (beam, NEVER)))
        .unzip();
    let (tokens, log_probabilities) = best.map_or_else(Default::default, |beam: Beam| {
        (beam.tokens, beam.log_probabilities)
    });
    let stopped = tokens
        .last()
        .is_some_and(|token| settings.stop_tokens.contains(token));
    Ok(Generated {
        tokens,
        log_probabilities,
        ended: if stopped {
            Ended::StopToken
        } else {
            Ended::Length
        },
        beam_score: score,
    })
}

/// Best score first; equal scores by beam, then by token.
fn by_score(a: &(f32, usize, u32, f32), b: &(f32, usize, u32, f32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2)))
}

/// Whether the best running text may yet score better than the worst finished one.
fn can_improve(
    beam: BeamSettings,
    settings: &GenerationSettings,
    length: usize,
    running: &[Beam],
    finished: &[Finished],
) -> bool {
    let longest = match beam.early_stopping {
        EarlyStopping::Never if beam.length_penalty > 0.0 => settings.max_new_tokens,
        _ => length,
    };
    let best = running.first().map_or(NEVER, |beam| beam.score);
    let worst = finished.last().map_or(NEVER, |finished| finished.score);
    best / (longest as f32).powf(beam.length_penalty) > worst
}
