//! MetaImage: `.mha` with its voxels inside, `.mhd` with a data file beside it.
//!
//! Fields as in the MetaIO documentation (Kitware); their reading follows ITK, whose frame is
//! LPS. `AnatomicalOrientation` and `CenterOfRotation` are ignored, as there.

use std::path::{Path, PathBuf};

use crate::content::{self, numbers, shorten};
use crate::error::{Fault, Result, VolumeError};
use crate::geometry::{Geometry, Vec3, clean_mm};
use crate::hu::Rescale;
use crate::inflate::{Wrapper, too_large};
use crate::stored::{Element, Encoding, Start, StoredVoxels};
use crate::summary::Summary;
use crate::volume::{Format, ScanFacts, Volume};
use crate::voxels::VoxelType;

/// Whether a file's first bytes (512 are plenty) start a MetaImage header.
#[must_use]
pub fn looks_like(first_bytes: &[u8]) -> bool {
    let Some((first_line, _)) = split_line(first_bytes) else {
        return false;
    };
    let Some((key, _)) = field(first_line) else {
        return false;
    };
    let word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let holds = |wanted: &[u8]| first_bytes.windows(wanted.len()).any(|w| w == wanted);
    word && (holds(b"NDims") || holds(b"ObjectType") && holds(b"Image"))
}

/// Reads a volume with its voxels in their stored type.
///
/// # Errors
/// Names the file, what is wrong with it and what to do; kinds as in [`Fault`]. A data file
/// outside the header's folder, lists and patterns of data files are [`Fault::Unsupported`].
pub fn read(path: &Path) -> Result<Volume> {
    let header = Header::read(path)?;
    let summary = header.summary()?;
    let (data_path, start) = header.data()?;
    let stored = StoredVoxels {
        path: &data_path,
        start,
        inflated_skip: 0,
        encoding: header.encoding(&data_path, start)?,
        element: header.element()?,
        big_endian: header.flag("BinaryDataByteOrderMSB") || header.flag("ElementByteOrderMSB"),
        count: header.voxel_count()?,
    };
    Volume {
        path: path.to_owned(),
        format: Format::MetaImage,
        voxels: stored.read()?,
        geometry: summary.geometry,
        geometry_declared: summary.geometry_declared,
        rescale: summary.rescale,
        padding: None,
        facts: ScanFacts {
            modality: header.modality(),
            ..ScanFacts::default()
        },
        warnings: summary.warnings,
    }
    .checked()
}

/// Reads the header only.
///
/// # Errors
/// As [`read`], but for what only the voxels could show.
pub fn summary(path: &Path) -> Result<Summary> {
    Header::read(path)?.summary()
}

/// The `key = value` lines of a header.
struct Header {
    path: PathBuf,
    fields: Vec<(String, String)>,
    /// Byte after the header's last line, where voxels start in a `.mha`.
    end: u64,
}

/// The next line without its end, and the rest; `None` without an end of line.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

fn field(line: &[u8]) -> Option<(String, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let (key, value) = line.split_once(['=', ':'])?;
    Some((key.trim().to_owned(), value.trim().to_owned()))
}

