//! The spatial layers' bias: a small network of the offset between two tokens (spec 2.2).

use super::config::CtVitConfig;
use crate::Result;
use crate::cpu::{AttentionBias, Isa};
use crate::source::Scope;

/// Slope of LeakyReLU below zero.
pub(super) const LEAK: f32 = 0.1;

/// Bias of every offset (query minus key), `[head, 2h − 1, 2w − 1]`.
///
/// The network sees nothing but the offset, so it is evaluated once for each of them, at load,
/// instead of for each pair of tokens in every pass: 2,209 times instead of 331,776.
#[derive(Debug)]
pub(super) struct SpatialBias {
    heads: usize,
    h: usize,
    w: usize,
    table: Vec<f32>,
}

impl SpatialBias {
    pub(super) fn load(mut scope: Scope<'_>, config: &CtVitConfig) -> Result<Self> {
        let (dim, heads, grid) = (config.dim, config.heads, config.grid());
        let input = scope.take("net.0.0.weight", &[dim, 2])?;
        let input_bias = scope.take("net.0.0.bias", &[dim])?;
        let hidden = scope.take("net.1.0.weight", &[dim, dim])?;
        let hidden_bias = scope.take("net.1.0.bias", &[dim])?;
        let output = scope.take("net.2.weight", &[heads, dim])?;
        let output_bias = scope.take("net.2.bias", &[heads])?;

        let (rows, columns) = (2 * grid.h - 1, 2 * grid.w - 1);
        let mut table = vec![0.0; heads * rows * columns];
        for dy in 0..rows {
            for dx in 0..columns {
                let offset = [log_distance(dy, grid.h), log_distance(dx, grid.w)];
                let first = leaky(linear(&input, &input_bias, &offset));
                let second = leaky(linear(&hidden, &hidden_bias, &first));
                let biases = linear(&output, &output_bias, &second);
                for (head, bias) in biases.into_iter().enumerate() {
                    table[(head * rows + dy) * columns + dx] = bias;
                }
            }
        }
        Ok(Self {
            heads,
            h: grid.h,
            w: grid.w,
            table,
        })
    }

    /// Bias that `head` adds to the score of the tokens `query` and `key` of a slab.
    pub(super) fn of(&self, head: usize, query: usize, key: usize) -> f32 {
        let (rows, columns) = (2 * self.h - 1, 2 * self.w - 1);
        let dy = query / self.w + self.h - 1 - key / self.w;
        let dx = query % self.w + self.w - 1 - key % self.w;
        self.table[(head * rows + dy) * columns + dx]
    }

    /// The biases as the fused attention takes them.
    pub(super) fn panels(&self, isa: Isa) -> AttentionBias {
        AttentionBias::new(isa, self.heads, self.h * self.w, |head, query, key| {
            self.of(head, query, key)
        })
    }
}

/// `sign(r) · ln(|r| + 1)` of the offset r that `index` stands for.
pub(super) fn log_distance(index: usize, size: usize) -> f32 {
    let offset = index as f32 - (size - 1) as f32;
    offset.signum() * (offset.abs() + 1.0).ln()
}

fn linear(weight: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let rows = weight.chunks_exact(x.len()).zip(bias);
    rows.map(|(row, bias)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + bias)
        .collect()
}

fn leaky(mut x: Vec<f32>) -> Vec<f32> {
    for x in &mut x {
        *x = if *x < 0.0 { *x * LEAK } else { *x };
    }
    x
}
