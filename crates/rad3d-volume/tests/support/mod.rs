//! Files of all formats, built byte by byte, so that readers are not tested by our own writers.

#![expect(dead_code, reason = "each test binary uses its part")]
#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::io::Write;
use std::path::{Path, PathBuf};

use rad3d_volume::{Orientation, Vec3};

/// A folder that vanishes with its files.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file into the folder.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A NIfTI header's fields; the default is a sound 4 × 3 × 2 volume of `i16`.
#[derive(Debug, Clone)]
pub(crate) struct Nifti {
    pub(crate) version: u8,
    pub(crate) big_endian: bool,
    pub(crate) magic: [u8; 4],
    pub(crate) dim: [i64; 8],
    pub(crate) datatype: i16,
    pub(crate) pixdim: [f64; 8],
    pub(crate) vox_offset: f64,
    pub(crate) scl: [f64; 2],
    pub(crate) xyzt_units: u8,
    pub(crate) qform_code: i16,
    pub(crate) sform_code: i16,
    pub(crate) quatern: [f64; 3],
    pub(crate) qoffset: [f64; 3],
    pub(crate) srow: [[f64; 4]; 3],
}

impl Default for Nifti {
    fn default() -> Self {
        Self {
            version: 1,
            big_endian: false,
            magic: *b"n+1\0",
            dim: [3, 4, 3, 2, 1, 1, 1, 1],
            datatype: 4,
            pixdim: [1.0, 0.7, 0.8, 2.5, 0.0, 0.0, 0.0, 0.0],
            vox_offset: 352.0,
            scl: [1.0, 0.0],
            xyzt_units: 2,
            qform_code: 0,
            sform_code: 1,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            srow: [
                [-0.7, 0.0, 0.0, 100.0],
                [0.0, -0.8, 0.0, 90.0],
                [0.0, 0.0, 2.5, -50.0],
            ],
        }
    }
}

impl Nifti {
    pub(crate) fn version2() -> Self {
        Self {
            version: 2,
            magic: *b"n+2\0",
            vox_offset: 544.0,
            ..Self::default()
        }
    }

    /// The sform of a grid.
    #[must_use]
    pub(crate) fn placed(
        mut self,
        orientation: Orientation,
        spacing: Vec3,
        origin_lps: Vec3,
    ) -> Self {
        let directions = orientation.directions_lps();
        for (row, sign) in [-1.0, -1.0, 1.0].into_iter().enumerate() {
            for axis in 0..3 {
                self.srow[row][axis] = sign * directions[axis][row] * spacing[axis];
            }
            self.srow[row][3] = sign * origin_lps[row];
            self.pixdim[row + 1] = spacing[row];
        }
        self
    }

    /// The header, filled with zeros up to the voxels.
    pub(crate) fn header(&self) -> Vec<u8> {
        let shortest = if self.version == 1 { 348.0 } else { 540.0 };
        let length = if self.magic.starts_with(b"ni") {
            shortest
        } else {
            self.vox_offset
        };
        let mut bytes = Bytes {
            bytes: vec![0; length.max(shortest).min(4096.0) as usize],
            big: self.big_endian,
        };
        if self.version == 1 {
            bytes.put(0, 348_i32.to_be_bytes());
            for (axis, &size) in self.dim.iter().enumerate() {
                bytes.put(40 + 2 * axis, (size as i16).to_be_bytes());
                bytes.put(76 + 4 * axis, (self.pixdim[axis] as f32).to_be_bytes());
            }
            bytes.put(70, self.datatype.to_be_bytes());
            bytes.put(108, (self.vox_offset as f32).to_be_bytes());
            bytes.put(112, (self.scl[0] as f32).to_be_bytes());
            bytes.put(116, (self.scl[1] as f32).to_be_bytes());
            bytes.put(123, [self.xyzt_units]);
            bytes.put(252, self.qform_code.to_be_bytes());
            bytes.put(254, self.sform_code.to_be_bytes());
            for row in 0..3 {
                bytes.put(256 + 4 * row, (self.quatern[row] as f32).to_be_bytes());
                bytes.put(268 + 4 * row, (self.qoffset[row] as f32).to_be_bytes());
                for column in 0..4 {
                    let at = 280 + 16 * row + 4 * column;
                    bytes.put(at, (self.srow[row][column] as f32).to_be_bytes());
                }
            }
            bytes.bytes[344..348].copy_from_slice(&self.magic);
        } else {
            bytes.put(0, 540_i32.to_be_bytes());
            bytes.bytes[4..8].copy_from_slice(&self.magic);
            bytes.put(12, self.datatype.to_be_bytes());
            for (axis, &size) in self.dim.iter().enumerate() {
                bytes.put(16 + 8 * axis, size.to_be_bytes());
                bytes.put(104 + 8 * axis, self.pixdim[axis].to_be_bytes());
            }
            bytes.put(168, (self.vox_offset as i64).to_be_bytes());
            bytes.put(176, self.scl[0].to_be_bytes());
            bytes.put(184, self.scl[1].to_be_bytes());
            bytes.put(344, i32::from(self.qform_code).to_be_bytes());
            bytes.put(348, i32::from(self.sform_code).to_be_bytes());
            for row in 0..3 {
                bytes.put(352 + 8 * row, self.quatern[row].to_be_bytes());
                bytes.put(376 + 8 * row, self.qoffset[row].to_be_bytes());
                for column in 0..4 {
                    bytes.put(
                        400 + 32 * row + 8 * column,
                        self.srow[row][column].to_be_bytes(),
                    );
                }
            }
            bytes.put(500, i32::from(self.xyzt_units).to_be_bytes());
        }
        bytes.bytes
    }