impl Header {
    fn read(path: &Path) -> Result<Self> {
        let bytes = content::first_bytes(path, content::TEXT_HEADER_LIMIT)?;
        let mut fields = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((line, after)) =
            split_line(rest).or((!rest.is_empty()).then_some((rest, &[])))
        {
            rest = after;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Some((key, value)) = field(line) else {
                let known = looks_like(&bytes);
                return Err(VolumeError::new(
                    if known {
                        Fault::Header
                    } else {
                        Fault::UnknownFormat
                    },
                    path,
                    match known {
                        true => format!(
                            "has a header line that is no `key = value`: `{}`",
                            shorten(&String::from_utf8_lossy(line))
                        ),
                        false => {
                            format!("is not MetaImage: it is {}", content::describe(&bytes))
                        }
                    },
                    "check where the file came from; export it again",
                ));
            };
            let last = key == "ElementDataFile";
            fields.push((key, value));
            if last {
                let end = (bytes.len() - rest.len()) as u64;
                return Ok(Self {
                    path: path.to_owned(),
                    fields,
                    end,
                });
            }
        }
        Err(VolumeError::new(
            Fault::Truncated,
            path,
            "ends before the field ElementDataFile, the last of a MetaImage header",
            "the copy was cut short; fetch or export the file again",
        ))
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value.starts_with(['T', 't', '1', 'Y', 'y']))
    }

    fn modality(&self) -> Option<String> {
        let modality = self.get("Modality")?.trim_start_matches("MET_MOD_");
        (!modality.eq_ignore_ascii_case("UNKNOWN")).then(|| modality.to_owned())
    }

    fn fault(&self, fault: Fault, what: String) -> VolumeError {
        let hint = "correct the header, or export the file again (SimpleITK writes .mha)";
        VolumeError::new(fault, &self.path, what, hint)
    }

    fn faulty_field(&self, key: &str) -> VolumeError {
        let what = match self.get(key) {
            Some(value) => format!("has an unusable header field `{key} = {}`", shorten(value)),
            None => format!("has no header field {key}"),
        };
        self.fault(Fault::Header, what)
    }

    /// The numbers of the first of `keys` that the header has; they must be `count`.
    fn numbers<T: std::str::FromStr>(&self, keys: &[&str], count: usize) -> Result<Option<Vec<T>>> {
        let Some(key) = keys.iter().find(|key| self.get(key).is_some()) else {
            return Ok(None);
        };
        let parsed = self.get(key).and_then(numbers::<T>);
        match parsed {
            Some(parsed) if parsed.len() == count => Ok(Some(parsed)),
            _ => Err(self.faulty_field(key)),
        }
    }

    /// Number of axes, 3 to 7.
    fn axes(&self) -> Result<usize> {
        match self.get("NDims").and_then(|text| text.parse().ok()) {
            Some(axes @ 3..=7) => Ok(axes),
            Some(axes @ 1..=2) => {
                Err(self.fault(Fault::Unsupported, format!("has {axes} axes, no volume")))
            }
            _ => Err(self.faulty_field("NDims")),
        }
    }

    fn dims_ijk(&self) -> Result<[usize; 3]> {
        let sizes = self
            .numbers::<usize>(&["DimSize"], self.axes()?)?
            .unwrap_or_default();
        match sizes.as_slice() {
            [i, j, k, more @ ..] if ![i, j, k].contains(&&0) => {
                if more.iter().all(|&size| size == 1) {
                    return Ok([*i, *j, *k]);
                }
                let what = format!("has sizes {sizes:?}: a series of volumes, not one");
                Err(self.fault(Fault::Unsupported, what))
            }
            _ => Err(self.faulty_field("DimSize")),
        }
    }

    fn voxel_count(&self) -> Result<usize> {
        let count = self
            .dims_ijk()?
            .into_iter()
            .try_fold(1_usize, usize::checked_mul);
        count.ok_or_else(|| too_large(&self.path))
    }

    fn element(&self) -> Result<Element> {
        let channels = self.get("ElementNumberOfChannels").unwrap_or("1");
        if channels != "1" {
            let what = format!(
                "has {} values a voxel (ElementNumberOfChannels)",
                shorten(channels)
            );
            return Err(self.fault(Fault::Voxels, what));
        }
        let name = self.get("ElementType").unwrap_or_default();
        match name {
            "MET_CHAR" | "MET_ASCII_CHAR" => Ok(Element::Kept(VoxelType::I8)),
            "MET_UCHAR" => Ok(Element::Kept(VoxelType::U8)),
            "MET_SHORT" => Ok(Element::Kept(VoxelType::I16)),
            "MET_USHORT" => Ok(Element::Kept(VoxelType::U16)),
            // MetaIO fixes `long` at 4 bytes, whatever the compiler thinks.
            "MET_INT" | "MET_LONG" => Ok(Element::Kept(VoxelType::I32)),
            "MET_UINT" | "MET_ULONG" => Ok(Element::Kept(VoxelType::U32)),
            "MET_LONG_LONG" => Ok(Element::I64),
            "MET_ULONG_LONG" => Ok(Element::U64),
            "MET_FLOAT" => Ok(Element::Kept(VoxelType::F32)),
            "MET_DOUBLE" => Ok(Element::Kept(VoxelType::F64)),
            _ if name.ends_with("_ARRAY") || name.ends_with("_MATRIX") => Err(self.fault(
                Fault::Voxels,
                format!(
                    "holds vectors ({}); a CT has one number a voxel",
                    shorten(name)
                ),
            )),
            _ => Err(self.faulty_field("ElementType")),
        }
    }

    /// The file with the voxels, and where they start in it.
    fn data(&self) -> Result<(PathBuf, Start)> {
        let name = self.get("ElementDataFile").unwrap_or_default();
        let first_word = name.split_ascii_whitespace().next().unwrap_or_default();
        if first_word.eq_ignore_ascii_case("LIST") || name.contains('%') {
            return Err(VolumeError::new(
                Fault::Unsupported,
                &self.path,
                format!(
                    "keeps its voxels in several files (ElementDataFile = {})",
                    shorten(name)
                ),
                "convert it to one .mha file with SimpleITK or ITK-SNAP",
            ));
        }
        let local = name.eq_ignore_ascii_case("LOCAL");
        let path = if local {
            self.path.clone()
        } else {
            content::data_file(&self.path, name)?
        };
        let skip = match self.get("HeaderSize").map(str::parse::<i64>) {
            None | Some(Ok(0)) => None,
            Some(Ok(-1)) => return Ok((path, Start::UntilEnd)),
            Some(Ok(skip)) if skip > 0 => Some(skip as u64),
            Some(_) => return Err(self.faulty_field("HeaderSize")),
        };
        Ok((
            path,
            Start::Offset(skip.unwrap_or(if local { self.end } else { 0 })),
        ))
    }

    fn encoding(&self, data_path: &Path, start: Start) -> Result<Encoding> {
        if self.flag("CompressedData") {
            let Start::Offset(offset) = start else {
                return Err(self.faulty_field("HeaderSize"));
            };
            // ITK inflates either kind, whichever the stream starts as.
            let magic = content::bytes_at(data_path, offset, 2)?;
            let gzip = content::is_gzip(&magic);
            return Ok(Encoding::Deflated(if gzip {
                Wrapper::Gzip
            } else {
                Wrapper::Zlib
            }));
        }
        let text = self.get("BinaryData").is_some() && !self.flag("BinaryData");
        Ok(if text { Encoding::Text } else { Encoding::Raw })
    }

    fn summary(&self) -> Result<Summary> {
        let axes = self.axes()?;
        let dims_ijk = self.dims_ijk()?;
        let mut warnings = Vec::new();

        let spacing = self.numbers::<f64>(&["ElementSpacing", "ElementSize"], axes)?;
        let geometry_declared = spacing.is_some();
        if !geometry_declared {
            warnings.push("no ElementSpacing: voxels of 1 mm are a guess".to_owned());
        }
        let spacing_mm = spacing.map_or([1.0; 3], |s| [s[0], s[1], s[2]].map(clean_mm));
        if self.get("DistanceUnits").is_some_and(|units| units != "mm") {
            warnings.push("DistanceUnits is ignored, as ITK does: lengths are taken as mm".into());
        }

        let matrix_keys = ["TransformMatrix", "Rotation", "Orientation"];
        let matrix = self.numbers::<f64>(&matrix_keys, axes * axes)?;
        let mut directions = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        if let Some(matrix) = matrix {
            for (direction, row) in directions.iter_mut().zip(matrix.chunks_exact(axes)) {
                direction.copy_from_slice(&row[..3]);
            }
        }
        let origin = self.numbers::<f64>(&["Offset", "Position", "Origin"], axes)?;
        let origin: Vec3 = origin.map_or([0.0; 3], |o| [o[0], o[1], o[2]]);

        let geometry = Geometry::new(dims_ijk, spacing_mm, directions, origin).map_err(|e| {
            self.fault(Fault::Geometry, "has an unusable grid".to_owned())
                .because(e)
        })?;
        Ok(Summary {
            format: Format::MetaImage,
            geometry,
            geometry_declared,
            voxel_type: self.element()?.voxel_type(),
            rescale: Rescale::IDENTITY,
            warnings,
        })
    }
}
