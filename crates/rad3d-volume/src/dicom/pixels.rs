//! Pixels of a series, straight into the volume's buffer.
//!
//! An uncompressed frame is read from its file into its place in the volume and, where bits must
//! be put right, fixed while still in the cache: one read, one write.

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use super::codec::{FrameSize, decode};
use super::image::{Bits, Image};
use super::source::{skip, truncated};
use super::stack::FrameRef;
use super::syntax::{Encoding, Packing};
use crate::error::{Fault, Result, VolumeError};
use crate::voxels::Voxel;

/// A type that pixels are stored in.
pub(super) trait Pixel: Voxel {
    /// The pixel of a stored word.
    fn of_word(word: u16, bits: Bits) -> Self;
    /// The word as it lies in memory (little-endian value).
    fn word(self) -> u16;
}

macro_rules! pixel {
    ($($type:ty, $unsigned:ty;)*) => {$(
        impl Pixel for $type {
            #[inline(always)]
            fn of_word(word: u16, bits: Bits) -> Self {
                bits.pixel(word) as $type
            }

            #[inline(always)]
            fn word(self) -> u16 {
                u16::from(self as $unsigned)
            }
        }
    )*};
}
pixel! { u8, u8; i8, u8; u16, u16; i16, u16; }

/// A frame and the part of the volume it fills.
pub(super) struct Slot<'a, T> {
    pub(super) at: FrameRef,
    pub(super) target: &'a mut [T],
}

/// Fills all slots, in parallel.
pub(super) fn fill<T: Pixel>(images: &[Image], slots: Vec<Slot<'_, T>>) -> Result<()> {
    in_jobs(images, slots)
        .into_par_iter()
        .try_for_each(|job| fill_from_one_file(images, job))
}

/// Slots that are best filled together: all of one file where its frames must be read in order.
fn in_jobs<'a, T>(images: &[Image], mut slots: Vec<Slot<'a, T>>) -> Vec<Vec<Slot<'a, T>>> {
    slots.sort_by_key(|slot| (slot.at.image, slot.at.frame));
    let mut jobs: Vec<Vec<Slot<'a, T>>> = Vec::new();
    for slot in slots {
        let image = &images[slot.at.image];
        let alone = image.syntax.packing == Packing::Native
            && image.source.seekable()
            && !image.start.deflated;
        match jobs.last_mut() {
            Some(job) if !alone && job[0].at.image == slot.at.image => job.push(slot),
            _ => jobs.push(vec![slot]),
        }
    }
    jobs
}

fn fill_from_one_file<T: Pixel>(images: &[Image], mut job: Vec<Slot<'_, T>>) -> Result<()> {
    let Some(first) = job.first() else {
        return Ok(());
    };
    let image = &images[first.at.image];
    let path = image.source.path();
    if image.syntax.packing != Packing::Native {
        let frames = image
            .source
            .read_data_set(image.start, image.pixels.offset, |data| {
                encapsulated_frames(path, image, data)
            })?;
        return job.par_iter_mut().try_for_each(|slot| {
            let bytes = frames
                .get(slot.at.frame)
                .map(Vec::as_slice)
                .unwrap_or_default();
            unpack(image, bytes, slot)
        });
    }
    let begin = image.frame_bytes() * first.at.frame as u64;
    image
        .source
        .read_data_set(image.start, image.pixels.offset + begin, |data| {
            let mut next = job[0].at.frame;
            for slot in &mut job {
                let between = (slot.at.frame - next) as u64 * image.frame_bytes();
                skip(data, between).map_err(|e| truncated(path, e))?;
                let bytes = bytemuck::cast_slice_mut::<T, u8>(slot.target);
                data.read_exact(bytes).map_err(|e| truncated(path, e))?;
                settle(slot.target, image.bits, image.syntax.encoding);
                next = slot.at.frame + 1;
            }
            Ok(())
        })
}

