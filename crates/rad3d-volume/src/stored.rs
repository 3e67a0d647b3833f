//! Voxels as NIfTI, MetaImage and NRRD files keep them: one run of numbers, raw, compressed
//! or as text.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;

use rayon::prelude::*;

use crate::content;
use crate::error::{Fault, Result, VolumeError};
use crate::inflate::{self, Wrapper};
use crate::voxels::{Voxel, VoxelType, Voxels};

/// Element type of a file; 64-bit integers are turned into a [`VoxelType`] while reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    /// A type that is kept as it is.
    Kept(VoxelType),
    /// Signed 64-bit.
    I64,
    /// Unsigned 64-bit.
    U64,
}

impl Element {
    /// The type that voxels will have, as far as a header can tell: 64-bit integers of a CT fit
    /// `i32`.
    pub(crate) fn voxel_type(self) -> VoxelType {
        match self {
            Self::Kept(voxel_type) => voxel_type,
            Self::I64 | Self::U64 => VoxelType::I32,
        }
    }
}

/// How the run of numbers is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they lie in memory.
    Raw,
    /// As one compressed stream.
    Deflated(Wrapper),
    /// Decimal numbers between white space.
    Text,
}

/// Where voxels start in their file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// This many bytes after the beginning.
    Offset(u64),
    /// Such that the last voxel ends the file (raw data only).
    UntilEnd,
}

/// A run of voxels in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredVoxels<'a> {
    /// The file that holds them, not always the one with the header.
    pub(crate) path: &'a Path,
    /// Where the run, or its compressed stream, starts.
    pub(crate) start: Start,
    /// Bytes between the start of the inflated stream and the first voxel.
    pub(crate) inflated_skip: u64,
    pub(crate) encoding: Encoding,
    pub(crate) element: Element,
    pub(crate) big_endian: bool,
    pub(crate) count: usize,
}

impl StoredVoxels<'_> {
    /// Reads, swaps and checks all voxels.
    ///
    /// # Errors
    /// [`Fault::Truncated`] when the file holds fewer voxels, [`Fault::Voxels`] when floats are
    /// not finite or text is no number, and those of opening a file.
    pub(crate) fn read(&self) -> Result<Voxels> {
        match self.element {
            Element::Kept(VoxelType::U8) => self.typed::<u8>(),
            Element::Kept(VoxelType::I8) => self.typed::<i8>(),
            Element::Kept(VoxelType::U16) => self.typed::<u16>(),
            Element::Kept(VoxelType::I16) => self.typed::<i16>(),
            Element::Kept(VoxelType::U32) => self.typed::<u32>(),
            Element::Kept(VoxelType::I32) => self.typed::<i32>(),
            Element::Kept(VoxelType::F32) => self.typed::<f32>(),
            Element::Kept(VoxelType::F64) => self.typed::<f64>(),
            Element::I64 => narrowed(self.path, self.elements(i64::swap_bytes)?),
            Element::U64 => narrowed(self.path, self.elements(u64::swap_bytes)?),
        }
    }

    fn typed<T: Voxel + FromStr>(&self) -> Result<Voxels> {
        let values = self.elements(T::swap_bytes)?;
        if matches!(T::TYPE, VoxelType::F32 | VoxelType::F64) {
            check_finite(self.path, &values)?;
        }
        Ok(T::wrap(values))
    }

    fn elements<T>(&self, swap_bytes: fn(T) -> T) -> Result<Vec<T>>
    where
        T: bytemuck::Pod + FromStr + Send + Sync,
    {
        let mut values = match self.encoding {
            Encoding::Raw => self.raw()?,
            Encoding::Deflated(wrapper) => {
                let map = content::map(self.path)?;
                let compressed = from_offset(&map, self.offset()).unwrap_or_default();
                inflate::elements(
                    self.path,
                    wrapper,
                    compressed,
                    self.inflated_skip,
                    self.count,
                )?
            }
            Encoding::Text => return self.text(),
        };
        if self.big_endian != cfg!(target_endian = "big") && size_of::<T>() > 1 {
            values.par_chunks_mut(CHUNK).for_each(|chunk| {
                for value in chunk {
                    *value = swap_bytes(*value);
                }
            });
        }
        Ok(values)
    }

    fn offset(&self) -> u64 {
        match self.start {
            Start::Offset(offset) => offset,
            Start::UntilEnd => 0,
        }
    }

    fn raw<T: bytemuck::Pod>(&self) -> Result<Vec<T>> {
        let (mut file, size) = content::open(self.path)?;
        let wanted = (self.count as u64).saturating_mul(size_of::<T>() as u64);
        let start = match self.start {
            Start::Offset(offset) => offset,
            Start::UntilEnd => size.saturating_sub(wanted),
        };
        let available = size.saturating_sub(start);
        if available < wanted {
            return Err(self.short(wanted, available));
        }
        let mut values: Vec<T> = zeroed(self.path, self.count)?;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(bytemuck::cast_slice_mut(&mut values)))
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => self.short(wanted, available),
                _ => VolumeError::unreadable(self.path, e),
            })?;
        Ok(values)
    }

    fn short(&self, wanted: u64, available: u64) -> VolumeError {
        VolumeError::new(
            Fault::Truncated,
            self.path,
            format!("has {available} bytes of voxels where its header promises {wanted}"),
            "the copy was cut short, or the header is wrong; fetch or export the file again",
        )
    }

    fn text<T: bytemuck::Pod + FromStr>(&self) -> Result<Vec<T>> {
        let map = content::map(self.path)?;
        let bytes = from_offset(&map, self.offset()).unwrap_or_default();
        // Each number takes a digit and a space, so a header cannot ask for more than this.
        let most = bytes.len() / 2 + 1;
        let mut values: Vec<T> = Vec::new();
        reserve(self.path, &mut values, self.count.min(most))?;
        let words = bytes
            .split(|&b| b.is_ascii_whitespace() || b == b',')
            .filter(|word| !word.is_empty());
        for word in words.take(self.count) {
            let number = std::str::from_utf8(word)
                .ok()
                .and_then(|word| word.parse().ok());
            let Some(number) = number else {
                return Err(VolumeError::new(
                    Fault::Voxels,
                    self.path,
                    format!(
                        "has `{}` as voxel {}, which is no number of its type",
                        content::shorten(&String::from_utf8_lossy(word)),
                        values.len()
                    ),
                    "check the element type and the encoding in the header",
                ));
            };
            values.push(number);
        }
        if values.len() < self.count {
            return Err(VolumeError::new(
                Fault::Truncated,
                self.path,
                format!(
                    "has {} voxels where its header promises {}",
                    values.len(),
                    self.count
                ),
                "the copy was cut short, or the header is wrong; fetch or export the file again",
            ));
        }
        Ok(values)
    }
}

