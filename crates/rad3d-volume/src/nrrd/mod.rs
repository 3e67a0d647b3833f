//! NRRD, versions 1 to 5: `.nrrd` with its voxels inside, `.nhdr` with a data file beside it.
//!
//! Fields as in the format's definition (teem.sourceforge.net/nrrd/format.html). Lists of data
//! files and bzip2 are refused by name.

mod fields;

use std::path::{Path, PathBuf};

use crate::content::{self, shorten};
use crate::error::{Fault, Result, VolumeError};
use crate::geometry::{Geometry, Vec3, clean_mm, norm};
use crate::hu::Rescale;
use crate::inflate::{Wrapper, too_large};
use crate::stored::{Element, Encoding, Start, StoredVoxels};
use crate::summary::Summary;
use crate::volume::{Format, ScanFacts, Volume};

use fields::Fields;

/// Whether a file's first bytes start an NRRD header.
#[must_use]
pub fn looks_like(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(b"NRRD00")
}

/// Reads a volume with its voxels in their stored type.
///
/// # Errors
/// Names the file, what is wrong with it and what to do; kinds as in [`Fault`].
pub fn read(path: &Path) -> Result<Volume> {
    let header = Header {
        fields: Fields::read(path)?,
    };
    let summary = header.summary()?;
    let (data_path, offset) = header.data()?;
    let encoding = header.encoding()?;
    let (start, inflated_skip) = header.skips(&data_path, offset, encoding)?;
    let element = header.element()?;
    let stored = StoredVoxels {
        path: &data_path,
        start,
        inflated_skip,
        encoding,
        element,
        big_endian: header.big_endian(encoding, element)?,
        count: header.voxel_count()?,
    };
    Volume {
        path: path.to_owned(),
        format: Format::Nrrd,
        voxels: stored.read()?,
        geometry: summary.geometry,
        geometry_declared: summary.geometry_declared,
        rescale: summary.rescale,
        padding: None,
        facts: ScanFacts::default(),
        warnings: summary.warnings,
    }
    .checked()
}

/// Reads the header only.
///
/// # Errors
/// As [`read`], but for what only the voxels could show.
pub fn summary(path: &Path) -> Result<Summary> {
    Header {
        fields: Fields::read(path)?,
    }
    .summary()
}

/// The meaning of the fields.
struct Header {
    fields: Fields,
}

/// One axis of the array.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    size: usize,
    kind: Option<String>,
    /// Step along the axis in the header's space; `None` where it says none.
    direction: Option<Vec3>,
    spacing: Option<f64>,
}

impl Axis {
    /// Whether the axis runs through the patient, as far as its kind tells.
    fn is_spatial(&self) -> bool {
        let kind = self.kind.as_deref();
        kind.is_none_or(|kind| matches!(kind, "domain" | "space" | "???" | "none"))
    }
}

impl Header {
    fn fault(&self, fault: Fault, what: impl Into<String>) -> VolumeError {
        let hint = "correct the header, or export the file again (3D Slicer writes .nrrd)";
        VolumeError::new(fault, &self.fields.path, what, hint)
    }

    fn faulty(&self, key: &str) -> VolumeError {
        let what = match self.fields.get(key) {
            Some(value) => format!("has an unusable header field `{key}: {}`", shorten(value)),
            None => format!("has no header field `{key}`"),
        };
        self.fault(Fault::Header, what)
    }

