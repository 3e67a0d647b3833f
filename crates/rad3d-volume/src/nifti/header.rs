//! The fields of a NIfTI header that matter for reading, whatever version and byte order.

use std::path::Path;

use crate::content;
use crate::error::{Fault, Result, VolumeError};
use crate::hu::Rescale;
use crate::stored::Element;
use crate::voxels::VoxelType;

const NIFTI1_SIZE: i32 = 348;
const NIFTI2_SIZE: i32 = 540;

/// Bytes of the longer header.
pub(super) const LONGEST_HEADER: usize = 540;

/// Where the fields of one version lie, and which types they have.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// A parsed header; field names are those of `nifti1.h`.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) big_endian: bool,
    /// The voxels are in an `.img` file (magic `ni1` or `ni2`).
    pub(super) voxels_apart: bool,
    /// Number of axes, then voxels along each.
    dim: [i64; 8],
    datatype: i16,
    /// qfac, then the step along each axis in the units of `xyzt_units`.
    pub(super) pixdim: [f64; 8],
    /// Bytes from the start of the data file to the first voxel; extensions lie between.
    pub(super) vox_offset: u64,
    scl_slope: f64,
    scl_inter: f64,
    pub(super) xyzt_units: i32,
    pub(super) qform_code: i32,
    pub(super) sform_code: i32,
    /// Quaternion parts b, c, d.
    pub(super) quatern: [f64; 3],
    /// Spacing of the floats the quaternion is kept in, next to 1.
    pub(super) epsilon: f64,
    pub(super) qoffset: [f64; 3],
    /// Rows x, y, z of the sform.
    pub(super) srow: [[f64; 4]; 3],
}

