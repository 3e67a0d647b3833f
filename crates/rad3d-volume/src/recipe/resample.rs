//! From stored voxels to tensor slices in one pass.
//!
//! Only voxels that survive the crop are touched, a slice at a time and several slices at once;
//! the largest float buffer is one source slice. Arithmetic is `f32` on positions computed in
//! `f64`: at most 2.4e-7 from an all-`f64` reference in the network's units (spec section 1).

use rayon::prelude::*;

use super::plan::{Plan, Tap};
use super::{Clip, Recipe};
use crate::error::Result;
use crate::volume::Volume;
use crate::voxels::{Voxel, with_voxels};

impl Plan {
    /// Makes the tensor's slices (D of them, `H * W` elements each, W fastest) and hands each to
    /// `sink` with its index. Slices come in no fixed order, from several threads.
    ///
    /// `volume` is the one the plan was made for.
    ///
    /// # Errors
    /// What `sink` returns.
    pub fn for_each_slice<E: Send>(
        &self,
        volume: &Volume,
        sink: impl Fn(usize, &[f32]) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let dims = volume.geometry.dims_ijk();
        with_voxels!(&volume.voxels, values => {
            let window = Window::new(self, volume);
            if self.axes[0].source_axis == 2 {
                let stack = Stack { values, base: 0, fast: 0, dims };
                self.resample(&stack, &window, &sink)
            } else {
                let restacked = Restacked::new(values, dims, self);
                self.resample(&restacked.stack(), &window, &sink)
            }
        })
    }

    /// The whole tensor, `D * H * W` elements, W fastest.
    #[must_use]
    pub fn tensor(&self, volume: &Volume) -> Vec<f32> {
        let slice_len = self.axes[1].target_len * self.axes[2].target_len;
        let mut tensor = vec![0.0_f32; self.element_count()];
        let slices: Vec<std::sync::Mutex<&mut [f32]>> = tensor
            .chunks_mut(slice_len)
            .map(std::sync::Mutex::new)
            .collect();
        let copied: Result<(), std::convert::Infallible> =
            self.for_each_slice(volume, |index, slice| {
                // Each slice is visited once, so the lock is free and never poisoned.
                if let Ok(mut target) = slices[index].lock() {
                    target.copy_from_slice(slice);
                }
                Ok(())
            });
        let Ok(()) = copied;
        drop(slices);
        tensor
    }

    fn resample<T: Voxel, E: Send>(
        &self,
        stack: &Stack<'_, T>,
        window: &Window,
        sink: &(impl Fn(usize, &[f32]) -> Result<(), E> + Sync),
    ) -> Result<(), E> {
        let [d, h, w] = &self.axes;
        let sampler = SliceSampler {
            depth_taps: d.taps(),
            row_taps: h.taps(),
            column_taps: w.taps(),
            w_is_fast: w.source_axis == stack.fast,
            window,
        };
        let blank = vec![window.pad; h.target_len * w.target_len];
        let kept = d.pad_before..d.pad_before + d.kept;
        (0..d.target_len).into_par_iter().try_for_each_init(
            || (blank.clone(), Scratch::default()),
            |(slice, scratch), index| {
                if !kept.contains(&index) {
                    return sink(index, &blank);
                }
                let rows = slice
                    .chunks_exact_mut(w.target_len)
                    .skip(h.pad_before)
                    .take(h.kept);
                let rows = rows.map(|row| &mut row[w.pad_before..w.pad_before + w.kept]);
                sampler.sample(stack, index - kept.start, rows, scratch);
                sink(index, slice)
            },
        )
    }
}

/// Stored values as slices along the tensor's depth axis.
struct Stack<'a, T> {
    /// Slices one after another, rows within them contiguous.
    values: &'a [T],
    /// Source index of the first slice held.
    base: usize,
    /// Voxel axis that is contiguous in memory.
    fast: usize,
    /// Lengths of: the fast axis, the rows, the slices.
    dims: [usize; 3],
}

impl<T> Stack<'_, T> {
    fn slice(&self, index: usize) -> &[T] {
        let len = self.dims[0] * self.dims[1];
        let start = (index - self.base) * len;
        &self.values[start..start + len]
    }
}

/// A copy, in the stored type, of the slices that a sagittal or coronal acquisition scatters
/// through memory: gathering them once costs less than striding through all for every slice.
struct Restacked<T> {
    values: Vec<T>,
    base: usize,
    fast: usize,
    dims: [usize; 3],
}

