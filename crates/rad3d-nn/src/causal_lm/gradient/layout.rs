//! Where each weight lies in one long row.

use std::ops::Range;

use super::super::config::DecoderConfig;
use super::super::load::{Linear, Weights};
use super::super::matrix::Matrix;

/// A parameter's name, shape and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its published name.
    pub name: String,
    /// Axes, slowest first.
    pub shape: Vec<usize>,
    /// Its values among the weights.
    pub range: Range<usize>,
}

/// Ranges of one block.
#[derive(Debug, Clone)]
pub(super) struct BlockLayout {
    pub(super) attention_norm: Range<usize>,
    pub(super) query: Range<usize>,
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) output: Range<usize>,
    pub(super) mlp_norm: Range<usize>,
    pub(super) gate: Range<usize>,
    pub(super) up: Range<usize>,
    pub(super) down: Range<usize>,
}

/// Ranges of all weights.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) tokens: Range<usize>,
    pub(super) blocks: Vec<BlockLayout>,
    pub(super) final_norm: Range<usize>,
    pub(super) head: Option<Range<usize>>,
    pub(super) parameters: Vec<Parameter>,
}

impl Layout {
    pub(super) fn new(config: &DecoderConfig) -> Self {
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut add = |name: String, shape: &[usize]| {
            let start = parameters.last().map_or(0, |last| last.range.end);
            let range = start..start + shape.iter().product::<usize>();
            parameters.push(Parameter {
                name,
                shape: shape.to_vec(),
                range: range.clone(),
            });
            range
        };
        let (width, mlp) = (config.width, config.mlp_width);
        let (queries, keys) = (config.query_width(), config.kv_width());
        let tokens = add(
            "model.embed_tokens.weight".to_owned(),
            &[config.vocabulary, width],
        );
        let blocks = (0..config.layers)
            .map(|index| {
                let mut add = |part: &str, shape: &[usize]| {
                    add(format!("model.layers.{index}.{part}.weight"), shape)
                };
                BlockLayout {
                    attention_norm: add("input_layernorm", &[width]),
                    query: add("self_attn.q_proj", &[queries, width]),
                    key: add("self_attn.k_proj", &[keys, width]),
                    value: add("self_attn.v_proj", &[keys, width]),
                    output: add("self_attn.o_proj", &[width, queries]),
                    mlp_norm: add("post_attention_layernorm", &[width]),
                    gate: add("mlp.gate_proj", &[mlp, width]),
                    up: add("mlp.up_proj", &[mlp, width]),
                    down: add("mlp.down_proj", &[width, mlp]),
                }
            })
            .collect();
        let final_norm = add("model.norm.weight".to_owned(), &[width]);
        let untied = (!config.tied_head)
            .then(|| add("lm_head.weight".to_owned(), &[config.vocabulary, width]));
        Self {
            tokens,
            blocks,
            final_norm,
            head: untied,
            parameters,
        }
    }

    /// The loaded weights in this order; a part that the model lacks stays zero.
    pub(super) fn gather(&self, weights: &Weights) -> Vec<f32> {
        let length = self.parameters.last().map_or(0, |last| last.range.end);
        let mut all = vec![0.0; length];
        let mut matrix = |range: &Range<usize>, matrix: &Matrix| {
            let rows = all[range.clone()].chunks_exact_mut(matrix.columns());
            for (index, row) in rows.enumerate() {
                matrix.row(index, row);
            }
        };
        matrix(&self.tokens, &weights.tokens);
        for (layout, block) in self.blocks.iter().zip(&weights.blocks) {
            let gate = block.gate.as_ref().unwrap_or(&block.up);
            let maps: [(&Range<usize>, &Linear); 7] = [
                (&layout.query, &block.query),
                (&layout.key, &block.key),
                (&layout.value, &block.value),
                (&layout.output, &block.output),
                (&layout.gate, gate),
                (&layout.up, &block.up),
                (&layout.down, &block.down),
            ];
            for (range, linear) in maps {
                matrix(range, &linear.matrix);
            }
        }
        if let (Some(range), Some(head)) = (&self.head, &weights.head) {
            matrix(range, &head.matrix);
        }
        for (layout, block) in self.blocks.iter().zip(&weights.blocks) {
            all[layout.attention_norm.clone()].copy_from_slice(&block.attention_norm.weight);
            all[layout.mlp_norm.clone()].copy_from_slice(&block.mlp_norm.weight);
        }
        if let Some(norm) = &weights.final_norm {
            all[self.final_norm.clone()].copy_from_slice(&norm.weight);
        }
        all
    }
}
