//! From a volume that was read to a plan that may be run: all decisions, in one place.

use serde::Serialize;

use crate::chest::ChestCheck;
use crate::error::{Fault, Result, VolumeError};
use crate::histogram::Sample;
use crate::hu_guard::{HuDecision, HuMode, decide_hu};
use crate::metadata::MetadataRow;
use crate::recipe::{OrientationMode, Plan, Recipe};
use crate::volume::Volume;

/// What the user may decide instead of us.
#[derive(Debug, Clone, Default)]
pub struct PrepareOptions {
    /// How stored values become Hounsfield units.
    pub hu: HuMode,
    /// Whether to believe the header's orientation.
    pub orientation: OrientationMode,
    /// The scan's row of a metadata table.
    pub metadata: Option<MetadataRow>,
    /// Go on with scans that are no chest CT.
    pub force: bool,
}

/// Where spacing and orientation were taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GeometrySource {
    /// The file's header.
    Header,
    /// Spacing from the metadata table, axes taken to point left, posterior, superior.
    Table,
    /// Spacing from the header, axes taken to point left, posterior, superior.
    HeaderSpacingOnly,
}

/// Everything decided about a volume, ready to run.
#[derive(Debug)]
pub struct Prepared {
    /// The volume, its grid corrected by the table where that was called for.
    pub volume: Volume,
    /// Where its grid was taken from.
    pub geometry_source: GeometrySource,
    /// How stored values become Hounsfield units.
    pub hu: HuDecision,
    /// What was seen of the chest.
    pub chest: ChestCheck,
    /// Which voxels make which element.
    pub plan: Plan,
    /// What a careful reader should know, the volume's own warnings included.
    pub warnings: Vec<String>,
}

/// Obliquity beyond which turning axes by 90° steps no longer shows the body upright, degrees.
const TILTED_DEG: f64 = 15.0;
/// Share of voxels at or below −1000 HU beyond which a scan looks wrongly rescaled (spec 1).
const NEARLY_ALL_AIR: f64 = 0.95;

/// Decides on grid, units and plan for `volume`.
///
/// # Errors
/// * [`Fault::Geometry`]: the header is blank and no table was given; the grid makes no tensor.
/// * [`Fault::AmbiguousHu`]: see [`decide_hu`].
/// * [`Fault::NotChestCt`]: see [`ChestCheck`]; not with `force`.
pub fn prepare(mut volume: Volume, recipe: &Recipe, options: &PrepareOptions) -> Result<Prepared> {
    let table = options.metadata.as_ref();
    let geometry_source = settle_geometry(&mut volume, options)?;
    let orientation = match geometry_source {
        GeometrySource::Header => OrientationMode::FromHeader,
        GeometrySource::Table | GeometrySource::HeaderSpacingOnly => OrientationMode::Keep,
    };
    let sample = Sample::of(&volume);
    let hu = decide_hu(&volume, &sample, table, options.hu)?;
    let chest = ChestCheck::of(&volume, hu.to_hu);
    if !options.force {
        chest.require(&volume)?;
    }
    let plan = Plan::new(recipe, &volume, hu.to_hu, orientation)?;
    let mut warnings = std::mem::take(&mut volume.warnings);
    warnings.extend(
        chest
            .objections
            .iter()
            .map(|objection| format!("no chest CT? {objection}")),
    );
    let tilt = volume.geometry.obliquity_deg();
    if orientation == OrientationMode::FromHeader && tilt > TILTED_DEG {
        warnings.push(format!(
            "the scan lies {tilt:.0}° off the patient's axes; it is not turned"
        ));
    }
    let air = sample.share(hu.to_hu, f64::NEG_INFINITY, -999.5);
    if air > NEARLY_ALL_AIR {
        warnings.push(format!(
            "{:.1} % of the voxels lie at or below -1000 HU: is it rescaled twice?",
            100.0 * air
        ));
    }
    if let (GeometrySource::Header, Some(row)) = (geometry_source, table) {
        warnings.extend(contradiction(&volume, row));
    }
    Ok(Prepared {
        volume,
        geometry_source,
        hu,
        chest,
        plan,
        warnings,
    })
}

/// Takes spacing and orientation from header or table, whichever is to be believed.
fn settle_geometry(volume: &mut Volume, options: &PrepareOptions) -> Result<GeometrySource> {
    let keep = options.orientation == OrientationMode::Keep;
    let blank = !volume.geometry_declared;
    if !keep && !blank {
        return Ok(GeometrySource::Header);
    }
    let Some(row) = &options.metadata else {
        return if keep {
            Ok(GeometrySource::HeaderSpacingOnly)
        } else {
            Err(VolumeError::new(
                Fault::Geometry,
                &volume.path,
                "says nothing of voxel spacing and orientation: its header is blank",
                "give the metadata table with --metadata (CT-RATE v1), or --orientation keep if \
                 voxels are 1 mm and axes point left, posterior, superior",
            ))
        };
    };
    volume.geometry = volume
        .geometry
        .with_spacing_mm(row.spacing_mm())
        .map_err(|fault| {
            VolumeError::new(
                Fault::Geometry,
                &row.table,
                format!("row {}: {fault}", row.volume_name),
                "correct the table",
            )
        })?;
    Ok(GeometrySource::Table)
}

/// Whether header and table disagree on spacing by more than rounding.
fn contradiction(volume: &Volume, row: &MetadataRow) -> Option<String> {
    let mut header = volume.geometry.spacing_mm();
    let mut table = row.spacing_mm();
    header.sort_by(f64::total_cmp);
    table.sort_by(f64::total_cmp);
    let apart = header
        .iter()
        .zip(table)
        .any(|(h, t)| (h - t).abs() > 0.01 * t);
    apart.then(|| {
        format!(
            "header and table disagree on spacing ({header:?} and {table:?} mm); the header is used"
        )
    })
}