    /// The whole file.
    pub(crate) fn file(&self, voxels: &[u8]) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.extend_from_slice(voxels);
        bytes
    }

    /// The whole file with the numbers 0, 1, 2, … as 16-bit voxels.
    pub(crate) fn counting(&self) -> Vec<u8> {
        let count = self.dim[1..=3].iter().product::<i64>() as i16;
        let values: Vec<i16> = (0..count).collect();
        self.file(&ends(&values, self.big_endian))
    }
}

struct Bytes {
    bytes: Vec<u8>,
    big: bool,
}

impl Bytes {
    fn put<const N: usize>(&mut self, at: usize, mut big_endian: [u8; N]) {
        if !self.big {
            big_endian.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&big_endian);
    }
}

/// Numbers that files can hold.
pub(crate) trait Number: Copy {
    fn little_endian(self) -> Vec<u8>;
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Number for $type {
            fn little_endian(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        })*
    };
}

numbers!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);

/// Numbers as bytes of either endianness.
pub(crate) fn ends<T: Number>(values: &[T], big_endian: bool) -> Vec<u8> {
    let bytes = |value: &T| {
        let mut bytes = value.little_endian();
        if big_endian {
            bytes.reverse();
        }
        bytes
    };
    values.iter().flat_map(bytes).collect()
}

/// 24 numbers, 0 to 23, as little-endian `i16`.
pub(crate) fn counting24() -> Vec<u8> {
    ends(&(0..24).collect::<Vec<i16>>(), false)
}

/// A sound MetaImage header of 4 × 3 × 2 `i16`, with its field lines replaced or added to.
pub(crate) fn metaimage(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut lines = vec![
        ("ObjectType", "Image"),
        ("NDims", "3"),
        ("BinaryData", "True"),
        ("BinaryDataByteOrderMSB", "False"),
        ("CompressedData", "False"),
        ("TransformMatrix", "1 0 0 0 1 0 0 0 1"),
        ("Offset", "-100 -90 -50"),
        ("CenterOfRotation", "0 0 0"),
        ("AnatomicalOrientation", "RAI"),
        ("ElementSpacing", "0.7 0.8 2.5"),
        ("DimSize", "4 3 2"),
        ("ElementType", "MET_SHORT"),
        ("ElementDataFile", "LOCAL"),
    ];
    change(&mut lines, changes);
    lines
        .iter()
        .flat_map(|(key, value)| format!("{key} = {value}\n").into_bytes())
        .collect()
}

/// A sound NRRD header of 4 × 3 × 2 `i16` without its last blank line.
pub(crate) fn nrrd(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut lines = vec![
        ("type", "short"),
        ("dimension", "3"),
        ("space", "left-posterior-superior"),
        ("sizes", "4 3 2"),
        ("space directions", "(0.7,0,0) (0,0.8,0) (0,0,2.5)"),
        ("kinds", "domain domain domain"),
        ("endian", "little"),
        ("encoding", "raw"),
        ("space origin", "(-100,-90,-50)"),
    ];
    change(&mut lines, changes);
    let mut bytes = b"NRRD0004\n# Complete NRRD file format specification at:\n".to_vec();
    bytes.extend(
        lines
            .iter()
            .flat_map(|(k, v)| format!("{k}: {v}\n").into_bytes()),
    );
    bytes
}

/// Replaces fields of the same name (drops them where the value is `-`), adds others before the
/// last.
fn change<'a>(lines: &mut Vec<(&'a str, &'a str)>, changes: &[(&'a str, &'a str)]) {
    for &(key, value) in changes {
        match lines.iter().position(|(name, _)| *name == key) {
            Some(at) if value == "-" => drop(lines.remove(at)),
            Some(at) => lines[at].1 = value,
            None => lines.insert(lines.len() - 1, (key, value)),
        }
    }
}

/// An attached file: header, blank line if asked, voxels.
pub(crate) fn attached(mut header: Vec<u8>, between: &[u8], voxels: &[u8]) -> Vec<u8> {
    header.extend_from_slice(between);
    header.extend_from_slice(voxels);
    header
}

/// Whether two points are within `tolerance` millimetres along each axis.
pub(crate) fn near(a: Vec3, b: Vec3, tolerance: f64) -> bool {
    a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance)
}
