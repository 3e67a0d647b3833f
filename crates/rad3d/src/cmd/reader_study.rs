//! `rad3d reader-study new|analyse`: radiologists judge reports without knowing whose they are.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use rad3d_metrics::{Bootstrap, Estimate};
use rad3d_reader_study::questions::SCALES;
use rad3d_reader_study::{
    Analysis, Design, Key, Material, Pictures, Ratings, ReferenceRole, SheetMaker, render,
};
use rad3d_volume::write::AtomicFile;
use serde_json::json;

use crate::exit::{Outcome, UsageError};
use crate::run_report::{RunReport, hashes_of};
use crate::talk;

/// Let radiologists judge reports blind: make their sheets, analyse their answers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    New(NewArgs),
    Analyse(AnalyseArgs),
}

/// Make a study: one page a reader, and the key.
///
/// DIR/sheets gets a page for each reader, which works offline and saves a file; nothing else of
/// DIR may reach the readers. DIR/key-keep-from-readers.json says which system stands behind which
/// letter. Every reader sees all reports of a case side by side, as A, B, C… in an order drawn anew
/// each time.
#[derive(Debug, clap::Args)]
#[command(after_help = NEW_EXAMPLES)]
struct NewArgs {
    /// What radiologists wrote: CSV or JSON with id and report, or findings and impression
    #[arg(long, value_name = "FILE")]
    references: PathBuf,

    /// What a system wrote of the same ids; give it once a system
    #[arg(long = "system", value_name = "NAME=FILE", required = true, value_parser = system)]
    systems: Vec<(String, PathBuf)>,

    /// The readers, with commas between
    #[arg(long, value_name = "NAMES", required = true, value_delimiter = ',')]
    readers: Vec<String>,

    /// How many cases to draw; else all
    #[arg(long, value_name = "N")]
    cases: Option<usize>,

    /// Share of the cases that each reader gets a second time unannounced, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    repeats: f64,

    /// Where the draws start; the same seed gives the same study, so choose one nobody guesses
    #[arg(long, value_name = "N")]
    seed: u64,

    /// Show the reference openly, to judge by, instead of having it rated among the others
    #[arg(long)]
    show_reference: bool,

    /// Show the ids of cases, so that readers can open the scans
    #[arg(long)]
    show_ids: bool,

    /// Folder of pictures: ID.png, or a folder ID of them
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    /// Folder for the study
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

const NEW_EXAMPLES: &str = "\
Example:
  rad3d reader-study new --references test.csv --system V-1=v1.csv --system V-3=v3.csv \\
      --cases 40 --readers R1,R2,R3 --seed 48151 --show-ids --out study/";

/// Analyse the answers of a study.
///
/// DIR gets analysis.json, analysis.csv and analysis.html; a table goes to stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = ANALYSE_EXAMPLES)]
struct AnalyseArgs {
    /// The key that `rad3d reader-study new` wrote
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The files that the readers' sheets saved, one a reader
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    answers: Vec<PathBuf>,

    /// Analyse what is there although answers are missing
    #[arg(long)]
    allow_incomplete: bool,

    /// How often the cases are drawn again for the intervals
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    resamples: u32,

    /// Where these draws start
    #[arg(long, value_name = "N", default_value_t = 20_240_613)]
    seed: u64,

