//! `rad3d reader-study new|analyse`: blinded sheets for readers, and what their answers say.

use std::io::Write;
use std::path::{Path, PathBuf};

use rad3d_metrics::Bootstrap;
use rad3d_reader_study::{
    Analysis, Design, Key, Material, Pictures, Ratings, ReaderStudyError, ReferenceRole,
    SheetMaker, render,
};
use rad3d_volume::write::AtomicFile;
use serde_json::json;

use crate::exit::{Outcome, UsageError};
use crate::run_report::{RunReport, hashes_of};
use crate::talk;

/// Have reports judged by blinded readers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Make a sheet for every reader, and the key.
    New(NewArgs),
    /// Analyse the answers that came back.
    Analyse(AnalyseArgs),
}

/// Make a sheet for every reader, and the key.
///
/// DIR gets sheets/READER.html, to be sent out, and key.json, which must be kept from the readers.
#[derive(Debug, clap::Args)]
#[command(after_help = NEW_EXAMPLE)]
struct NewArgs {
    /// What radiologists wrote
    #[arg(long, value_name = "FILE")]
    references: PathBuf,

    /// What a system wrote, by a name that readers will not see; once a system
    #[arg(long = "system", value_name = "NAME=FILE", required = true, value_parser = system)]
    systems: Vec<(String, PathBuf)>,

    /// How many cases to draw; all if not given
    #[arg(long, value_name = "N")]
    cases: Option<usize>,

    /// Names of the readers, with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    readers: Vec<String>,

    /// Share of the cases that each reader gets twice, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    repeats: f64,

    /// Show the reference openly instead of having it rated blind
    #[arg(long)]
    show_reference: bool,

    /// Show the ids of cases, so that readers can find the scans
    #[arg(long)]
    show_ids: bool,

    /// PNGs named by id, or a folder of them an id
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    /// Where the draws start; whoever knows it can make the key, so choose one nobody guesses
    #[arg(long, value_name = "N")]
    seed: u64,

    /// Folder for sheets and key
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// Analyse the answers that came back.
///
/// DIR gets analysis.json, analysis.csv and analysis.html; the means go to stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = ANALYSE_EXAMPLE)]
struct AnalyseArgs {
    /// The key that `new` wrote
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The files that the sheets saved, one a reader
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    answers: Vec<PathBuf>,

    /// Analyse what is there although answers are missing
    #[arg(long)]
    allow_incomplete: bool,

    /// How often the cases are drawn again for the intervals
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    resamples: u32,

    /// Where the draws start
    #[arg(long, value_name = "N", default_value_t = 20_240_613)]
    seed: u64,

    /// Folder for the results
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

const NEW_EXAMPLE: &str = "\
Example:
  rad3d reader-study new --references test.csv --system ours=ours.csv --system other=other.csv \\
      --cases 40 --readers anna,ben --seed 48151 --show-ids --out study/";

const ANALYSE_EXAMPLE: &str = "\
Example:
  rad3d reader-study analyse --key study/key.json --answers answers-*.json --out results/";

fn system(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), file.into()))
        }
        _ => Err("expected NAME=FILE".into()),
    }
}

/// Makes or analyses a study.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.step {
        Step::New(args) => new(args),
        Step::Analyse(args) => analyse(args),
    }
}

