//! Vector quantisation by cosine (spec 2.4).

use rayon::prelude::*;

use super::layers::{TASK_PANELS, rows_to_panels, split};
use crate::Result;
use crate::cpu::{Isa, PackedMatrix, l2_normalise, vectorised, with_scratch};
use crate::source::{Scope, Weight};

/// Codes that a panel of tokens is compared with before the best is kept: these similarities
/// are all that ever exists of the token × code matrix.
const CODE_BLOCK: usize = 240;

/// Finds the code with the highest cosine; hands out its raw row.
#[derive(Debug)]
pub(super) struct Codebook {
    /// Rows as stored, `[code, dim]`.
    rows: Weight,
    /// Rows of unit length.
    unit_rows: PackedMatrix,
}

impl Codebook {
    pub(super) fn load(mut scope: Scope<'_>, isa: Isa, codes: usize, dim: usize) -> Result<Self> {
        let rows = scope.take("embed", &[1, codes, dim])?;
        let mut unit_rows = PackedMatrix::zeros(isa, codes, dim);
        unit_rows.fill(|code, row| {
            row.copy_from_slice(&rows[code * dim..(code + 1) * dim]);
            l2_normalise(isa, row);
        });
        Ok(Self { rows, unit_rows })
    }

    /// Writes to `codes` `[token]` the code nearest to each row of `x` `[token, dim]`; the lowest
    /// index wins a tie.
    pub(super) fn nearest(&self, x: &[f32], codes: &mut [u32]) {
        let isa = self.unit_rows.isa();
        let lanes = isa.lanes();
        let dim = self.unit_rows.inputs();
        let rows = isa.tile_rows();
        let block = (CODE_BLOCK / rows).max(1) * rows;
        let tokens = TASK_PANELS * lanes;
        let sizes = [tokens * dim, tokens * dim, tokens * block, tokens];
        x.par_chunks(tokens * dim)
            .zip(codes.par_chunks_mut(tokens))
            .for_each(|(x, codes)| {
                with_scratch(sizes.iter().sum(), |scratch| {
                    let [unit, input, product, best] = split(scratch, sizes);
                    let unit = &mut unit[..x.len()];
                    unit.copy_from_slice(x);
                    for token in unit.chunks_exact_mut(dim) {
                        l2_normalise(isa, token);
                    }
                    let panels = (x.len() / dim).div_ceil(lanes);
                    let input = &mut input[..panels * lanes * dim];
                    rows_to_panels(isa, unit, dim, input);
                    best.fill(f32::NEG_INFINITY);
                    codes.fill(0);
                    let mut winners = [[0_u32; MAX_LANES]; TASK_PANELS];

                    let outputs = self.unit_rows.padded_outputs();
                    for start in (0..outputs).step_by(block) {
                        let end = (start + block).min(outputs);
                        let product = &mut product[..panels * (end - start) * lanes];
                        self.unit_rows.multiply(start..end, input, product);
                        // Zeros that fill the last tile are no codes.
                        let real = end.min(self.unit_rows.outputs()) - start;
                        let groups = product.chunks_exact((end - start) * lanes);
                        let best = best.chunks_exact_mut(lanes);
                        for ((product, best), winners) in groups.zip(best).zip(&mut winners) {
                            let similarities = &product[..real * lanes];
                            keep_best(isa, lanes, similarities, start as u32, best, winners);
                        }
                    }
                    for (codes, winners) in codes.chunks_mut(lanes).zip(&winners) {
                        codes.copy_from_slice(&winners[..codes.len()]);
                    }
                });
            });
    }

    /// Writes the raw row of each code to `out` `[token, dim]`.
    pub(super) fn look_up(&self, codes: &[u32], out: &mut [f32]) {
        let dim = self.unit_rows.inputs();
        out.par_chunks_mut(dim).zip(codes).for_each(|(out, &code)| {
            out.copy_from_slice(&self.rows[code as usize * dim..][..dim]);
        });
    }
}

/// Widest panel of any instruction set.
const MAX_LANES: usize = 32;

vectorised! {
    /// Updates each lane's best similarity and its code with `similarities` `[code, lane]`.
    fn keep_best(
        lanes: usize,
        similarities: &[f32],
        first_code: u32,
        best: &mut [f32],
        winners: &mut [u32; MAX_LANES],
    ) {
        match lanes {
            32 => keep_best_lanes::<32>(similarities, first_code, best, winners),
            16 => keep_best_lanes::<16>(similarities, first_code, best, winners),
            _ => keep_best_lanes::<8>(similarities, first_code, best, winners),
        }
    }
}

#[inline(always)]
fn keep_best_lanes<const LANES: usize>(
    similarities: &[f32],
    first_code: u32,
    best: &mut [f32],
    winners: &mut [u32; MAX_LANES],
) {
    let mut top = [0.0_f32; LANES];
    let mut who = [0_u32; LANES];
    top.copy_from_slice(&best[..LANES]);
    who.copy_from_slice(&winners[..LANES]);
    for (code, row) in (first_code..).zip(similarities.chunks_exact(LANES)) {
        for ((top, who), &similarity) in top.iter_mut().zip(&mut who).zip(row) {
            let better = similarity > *top;
            *who = if better { code } else { *who };
            *top = if better { similarity } else { *top };
        }
    }
    best[..LANES].copy_from_slice(&top);
    winners[..LANES].copy_from_slice(&who);
}
