//! CT-RATE's metadata table: what the DICOM headers said of files that are no DICOM any more.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result, VolumeError};
use crate::geometry::Vec3;
use crate::hu::Rescale;

/// One scan's row of a metadata table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetadataRow {
    /// The table it stands in.
    pub table: PathBuf,
    /// The scan's file name.
    pub volume_name: String,
    /// DICOM rescale slope and intercept of the original slices.
    pub rescale: Rescale,
    /// In-plane spacing: the first number of `XYSpacing`, as the published scripts use it for
    /// both axes.
    pub xy_spacing_mm: f64,
    /// Distance between slices.
    pub z_spacing_mm: f64,
}

impl MetadataRow {
    /// Spacing along `i`, `j` and `k`.
    #[must_use]
    pub fn spacing_mm(&self) -> Vec3 {
        [self.xy_spacing_mm, self.xy_spacing_mm, self.z_spacing_mm]
    }

    /// The row of `table` whose `VolumeName` is the file name of `scan`.
    ///
    /// # Errors
    /// [`Fault::Settings`] when the table cannot be read, lacks a column, has no such row or two
    /// of them, or the row holds no sound numbers.
    pub fn find(table: &Path, scan: &Path) -> Result<Self> {
        let name = scan
            .file_name()
            .map(|name| name.to_string_lossy())
            .unwrap_or_default();
        let error = |what: String, hint: &str| VolumeError::new(Fault::Settings, table, what, hint);
        let mut reader = csv::Reader::from_path(table).map_err(|fault| {
            error(
                "cannot be read as a CSV table".into(),
                "check the path given to --metadata",
            )
            .because(fault)
        })?;
        let mut found: Option<RawRow> = None;
        for row in reader.deserialize::<RawRow>() {
            let row = row.map_err(|fault| {
                error(
                    format!("is no metadata table ({fault})"),
                    "it needs the columns VolumeName, RescaleSlope, RescaleIntercept, XYSpacing \
                     and ZSpacing, as CT-RATE publishes them",
                )
            })?;
            if row.volume_name != name {
                continue;
            }
            if found.replace(row).is_some() {
                return Err(error(
                    format!("has two rows for {name}"),
                    "remove one of them",
                ));
            }
        }
        let row = found.ok_or_else(|| {
            error(
                format!("has no row for {name}"),
                "VolumeName must equal the scan's file name; or leave --metadata out",
            )
        })?;
        row.checked(table).ok_or_else(|| {
            error(
                format!("has a row for {name} that holds no sound slope, intercept or spacing"),
                "RescaleSlope must be finite and not zero, spacings positive, XYSpacing like \
                 \"[0.75, 0.75]\"",
            )
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawRow {
    volume_name: String,
    rescale_slope: f64,
    rescale_intercept: f64,
    #[serde(rename = "XYSpacing")]
    xy_spacing: String,
    #[serde(rename = "ZSpacing")]
    z_spacing: f64,
}

impl RawRow {
    fn checked(self, table: &Path) -> Option<MetadataRow> {
        // The published script cuts the list by character positions and so reads "[0.75]" as
        // 0.7; rows of two numbers, the only ones CT-RATE has, read alike.
        let xy = self
            .xy_spacing
            .trim_matches(['[', ']', ' '])
            .split(',')
            .next()?;
        let xy_spacing_mm: f64 = xy.trim().parse().ok()?;
        let positive = |mm: f64| mm.is_finite() && mm > 0.0;
        let sound = positive(xy_spacing_mm)
            && positive(self.z_spacing)
            && self.rescale_slope.is_finite()
            && self.rescale_slope != 0.0
            && self.rescale_intercept.is_finite();
        sound.then(|| MetadataRow {
            table: table.to_owned(),
            volume_name: self.volume_name,
            rescale: Rescale {
                slope: self.rescale_slope,
                intercept: self.rescale_intercept,
            },
            xy_spacing_mm,
            z_spacing_mm: self.z_spacing,
        })
    }
}
