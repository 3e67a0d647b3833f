//! The bias of offsets within a slab: a small network of the offset's logarithms (spec 2.2).

use std::ops::Range;

use crate::ct_vit::config::{CtVitConfig, TokenGrid};
use crate::ct_vit::spatial_bias::{LEAK, log_distance};
use crate::matmul::{Matrix, matmul};

/// Weight and bias of its three layers.
#[derive(Debug, Clone)]
pub(super) struct BiasLayout {
    pub(super) layers: [(Range<usize>, Range<usize>); 3],
}

/// One evaluation of the network, which serves a whole batch.
pub(super) struct BiasPass {
    heads: usize,
    /// The offset of each pair of a query and a key in a slab.
    offsets: Vec<u32>,
    /// What goes into each layer, `[offsets, features]`.
    inputs: Vec<Vec<f32>>,
    /// `[offsets, heads]`.
    table: Vec<f32>,
}

impl BiasPass {
    pub(super) fn new(config: &CtVitConfig, layout: &super::Layout, weights: &[f32]) -> Self {
        let grid = config.grid();
        let (rows, columns) = (2 * grid.h - 1, 2 * grid.w - 1);
        let mut x: Vec<f32> = (0..rows * columns)
            .flat_map(|offset| {
                [
                    log_distance(offset / columns, grid.h),
                    log_distance(offset % columns, grid.w),
                ]
            })
            .collect();
        let mut inputs = Vec::new();
        for (index, (weight, bias)) in layout.bias.layers.iter().enumerate() {
            if index > 0 {
                for value in &mut x {
                    *value *= if *value < 0.0 { LEAK } else { 1.0 };
                }
            }
            let (outputs, offsets) = (bias.len(), rows * columns);
            let features = weight.len() / outputs;
            let mut out = weights[bias.clone()].repeat(offsets);
            let weight = Matrix::new(&weights[weight.clone()], outputs, features);
            let input = Matrix::new(&x, offsets, features);
            matmul(input, weight.transposed(), &mut out, true);
            inputs.push(std::mem::replace(&mut x, out));
        }
        Self {
            heads: config.heads,
            offsets: offsets(grid),
            inputs,
            table: x,
        }
    }

    /// The bias of each offset, `[offsets, heads]`.
    pub(super) fn table(&self) -> &[f32] {
        &self.table
    }

    /// Fills `scores` `[query, key]` of a slab with a head's biases.
    pub(super) fn spread(&self, head: usize, scores: &mut [f32]) {
        for (score, &offset) in scores.iter_mut().zip(&self.offsets) {
            *score = self.table[offset as usize * self.heads + head];
        }
    }

    /// Adds errors `[query, key]` to those of their offsets.
    pub(super) fn gather(&self, head: usize, errors: &[f32], sums: &mut [f32]) {
        for (error, &offset) in errors.iter().zip(&self.offsets) {
            sums[offset as usize * self.heads + head] += error;
        }
    }

    /// Gradients of the network's weights from those of the table.
    pub(super) fn backward(
        &self,
        layout: &super::Layout,
        weights: &[f32],
        errors: &[f32],
        sums: &mut [f32],
    ) {
        let mut errors = errors.to_vec();
        let layers = layout.bias.layers.iter().zip(&self.inputs).enumerate();
        for (index, ((weight, bias), input)) in layers.rev() {
            let outputs = bias.len();
            let (offsets, features) = (errors.len() / outputs, weight.len() / outputs);
            for row in errors.chunks_exact(outputs) {
                super::add(&mut sums[bias.clone()], row);
            }
            let rows = Matrix::new(&errors, offsets, outputs);
            matmul(
                rows.transposed(),
                Matrix::new(input, offsets, features),
                &mut sums[weight.clone()],
                true,
            );
            if index == 0 {
                return;
            }
            let mut back = vec![0.0; offsets * features];
            let weight = Matrix::new(&weights[weight.clone()], outputs, features);
            matmul(rows, weight, &mut back, false);
            // The leak keeps signs, so the layer's input tells which side it came from.
            for (error, input) in back.iter_mut().zip(input) {
                *error *= if *input < 0.0 { LEAK } else { 1.0 };
            }
            errors = back;
        }
    }
}

/// Where each pair of query and key finds its offset in the table.
fn offsets(grid: TokenGrid) -> Vec<u32> {
    let TokenGrid { h, w, .. } = grid;
    let slab = h * w;
    (0..slab * slab)
        .map(|pair| {
            let (query, key) = (pair / slab, pair % slab);
            let dy = query / w + h - 1 - key / w;
            let dx = query % w + w - 1 - key % w;
            (dy * (2 * w - 1) + dx) as u32
        })
        .collect()
}
