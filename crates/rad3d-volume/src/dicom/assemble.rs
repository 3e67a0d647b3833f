//! From ordered slices to one buffer: doubled slices, gaps, and slopes that differ by slice.

use std::path::Path;

use rayon::prelude::*;

use super::image::{Bits, Image};
use super::pixels::{Pixel, Slot, fill};
use super::series::Series;
use super::stack::{FrameRef, Stack};
use crate::error::{Result, VolumeError};
use crate::hu::Rescale;
use crate::voxels::{Voxel, Voxels};

/// The voxels of a series and what its headers say of them.
pub(super) struct Assembled {
    pub(super) voxels: Voxels,
    pub(super) rescale: Rescale,
    pub(super) padding: Option<(f64, f64)>,
}

/// Calls generic code with the pixel type of some bits.
macro_rules! with_pixel {
    ($bits:expr, $pixel:ident => $body:expr) => {
        match ($bits.allocated, $bits.signed) {
            (8, false) => {
                type $pixel = u8;
                $body
            }
            (8, true) => {
                type $pixel = i8;
                $body
            }
            (_, false) => {
                type $pixel = u16;
                $body
            }
            (_, true) => {
                type $pixel = i16;
                $body
            }
        }
    };
}

/// Passes slices that are exact copies of another, which exports made twice have; anything else
/// at an occupied place is an error.
pub(super) fn drop_copies(
    images: &[Image],
    stack: &Stack,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let different = stack
        .doubled
        .par_iter()
        .map(|&(slice, other)| {
            let kept = stack.slices[slice];
            let same = labels(images, kept.at) == labels(images, other)
                && values(images, kept.at)? == values(images, other)?;
            Ok((!same).then(|| {
                let name = |at| Series::name_of(images, at);
                (name(kept.at), name(other), kept.offset_mm)
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    let different: Vec<_> = different.into_iter().flatten().collect();
    if !different.is_empty() {
        return Err(Series::doubled(path, &different));
    }
    if !stack.doubled.is_empty() {
        warnings.push(format!(
            "{} doubled slices were dropped",
            stack.doubled.len()
        ));
    }
    Ok(())
}

/// What tells apart slices that were meant to be two, even if their pixels agree.
fn labels(images: &[Image], at: FrameRef) -> [Option<&str>; 4] {
    let (image, frame) = (&images[at.image], &images[at.image].frames[at.frame]);
    let labels = [
        &frame.acquisition,
        &frame.temporal,
        &image.facts.kernel,
        &image.echo_time,
    ];
    labels.map(Option::as_deref)
}

/// One frame's pixels and its line to Hounsfield units, for comparison.
fn values(images: &[Image], at: FrameRef) -> Result<(Voxels, Rescale)> {
    let image = &images[at.image];
    with_pixel!(image.bits, P => {
        let mut pixels = vec![P::default(); image.frame_len()];
        fill(images, vec![Slot { at, target: &mut pixels }])?;
        Ok((P::wrap(pixels), image.frames[at.frame].rescale))
    })
}

/// Reads every slice into its place and fills the gaps.
pub(super) fn voxels(images: &[Image], stack: &Stack) -> Result<Assembled> {
    let at = |frame: FrameRef| &images[frame.image];
    let first = stack.slices[0].at;
    let (bits, padding) = (at(first).bits, at(first).padding);
    let rescale = at(first).frames[first.frame].rescale;
    for slice in &stack.slices {
        let Rescale { slope, intercept } = at(slice.at).frames[slice.at.frame].rescale;
        if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
            return Err(VolumeError::new(
                crate::error::Fault::Header,
                at(slice.at).source.path(),
                format!("its rescale slope is {slope} and its intercept {intercept}"),
                "the header is damaged; export the file again",
            ));
        }
    }
    let alike = stack.slices.iter().all(|slice| {
        let image = at(slice.at);
        image.frames[slice.at.frame].rescale == rescale
            && (image.bits.allocated, image.bits.signed) == (bits.allocated, bits.signed)
            && image.padding == padding
    });
    if alike {
        let voxels = with_pixel!(bits, P => P::wrap(stored::<P>(images, stack)?));
        let padding = padding.map(|(low, high)| (f64::from(low), f64::from(high)));
        return Ok(Assembled {
            voxels,
            rescale,
            padding,
        });
    }
    in_hounsfield(images, stack)
}

/// All slices in their stored type.
fn stored<P: Pixel>(images: &[Image], stack: &Stack) -> Result<Vec<P>> {
    let frame_len = images[stack.slices[0].at.image].frame_len();
    let mut voxels = vec![P::zeroed(); frame_len * stack.depth()];
    fill(images, slots(stack, &mut voxels, frame_len))?;
    let padding = images[stack.slices[0].at.image].padding;
    let is_padding = |v: P| {
        padding.is_some_and(|(low, high)| (f64::from(low)..=f64::from(high)).contains(&v.to_f64()))
    };
    fill_gaps(stack, &mut voxels, frame_len, is_padding, |value| {
        P::of_word(
            value.round() as i32 as u16,
            whole(images[stack.slices[0].at.image].bits),
        )
    });
    Ok(voxels)
}

/// The bits of a pixel that fills its word.
fn whole(bits: Bits) -> Bits {
    Bits {
        stored: bits.allocated,
        high: bits.allocated - 1,
        ..bits
    }
}

/// Each slice with its part of the buffer.
fn slots<'a, T>(stack: &Stack, voxels: &'a mut [T], frame_len: usize) -> Vec<Slot<'a, T>> {
    let mut indices = stack.indices().into_iter().zip(&stack.slices).peekable();
    let mut slots = Vec::with_capacity(stack.slices.len());
    for (k, target) in voxels.chunks_exact_mut(frame_len).enumerate() {
        if let Some((_, slice)) = indices.next_if(|(index, _)| *index == k) {
            slots.push(Slot {
                at: slice.at,
                target,
            });
        }
    }
    slots
}

/// Slices whose lines, types or paddings differ (PET-like per-slice slopes, mixed exports) become
/// Hounsfield units at once: `i16` where that is exact, else `f32`. Padding, which would become
/// a different value in every slice, becomes the lowest of them.
fn in_hounsfield(images: &[Image], stack: &Stack) -> Result<Assembled> {
    let lines = stack.slices.iter().map(|slice| {
        let image = &images[slice.at.image];
        (
            image.frames[slice.at.frame].rescale,
            image.bits,
            image.padding,
        )
    });
    let whole = |x: f64| x == x.trunc();
    let fits = |x: f64| (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&x);
    let exact = lines.clone().all(|(line, bits, _)| {
        let (low, high) = bits.range();
        whole(line.slope)
            && whole(line.intercept)
            && fits(line.apply(low))
            && fits(line.apply(high))
    });
    let padding = lines
        .filter_map(|(line, _, padding)| padding.map(|(low, _)| line.apply(f64::from(low))))
        .reduce(f64::min)
        .map(|hu| {
            if exact {
                hu.max(f64::from(i16::MIN))
            } else {
                hu
            }
        });
    let voxels = if exact {
        converted(images, stack, padding, |hu| hu as i16)?
    } else {
        converted(images, stack, padding, |hu| hu as f32)?
    };
    let padding = padding.map(|hu| (hu, hu));
    Ok(Assembled {
        voxels,
        rescale: Rescale::IDENTITY,
        padding,
    })
}

fn converted<T: Voxel>(
    images: &[Image],
    stack: &Stack,
    padding: Option<f64>,
    cast: impl Fn(f64) -> T + Sync,
) -> Result<Voxels> {
    let frame_len = images[stack.slices[0].at.image].frame_len();
    let mut voxels = vec![T::zeroed(); frame_len * stack.depth()];
    slots(stack, &mut voxels, frame_len)
        .into_par_iter()
        .try_for_each(|slot| {
            let image = &images[slot.at.image];
            let line = image.frames[slot.at.frame].rescale;
            with_pixel!(image.bits, P => {
                let mut pixels = vec![P::default(); frame_len];
                fill(images, vec![Slot { at: slot.at, target: &mut pixels }])?;
                for (out, pixel) in slot.target.iter_mut().zip(pixels) {
                    let padded = image.padding.filter(|(low, high)| {
                        (f64::from(*low)..=f64::from(*high)).contains(&pixel.to_f64())
                    });
                    *out = match (padded, padding) {
                        (Some(_), Some(hu)) => cast(hu),
                        _ => cast(line.apply(pixel.to_f64())),
                    };
                }
                Ok::<_, VolumeError>(())
            })
        })?;
    let is_padding = |v: T| padding.is_some_and(|hu| v == cast(hu));
    fill_gaps(stack, &mut voxels, frame_len, is_padding, |value| {
        cast(value.round())
    });
    Ok(T::wrap(voxels))
}

/// Interpolates missing slices linearly between their neighbours. Where one of them is padding
/// there is nothing to interpolate with, and the nearer one is copied.
fn fill_gaps<T: Voxel>(
    stack: &Stack,
    voxels: &mut [T],
    frame_len: usize,
    is_padding: impl Fn(T) -> bool,
    cast: impl Fn(f64) -> T,
) {
    let indices = stack.indices();
    for gap in &stack.gaps {
        let before = indices[gap.after] * frame_len;
        let after = indices[gap.after + 1] * frame_len;
        for step in 1..=gap.missing {
            let weight = step as f64 / (gap.missing + 1) as f64;
            for pixel in 0..frame_len {
                let (low, high) = (voxels[before + pixel], voxels[after + pixel]);
                voxels[before + step * frame_len + pixel] = if is_padding(low) || is_padding(high) {
                    if weight <= 0.5 { low } else { high }
                } else {
                    cast(low.to_f64() + weight * (high.to_f64() - low.to_f64()))
                };
            }
        }
    }
}
