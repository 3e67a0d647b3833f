//! `rad3d label REPORTS.csv --out labels.csv`: the built-in labeler, or a classifier, by itself.

mod by;

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use rad3d_report::{Evaluation, LabelSet, LabelWriter, ReportError, ReportTable};
use rad3d_volume::write::AtomicFile;
use serde_json::json;

use self::by::{By, Labelled, labelled};
use crate::exit::{Outcome, UsageError};
use crate::run_report::{HashedInput, RunReport, sha256_of};
use crate::talk;

/// Label chest CT reports with the 18 CT-RATE abnormalities, by rules or by a text classifier.
///
/// REPORTS is a CSV file with an id column (id, VolumeName or AccessionNo) and the text: a report
/// column, or findings and impression columns (Findings_EN, Impressions_EN). Out comes id and
/// one 0/1 column a label, to stdout without --out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// CSV file of reports
    #[arg(value_name = "REPORTS")]
    reports: PathBuf,

    /// Where to; a run report is left beside it as FILE.run.json
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write one JSON object a report instead of CSV: labels, and what each sentence says (of a
    /// classifier: the probabilities)
    #[arg(long)]
    json: bool,

    /// Compare with the label columns of REPORTS: print precision, recall and F1 to stdout
    #[arg(long, conflicts_with = "json")]
    check: bool,

    /// Use the rules of this TOML file instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,

    /// Use a text classifier such as CT-CLIP's RadBERT: folder with config.json, tokenizer.json and
    /// weights
    #[arg(long, value_name = "DIR", conflicts_with = "rules")]
    classifier: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  rad3d label reports.csv --out labels.csv
  rad3d label reports.csv --json | jq 'select(.labels.Consolidation)'
  rad3d label labelled.csv --check             how well the rules do on your reports
  rad3d label reports.csv --classifier RadBERT/ --out labels.csv";

/// Reads, labels, writes, reports.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("label");
    let same = |out: &PathBuf| match (out.canonicalize(), args.reports.canonicalize()) {
        (Ok(out), Ok(reports)) => out == reports,
        _ => false,
    };
    if args.out.as_ref().is_some_and(same) {
        let what = format!("{}: is the input itself", args.reports.display());
        return Err(UsageError::new(what, "give another name with --out").into());
    }
    let by = By::of(args)?;
    let labels = by.labels().clone();
    let table = ReportTable::open(&args.reports, &labels).map_err(usage)?;
    if args.check && !table.has_truth() {
        let what = format!("{}: has no column for every label", args.reports.display());
        let hint = "--check compares with columns named after the labels, which hold 0 or 1";
        return Err(UsageError::new(what, hint).into());
    }
    let mut evaluation = Evaluation::new(labels.clone());
    let mut count = 0_u64;
    // Rows are labelled as they are read: memory does not grow with the table but for the ids.
    let rows = table.map(|row| Ok(row.map_err(usage)?));
    let rows = labelled(&by, rows).map(|labelled| {
        let labelled = labelled?;
        if let Some(truth) = &labelled.row.truth {
            evaluation.add(&labelled.labels, truth).map_err(usage)?;
        }
        count += 1;
        Ok(labelled)
    });
    match &args.out {
        Some(out) => {
            let mut file = AtomicFile::create(out)?;
            write_rows(BufWriter::new(&mut file), &labels, args.json, rows)?;
            file.commit()?;
        }
        None if args.check => write_rows(std::io::sink(), &labels, false, rows)?,
        None => {
            let stdout = BufWriter::new(std::io::stdout().lock());
            write_rows(stdout, &labels, args.json, rows)?;
        }
    }
    report.stop();
    if args.check {
        std::io::stdout()
            .lock()
            .write_all(table_of(&evaluation, count).as_bytes())?;
    }
    if let Some(out) = &args.out {
        let sha256 = sha256_of(&args.reports)?;
        report.inputs = vec![HashedInput {
            path: args.reports.clone(),
            sha256,
        }];
        report.inputs.extend_from_slice(by.files());
        report.settings = json!({
            "reports": args.reports, "out": out, "json": args.json, "check": args.check,
            "rules": args.rules, "classifier": args.classifier, "labels": labels,
        });
        report.result = json!({ "reports": count });
        if args.check {
            report.result["evaluation"] = json!(evaluation);
        }
        report.write_beside(out)?;
        let (path, seconds) = (out.display(), report.seconds());
        talk::note(&format!("wrote {path}: {count} reports in {seconds:.2} s"));
    }
    Ok(Outcome::Done)
}

/// Writes every row, as CSV or as JSON lines.
fn write_rows<W: Write>(
    mut output: W,
    labels: &LabelSet,
    json: bool,
    rows: impl Iterator<Item = anyhow::Result<Labelled>>,
) -> anyhow::Result<()> {
    if json {
        for row in rows {
            serde_json::to_writer(&mut output, &row?.as_json())?;
            writeln!(output)?;
        }
    } else {
        let mut writer = LabelWriter::new(&mut output, labels)?;
        for row in rows {
            let labelled = row?;
            writer.write(&labelled.row.id, &labelled.labels)?;
        }
        writer.finish()?;
    }
    output.flush()?;
    Ok(())
}

/// The evaluation as a table for a person.
fn table_of(evaluation: &Evaluation, reports: u64) -> String {
    let widest = evaluation
        .labels
        .labels()
        .names()
        .map(str::len)
        .max()
        .unwrap_or(0);
    let mut text = format!(
        "{:<widest$}  {:>6} {:>6} {:>6} {:>6}\n",
        "", "cases", "P", "R", "F1"
    );
    for (name, counts) in evaluation.labels.iter() {
        let cases = counts.true_positives + counts.false_negatives;
        let (p, r, f1) = (counts.precision(), counts.recall(), counts.f1());
        let _ = writeln!(
            text,
            "{name:<widest$}  {cases:>6} {p:>6.3} {r:>6.3} {f1:>6.3}"
        );
    }
    let (p, r) = (evaluation.macro_precision(), evaluation.macro_recall());
    let (f1, micro) = (evaluation.macro_f1(), evaluation.micro_f1());
    let _ = writeln!(
        text,
        "{:<widest$}  {reports:>6} {p:>6.3} {r:>6.3} {f1:>6.3}",
        "macro"
    );
    let _ = writeln!(
        text,
        "{:<widest$}  {:>6} {:>6} {:>6} {micro:>6.3}",
        "micro", "", "", ""
    );
    text
}

/// A fault of the reports or rules is one of the input: exit code 2, with its hint.
fn usage(error: ReportError) -> UsageError {
    UsageError::new(error.to_string(), error.hint)
}
