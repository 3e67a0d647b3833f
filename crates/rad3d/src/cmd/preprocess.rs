//! `rad3d preprocess INPUT --out FILE`: the tensor an image tower expects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rad3d_volume::{Input, PrepareOptions, Prepared, Recipe, VolumeError, prepare, write};
use serde_json::json;

use crate::exit::{Outcome, UsageError};
use crate::run_report::{RunReport, hashes_of};
use crate::scan_args::{RecipeArgs, ScanArgs};
use crate::talk;

/// Make the exact tensor that an image tower expects.
///
/// The tensor is written as `volume`, f32, [1, 1, 240, 480, 480] (batch, channel, slices, rows,
/// columns) for the built-in recipes; a run report is left beside it as FILE.run.json.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    scan: ScanArgs,

    #[command(flatten)]
    recipe: RecipeArgs,

    /// Where to: .safetensors for a network, .nii or .nii.gz for a viewer
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,

    /// Print the run report to stdout
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rad3d preprocess scans/patient-7/ --out patient-7.safetensors
  rad3d preprocess train_1_a_1.nii.gz --metadata train_metadata.csv --out train_1_a_1.safetensors
  rad3d preprocess array.nii.gz --orientation keep --hu hu --force --out array.safetensors";

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Safetensors,
    Nifti,
}

/// Reads, decides, writes, reports.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("preprocess");
    let kind = kind_of(&args.out)?;
    if same_file(&args.out, &args.scan.input) {
        return Err(UsageError::new(
            format!("{}: is the input itself", args.out.display()),
            "give another name with --out",
        )
        .into());
    }
    let recipe = args.recipe.recipe()?;
    let options = args.scan.options()?;
    let spinner = talk::spinner("making the tensor");
    let input = Input::open(&args.scan.input)?;
    let chosen = input.choose(args.scan.series.as_deref(), args.scan.force)?;
    // Inflating keeps one core busy; hashing takes the other meanwhile.
    let (prepared, hashed) = std::thread::scope(|scope| {
        let hashing = scope.spawn(|| hashes_of(&input.files(chosen)));
        let prepared = make(args, kind, &input, chosen, &recipe, &options);
        (prepared, hashing.join())
    });
    let prepared = prepared?;
    report.inputs = hashed.map_err(|_| anyhow::anyhow!("the hashing thread panicked"))??;
    spinner.finish_and_clear();
    for warning in &prepared.warnings {
        talk::warn(warning);
    }
    report.settings = json!({
        "input": args.scan.input,
        "out": args.out,
        "recipe": recipe,
        "series": args.scan.series,
        "hu": options.hu,
        "metadata": args.scan.metadata,
        "orientation": options.orientation,
        "force": options.force,
    });
    report.result = json!({
        "series": input.series()[chosen],
        "geometry_source": prepared.geometry_source,
        "hu": prepared.hu,
        "chest": prepared.chest,
        "plan": prepared.plan,
        "warnings": prepared.warnings,
    });
    report.stop();
    report.write_beside(&args.out)?;
    if args.json {
        talk::print_json(&report)?;
    } else {
        let [d, h, w] = recipe.size;
        talk::note(&format!(
            "wrote {} ({d} × {h} × {w}, recipe {}) in {:.2} s; {}",
            args.out.display(),
            recipe.name,
            report.seconds(),
            prepared.hu.because,
        ));
    }
    Ok(Outcome::Done)
}

/// Reads the series, decides, and writes the output.
fn make(
    args: &Args,
    kind: Kind,
    input: &Input,
    chosen: usize,
    recipe: &Recipe,
    options: &PrepareOptions,
) -> Result<Prepared, VolumeError> {
    let volume = input.read(chosen, args.scan.force)?;
    let prepared = prepare(volume, recipe, options)?;
    match kind {
        Kind::Safetensors => {
            let provenance = provenance(&prepared, input, chosen);
            write::tensor(&args.out, &prepared.plan, &prepared.volume, &provenance)?;
        }
        Kind::Nifti => {
            let values = prepared.plan.tensor(&prepared.volume);
            write::nifti(&args.out, &prepared.plan.tensor_geometry, &values)?;
        }
    }
    Ok(prepared)
}

fn kind_of(out: &Path) -> Result<Kind, UsageError> {
    let name = out.to_string_lossy().to_lowercase();
    if name.ends_with(".safetensors") {
        Ok(Kind::Safetensors)
    } else if name.ends_with(".nii") || name.ends_with(".nii.gz") {
        Ok(Kind::Nifti)
    } else {
        Err(UsageError::new(
            format!(
                "{}: cannot tell what to write from this name",
                out.display()
            ),
            "end it with .safetensors (for a network) or .nii.gz (for a viewer)",
        ))
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// What the tensor's file says of how it came about; every value is text, as the format asks.
fn provenance(prepared: &Prepared, input: &Input, chosen: usize) -> BTreeMap<String, String> {
    let Prepared {
        plan,
        hu,
        warnings,
        geometry_source,
        ..
    } = prepared;
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    [
        ("rad3d.version", json!(env!("CARGO_PKG_VERSION"))),
        ("rad3d.axes", json!("batch, channel, D, H, W")),
        ("rad3d.source", json!(input.path())),
        (
            "rad3d.series_uid",
            json!(input.series()[chosen].facts.series_uid),
        ),
        ("rad3d.recipe", json!(plan.recipe)),
        ("rad3d.hu", json!(hu)),
        ("rad3d.geometry_source", json!(geometry_source)),
        ("rad3d.plan_axes", json!(plan.axes)),
        ("rad3d.tensor_geometry", json!(plan.tensor_geometry)),
        ("rad3d.warnings", json!(warnings)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), text(value)))
    .collect()
}
