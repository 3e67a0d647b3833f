//! Small parts that several stages share.

use crate::Result;
use crate::cpu::{Isa, normalise_row, rows_to_panel};
use crate::source::{Scope, Weight};

/// Panels of tokens that one task takes through a product: enough to pay for reading the weights
/// from the L2 cache, few enough that the task's activations stay near.
pub(super) const TASK_PANELS: usize = 8;

/// Gain and shift of a LayerNorm, `[features]` each.
#[derive(Debug)]
pub(super) struct LayerNorm {
    gain: Weight,
    shift: Weight,
}

impl LayerNorm {
    /// `gain` and `shift` are the parameters' names: `weight`, `bias` or `gamma`, `beta`.
    pub(super) fn load(
        mut scope: Scope<'_>,
        gain: &str,
        shift: &str,
        features: usize,
    ) -> Result<Self> {
        Ok(Self {
            gain: scope.take(gain, &[features])?,
            shift: scope.take(shift, &[features])?,
        })
    }

    /// Normalises one row of features.
    pub(super) fn row(&self, isa: Isa, row: &[f32], out: &mut [f32]) {
        normalise_row(isa, row, &self.gain, &self.shift, out);
    }

    /// Normalises the rows of `x` `[tokens, features]` into panels `[panel, feature, lane]`.
    ///
    /// `rows` is scratch for one panel's rows, `[lanes, features]`.
    pub(super) fn rows_to_panels(&self, isa: Isa, x: &[f32], rows: &mut [f32], panels: &mut [f32]) {
        let features = self.gain.len();
        let lanes = isa.lanes();
        let groups = x
            .chunks(lanes * features)
            .zip(panels.chunks_exact_mut(lanes * features));
        for (group, panel) in groups {
            let rows = &mut rows[..group.len()];
            for (row, out) in group
                .chunks_exact(features)
                .zip(rows.chunks_exact_mut(features))
            {
                self.row(isa, row, out);
            }
            rows_to_panel(isa, rows.chunks_exact(features), features, panel);
        }
    }
}

/// Brings the rows of `x` `[tokens, features]` into panels `[panel, feature, lane]`.
pub(super) fn rows_to_panels(isa: Isa, x: &[f32], features: usize, panels: &mut [f32]) {
    let lanes = isa.lanes();
    let groups = x
        .chunks(lanes * features)
        .zip(panels.chunks_exact_mut(lanes * features));
    for (group, panel) in groups {
        rows_to_panel(isa, group.chunks_exact(features), features, panel);
    }
}

/// Cuts `scratch` into parts of the given sizes.
pub(crate) fn split<const N: usize>(mut scratch: &mut [f32], sizes: [usize; N]) -> [&mut [f32]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut scratch).split_at_mut(size);
        scratch = rest;
        part
    })
}