    /// All axes, fastest first.
    fn axes(&self) -> Result<Vec<Axis>> {
        let count: usize = match self
            .fields
            .get("dimension")
            .and_then(|text| text.parse().ok())
        {
            Some(count @ 1..=16) => count,
            _ => return Err(self.faulty("dimension")),
        };
        let sizes = self.fields.get("sizes").and_then(content::numbers::<usize>);
        let Some(sizes) = sizes.filter(|s| s.len() == count && !s.contains(&0)) else {
            return Err(self.faulty("sizes"));
        };
        let mut axes: Vec<Axis> = sizes
            .into_iter()
            .map(|size| Axis {
                size,
                kind: None,
                direction: None,
                spacing: None,
            })
            .collect();
        if let Some(kinds) = self.fields.get("kinds") {
            for (axis, kind) in axes.iter_mut().zip(kinds.split_ascii_whitespace()) {
                axis.kind = Some(kind.to_ascii_lowercase());
            }
        }
        if let Some(text) = self.fields.get("spacings") {
            let spacings = content::numbers::<f64>(text).filter(|s| s.len() == count);
            let spacings = spacings.ok_or_else(|| self.faulty("spacings"))?;
            for (axis, spacing) in axes.iter_mut().zip(spacings) {
                // NaN is how the format says that an axis has no spacing.
                axis.spacing = Some(spacing).filter(|spacing| !spacing.is_nan());
            }
        }
        if let Some(text) = self.fields.get("space directions") {
            let directions = fields::vectors(text).filter(|d| d.len() == count);
            let directions = directions.ok_or_else(|| self.faulty("space directions"))?;
            for (axis, direction) in axes.iter_mut().zip(directions) {
                axis.direction = direction;
            }
        }
        Ok(axes)
    }

    /// The three axes through the patient; others may have one sample only.
    fn patient_axes(&self) -> Result<[Axis; 3]> {
        let mut axes = self.axes()?;
        let sizes: Vec<usize> = axes.iter().map(|axis| axis.size).collect();
        if let Some(axis) = axes.iter().find(|axis| !axis.is_spatial() && axis.size > 1) {
            let kind = axis.kind.as_deref().unwrap_or_default();
            let (fault, meaning) = match kind {
                "time" | "list" => (Fault::Unsupported, "a series of volumes, not one"),
                _ => (Fault::Voxels, "a CT has one number a voxel"),
            };
            let what = format!(
                "has an axis of kind `{}` (sizes {sizes:?}): {meaning}",
                shorten(kind)
            );
            return Err(self.fault(fault, what));
        }
        let directed = self.fields.get("space directions").is_some();
        if directed
            && axes
                .iter()
                .any(|axis| axis.direction.is_none() && axis.size > 1)
        {
            let what = format!("has an axis without direction (sizes {sizes:?}): no single volume");
            return Err(self.fault(Fault::Unsupported, what));
        }
        let spare = |axis: &Axis| {
            axis.size == 1 && (!axis.is_spatial() || directed && axis.direction.is_none())
        };
        axes.retain(|axis| !spare(axis));
        while axes.len() > 3 {
            match axes.iter().rposition(|axis| axis.size == 1) {
                Some(last) => axes.remove(last),
                None => break,
            };
        }
        axes.try_into().map_err(|_| {
            let what = format!("has sizes {sizes:?}, which are not the three axes of one volume");
            self.fault(Fault::Unsupported, what)
        })
    }

    fn voxel_count(&self) -> Result<usize> {
        let sizes = self.patient_axes()?.map(|axis| axis.size);
        let count = sizes.into_iter().try_fold(1_usize, usize::checked_mul);
        count.ok_or_else(|| too_large(&self.fields.path))
    }

    fn element(&self) -> Result<Element> {
        let name = self.fields.get("type").unwrap_or_default();
        if name.eq_ignore_ascii_case("block") {
            return Err(self.fault(
                Fault::Voxels,
                "holds opaque blocks, not numbers (type: block)",
            ));
        }
        fields::element(name).ok_or_else(|| self.faulty("type"))
    }

