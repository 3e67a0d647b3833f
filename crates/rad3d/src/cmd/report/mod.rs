//! `rad3d report INPUT`: a scan in, a draft report out.

mod facts;
mod format;
mod generation;
mod job;

use std::io::Write;
use std::path::{Path, PathBuf};

use rad3d_report::{Labeler, ReportError};
use rad3d_volume::write::AtomicFile;
use rad3d_weights::{MANIFEST_FILE, ModelFolder};
use serde_json::json;

use crate::device::Device;
use crate::exit::{Outcome, UsageError};
use crate::run_report::RunReport;
use crate::scan_args::ScanArgs;
use crate::shipped;
use crate::talk;
use format::Format;
use generation::GenerationArgs;
use job::{Job, Made};

/// Write a draft report of a chest CT.
///
/// The scan is read, checked and encoded; the classifier gives the probabilities of its labels;
/// a language model writes findings and impression; and every sentence is held against the
/// classifier. Where they differ, the draft says so. A scan unlike those of training is refused.
///
/// A research draft, no diagnosis: a radiologist must read the scan.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    scan: ScanArgs,

    /// Model folder; without it RAD3D_MODEL names one, else the shipped demo model is used
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// What to write; without it the name of --out tells, else text
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Where to, instead of stdout; a run report is left beside it as PATH.run.json
    #[arg(long, short, value_name = "PATH")]
    out: Option<PathBuf>,

    /// With --out: print the draft as text to stdout too
    #[arg(long, requires = "out")]
    show: bool,

    /// Where to compute the tower; texts are written on the CPU
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    device: Device,

    /// The language model that the mapper was trained through, if it lies elsewhere
    #[arg(long, value_name = "PATH")]
    llm: Option<PathBuf>,

    /// Another form of that language model, such as a quantised one; nothing is checked but sizes
    #[arg(long, value_name = "PATH", conflicts_with = "llm")]
    llm_unchecked: Option<PathBuf>,

    /// Write the draft of a scan unlike those of training all the same, with a warning
    #[arg(long)]
    despite_distance: bool,

    /// Label the text by the rules of this TOML file instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,

    #[command(flatten)]
    generation: GenerationArgs,
}

const EXAMPLES: &str = "\
Examples:
  rad3d report scans/patient-7/                            text to the terminal
  rad3d report scan.zip --out scan.html                    one page with pictures
  rad3d report scan.nii.gz --format json | jq .agreement   for a program";

/// Reads, checks, encodes, writes, holds against the classifier.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("report");
    let format = Format::choose(args.format, args.out.as_deref())?;
    report.device = args.device.name();
    args.device.require()?;
    let output = output(args)?;
    let labeler = labeler(args.rules.as_deref())?;
    let folder = open_model(args)?;
    let spinner = talk::spinner("reading scan and model");
    let job = Job {
        args,
        folder: &folder,
        labeler: &labeler,
        with_pictures: format == Format::Html,
    };
    let made = job.run(|step| spinner.set_message(step.to_owned()));
    spinner.finish_and_clear();
    let Made {
        draft,
        pictures,
        inputs,
        read,
    } = made?;
    for warning in &draft.warnings {
        talk::warn(warning);
    }
    let rendered = format.render(&draft, &pictures)?;
    let (Some(out), Some(mut file)) = (&args.out, output) else {
        std::io::stdout().lock().write_all(rendered.as_bytes())?;
        return Ok(Outcome::Done);
    };
    file.write_all(rendered.as_bytes())
        .map_err(|error| file.fault(error))?;
    file.commit()?;
    report.inputs = inputs;
    report.settings = settings(args, &folder);
    report.result = json!({
        "series": read.input.series()[read.chosen],
        "geometry_source": read.prepared.geometry_source,
        "hu": read.prepared.hu,
        "chest": read.prepared.chest,
        "plan": read.prepared.plan,
        "draft": draft,
    });
    report.stop();
    report.write_beside(out)?;
    if args.show {
        let text = Format::Text.render(&draft, &[])?;
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    talk::note(&format!(
        "wrote {} in {:.2} s",
        out.display(),
        report.seconds()
    ));
    Ok(Outcome::Done)
}

/// The output, begun before the work: what can't be written must not cost minutes to find out.
fn output(args: &Args) -> anyhow::Result<Option<AtomicFile>> {
    let Some(out) = &args.out else {
        return Ok(None);
    };
    let same = matches!(
        (out.canonicalize(), args.scan.input.canonicalize()),
        (Ok(out), Ok(input)) if out == input
    );
    if same {
        let what = format!("{}: is the input itself", out.display());
        return Err(UsageError::new(what, "give another name with --out").into());
    }
    Ok(Some(AtomicFile::create(out)?))
}

/// The model folder asked for, or the shipped one, which is then named on stderr.
fn open_model(args: &Args) -> anyhow::Result<ModelFolder> {
    let path = match &args.model {
        Some(path) => path.clone(),
        None => {
            let path = shipped::model()?;
            talk::note(&format!("using the model in {}", path.display()));
            path
        }
    };
    if path.is_dir() && !path.join(MANIFEST_FILE).exists() {
        let what = format!(
            "{}: is no model folder, it has no {MANIFEST_FILE}",
            path.display()
        );
        let hint = "make one with rad3d model import";
        return Err(UsageError::new(what, hint).into());
    }
    Ok(ModelFolder::open(path)?)
}

fn labeler(rules: Option<&Path>) -> anyhow::Result<Labeler> {
    let labeler = match rules {
        None => Labeler::ct_rate(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| ReportError::unreadable(path, error))
            .and_then(|text| Labeler::from_toml(&path.to_string_lossy(), &text)),
    };
    Ok(labeler?)
}

/// Settings as resolved, defaults included.
fn settings(args: &Args, folder: &ModelFolder) -> serde_json::Value {
    let scan = &args.scan;
    let choice = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    json!({
        "input": scan.input,
        "series": scan.series,
        "hu": choice(&scan.hu),
        "metadata": scan.metadata,
        "orientation": choice(&scan.orientation),
        "force": scan.force,
        "model": folder.path(),
        "manifest": folder.manifest(),
        "llm": args.llm.as_ref().or(args.llm_unchecked.as_ref()),
        "llm_unchecked": args.llm_unchecked.is_some(),
        "despite_distance": args.despite_distance,
        "rules": args.rules,
        "out": args.out,
        "generation": args.generation.settings(usize::MAX),
    })
}
