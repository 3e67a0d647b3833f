//! Multi-head attention of one layer (spec 2.3).

use rayon::prelude::*;

use super::config::CtVitConfig;
use super::layers::{LayerNorm, TASK_PANELS, rows_to_panels, split};
use crate::Result;
use crate::cpu::{
    AttentionBias, AttentionShape, Kernel, PackedMatrix, add_panel_to_rows, attend, panel_to_rows,
    rows_to_panel, with_scratch,
};
use crate::source::Scope;

/// The constant that multiplies q̂·k̂; it stands where 1/√head_dim usually does.
const SCORE_SCALE: f32 = 8.0;

/// Attention with l2-normalised queries and keys; keys and values see the un-normalised input.
#[derive(Debug)]
pub(super) struct Attention {
    norm: LayerNorm,
    to_q: PackedMatrix,
    to_kv: PackedMatrix,
    /// `q_scale`, times [`SCORE_SCALE`].
    query_gain: Vec<f32>,
    key_gain: Vec<f32>,
    to_out: PackedMatrix,
}

impl Attention {
    pub(super) fn load(mut scope: Scope<'_>, kernel: Kernel, config: &CtVitConfig) -> Result<Self> {
        let (dim, inner, head_dim) = (config.dim, config.inner(), config.head_dim);
        let mut matrix = |name, outputs, inputs| -> Result<_> {
            let weight = scope.take(name, &[outputs, inputs])?;
            Ok(PackedMatrix::new(kernel, &weight, outputs, inputs))
        };
        let to_q = matrix("to_q.weight", inner, dim)?;
        let to_kv = matrix("to_kv.weight", 2 * inner, dim)?;
        let to_out = matrix("to_out.weight", dim, inner)?;
        let q_scale = scope.take("q_scale", &[head_dim])?;
        Ok(Self {
            norm: LayerNorm::load(scope.scope("norm"), "gamma", "beta", dim)?,
            to_q,
            to_kv,
            query_gain: q_scale.iter().map(|scale| scale * SCORE_SCALE).collect(),
            key_gain: scope.take("k_scale", &[head_dim])?.to_vec(),
            to_out,
        })
    }

    /// `x += attention(x)` for `x` `[sequence, token, dim]`.
    pub(super) fn forward(
        &self,
        shape: AttentionShape,
        bias: Option<&AttentionBias>,
        x: &mut [f32],
        buffers: &mut AttentionBuffers,
    ) {
        let AttentionBuffers { qkv, heads } = buffers;
        self.queries_keys_values(x, qkv);
        let isa = self.to_q.isa();
        attend(
            isa,
            shape,
            qkv,
            &self.query_gain,
            &self.key_gain,
            bias,
            heads,
        );
        self.merge_heads(shape, heads, x);
    }

    /// Fills `qkv` `[token, 3 · inner]` from `x` `[token, dim]`.
    fn queries_keys_values(&self, x: &[f32], qkv: &mut [f32]) {
        let isa = self.to_q.isa();
        let lanes = isa.lanes();
        let (dim, inner) = (self.to_q.inputs(), self.to_q.outputs());
        let tokens = TASK_PANELS * lanes;
        let sizes = [
            tokens * dim,
            lanes * dim,
            tokens * self.to_q.padded_outputs().max(self.to_kv.padded_outputs()),
        ];
        let tasks = x
            .par_chunks(tokens * dim)
            .zip(qkv.par_chunks_mut(tokens * 3 * inner));
        tasks.for_each(|(x, qkv)| {
            with_scratch(sizes.iter().sum(), |scratch| {
                let [input, rows, product] = split(scratch, sizes);
                let panels = (x.len() / dim).div_ceil(lanes);
                let input = &mut input[..panels * dim * lanes];
                let mut project = |matrix: &PackedMatrix, input: &[f32], column: usize| {
                    let size = matrix.padded_outputs() * lanes;
                    matrix.multiply_all(input, &mut product[..panels * size]);
                    let groups = product
                        .chunks_exact(size)
                        .zip(qkv.chunks_mut(lanes * 3 * inner));
                    for (product, qkv) in groups {
                        let rows = &mut qkv[column..];
                        panel_to_rows(isa, product, matrix.outputs(), rows, 3 * inner);
                    }
                };
                self.norm.rows_to_panels(isa, x, rows, input);
                project(&self.to_q, input, 0);
                rows_to_panels(isa, x, dim, input);
                project(&self.to_kv, input, inner);
            });
        });
    }

    /// `x += to_out(heads)` for `heads` `[sequence, head, token, head_dim]`.
    fn merge_heads(&self, shape: AttentionShape, heads: &[f32], x: &mut [f32]) {
        let isa = self.to_out.isa();
        let lanes = isa.lanes();
        let (dim, inner) = (self.to_out.outputs(), self.to_out.inputs());
        let tokens = TASK_PANELS * lanes;
        let size = self.to_out.padded_outputs() * lanes;
        let sizes = [tokens * inner, lanes * inner, TASK_PANELS * size];
        x.par_chunks_mut(tokens * dim)
            .enumerate()
            .for_each(|(task, x)| {
                with_scratch(sizes.iter().sum(), |scratch| {
                    let [input, rows, product] = split(scratch, sizes);
                    let count = x.len() / dim;
                    let panels = count.div_ceil(lanes);
                    for panel in 0..panels {
                        let first = panel * lanes;
                        let rows = &mut rows[..lanes.min(count - first) * inner];
                        for (offset, row) in rows.chunks_exact_mut(inner).enumerate() {
                            let token = task * tokens + first + offset;
                            let (sequence, token) = (token / shape.tokens, token % shape.tokens);
                            for (head, out) in row.chunks_exact_mut(shape.head_dim).enumerate() {
                                let head = sequence * shape.heads + head;
                                let start = (head * shape.tokens + token) * shape.head_dim;
                                out.copy_from_slice(&heads[start..start + shape.head_dim]);
                            }
                        }
                        let input = &mut input[panel * inner * lanes..][..inner * lanes];
                        rows_to_panel(isa, rows.chunks_exact(inner), inner, input);
                    }
                    self.to_out.multiply_all(
                        &input[..panels * inner * lanes],
                        &mut product[..panels * size],
                    );
                    for (product, x) in product.chunks_exact(size).zip(x.chunks_mut(lanes * dim)) {
                        add_panel_to_rows(isa, product, dim, x, dim);
                    }
                });
            });
    }
}

/// Memory that all layers share.
pub(super) struct AttentionBuffers {
    /// `[token, 3 · inner]`.
    qkv: Vec<f32>,
    /// `[sequence, head, token, head_dim]`.
    heads: Vec<f32>,
}

impl AttentionBuffers {
    pub(super) fn new(tokens: usize, inner: usize) -> Self {
        Self {
            qkv: vec![0.0; tokens * 3 * inner],
            heads: vec![0.0; tokens * inner],
        }
    }
}