impl<T: Voxel> Restacked<T> {
    fn new(values: &[T], [ni, nj, nk]: [usize; 3], plan: &Plan) -> Self {
        let depth = &plan.axes[0];
        let taps = depth.taps();
        let used = span(&taps);
        let zero = T::zeroed();
        if depth.source_axis == 1 {
            // Slices along j: rows are already contiguous.
            let mut stacked = vec![zero; ni * nk * used.len()];
            stacked
                .par_chunks_mut(ni * nk)
                .zip(used.clone())
                .for_each(|(slice, j)| {
                    for (k, row) in slice.chunks_exact_mut(ni).enumerate() {
                        let start = ni * (j + nj * k);
                        row.copy_from_slice(&values[start..start + ni]);
                    }
                });
            return Self {
                values: stacked,
                base: used.start,
                fast: 0,
                dims: [ni, nk, used.len()],
            };
        }
        // Slices along i: sixteen at a time, so that each cache line read is used whole.
        let mut stacked = vec![zero; nj * nk * used.len()];
        const TOGETHER: usize = 16;
        stacked
            .par_chunks_mut(nj * nk * TOGETHER)
            .enumerate()
            .for_each(|(chunk, slices)| {
                let first = used.start + chunk * TOGETHER;
                let count = slices.len() / (nj * nk);
                for row in 0..nj * nk {
                    let source = &values[row * ni + first..row * ni + first + count];
                    for (slice, value) in source.iter().enumerate() {
                        slices[slice * nj * nk + row] = *value;
                    }
                }
            });
        Self {
            values: stacked,
            base: used.start,
            fast: 1,
            dims: [nj, nk, used.len()],
        }
    }

    fn stack(&self) -> Stack<'_, T> {
        Stack {
            values: &self.values,
            base: self.base,
            fast: self.fast,
            dims: self.dims,
        }
    }
}

/// The source indices that taps reach.
fn span(taps: &[Tap]) -> std::ops::Range<usize> {
    let indices = || taps.iter().flat_map(|tap| [tap.low, tap.high]);
    indices().min().unwrap_or(0)..indices().max().map_or(0, |last| last + 1)
}

/// From stored values to the network's units, in two halves around the interpolation.
struct Window {
    slope: f32,
    intercept: f32,
    /// Clip of single voxels; infinite when clipping comes later.
    voxel_clip: [f32; 2],
    /// Clip of interpolated values; infinite when clipping came before.
    result_clip: [f32; 2],
    /// Stored values that mean "outside the field of view".
    outside: Option<(f32, f32)>,
    outside_hu: f32,
    add: f32,
    divide: f32,
    pad: f32,
}

impl Window {
    fn new(plan: &Plan, volume: &Volume) -> Self {
        const NO_CLIP: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];
        let recipe: &Recipe = &plan.recipe;
        let [low, high] = recipe.clip_hu;
        let (voxel_clip, result_clip) = match recipe.clip {
            Clip::BeforeResampling => (recipe.clip_hu, NO_CLIP),
            Clip::AfterResampling => (NO_CLIP, recipe.clip_hu),
        };
        // Padding below the window is clipped to its floor anyway; only padding that would look
        // like tissue or bone (such as 63536 in unsigned files) needs to be told apart.
        let outside = volume.padding.filter(|&(first, last)| {
            let in_hu = [plan.to_hu.apply(first), plan.to_hu.apply(last)];
            in_hu.into_iter().any(|hu| hu > f64::from(low))
        });
        Self {
            slope: plan.to_hu.slope as f32,
            intercept: plan.to_hu.intercept as f32,
            voxel_clip,
            result_clip,
            outside: outside.map(|(first, last)| (first as f32, last as f32)),
            outside_hu: recipe.pad_hu.clamp(low, high),
            add: recipe.scale.add as f32,
            divide: recipe.scale.divide as f32,
            pad: recipe.pad_value(),
        }
    }

    #[inline(always)]
    fn hu<T: Voxel>(&self, stored: T) -> f32 {
        let [low, high] = self.voxel_clip;
        (stored.to_f32() * self.slope + self.intercept)
            .max(low)
            .min(high)
    }

    #[inline(always)]
    fn hu_or_outside<T: Voxel>(&self, stored: T, (first, last): (f32, f32)) -> f32 {
        let value = stored.to_f32();
        if value >= first && value <= last {
            self.outside_hu
        } else {
            self.hu(stored)
        }
    }

    #[inline(always)]
    fn network_value(&self, hu: f32) -> f32 {
        let [low, high] = self.result_clip;
        (hu.max(low).min(high) + self.add) / self.divide
    }
}

/// A tap counted from the first column in use, half as large: 480 are read for every row.
struct ColumnTap {
    low: u32,
    high: u32,
    weight: f32,
}

impl ColumnTap {
    fn new(tap: &Tap, first: usize) -> Self {
        let from_first = |index: usize| (index - first) as u32;
        Self {
            low: from_first(tap.low),
            high: from_first(tap.high),
            weight: tap.weight,
        }
    }
}

