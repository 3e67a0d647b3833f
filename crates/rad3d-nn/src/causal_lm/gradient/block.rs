//! One block, forwards and backwards.
//!
//! The sequences of a stack lie one below the other: linear maps and norms take all rows at once,
//! so that each weight is fetched and packed once for all of them; attention takes them one by one.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::config::DecoderConfig;
use super::super::rotary::RotaryTable;
use super::BlockLayout;
use super::ops::{add, add_rms_norm_back, gated, gated_back, rms_norm};
use crate::cpu::{Isa, softmax, softmax_back};
use crate::matmul::{Matrix, matmul_into};

/// A block at work on a stack of sequences.
pub(super) struct Block<'a> {
    pub(super) config: &'a DecoderConfig,
    pub(super) layout: &'a BlockLayout,
    pub(super) weights: &'a [f32],
    pub(super) epsilon: f32,
    pub(super) isa: Isa,
    pub(super) table: &'a RotaryTable,
    /// Rows of each sequence.
    pub(super) spans: &'a [Range<usize>],
    /// Rows of all of them.
    pub(super) tokens: usize,
    pub(super) operations: &'a Operations,
    /// Whether gradients of weights are added to those of other stacks, rather than written. Adding
    /// to fresh zeros would have the system give each page twice, first to read and then to write.
    pub(super) accumulate: bool,
}

/// Counts the floating-point operations of matrix products.
#[derive(Debug, Default)]
pub(super) struct Operations(AtomicU64);

impl Operations {
    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// `out = factor · a · b` (or `+=`) into rows that begin `step` apart, counted.
    pub(super) fn product(
        &self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        (out, step): (&mut [f32], usize),
        factor: f32,
        add: bool,
    ) {
        self.0.fetch_add(a.operations(b), Ordering::Relaxed);
        matmul_into(a, b, out, step, factor, add);
    }
}

/// What the way back needs of the way there.
pub(super) struct Kept {
    x: Vec<f32>,
    inverse: Vec<f32>,
    /// Turned to their positions.
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    /// `[heads, tokens, tokens]` of each sequence, one after the other.
    attention: Vec<f32>,
    middle: Vec<f32>,
    middle_inverse: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    /// Inputs of the linear maps, where their weights are trained.
    inputs: Option<Inputs>,
}

struct Inputs {
    normed: Vec<f32>,
    mixed: Vec<f32>,
    middle_normed: Vec<f32>,
    hidden: Vec<f32>,
}

