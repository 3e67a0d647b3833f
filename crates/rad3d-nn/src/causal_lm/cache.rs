//! Keys and values of the tokens seen so far.

use super::config::{DecoderConfig, Positions};
use super::rotary::RotaryTable;
use super::simd::LANES;
use crate::{Fault, NnError, Result};

/// Keys and values of up to `capacity` tokens in each of `sequences` independent sequences, taken
/// from the system in one piece. Pages that no token has reached cost nothing.
///
/// Made by [`super::CausalLm::cache`], filled by [`super::CausalLm::forward`].
pub struct KvCache {
    capacity: usize,
    lengths: Vec<usize>,
    layers: usize,
    heads: usize,
    head_width: usize,
    /// `[layer, sequence, head, position / 8, component, position % 8]`: eight positions are the
    /// lanes of one vector when a query meets the keys.
    keys: Vec<f32>,
    /// `[layer, sequence, head, position, component]`, heads padded to whole vectors.
    values: Vec<f32>,
    pub(super) rotary: Option<RotaryTable>,
}

impl KvCache {
    pub(super) fn new(config: &DecoderConfig, sequences: usize, capacity: usize) -> Result<Self> {
        if sequences == 0 || capacity == 0 || capacity > config.context {
            return Err(NnError::new(
                Fault::Tokens,
                "key and value cache",
                format!("{sequences} sequences of {capacity} tokens were asked for"),
                format!("this model takes 1 to {} tokens a sequence", config.context),
            ));
        }
        let capacity = capacity.next_multiple_of(LANES);
        let slots = config.layers * sequences * config.kv_heads;
        let rotary = match &config.positions {
            Positions::Rotary(rotary) => Some(RotaryTable::new(rotary, capacity)),
            Positions::Learned { .. } => None,
        };
        Ok(Self {
            capacity,
            lengths: vec![0; sequences],
            layers: config.layers,
            heads: config.kv_heads,
            head_width: config.head_width,
            keys: vec![0.0; slots * capacity * config.head_width],
            values: vec![0.0; slots * capacity * config.head_width.next_multiple_of(LANES)],
            rotary,
        })
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// Most tokens that a sequence can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tokens that a sequence holds.
    ///
    /// # Panics
    /// If there is no such sequence.
    pub fn length(&self, sequence: usize) -> usize {
        self.lengths[sequence]
    }

    /// Bytes set aside.
    pub fn bytes(&self) -> usize {
        4 * (self.keys.len() + self.values.len())
    }

    /// Forgets the tokens of a sequence from `length` on.
    ///
    /// # Panics
    /// If there is no such sequence.
    pub fn truncate(&mut self, sequence: usize, length: usize) {
        let held = &mut self.lengths[sequence];
        *held = length.min(*held);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lengths.fill(0);
    }

    /// Makes sequence `i` a copy of what was sequence `origin[i]`, for beam search.
    ///
    /// # Panics
    /// If `origin` has not one entry for each sequence, or names one that does not exist.
    pub fn reorder(&mut self, origin: &[usize]) {
        assert_eq!(
            origin.len(),
            self.sequences(),
            "one origin for each sequence"
        );
        let lengths: Vec<usize> = origin.iter().map(|&from| self.lengths[from]).collect();
        let moved: Vec<(usize, usize)> = origin
            .iter()
            .copied()
            .enumerate()
            .filter(|(to, from)| to != from)
            .collect();
        let value_width = self.head_width.next_multiple_of(LANES);
        for layer in 0..self.layers {
            for head in 0..self.heads {
                for (cache, width) in [
                    (&mut self.keys, self.head_width),
                    (&mut self.values, value_width),
                ] {
                    let slot = |sequence: usize| {
                        ((layer * lengths.len() + sequence) * self.heads + head)
                            * self.capacity
                            * width
                    };
                    // All are read before any is written: a beam may be both.
                    let taken: Vec<Vec<f32>> = moved
                        .iter()
                        .map(|&(to, from)| {
                            let used = lengths[to].next_multiple_of(LANES) * width;
                            cache[slot(from)..][..used].to_vec()
                        })
                        .collect();
                    for ((to, _), taken) in moved.iter().zip(taken) {
                        cache[slot(*to)..][..taken.len()].copy_from_slice(&taken);
                    }
                }
            }
        }
        self.lengths = lengths;
    }

    /// Claims the next `count` positions of a sequence and returns the first.
    pub(super) fn extend(&mut self, sequence: usize, count: usize) -> Result<usize> {
        let sequences = self.sequences();
        let Some(length) = self.lengths.get_mut(sequence) else {
            return Err(NnError::new(
                Fault::Tokens,
                "key and value cache",
                format!("there is no sequence {sequence} among {sequences}"),
                "make the cache for as many sequences as are used",
            ));
        };
        let start = *length;
        if start + count > self.capacity {
            return Err(NnError::new(
                Fault::Tokens,
                "key and value cache",
                format!("{} tokens do not fit {}", start + count, self.capacity),
                "make the cache larger, the prompt shorter or generate fewer tokens",
            ));
        }
        *length += count;
        Ok(start)
    }

    fn slot(&self, layer: usize, sequence: usize, head: usize) -> usize {
        ((layer * self.sequences() + sequence) * self.heads + head) * self.capacity
    }

    /// Stores one token's keys and values, `[head, component]`.
    pub(super) fn store(&mut self, layer: usize, place: Place, keys: &[f32], values: &[f32]) {
        let width = self.head_width;
        let padded = width.next_multiple_of(LANES);
        for head in 0..self.heads {
            let slot = self.slot(layer, place.sequence, head);
            let first = (slot + place.position / LANES * LANES) * width + place.position % LANES;
            let lanes = self.keys[first..].iter_mut().step_by(LANES);
            for (to, key) in lanes.zip(&keys[head * width..][..width]) {
                *to = *key;
            }
            self.values[(slot + place.position) * padded..][..width]
                .copy_from_slice(&values[head * width..][..width]);
        }
    }

    /// Keys and values of one head of one sequence, from position 0 on.
    pub(super) fn head(&self, layer: usize, sequence: usize, head: usize) -> (&[f32], &[f32]) {
        let slot = self.slot(layer, sequence, head);
        let padded = self.head_width.next_multiple_of(LANES);
        (
            &self.keys[slot * self.head_width..][..self.capacity * self.head_width],
            &self.values[slot * padded..][..self.capacity * padded],
        )
    }
}

/// Where a token stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) sequence: usize,
    pub(super) position: usize,
}