/// Elements a worker takes at a time: about the second-level cache of one core.
const CHUNK: usize = 1 << 17;

fn from_offset(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(offset).ok()?..)
}

/// A vector of zeros, which the system hands out page by page as they are written.
///
/// # Errors
/// [`Fault::Header`] when there is not that much memory.
pub(crate) fn zeroed<T: bytemuck::Pod>(path: &Path, count: usize) -> Result<Vec<T>> {
    let boxed = bytemuck::allocation::try_zeroed_slice_box(count);
    boxed
        .map(Vec::from)
        .map_err(|()| no_memory::<T>(path, count))
}

fn reserve<T>(path: &Path, values: &mut Vec<T>, count: usize) -> Result<()> {
    values
        .try_reserve_exact(count)
        .map_err(|_| no_memory::<T>(path, count))
}

fn no_memory<T>(path: &Path, count: usize) -> VolumeError {
    VolumeError::new(
        Fault::Header,
        path,
        format!(
            "needs memory for {count} voxels of {} bytes, which there is not",
            size_of::<T>()
        ),
        "check the sizes in the header, or use a computer with more memory",
    )
}

/// Refuses NaN and infinities: interpolation would spread each over its neighbours, unseen.
fn check_finite<T: Voxel>(path: &Path, values: &[T]) -> Result<()> {
    let faulty = |value: &T| !value.to_f64().is_finite();
    let bad: usize = values
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().filter(|value| faulty(value)).count())
        .sum();
    if bad == 0 {
        return Ok(());
    }
    let first = values.iter().position(faulty).unwrap_or_default();
    Err(VolumeError::new(
        Fault::Voxels,
        path,
        format!("holds {bad} voxels that are NaN or infinite, the first at linear index {first}"),
        "replace them (air is -1000 HU) and save the file again",
    ))
}

/// A 64-bit integer of a file.
trait Wide: Copy + Send + Sync + TryInto<i32> + std::fmt::Display {
    /// The value as `f64`, if that is exact.
    fn exact_f64(self) -> Option<f64>;
}

/// Integers up to 2⁵³ are exact in `f64`.
const EXACT_IN_F64: u64 = 1 << 53;

impl Wide for i64 {
    fn exact_f64(self) -> Option<f64> {
        (self.unsigned_abs() <= EXACT_IN_F64).then_some(self as f64)
    }
}

impl Wide for u64 {
    fn exact_f64(self) -> Option<f64> {
        (self <= EXACT_IN_F64).then_some(self as f64)
    }
}

/// 64-bit integers as `i32`, or as `f64` when some lie outside it.
fn narrowed<T: Wide>(path: &Path, wide: Vec<T>) -> Result<Voxels> {
    let narrow: Option<Vec<i32>> = wide.par_iter().map(|&v| v.try_into().ok()).collect();
    if let Some(narrow) = narrow {
        return Ok(Voxels::I32(narrow));
    }
    let exact: Option<Vec<f64>> = wide.par_iter().map(|&v| v.exact_f64()).collect();
    exact.map(Voxels::F64).ok_or_else(|| {
        VolumeError::new(
            Fault::Voxels,
            path,
            "holds 64-bit integers beyond 2^53, far outside any CT",
            "check the element type and the byte order in the header",
        )
    })
}