impl Header {
    /// Whether bytes begin with a header's size and its magic.
    pub(super) fn is_header(bytes: &[u8]) -> bool {
        version(bytes).is_some_and(|(version, _)| {
            let magic = magic(bytes, version);
            magic.is_some_and(|magic| magic.starts_with(b"n+") || magic.starts_with(b"ni"))
        })
    }

    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let Some((version, big_endian)) = version(bytes) else {
            return Err(not_nifti(path, bytes));
        };
        let fields = Fields { bytes, big_endian };
        let header = match version {
            Version::One => fields.nifti1(),
            Version::Two => fields.nifti2(),
        };
        let Some((offset, header)) = header else {
            return Err(VolumeError::new(
                Fault::Truncated,
                path,
                format!("ends within its NIfTI header, after {} bytes", bytes.len()),
                "the download or copy was cut short; fetch the file again",
            ));
        };
        let magic = magic(bytes, version).unwrap_or_default();
        let voxels_apart = match (version, magic.get(..3)) {
            (Version::One, Some(b"n+1")) | (Version::Two, Some(b"n+2")) => false,
            (Version::One, Some(b"ni1")) | (Version::Two, Some(b"ni2")) => true,
            _ => {
                return Err(VolumeError::new(
                    Fault::UnknownFormat,
                    path,
                    format!(
                        "has no NIfTI magic (`n+1`, `n+2`) but `{}`; it may be ANALYZE 7.5, which \
                         does not say where left and right are",
                        magic.escape_ascii()
                    ),
                    "convert it to NIfTI with the program that wrote it",
                ));
            }
        };
        let shortest = match version {
            _ if voxels_apart => 0,
            Version::One => 352,
            Version::Two => 544,
        };
        let vox_offset = checked_offset(path, offset, shortest)?;
        Ok(Self {
            voxels_apart,
            vox_offset,
            ..header
        })
    }

    /// Voxels along i, j, k; axes that the header leaves out have one.
    pub(super) fn dims_ijk(&self, path: &Path) -> Result<[usize; 3]> {
        let fault = |fault, what: String| {
            VolumeError::new(fault, path, what, "export one volume with three axes")
        };
        let axes = match self.dim[0] {
            axes @ 1..=7 => axes as usize,
            axes => return Err(fault(Fault::Header, format!("claims {axes} axes (dim[0])"))),
        };
        let sizes = &self.dim[1..=axes];
        if let Some(bad) = sizes.iter().find(|&&size| size < 1) {
            let what = format!("claims {bad} voxels along an axis (dim {sizes:?})");
            return Err(fault(Fault::Header, what));
        }
        if sizes.iter().skip(3).any(|&size| size != 1) {
            let what = format!("has {axes} axes (dim {sizes:?}): a series of volumes, not one");
            return Err(fault(Fault::Unsupported, what));
        }
        let mut dims = [1; 3];
        for (dim, &size) in dims.iter_mut().zip(sizes) {
            *dim = usize::try_from(size).map_err(|_| crate::inflate::too_large(path))?;
        }
        Ok(dims)
    }

    /// Number of voxels.
    pub(super) fn voxel_count(&self, path: &Path) -> Result<usize> {
        let count = self
            .dims_ijk(path)?
            .into_iter()
            .try_fold(1_usize, usize::checked_mul);
        count.ok_or_else(|| crate::inflate::too_large(path))
    }

    /// The element type.
    pub(super) fn element(&self, path: &Path) -> Result<Element> {
        let refused = |fault, name: &str| {
            Err(VolumeError::new(
                fault,
                path,
                format!("holds {name} voxels (datatype {})", self.datatype),
                "a CT has one number a voxel; export it as 16-bit integers or 32-bit floats",
            ))
        };
        match self.datatype {
            2 => Ok(Element::Kept(VoxelType::U8)),
            4 => Ok(Element::Kept(VoxelType::I16)),
            8 => Ok(Element::Kept(VoxelType::I32)),
            16 => Ok(Element::Kept(VoxelType::F32)),
            64 => Ok(Element::Kept(VoxelType::F64)),
            256 => Ok(Element::Kept(VoxelType::I8)),
            512 => Ok(Element::Kept(VoxelType::U16)),
            768 => Ok(Element::Kept(VoxelType::U32)),
            1024 => Ok(Element::I64),
            1280 => Ok(Element::U64),
            128 => refused(Fault::Voxels, "RGB colour"),
            2304 => refused(Fault::Voxels, "RGBA colour"),
            32 | 1792 | 2048 => refused(Fault::Voxels, "complex"),
            1 => refused(Fault::Unsupported, "single-bit"),
            1536 => refused(Fault::Unsupported, "128-bit float"),
            _ => refused(Fault::Header, "unknown"),
        }
    }

    /// `scl_slope` and `scl_inter`, as nibabel understands them (spec 1, step 1).
    pub(super) fn rescale(&self, path: &Path) -> Result<Rescale> {
        let (slope, intercept) = (self.scl_slope, self.scl_inter);
        if slope == 0.0 || !slope.is_finite() {
            return Ok(Rescale::IDENTITY);
        }
        if !intercept.is_finite() {
            return Err(VolumeError::new(
                Fault::Header,
                path,
                format!("has scl_slope {slope} but scl_inter {intercept}"),
                "set scl_inter to a number (0 for none), or scl_slope to 0 to switch both off",
            ));
        }
        Ok(Rescale { slope, intercept })
    }
}

/// The version and byte order that the header's first field, its own size, gives away.
fn version(bytes: &[u8]) -> Option<(Version, bool)> {
    let first = *bytes.first_chunk::<4>()?;
    match (i32::from_le_bytes(first), i32::from_be_bytes(first)) {
        (NIFTI1_SIZE, _) => Some((Version::One, false)),
        (_, NIFTI1_SIZE) => Some((Version::One, true)),
        (NIFTI2_SIZE, _) => Some((Version::Two, false)),
        (_, NIFTI2_SIZE) => Some((Version::Two, true)),
        _ => None,
    }
}

fn magic(bytes: &[u8], version: Version) -> Option<&[u8]> {
    match version {
        Version::One => bytes.get(344..348),
        Version::Two => bytes.get(4..8),
    }
}

fn not_nifti(path: &Path, bytes: &[u8]) -> VolumeError {
    VolumeError::new(
        Fault::UnknownFormat,
        path,
        format!("is not NIfTI: it is {}", content::describe(bytes)),
        "check where the file came from; a failed download often leaves a web page under its name",
    )
}

