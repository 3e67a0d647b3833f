//! `rad3d phantom --count N --seed S --out DIR`: synthetic chest CTs with labels and reports.

use std::path::PathBuf;

use rad3d_phantom::{Layout, NOTICE, Order, PhantomError, Phrasing, ScannerKind};
use serde_json::json;

use crate::exit::{Outcome, UsageError};
use crate::run_report::RunReport;
use crate::talk;

/// Make synthetic chest CTs with labels and reports; they show no patient.
///
/// NIfTI comes in CT-RATE's layout: DIR/train/train_1/train_1_a/train_1_a_1.nii.gz, with
/// train_reports.csv, train_labels.csv and train_metadata.csv in DIR. The same seed gives the
/// same bytes. A run report is left beside the folder as DIR.run.json.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How many
    #[arg(long, short = 'n', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    /// Seed of the first; the next ones have the next numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Folder to write to; new or empty
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// File format
    #[arg(long = "as", value_enum, default_value_t = Format::Nifti, value_name = "FORMAT")]
    format: Format,

    /// Put voxels this many millimetres apart, for training small networks
    #[arg(long, value_name = "MM", value_parser = parse_sparse)]
    sparse: Option<f64>,

    /// Which of the grammar's phrasings reports use; the two halves share no template
    #[arg(long, value_enum, default_value_t = PhrasingArg::All)]
    phrasing: PhrasingArg,

    /// Whose scanners make the scans: another's differ in kernel, dose, spacing and slices
    #[arg(long, value_enum, default_value_t = ScannerArg::Usual)]
    scanner: ScannerArg,

    /// Let voxel axes run in any of the 48 ways (NIfTI only; no metadata table then)
    #[arg(long)]
    turned: bool,

    /// Write into a folder that holds something already
    #[arg(long)]
    force: bool,

    /// Print the run report to stdout
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rad3d phantom --seed 7 --out phantom --as dicom     one DICOM series
  rad3d phantom --count 800 --out phantoms            a data set in CT-RATE's layout
  rad3d inspect phantom/phantom_1                     look at what was made";

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Gzipped NIfTI in CT-RATE's folders
    Nifti,
    /// A DICOM series a folder
    Dicom,
    /// Reports and labels alone, no scans
    Tables,
}

/// Which templates reports are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PhrasingArg {
    /// All
    All,
    /// The first half of each kind of sentence
    First,
    /// The second half
    Second,
}

impl From<PhrasingArg> for Phrasing {
    fn from(phrasing: PhrasingArg) -> Self {
        match phrasing {
            PhrasingArg::All => Self::All,
            PhrasingArg::First => Self::First,
            PhrasingArg::Second => Self::Second,
        }
    }
}

/// Whose scanners make the scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ScannerArg {
    /// Those that the shipped models were trained on
    Usual,
    /// Out of their domain
    Other,
}

impl From<ScannerArg> for ScannerKind {
    fn from(scanner: ScannerArg) -> Self {
        match scanner {
            ScannerArg::Usual => Self::Usual,
            ScannerArg::Other => Self::Other,
        }
    }
}

fn parse_sparse(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(mm) if (0.5..=20.0).contains(&mm) => Ok(mm),
        _ => Err("give millimetres from 0.5 to 20".to_owned()),
    }
}

/// Makes, writes, reports.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let layout = match (args.format, args.turned) {
        (Format::Nifti, false) => Layout::CtRate,
        (Format::Nifti, true) => Layout::Turned,
        (Format::Dicom, false) => Layout::Dicom,
        (Format::Tables, false) => Layout::Tables,
        (Format::Tables, true) => {
            let what = "--turned: tables have no voxel axes";
            return Err(UsageError::new(what, "leave --turned or --as tables out").into());
        }
        (Format::Dicom, true) => {
            let what = "--turned: DICOM slices are axial";
            return Err(UsageError::new(what, "leave --turned or --as dicom out").into());
        }
    };
    let mut report = RunReport::start("phantom");
    let order = Order {
        count: args.count,
        seed: args.seed,
        layout,
        sparse_mm: args.sparse,
        phrasing: args.phrasing.into(),
        scanner: args.scanner.into(),
    };
    let spinner = talk::spinner("making phantoms");
    let mut made = 0_u32;
    let written = order.write(&args.out, args.force, |phantom| {
        made += 1;
        spinner.set_message(format!("{made} of {}: {}", args.count, phantom.name));
    });
    let written = written.map_err(usage)?;
    spinner.finish_and_clear();
    report.settings = json!({ "order": order, "out": args.out, "force": args.force });
    report.result = json!({ "notice": NOTICE, "phantoms": written });
    report.stop();
    report.write_beside(&args.out)?;
    if args.json {
        talk::print_json(&report)?;
    } else {
        let (out, seconds) = (args.out.display(), report.seconds());
        let things = if args.count == 1 {
            "phantom"
        } else {
            "phantoms"
        };
        talk::note(&format!(
            "wrote {} {things} to {out} in {seconds:.1} s; no patient",
            args.count
        ));
    }
    Ok(Outcome::Done)
}

/// A folder that cannot be written is a fault of the call: exit code 2, with its hint.
fn usage(error: PhantomError) -> UsageError {
    UsageError::new(error.to_string(), error.hint)
}