impl Block<'_> {
    fn weight(&self, range: &Range<usize>, outputs: usize) -> Matrix<'_> {
        let values = &self.weights[range.clone()];
        Matrix::new(values, outputs, values.len() / outputs)
    }

    /// `x · Wᵀ` for a weight of `outputs` rows.
    fn linear(&self, x: &[f32], range: &Range<usize>, outputs: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.tokens * outputs];
        let x = Matrix::new(x, self.tokens, x.len() / self.tokens);
        let weight = self.weight(range, outputs).transposed();
        self.operations
            .product(x, weight, (&mut out, outputs), 1.0, false);
        out
    }

    /// Writes `back · W` to `out`, or adds it, and `backᵀ · input` to the weight's gradient.
    fn linear_back(
        &self,
        back: &[f32],
        range: &Range<usize>,
        (out, add): (&mut [f32], bool),
        train: Option<(&mut [f32], &[f32])>,
    ) {
        let outputs = back.len() / self.tokens;
        let back = Matrix::new(back, self.tokens, outputs);
        let width = out.len() / self.tokens;
        let weight = self.weight(range, outputs);
        self.operations
            .product(back, weight, (out, width), 1.0, add);
        if let Some((gradient, input)) = train {
            let input = Matrix::new(input, self.tokens, width);
            let gradient = (&mut gradient[range.clone()], width);
            self.operations
                .product(back.transposed(), input, gradient, 1.0, self.accumulate);
        }
    }

    /// The next residual stream, and what to keep.
    pub(super) fn forward(&self, x: Vec<f32>, train: bool) -> (Vec<f32>, Kept) {
        let (config, layout) = (self.config, self.layout);
        let gain = &self.weights[layout.attention_norm.clone()];
        let (normed, inverse) = rms_norm(self.isa, &x, gain, self.epsilon);
        let (query_width, kv_width) = (config.query_width(), config.kv_width());
        let mut queries = self.linear(&normed, &layout.query, query_width);
        let mut keys = self.linear(&normed, &layout.key, kv_width);
        let values = self.linear(&normed, &layout.value, kv_width);
        self.turn(&mut queries, query_width, RotaryTable::turn);
        self.turn(&mut keys, kv_width, RotaryTable::turn);
        let (attention, mixed) = self.attend(&queries, &keys, &values);
        let mut middle = self.linear(&mixed, &layout.output, config.width);
        add(self.isa, &mut middle, &x);
        let gain = &self.weights[layout.mlp_norm.clone()];
        let (middle_normed, middle_inverse) = rms_norm(self.isa, &middle, gain, self.epsilon);
        let gate = self.linear(&middle_normed, &layout.gate, config.mlp_width);
        let up = self.linear(&middle_normed, &layout.up, config.mlp_width);
        let mut hidden = vec![0.0; gate.len()];
        gated(self.isa, &gate, &up, &mut hidden);
        let mut out = self.linear(&hidden, &layout.down, config.width);
        add(self.isa, &mut out, &middle);
        let inputs = train.then_some(Inputs {
            normed,
            mixed,
            middle_normed,
            hidden,
        });
        let kept = Kept {
            x,
            inverse,
            queries,
            keys,
            values,
            attention,
            middle,
            middle_inverse,
            gate,
            up,
            inputs,
        };
        (out, kept)
    }

    /// Turns the heads of all rows, `width` wide, to or from their positions.
    fn turn(&self, rows: &mut [f32], width: usize, turn: impl Fn(&RotaryTable, &mut [f32], usize)) {
        for span in self.spans {
            let rows = &mut rows[span.start * width..span.end * width];
            for (position, row) in rows.chunks_exact_mut(width).enumerate() {
                for head in row.chunks_exact_mut(self.config.head_width) {
                    turn(self.table, head, position);
                }
            }
        }
    }

    /// Head `head`'s part of a sequence's queries, or its group's part of keys or values.
    fn head<'m>(
        &self,
        rows: &'m [f32],
        span: &Range<usize>,
        head: usize,
        grouped: bool,
    ) -> Matrix<'m> {
        let config = self.config;
        let (index, width) = match grouped {
            true => (head * config.kv_heads / config.heads, config.kv_width()),
            false => (head, config.query_width()),
        };
        let from = span.start * width + index * config.head_width;
        Matrix::with_step(&rows[from..], span.len(), config.head_width, width)
    }

    /// Each sequence, and the place of its attention weights `[heads, tokens, tokens]`.
    fn attention_places(&self) -> impl Iterator<Item = (&Range<usize>, Range<usize>)> {
        let mut end = 0;
        self.spans.iter().map(move |span| {
            let start = end;
            end += self.config.heads * span.len() * span.len();
            (span, start..end)
        })
    }

    /// Causal attention: weights `[heads, tokens, tokens]` of each sequence, and mixed values.
    fn attend(&self, queries: &[f32], keys: &[f32], values: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let config = self.config;
        let scale = (config.head_width as f32).powf(-0.5);
        let width = config.query_width();
        let weights = self.attention_places().last();
        let mut attention = vec![0.0; weights.map_or(0, |(_, place)| place.end)];
        let mut mixed = vec![0.0; self.tokens * width];
        for (span, place) in self.attention_places() {
            let tokens = span.len();
            let heads = attention[place].chunks_exact_mut(tokens * tokens);
            for (head, scores) in heads.enumerate() {
                let query = self.head(queries, span, head, false);
                let key = self.head(keys, span, head, true).transposed();
                self.operations
                    .product(query, key, (scores, tokens), scale, false);
                for (position, row) in scores.chunks_exact_mut(tokens).enumerate() {
                    let (seen, hidden) = row.split_at_mut(position + 1);
                    softmax(self.isa, seen);
                    hidden.fill(0.0);
                }
                let value = self.head(values, span, head, true);
                let scores = Matrix::new(scores, tokens, tokens);
                let out = &mut mixed[span.start * width + head * config.head_width..];
                self.operations
                    .product(scores, value, (out, width), 1.0, false);
            }
        }
        (attention, mixed)
    }

    /// From the gradient behind the block to that before it.
    pub(super) fn backward(
        &self,
        mut back: Vec<f32>,
        kept: Kept,
        mut gradient: Option<&mut [f32]>,
    ) -> Vec<f32> {
        let (config, layout, tokens) = (self.config, self.layout, self.tokens);
        let inputs = kept.inputs.as_ref();
        // One closure a map would borrow the gradient for too long; a macro says it as shortly.
        macro_rules! train {
            ($input:ident) => {
                match (gradient.as_deref_mut(), inputs) {
                    (Some(gradient), Some(inputs)) => Some((gradient, &*inputs.$input)),
                    _ => None,
                }
            };
        }
        let mut hidden = vec![0.0; tokens * config.mlp_width];
        self.linear_back(&back, &layout.down, (&mut hidden, false), train!(hidden));
        let mut gate_back = hidden.clone();
        gated_back(self.isa, &kept.gate, &kept.up, &mut gate_back, &mut hidden);
        let mut normed = vec![0.0; tokens * config.width];
        self.linear_back(
            &gate_back,
            &layout.gate,
            (&mut normed, false),
            train!(middle_normed),
        );
        self.linear_back(
            &hidden,
            &layout.up,
            (&mut normed, true),
            train!(middle_normed),
        );
        let (norm, middle) = (&layout.mlp_norm, (&*kept.middle, &*kept.middle_inverse));
        self.add_norm_back(&mut back, &normed, norm, middle, gradient.as_deref_mut());

        let mut mixed = vec![0.0; tokens * config.query_width()];
        self.linear_back(&back, &layout.output, (&mut mixed, false), train!(mixed));
        let [queries, keys, values] = self.attend_back(&mixed, &kept);
        let mut normed = vec![0.0; tokens * config.width];
        self.linear_back(
            &queries,
            &layout.query,
            (&mut normed, false),
            train!(normed),
        );
        self.linear_back(&keys, &layout.key, (&mut normed, true), train!(normed));
        self.linear_back(&values, &layout.value, (&mut normed, true), train!(normed));
        let (norm, x) = (&layout.attention_norm, (&*kept.x, &*kept.inverse));
        self.add_norm_back(&mut back, &normed, norm, x, gradient);
        back
    }

    /// Adds what comes back through a norm to the residual stream's gradient.
    fn add_norm_back(
        &self,
        back: &mut [f32],
        through: &[f32],
        norm: &Range<usize>,
        (x, inverse): (&[f32], &[f32]),
        gradient: Option<&mut [f32]>,
    ) {
        let gain = &self.weights[norm.clone()];
        let mut gain_sum = vec![0.0; gain.len()];
        let x = (x, inverse);
        add_rms_norm_back(self.isa, through, x, gain, back, &mut gain_sum);
        if let Some(gradient) = gradient {
            add(self.isa, &mut gradient[norm.clone()], &gain_sum);
        }
    }

    /// Gradients of queries, keys and values, before they were turned.
    fn attend_back(&self, mixed: &[f32], kept: &Kept) -> [Vec<f32>; 3] {
        let config = self.config;
        let (width, query_width, kv_width) =
            (config.head_width, config.query_width(), config.kv_width());
        let scale = (width as f32).powf(-0.5);
        let mut queries = vec![0.0; self.tokens * query_width];
        let mut keys = vec![0.0; self.tokens * kv_width];
        let mut values = vec![0.0; self.tokens * kv_width];
        let mut errors = Vec::new();
        for (span, place) in self.attention_places() {
            let tokens = span.len();
            errors.resize(tokens * tokens, 0.0);
            let heads = kept.attention[place].chunks_exact(tokens * tokens);
            for (head, attention) in heads.enumerate() {
                let group = head * config.kv_heads / config.heads * width;
                let group = span.start * kv_width + group;
                let out = self.head(mixed, span, head, false);
                let value = self.head(&kept.values, span, head, true).transposed();
                self.operations
                    .product(out, value, (&mut errors, tokens), 1.0, false);
                let seen = Matrix::new(attention, tokens, tokens).transposed();
                let into = (&mut values[group..], kv_width);
                self.operations.product(seen, out, into, 1.0, true);
                let rows = errors.chunks_exact_mut(tokens);
                for (position, (errors, attention)) in
                    rows.zip(attention.chunks_exact(tokens)).enumerate()
                {
                    let (seen, hidden) = errors.split_at_mut(position + 1);
                    softmax_back(self.isa, &attention[..=position], seen);
                    hidden.fill(0.0);
                }
                let errors = Matrix::new(&errors, tokens, tokens);
                let key = self.head(&kept.keys, span, head, true);
                let query = self.head(&kept.queries, span, head, false);
                let into = (
                    &mut queries[span.start * query_width + head * width..],
                    query_width,
                );
                self.operations.product(errors, key, into, scale, false);
                let into = (&mut keys[group..], kv_width);
                self.operations
                    .product(errors.transposed(), query, into, scale, true);
            }
        }
        self.turn(&mut queries, query_width, RotaryTable::turn_back);
        self.turn(&mut keys, kv_width, RotaryTable::turn_back);
        [queries, keys, values]
    }
}