    fn encoding(&self) -> Result<Encoding> {
        match self
            .fields
            .get("encoding")
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "raw" => Ok(Encoding::Raw),
            "gzip" | "gz" => Ok(Encoding::Deflated(Wrapper::Gzip)),
            "text" | "txt" | "ascii" => Ok(Encoding::Text),
            name @ ("bzip2" | "bz2" | "hex") => Err(VolumeError::new(
                Fault::Unsupported,
                &self.fields.path,
                format!("is encoded as {name}"),
                "write it with gzip or raw encoding (`unu save -e gzip`, or 3D Slicer)",
            )),
            _ => Err(self.faulty("encoding")),
        }
    }

    fn big_endian(&self, encoding: Encoding, element: Element) -> Result<bool> {
        let single_bytes = matches!(element, Element::Kept(kept) if kept.size() == 1);
        match self
            .fields
            .get("endian")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("little") => Ok(false),
            Some("big") => Ok(true),
            None if single_bytes || encoding == Encoding::Text => Ok(false),
            _ => Err(self.faulty("endian")),
        }
    }

    /// The file with the voxels, and where its data (before any skip) start.
    fn data(&self) -> Result<(PathBuf, u64)> {
        match self.fields.get("data file") {
            None => Ok((self.fields.path.clone(), self.fields.end)),
            Some(name) if name.starts_with("LIST") || name.contains('%') => Err(VolumeError::new(
                Fault::Unsupported,
                &self.fields.path,
                format!(
                    "keeps its voxels in several files (data file: {})",
                    shorten(name)
                ),
                "convert it to one .nrrd file (`unu save`, or 3D Slicer)",
            )),
            Some(name) => Ok((content::data_file(&self.fields.path, name)?, 0)),
        }
    }

    /// Applies `line skip`, which counts lines of the file, and `byte skip`, which counts bytes
    /// after decompression.
    fn skips(&self, path: &Path, offset: u64, encoding: Encoding) -> Result<(Start, u64)> {
        let lines: u64 = match self.fields.get("line skip").map(str::parse) {
            None => 0,
            Some(Ok(lines)) => lines,
            Some(Err(_)) => return Err(self.faulty("line skip")),
        };
        let offset = offset
            + if lines > 0 {
                content::lines_length(path, offset, lines)?
            } else {
                0
            };
        let bytes: i64 = match self.fields.get("byte skip").map(str::parse) {
            None => 0,
            Some(Ok(bytes)) => bytes,
            Some(Err(_)) => return Err(self.faulty("byte skip")),
        };
        match (encoding, u64::try_from(bytes)) {
            (Encoding::Deflated(_), Ok(bytes)) => Ok((Start::Offset(offset), bytes)),
            (_, Ok(bytes)) => Ok((Start::Offset(offset.saturating_add(bytes)), 0)),
            (Encoding::Raw, Err(_)) if bytes == -1 => Ok((Start::UntilEnd, 0)),
            _ => Err(self.faulty("byte skip")),
        }
    }

    fn summary(&self) -> Result<Summary> {
        let axes = self.patient_axes()?;
        let mut warnings = Vec::new();
        let space = fields::Space::parse(self.fields.get("space").unwrap_or_default());
        let directions = match [axes[0].direction, axes[1].direction, axes[2].direction] {
            [Some(i), Some(j), Some(k)] => Some([i, j, k]),
            _ => None,
        };
        let geometry_declared = space.is_some() && directions.is_some();
        if !geometry_declared {
            warnings.push(
                "no anatomical space with directions: axes are taken as left, posterior, superior"
                    .to_owned(),
            );
        }
        let units = self.fields.get("space units").unwrap_or_default();
        if units
            .split(['"', ' '])
            .any(|unit| !unit.is_empty() && unit != "mm")
        {
            warnings.push(format!("space units {} are taken as mm", shorten(units)));
        }

        let to_lps = space.unwrap_or(fields::Space::Lps).signs_to_lps();
        let lps = |v: Vec3| [v[0] * to_lps[0], v[1] * to_lps[1], v[2] * to_lps[2]];
        let origin = match self.fields.get("space origin") {
            None => [0.0; 3],
            Some(text) => match fields::vectors(text).as_deref() {
                Some([Some(origin)]) => lps(*origin),
                _ => return Err(self.faulty("space origin")),
            },
        };
        let identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let (columns, spacing_mm) = match directions {
            Some(columns) => (
                columns.map(lps),
                columns.map(|column| clean_mm(norm(column))),
            ),
            None => (
                identity,
                axes.each_ref()
                    .map(|axis| axis.spacing.unwrap_or(1.0).abs()),
            ),
        };
        let dims_ijk = axes.each_ref().map(|axis| axis.size);
        let geometry =
            Geometry::new(dims_ijk, spacing_mm.map(clean_mm), columns, origin).map_err(|e| {
                self.fault(Fault::Geometry, "has an unusable grid")
                    .because(e)
            })?;
        Ok(Summary {
            format: Format::Nrrd,
            geometry,
            geometry_declared,
            voxel_type: self.element()?.voxel_type(),
            rescale: Rescale::IDENTITY,
            warnings,
        })
    }
}