fn new(args: &NewArgs) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("reader-study new");
    let place = args.out.join("key.json");
    if place.exists() {
        // Sheets that are out already would lose their key.
        let what = format!("{}: is there already", place.display());
        return Err(UsageError::new(what, "give another folder with --out").into());
    }
    let material = Material::read(&args.references, &args.systems).map_err(usage)?;
    let design = Design {
        cases: args.cases,
        readers: args.readers.clone(),
        repeats: args.repeats,
        reference: match args.show_reference {
            true => ReferenceRole::Shown,
            false => ReferenceRole::Rated,
        },
        seed: args.seed,
    };
    let key = design.draw(&material).map_err(usage)?;
    let pictures = match &args.pictures {
        Some(folder) => Pictures::read(folder, &key.cases).map_err(usage)?,
        None => Pictures::default(),
    };
    let maker = SheetMaker {
        key: &key,
        material: &material,
        pictures: &pictures,
        shows_ids: args.show_ids,
    };
    let sheets = args.out.join("sheets");
    make_folder(&sheets)?;
    for reader in &key.readers {
        let html = maker.html(reader).map_err(usage)?;
        write(&sheets.join(format!("{}.html", reader.name)), &html)?;
    }
    write(&place, &key.to_json().map_err(usage)?)?;
    for found in material.give_away() {
        talk::warn(&format!("the name of a system stands in a report: {found}"));
    }
    if pictures.is_empty() && !args.show_ids && !args.show_reference {
        talk::warn(
            "readers have nothing to judge by: give --pictures, --show-ids or --show-reference",
        );
    }
    report.stop();
    let files = args.systems.iter().map(|(_, file)| file.clone());
    report.inputs = hashes_of(
        &[args.references.clone()]
            .into_iter()
            .chain(files)
            .collect::<Vec<_>>(),
    )?;
    report.settings = json!({
        "seed": args.seed, "repeats": args.repeats, "readers": args.readers, "cases": args.cases,
        "reference": key.reference, "pictures": args.pictures, "show_ids": args.show_ids,
    });
    let study = key.study().map_err(usage)?;
    report.result = json!({ "study": study, "cases": key.cases.len() });
    report.write_beside(&place)?;
    talk::note(&format!(
        "wrote {}: {} sheets of {} cases; keep {} from the readers",
        sheets.display(),
        key.readers.len(),
        key.cases.len(),
        place.display()
    ));
    Ok(Outcome::Done)
}

fn analyse(args: &AnalyseArgs) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("reader-study analyse");
    let key = Key::read(&args.key).map_err(usage)?;
    let ratings = Ratings::read(key, &args.answers).map_err(usage)?;
    if !args.allow_incomplete {
        ratings.expect_complete().map_err(usage)?;
    }
    let bootstrap = Bootstrap {
        seed: args.seed,
        resamples: args.resamples as usize,
    };
    let analysis = Analysis::of(&ratings, bootstrap).map_err(usage)?;
    make_folder(&args.out)?;
    let place = args.out.join("analysis.json");
    write(&place, &serde_json::to_string_pretty(&analysis)?)?;
    write(
        &args.out.join("analysis.csv"),
        &render::csv(&analysis).map_err(usage)?,
    )?;
    write(
        &args.out.join("analysis.html"),
        &render::html(&analysis).map_err(usage)?,
    )?;
    for owed in &analysis.owed {
        let (reader, missing, all) = (&owed.reader, owed.missing, owed.questions);
        talk::warn(&format!(
            "{reader} lacks {missing} of {all} answers, first {}",
            owed.first
        ));
    }
    let mut stdout = std::io::stdout().lock();
    for one in &analysis.means {
        let Some(mean) = one.mean else { continue };
        let (scale, system) = (one.scale, &one.system);
        writeln!(
            stdout,
            "{scale:<14} {system:<20} {:>5.2}  {:.2} to {:.2}",
            mean.value, mean.low, mean.high
        )?;
    }
    report.stop();
    let files = [args.key.clone()]
        .into_iter()
        .chain(args.answers.iter().cloned());
    report.inputs = hashes_of(&files.collect::<Vec<_>>())?;
    report.settings = json!({ "bootstrap": bootstrap, "allow_incomplete": args.allow_incomplete });
    report.result = json!({ "study": analysis.study, "cases": analysis.cases });
    report.write_beside(&place)?;
    talk::note(&format!("wrote {}", args.out.display()));
    Ok(Outcome::Done)
}

fn make_folder(folder: &Path) -> Result<(), UsageError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let what = format!("{}: cannot be made a folder ({error})", folder.display());
        UsageError::new(what, "give another folder with --out")
    })
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = AtomicFile::create(path)?;
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| file.fault(error))?;
    file.commit()?;
    Ok(())
}

/// A fault of reports, key or answers is one of the input: exit code 2.
fn usage(error: ReaderStudyError) -> UsageError {
    UsageError::new(error.to_string(), error.hint)
}