/// Puts pixels right that were copied as they lay in the file: byte order, unused bits, sign.
fn settle<T: Pixel>(pixels: &mut [T], bits: Bits, encoding: Encoding) {
    if (encoding == Encoding::ExplicitBig) != cfg!(target_endian = "big") {
        pixels
            .iter_mut()
            .for_each(|pixel| *pixel = pixel.swap_bytes());
    }
    if bits.stored < bits.allocated {
        pixels
            .iter_mut()
            .for_each(|pixel| *pixel = T::of_word(pixel.word(), bits));
    }
}

fn unpack<T: Pixel>(image: &Image, bytes: &[u8], slot: &mut Slot<'_, T>) -> Result<()> {
    let size = FrameSize {
        rows: image.rows,
        columns: image.columns,
        bytes_per_pixel: usize::from(image.bits.allocated / 8),
    };
    let words = decode(image.syntax.packing, bytes, size).map_err(|codec| {
        let hint = match codec.fault {
            Fault::Unsupported => "decompress it first (dcmtk's dcmdjpeg or gdcmconv --raw)",
            _ => "the file is incomplete or damaged; copy or export it again",
        };
        let what = format!("{} (frame {})", codec.what, slot.at.frame + 1);
        VolumeError::new(codec.fault, image.source.path(), what, hint)
    })?;
    for (pixel, word) in slot.target.iter_mut().zip(words) {
        *pixel = T::of_word(word, image.bits);
    }
    Ok(())
}

/// Sequence items (PS3.5 A.4): the offset table, then fragments; put together, a stream a frame.
fn encapsulated_frames(path: &Path, image: &Image, data: &mut dyn Read) -> Result<Vec<Vec<u8>>> {
    let mut items = Vec::new();
    let mut starts = Vec::new();
    let mut offset = 0_u64;
    while let Some(item) = next_item(path, data)? {
        if !items.is_empty() {
            starts.push(offset);
            offset += 8 + item.len() as u64;
        }
        items.push(item);
    }
    let mut items = items.into_iter();
    let table: Vec<u64> = items
        .next()
        .unwrap_or_default()
        .chunks_exact(4)
        .map(|word| u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]])))
        .collect();
    let fragments: Vec<Vec<u8>> = items.collect();
    let wanted = image.frames.len();
    let first_of_frame = |index: usize| match () {
        () if wanted == 1 => index == 0,
        () if fragments.len() == wanted => true,
        () if table.len() == wanted => table.contains(&starts[index]),
        // Without a table a new frame shows itself by the start-of-image marker.
        () => matches!(fragments[index][..], [0xFF, 0xD8 | 0x4F, ..]),
    };
    let first: Vec<bool> = (0..fragments.len()).map(first_of_frame).collect();
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for (fragment, first) in fragments.into_iter().zip(first) {
        match frames.last_mut() {
            Some(frame) if !first => frame.extend_from_slice(&fragment),
            _ => frames.push(fragment),
        }
    }
    if frames.len() == wanted {
        return Ok(frames);
    }
    Err(VolumeError::new(
        Fault::Truncated,
        path,
        format!(
            "holds {} compressed frames, its header says {wanted}",
            frames.len()
        ),
        "the file is incomplete or damaged; copy or export it again",
    ))
}

/// The next item's bytes; `None` at the sequence delimiter.
fn next_item(path: &Path, data: &mut dyn Read) -> Result<Option<Vec<u8>>> {
    let mut head = [0; 8];
    data.read_exact(&mut head).map_err(|e| truncated(path, e))?;
    let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    match head[..4] {
        [0xFE, 0xFF, 0xDD, 0xE0] => return Ok(None),
        [0xFE, 0xFF, 0x00, 0xE0] if len != u32::MAX => {}
        _ => {
            return Err(VolumeError::new(
                Fault::Header,
                path,
                "its compressed pixels are not a sequence of fragments",
                "the file is damaged; copy or export it again",
            ));
        }
    }
    // Grows with what is read, not with what the length claims.
    let mut item = Vec::new();
    data.take(u64::from(len))
        .read_to_end(&mut item)
        .map_err(|e| truncated(path, e))?;
    if item.len() as u64 == u64::from(len) {
        Ok(Some(item))
    } else {
        Err(truncated(path, std::io::ErrorKind::UnexpectedEof.into()))
    }
}
