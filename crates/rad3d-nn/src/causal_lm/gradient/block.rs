//! One block, forwards and backwards.

use super::super::config::DecoderConfig;
use super::super::rotary::RotaryTable;
use super::BlockLayout;
use super::ops::{rms_norm, rms_norm_back};
use crate::matmul::{Matrix, matmul, matmul_into};

/// A block at work on one sequence.
pub(super) struct Block<'a> {
    pub(super) config: &'a DecoderConfig,
    pub(super) layout: &'a BlockLayout,
    pub(super) weights: &'a [f32],
    pub(super) epsilon: f32,
    pub(super) table: &'a RotaryTable,
    pub(super) tokens: usize,
}

/// What the way back needs of the way there.
pub(super) struct Kept {
    x: Vec<f32>,
    inverse: Vec<f32>,
    /// Turned to their positions.
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    /// `[heads, tokens, tokens]`.
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
    fn weight(&self, range: &std::ops::Range<usize>, outputs: usize) -> Matrix<'_> {
        let values = &self.weights[range.clone()];
        Matrix::new(values, outputs, values.len() / outputs)
    }

    /// `x · Wᵀ` for a weight of `outputs` rows.
    fn linear(&self, x: &[f32], range: &std::ops::Range<usize>, outputs: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.tokens * outputs];
        let x = Matrix::new(x, self.tokens, x.len() / self.tokens);
        matmul(x, self.weight(range, outputs).transposed(), &mut out, false);
        out
    }

    /// Adds `back · W` to `out`, and `backᵀ · input` to the weight's gradient.
    fn linear_back(
        &self,
        back: &[f32],
        range: &std::ops::Range<usize>,
        out: &mut [f32],
        train: Option<(&mut [f32], &[f32])>,
    ) {
        let outputs = back.len() / self.tokens;
        let back = Matrix::new(back, self.tokens, outputs);
        matmul(back, self.weight(range, outputs), out, true);
        if let Some((gradient, input)) = train {
            let input = Matrix::new(input, self.tokens, input.len() / self.tokens);
            matmul(back.transposed(), input, &mut gradient[range.clone()], true);
        }
    }

    /// The next residual stream, and what to keep.
    pub(super) fn forward(&self, x: Vec<f32>, train: bool) -> (Vec<f32>, Kept) {
        let (config, layout, tokens) = (self.config, self.layout, self.tokens);
        let gain = &self.weights[layout.attention_norm.clone()];
        let (normed, inverse) = rms_norm(&x, gain, self.epsilon);
        let (query_width, kv_width) = (config.query_width(), config.kv_width());
        let mut queries = self.linear(&normed, &layout.query, query_width);
        let mut keys = self.linear(&normed, &layout.key, kv_width);
        let values = self.linear(&normed, &layout.value, kv_width);
        for (rows, width) in [(&mut queries, query_width), (&mut keys, kv_width)] {
            for (position, row) in rows.chunks_exact_mut(width).enumerate() {
                for head in row.chunks_exact_mut(config.head_width) {
                    self.table.turn(head, position);
                }
            }
        }
        let (attention, mixed) = self.attend(&queries, &keys, &values);
        let mut middle = self.linear(&mixed, &layout.output, config.width);
        for (sum, x) in middle.iter_mut().zip(&x) {
            *sum += x;
        }
        let gain = &self.weights[layout.mlp_norm.clone()];
        let (middle_normed, middle_inverse) = rms_norm(&middle, gain, self.epsilon);
        let gate = self.linear(&middle_normed, &layout.gate, config.mlp_width);
        let up = self.linear(&middle_normed, &layout.up, config.mlp_width);
        let hidden: Vec<f32> = gate.iter().zip(&up).map(|(g, u)| silu(*g) * u).collect();
        let mut out = self.linear(&hidden, &layout.down, config.width);
        for (sum, x) in out.iter_mut().zip(&middle) {
            *sum += x;
        }
        debug_assert_eq!(out.len(), tokens * config.width);
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

    /// Head `head`'s part of queries, and its group's part of keys or values.
    fn head<'m>(&self, rows: &'m [f32], head: usize, grouped: bool) -> Matrix<'m> {
        let config = self.config;
        let (index, width) = match grouped {
            true => (head * config.kv_heads / config.heads, config.kv_width()),
            false => (head, config.query_width()),
        };
        let from = index * config.head_width;
        Matrix::with_step(&rows[from..], self.tokens, config.head_width, width)
    }

    /// Causal attention: weights `[heads, tokens, tokens]` and mixed values.
    fn attend(&self, queries: &[f32], keys: &[f32], values: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (config, tokens) = (self.config, self.tokens);
        let scale = (config.head_width as f32).powf(-0.5);
        let width = config.query_width();
        let mut attention = vec![0.0; config.heads * tokens * tokens];
        let mut mixed = vec![0.0; tokens * width];
        for (head, scores) in attention.chunks_exact_mut(tokens * tokens).enumerate() {
            let query = self.head(queries, head, false);
            let key = self.head(keys, head, true).transposed();
            matmul_into(query, key, scores, tokens, scale, false);
            for (position, row) in scores.chunks_exact_mut(tokens).enumerate() {
                let (seen, hidden) = row.split_at_mut(position + 1);
                softmax(seen);
                hidden.fill(0.0);
            }
            let value = self.head(values, head, true);
            let out = &mut mixed[head * config.head_width..];
            matmul_into(
                Matrix::new(scores, tokens, tokens),
                value,
                out,
                width,
                1.0,
                false,
            );
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
        self.linear_back(&back, &layout.down, &mut hidden, train!(hidden));
        let mut gate_back = hidden.clone();
        let places = gate_back.iter_mut().zip(&mut hidden);
        for ((gate_back, up_back), (&gate, &up)) in places.zip(kept.gate.iter().zip(&kept.up)) {
            let sigmoid = 1.0 / (1.0 + (-gate).exp());
            *gate_back *= up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
            *up_back *= gate * sigmoid;
        }
        let mut normed = vec![0.0; tokens * config.width];
        self.linear_back(&gate_back, &layout.gate, &mut normed, train!(middle_normed));
        self.linear_back(&hidden, &layout.up, &mut normed, train!(middle_normed));
        let (norm, middle) = (&layout.mlp_norm, (&*kept.middle, &*kept.middle_inverse));
        self.add_norm_back(&mut back, &normed, norm, middle, gradient.as_deref_mut());

        let mut mixed = vec![0.0; tokens * config.query_width()];
        self.linear_back(&back, &layout.output, &mut mixed, train!(mixed));
        let [queries, keys, values] = self.attend_back(&mixed, &kept);
        let mut normed = vec![0.0; tokens * config.width];
        self.linear_back(&queries, &layout.query, &mut normed, train!(normed));
        self.linear_back(&keys, &layout.key, &mut normed, train!(normed));
        self.linear_back(&values, &layout.value, &mut normed, train!(normed));
        let (norm, x) = (&layout.attention_norm, (&*kept.x, &*kept.inverse));
        self.add_norm_back(&mut back, &normed, norm, x, gradient);
        back
    }

    /// Adds what comes back through a norm to the residual stream's gradient.
    fn add_norm_back(
        &self,
        back: &mut [f32],
        through: &[f32],
        norm: &std::ops::Range<usize>,
        (x, inverse): (&[f32], &[f32]),
        gradient: Option<&mut [f32]>,
    ) {
        let gain = &self.weights[norm.clone()];
        let mut gain_sum = vec![0.0; gain.len()];
        let more = rms_norm_back(through, x, gain, inverse, &mut gain_sum);
        for (sum, more) in back.iter_mut().zip(&more) {
            *sum += more;
        }
        if let Some(gradient) = gradient {
            for (sum, part) in gradient[norm.clone()].iter_mut().zip(&gain_sum) {
                *sum += part;
            }
        }
    }

    /// Gradients of queries, keys and values, before they were turned.
    fn attend_back(&self, mixed: &[f32], kept: &Kept) -> [Vec<f32>; 3] {
        let (config, tokens) = (self.config, self.tokens);
        let (width, query_width, kv_width) =
            (config.head_width, config.query_width(), config.kv_width());
        let scale = (width as f32).powf(-0.5);
        let mut queries = vec![0.0; tokens * query_width];
        let mut keys = vec![0.0; tokens * kv_width];
        let mut values = vec![0.0; tokens * kv_width];
        let mut errors = vec![0.0; tokens * tokens];
        for (head, attention) in kept.attention.chunks_exact(tokens * tokens).enumerate() {
            let group = head * config.kv_heads / config.heads * width;
            let out = self.head(mixed, head, false);
            let value = self.head(&kept.values, head, true);
            matmul(out, value.transposed(), &mut errors, false);
            let seen = Matrix::new(attention, tokens, tokens);
            matmul_into(
                seen.transposed(),
                out,
                &mut values[group..],
                kv_width,
                1.0,
                true,
            );
            let rows = errors
                .chunks_exact_mut(tokens)
                .zip(attention.chunks_exact(tokens));
            for (errors, attention) in rows {
                let mean: f32 = errors.iter().zip(attention).map(|(e, a)| e * a).sum();
                for (error, attention) in errors.iter_mut().zip(attention) {
                    *error = attention * (*error - mean);
                }
            }
            let errors = Matrix::new(&errors, tokens, tokens);
            let key = self.head(&kept.keys, head, true);
            let query = self.head(&kept.queries, head, false);
            let into = &mut queries[head * width..];
            matmul_into(errors, key, into, query_width, scale, false);
            matmul_into(
                errors.transposed(),
                query,
                &mut keys[group..],
                kv_width,
                scale,
                true,
            );
        }
        for (rows, row_width) in [(&mut queries, query_width), (&mut keys, kv_width)] {
            for (position, row) in rows.chunks_exact_mut(row_width).enumerate() {
                for head in row.chunks_exact_mut(width) {
                    self.table.turn_back(head, position);
                }
            }
        }
        [queries, keys, values]
    }
}

fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - most).exp();
        sum += *value;
    }
    for value in row.iter_mut() {
        *value /= sum;
    }
}
