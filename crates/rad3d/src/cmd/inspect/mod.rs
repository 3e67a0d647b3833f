//! `rad3d inspect INPUT`: what a scan is, and what would be done to it.

mod table;

use std::path::PathBuf;

use rad3d_volume::{
    ChestCheck, Geometry, GeometrySource, Histogram, HuDecision, Input, Orientation, Plan,
    PrepareOptions, Recipe, Rescale, Sample, ScanFacts, SeriesSummary, Vec3, Volume, VolumeError,
    VoxelType, prepare,
};
use serde::Serialize;

use crate::exit::Outcome;
use crate::scan_args::{RecipeArgs, ScanArgs};
use crate::talk;

/// Say what a scan is and what would be done to it.
///
/// Shows the series found and the one chosen, its grid, orientation and slice gaps, where its
/// values lie in Hounsfield units, and what `rad3d preprocess` would make of it. A scan that
/// `preprocess` would refuse is shown all the same, with the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    scan: ScanArgs,

    #[command(flatten)]
    recipe: RecipeArgs,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rad3d inspect scans/patient-7/
  rad3d inspect scan.zip --json | jq .verdict
  rad3d inspect scans/ --series 1.2.840.113704.1.111.5276.1136477424.13";

/// All that `inspect` knows; one JSON object.
#[derive(Debug, Serialize)]
struct Inspection {
    input: PathBuf,
    patients: usize,
    ignored_files: usize,
    series: Vec<SeriesSummary>,
    /// Index of the series the rest is about.
    chosen: Option<usize>,
    /// Absent when the series makes no volume.
    scan: Option<Scan>,
    /// What `preprocess` would do; absent when it could not.
    would: Option<Would>,
    verdict: Verdict,
    warnings: Vec<String>,
}

/// The volume as the file keeps it.
#[derive(Debug, Serialize)]
struct Scan {
    facts: ScanFacts,
    dims_ijk: [usize; 3],
    spacing_mm: Vec3,
    extent_mm: Vec3,
    orientation: Orientation,
    obliquity_deg: f64,
    geometry_declared: bool,
    geometry: Geometry,
    stored_type: VoxelType,
    stored_range: Option<(f32, f32)>,
    padding: Option<(f64, f64)>,
    header_rescale: Rescale,
    hu_range: Option<(f64, f64)>,
    histogram: Histogram,
}

/// What `preprocess` would do.
#[derive(Debug, Serialize)]
struct Would {
    recipe: String,
    geometry_source: GeometrySource,
    hu: HuDecision,
    chest: ChestCheck,
    plan: Plan,
}

/// Whether `preprocess` would take the scan.
#[derive(Debug, Serialize)]
struct Verdict {
    usable: bool,
    why_not: Option<String>,
    hint: Option<String>,
}

impl Verdict {
    fn of(refusal: Option<&VolumeError>) -> Self {
        Self {
            usable: refusal.is_none(),
            why_not: refusal.map(|error| error.what.clone()),
            hint: refusal.map(|error| error.hint.clone()),
        }
    }
}

/// Reads, decides without insisting, shows.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let recipe = args.recipe.recipe()?;
    let options = args.scan.options()?;
    let spinner = talk::spinner("reading");
    let input = Input::open(&args.scan.input)?;
    let read = args.scan.read_from(&input);
    spinner.finish_and_clear();
    match read {
        Ok((chosen, volume)) => {
            let inspection = Inspection::of(&input, chosen, volume, &recipe, &options);
            inspection.show(args.json)?;
            Ok(Outcome::Done)
        }
        Err(error) => {
            Inspection::unread(&input, &error).show(args.json)?;
            Err(error.into())
        }
    }
}

impl Inspection {
    fn unread(input: &Input, error: &VolumeError) -> Self {
        Self {
            input: input.path().to_owned(),
            patients: input.patients(),
            ignored_files: input.ignored_files(),
            series: input.series().to_vec(),
            chosen: None,
            scan: None,
            would: None,
            verdict: Verdict::of(Some(error)),
            warnings: Vec::new(),
        }
    }

    fn of(
        input: &Input,
        chosen: usize,
        volume: Volume,
        recipe: &Recipe,
        options: &PrepareOptions,
    ) -> Self {
        let mut scan = Scan::of(&volume);
        let sample = Sample::of(&volume);
        let warnings = volume.warnings.clone();
        let header_rescale = volume.rescale;
        // What would be refused is shown all the same, so nothing is insisted on here.
        let lenient = PrepareOptions {
            force: true,
            ..options.clone()
        };
        let prepared = prepare(volume, recipe, &lenient);
        let to_hu = prepared
            .as_ref()
            .map_or(header_rescale, |prepared| prepared.hu.to_hu);
        scan.look_through(to_hu, &sample);
        let (would, refusal, warnings) = match prepared {
            Ok(prepared) => {
                let objection = prepared.chest.require(&prepared.volume).err();
                let refusal = objection.filter(|_| !options.force);
                let mut warnings = prepared.warnings;
                if refusal.is_some() {
                    // The verdict says them all; they are warnings only where nothing is refused.
                    let objections = &prepared.chest.objections;
                    warnings.retain(|said| !objections.iter().any(|why| said.ends_with(why)));
                }
                let would = Would {
                    recipe: recipe.name.clone(),
                    geometry_source: prepared.geometry_source,
                    hu: prepared.hu,
                    chest: prepared.chest,
                    plan: prepared.plan,
                };
                (Some(would), refusal, warnings)
            }
            Err(error) => (None, Some(error), warnings),
        };
        Self {
            input: input.path().to_owned(),
            patients: input.patients(),
            ignored_files: input.ignored_files(),
            series: input.series().to_vec(),
            chosen: Some(chosen),
            scan: Some(scan),
            would,
            verdict: Verdict::of(refusal.as_ref()),
            warnings,
        }
    }

    fn show(&self, json: bool) -> anyhow::Result<()> {
        if json {
            talk::print_json(self)
        } else {
            table::print(self)
        }
    }
}

/// The histogram shown: from below air to dense bone.
const SHOWN_HU: (f64, f64) = (-1200.0, 1200.0);
/// Its bins, 50 HU wide.
const SHOWN_BINS: usize = 48;

impl Scan {
    fn of(volume: &Volume) -> Self {
        let geometry = &volume.geometry;
        let histogram = Histogram {
            first_hu: SHOWN_HU.0,
            bin_hu: 0.0,
            shares: Vec::new(),
        };
        Self {
            facts: volume.facts.clone(),
            dims_ijk: geometry.dims_ijk(),
            spacing_mm: geometry.spacing_mm(),
            extent_mm: geometry.extent_mm(),
            orientation: geometry.orientation(),
            obliquity_deg: geometry.obliquity_deg(),
            geometry_declared: volume.geometry_declared,
            geometry: geometry.clone(),
            stored_type: volume.voxels.voxel_type(),
            stored_range: None,
            padding: volume.padding,
            header_rescale: volume.rescale,
            hu_range: None,
            histogram,
        }
    }

    /// Fills in what depends on the line to Hounsfield units.
    fn look_through(&mut self, to_hu: Rescale, sample: &Sample) {
        self.stored_range = sample.range();
        self.hu_range = sample
            .range()
            .map(|(low, high)| (to_hu.apply(f64::from(low)), to_hu.apply(f64::from(high))));
        self.histogram = sample.histogram(to_hu, SHOWN_HU.0, SHOWN_HU.1, SHOWN_BINS);
    }
}