fn checked_offset(path: &Path, offset: f64, shortest: u64) -> Result<u64> {
    // Writers that never set the field leave 0 and put the voxels right after the header.
    if offset == 0.0 {
        return Ok(shortest);
    }
    // Beyond 2^53 no file reaches, and the cast would not be exact.
    if !(offset >= shortest as f64 && offset < 9e15 && offset.fract() == 0.0) {
        return Err(VolumeError::new(
            Fault::Header,
            path,
            format!("says its voxels start at byte {offset} (vox_offset), {shortest} at the least"),
            "the header is damaged; export the file again",
        ));
    }
    Ok(offset as u64)
}

/// Bytes read in the header's order; a field beyond the end is `None`.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Fields<'_> {
    /// `vox_offset` as it stands there, and everything else.
    fn nifti1(&self) -> Option<(f64, Header)> {
        self.u8(347)?;
        let floats = |at: usize| -> Option<[f64; 4]> {
            Some([
                self.f32(at)?,
                self.f32(at + 4)?,
                self.f32(at + 8)?,
                self.f32(at + 12)?,
            ])
        };
        let ([_, b, c, d], [_, x, y, z]) = (floats(252)?, floats(264)?);
        let (low, high) = (floats(76)?, floats(92)?);
        let mut dim = [0; 8];
        for (axis, size) in dim.iter_mut().enumerate() {
            *size = i64::from(self.i16(40 + 2 * axis)?);
        }
        let header = Header {
            big_endian: self.big_endian,
            voxels_apart: false,
            dim,
            datatype: self.i16(70)?,
            pixdim: join(low, high),
            vox_offset: 0,
            scl_slope: self.f32(112)?,
            scl_inter: self.f32(116)?,
            xyzt_units: i32::from(self.u8(123)?),
            qform_code: i32::from(self.i16(252)?),
            sform_code: i32::from(self.i16(254)?),
            quatern: [b, c, d],
            epsilon: f64::from(f32::EPSILON),
            qoffset: [x, y, z],
            srow: [floats(280)?, floats(296)?, floats(312)?],
        };
        Some((self.f32(108)?, header))
    }

    fn nifti2(&self) -> Option<(f64, Header)> {
        self.u8(539)?;
        let doubles = |at: usize| -> Option<[f64; 4]> {
            Some([
                self.f64(at)?,
                self.f64(at + 8)?,
                self.f64(at + 16)?,
                self.f64(at + 24)?,
            ])
        };
        let ([b, c, d, _], [x, y, z, _]) = (doubles(352)?, doubles(376)?);
        let (low, high) = (doubles(104)?, doubles(136)?);
        let mut dim = [0; 8];
        for (axis, size) in dim.iter_mut().enumerate() {
            *size = self.i64(16 + 8 * axis)?;
        }
        let header = Header {
            big_endian: self.big_endian,
            voxels_apart: false,
            dim,
            datatype: self.i16(12)?,
            pixdim: join(low, high),
            vox_offset: 0,
            scl_slope: self.f64(176)?,
            scl_inter: self.f64(184)?,
            xyzt_units: self.i32(500)?,
            qform_code: self.i32(344)?,
            sform_code: self.i32(348)?,
            quatern: [b, c, d],
            epsilon: f64::EPSILON,
            qoffset: [x, y, z],
            srow: [doubles(400)?, doubles(432)?, doubles(464)?],
        };
        Some((self.i64(168)? as f64, header))
    }

    fn chunk<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.bytes.get(at..at + N)?.try_into().ok()?;
        if self.big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn i16(&self, at: usize) -> Option<i16> {
        self.chunk(at).map(i16::from_le_bytes)
    }

    fn i32(&self, at: usize) -> Option<i32> {
        self.chunk(at).map(i32::from_le_bytes)
    }

    fn i64(&self, at: usize) -> Option<i64> {
        self.chunk(at).map(i64::from_le_bytes)
    }

    fn f32(&self, at: usize) -> Option<f64> {
        self.chunk(at)
            .map(|bytes| f64::from(f32::from_le_bytes(bytes)))
    }

    fn f64(&self, at: usize) -> Option<f64> {
        self.chunk(at).map(f64::from_le_bytes)
    }
}

fn join([a, b, c, d]: [f64; 4], [e, f, g, h]: [f64; 4]) -> [f64; 8] {
    [a, b, c, d, e, f, g, h]
}