    /// Folder for the results
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

const ANALYSE_EXAMPLES: &str = "\
Example:
  rad3d reader-study analyse --key study/key-keep-from-readers.json \\
      --answers returned/*.json --out results/";

/// Name of the key's file.
const KEY_NAME: &str = "key-keep-from-readers.json";

fn system(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !path.is_empty() => Ok((name.to_owned(), path.into())),
        _ => Err("expected NAME=FILE".into()),
    }
}

/// Makes a study or analyses one.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.action {
        Action::New(args) => new(args),
        Action::Analyse(args) => analyse(args),
    }
}

fn new(args: &NewArgs) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("reader-study new");
    let key_path = args.out.join(KEY_NAME);
    if key_path.exists() {
        // Sheets that are out already would lose their key.
        let what = format!("{}: is there already", key_path.display());
        return Err(UsageError::new(what, "give another folder with --out").into());
    }
    let material = Material::read(&args.references, &args.systems)?;
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
    let key = design.draw(&material)?;
    let pictures = match &args.pictures {
        Some(folder) => Pictures::read(folder, &key.cases)?,
        None => Pictures::default(),
    };
    let shows_ids = args.show_ids;
    let maker = SheetMaker {
        key: &key,
        material: &material,
        pictures: &pictures,
        shows_ids,
    };
    let sheets = key
        .readers
        .iter()
        .map(|reader| Ok((reader.name.clone(), maker.html(reader)?)));
    let sheets = sheets.collect::<rad3d_reader_study::Result<Vec<_>>>()?;

    let folder = args.out.join("sheets");
    make_folder(&folder)?;
    for (reader, html) in &sheets {
        write(&folder.join(format!("{reader}.html")), html)?;
    }
    write(&key_path, &key.to_json()?)?;
    report.stop();
    let files: Vec<PathBuf> = args.systems.iter().map(|(_, path)| path.clone()).collect();
    report.inputs = hashes_of(&[vec![args.references.clone()], files].concat())?;
    report.settings = json!({
        "references": args.references, "systems": args.systems, "readers": args.readers,
        "cases": args.cases, "repeats": args.repeats, "seed": args.seed,
        "reference": key.reference, "show_ids": args.show_ids, "pictures": args.pictures,
        "out": args.out,
    });
    let readings = key
        .readers
        .first()
        .map_or(0, |reader| reader.readings.len());
    report.result = json!({
        "study": key.study()?, "cases": key.cases.len(), "readings_a_reader": readings,
    });
    report.write_beside(&key_path)?;

    let own_words = material.give_away();
    if !own_words.is_empty() {
        let shown: Vec<&str> = own_words.iter().take(5).map(String::as_str).collect();
        let (count, shown) = (own_words.len(), shown.join("; "));
        talk::warn(&format!(
            "{count} reports hold a system's name, which may tell who wrote them: {shown}"
        ));
    }
    if pictures.is_empty() && !args.show_ids && !args.show_reference {
        talk::warn(
            "readers have nothing to judge by: give --pictures, --show-ids or --show-reference",
        );
    }
    let (count, systems, cases) = (sheets.len(), key.systems.len(), key.cases.len());
    talk::note(&format!(
        "wrote {}: {count} sheets, each {cases} cases by {systems} authors in {readings} readings",
        folder.display()
    ));
    talk::note(&format!("keep {} from the readers", key_path.display()));
    Ok(Outcome::Done)
}

fn analyse(args: &AnalyseArgs) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("reader-study analyse");
    let ratings = Ratings::read(Key::read(&args.key)?, &args.answers)?;
    if !args.allow_incomplete {
        ratings.expect_complete()?;
    }
    let bootstrap = Bootstrap {
        seed: args.seed,
        resamples: args.resamples as usize,
    };
    let waiting = talk::spinner("analysing");
    let analysis = Analysis::of(&ratings, bootstrap)?;
    waiting.finish_and_clear();
    let (json, csv) = (
        serde_json::to_string_pretty(&analysis)?,
        render::csv(&analysis)?,
    );
    let html = render::html(&analysis)?;
    make_folder(&args.out)?;
    let json_path = args.out.join("analysis.json");
    write(&json_path, &json)?;
    write(&args.out.join("analysis.csv"), &csv)?;
    write(&args.out.join("analysis.html"), &html)?;
    report.stop();
    for one in &analysis.owed {
        let (reader, first) = (&one.reader, &one.first);
        let (missing, questions) = (one.missing, one.questions);
        talk::warn(&format!(
            "{reader} lacks {missing} of {questions} answers ({first}); they are left out"
        ));
    }
    std::io::stdout()
        .lock()
        .write_all(table_of(&analysis).as_bytes())?;
    report.inputs = hashes_of(&[vec![args.key.clone()], args.answers.clone()].concat())?;
    report.settings = json!({
        "key": args.key, "answers": args.answers, "allow_incomplete": args.allow_incomplete,
        "bootstrap": bootstrap, "out": args.out,
    });
    report.result = json!({
        "study": analysis.study, "rated": analysis.rated, "owed": analysis.owed,
    });
    report.write_beside(&json_path)?;
    talk::note(&format!("wrote {}", args.out.display()));
    Ok(Outcome::Done)
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let what = format!("{}: cannot be made a folder ({error})", folder.display());
        UsageError::new(what, "give another folder with --out")
    })?;
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = AtomicFile::create(path)?;
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| file.fault(error))?;
    file.commit()?;
    Ok(())
}

/// Means, differences in overall quality and agreement, as tables for a person.
fn table_of(analysis: &Analysis) -> String {
    let widest = analysis
        .systems
        .iter()
        .map(|name| name.chars().count())
        .max();
    let width = widest.unwrap_or(0).clamp(10, 40);
    let interval = |estimate: Option<Estimate>, signed: bool| match (estimate, signed) {
        (None, _) => "undefined".to_owned(),
        (Some(one), true) => format!("{:+.2} ({:+.2} to {:+.2})", one.value, one.low, one.high),
        (Some(one), false) => format!("{:.2} ({:.2} to {:.2})", one.value, one.low, one.high),
    };
    let mut text = format!("{:<width$}", "mean");
    for scale in SCALES {
        let _ = write!(text, "  {:<19}", scale.key);
    }
    let _ = writeln!(text, "  rank");
    for (system, rank) in analysis.systems.iter().zip(&analysis.ranks) {
        let _ = write!(text, "{system:<width$}");
        for mean in analysis.means.iter().filter(|mean| mean.system == *system) {
            let _ = write!(text, "  {:<19}", interval(mean.mean, false));
        }
        let rank = rank
            .mean_rank
            .map_or("undefined".into(), |rank| format!("{:.2}", rank.value));
        let _ = writeln!(text, "  {rank}");
    }
    let overall = analysis
        .tests
        .iter()
        .filter(|test| test.scale == SCALES[0].key);
    for (at, test) in overall.enumerate() {
        if at == 0 {
            let _ = writeln!(
                text,
                "\noverall: difference, p of bootstrap (Holm), of Wilcoxon (Holm)"
            );
        }
        let (difference, signed_rank) = (interval(Some(test.difference), true), test.wilcoxon.p);
        let _ = writeln!(
            text,
            "{} - {}: {difference}  {:.4} ({:.4})  {signed_rank:.4} ({:.4})",
            test.system, test.other, test.p_bootstrap, test.p_bootstrap_holm, test.p_wilcoxon_holm
        );
    }
    for (name, all) in [
        ("between readers", &analysis.between_readers),
        ("within readers", &analysis.within_readers),
    ] {
        if all.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\nkappa {name}, mean");
        for one in all {
            let _ = writeln!(text, "{:<width$}  {}", one.scale, interval(one.mean, false));
        }
    }
    text.lines()
        .fold(String::new(), |all, line| all + line.trim_end() + "\n")
}