/// Buffers of one thread, as large as one source slice.
#[derive(Default)]
struct Scratch {
    slice: Vec<f32>,
    transposed: Vec<f32>,
    row: Vec<f32>,
}

/// Samples tensor slices out of source slices.
struct SliceSampler<'a> {
    depth_taps: Vec<Tap>,
    row_taps: Vec<Tap>,
    column_taps: Vec<Tap>,
    /// Whether W runs along the axis that is contiguous in memory.
    w_is_fast: bool,
    window: &'a Window,
}

impl SliceSampler<'_> {
    /// Fills `rows` with the kept slice `index`.
    fn sample<'r, T: Voxel>(
        &self,
        stack: &Stack<'_, T>,
        index: usize,
        rows: impl Iterator<Item = &'r mut [f32]>,
        scratch: &mut Scratch,
    ) {
        let (fast_taps, slow_taps) = if self.w_is_fast {
            (&self.column_taps, &self.row_taps)
        } else {
            (&self.row_taps, &self.column_taps)
        };
        let (fast, slow) = (span(fast_taps), span(slow_taps));
        let Scratch {
            slice,
            transposed,
            row,
        } = scratch;
        self.blend_slices(stack, self.depth_taps[index], &slow, &fast, slice);
        let (source, width, first_row, first_column) = if self.w_is_fast {
            (&*slice, fast.len(), slow.start, fast.start)
        } else {
            transpose(slice, fast.len(), transposed);
            (&*transposed, slow.len(), fast.start, slow.start)
        };
        let columns: Vec<ColumnTap> = self
            .column_taps
            .iter()
            .map(|tap| ColumnTap::new(tap, first_column))
            .collect();
        row.resize(width, 0.0);
        for (target, tap) in rows.zip(&self.row_taps) {
            let line = |index: usize| &source[(index - first_row) * width..][..width];
            for ((value, low), high) in row.iter_mut().zip(line(tap.low)).zip(line(tap.high)) {
                *value = blend(*low, *high, tap.weight);
            }
            for (value, tap) in target.iter_mut().zip(&columns) {
                *value = blend(row[tap.low as usize], row[tap.high as usize], tap.weight);
            }
            // A pass of its own, since gathering above keeps it from running on many at once.
            for value in target {
                *value = self.window.network_value(*value);
            }
        }
    }

    /// The used part of a slice between two stored slices, in Hounsfield units.
    fn blend_slices<T: Voxel>(
        &self,
        stack: &Stack<'_, T>,
        tap: Tap,
        slow: &std::ops::Range<usize>,
        fast: &std::ops::Range<usize>,
        blended: &mut Vec<f32>,
    ) {
        let (low, high) = (stack.slice(tap.low), stack.slice(tap.high));
        blended.resize(slow.len() * fast.len(), 0.0);
        for (target, row) in blended.chunks_exact_mut(fast.len()).zip(slow.clone()) {
            let part = row * stack.dims[0] + fast.start..row * stack.dims[0] + fast.end;
            let stored = low[part.clone()].iter().zip(&high[part]);
            match self.window.outside {
                None => {
                    for (value, (low, high)) in target.iter_mut().zip(stored) {
                        let (low, high) = (self.window.hu(*low), self.window.hu(*high));
                        *value = blend(low, high, tap.weight);
                    }
                }
                Some(outside) => {
                    for (value, (low, high)) in target.iter_mut().zip(stored) {
                        let low = self.window.hu_or_outside(*low, outside);
                        let high = self.window.hu_or_outside(*high, outside);
                        *value = blend(low, high, tap.weight);
                    }
                }
            }
        }
    }
}

/// `low` where `weight` is 0, `high` where it is 1; exactly `low` when both are equal.
#[inline(always)]
fn blend(low: f32, high: f32, weight: f32) -> f32 {
    low + (high - low) * weight
}

/// Writes `values` (rows of `width`) column by column, in blocks that stay in the cache.
fn transpose(values: &[f32], width: usize, transposed: &mut Vec<f32>) {
    const BLOCK: usize = 16;
    let height = values.len() / width;
    transposed.resize(values.len(), 0.0);
    for row_block in (0..height).step_by(BLOCK) {
        let rows = row_block..(row_block + BLOCK).min(height);
        for column_block in (0..width).step_by(BLOCK) {
            for column in column_block..(column_block + BLOCK).min(width) {
                let target = &mut transposed[column * height..][rows.clone()];
                for (value, row) in target.iter_mut().zip(rows.clone()) {
                    *value = values[row * width + column];
                }
            }
        }
    }
}
