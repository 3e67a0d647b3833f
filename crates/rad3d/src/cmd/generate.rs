//! `rad3d generate`: reports of many encoded scans, by a model or by a baseline.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rad3d_embeddings::{EmbeddingRow, EmbeddingTable, read_parquet};
use rad3d_nn::generate::{GenerationSettings, Strategy};
use rad3d_report::{LabelSet, Report};
use rad3d_train::baselines;
use rad3d_train::data::{Case, derangement, read_cases};
use rad3d_volume::write::AtomicFile;
use rad3d_weights::{LabelPart, Manifest, ModelFolder};
use serde_json::json;

use crate::encoder::Encoded;
use crate::exit::{Outcome, UsageError};
use crate::run_report::RunReport;
use crate::talk;
use crate::writer::{LlmChoice, Writer};

/// Write reports of encoded scans, by a model or by a baseline.
///
/// The table is what `rad3d encode` wrote. The result is a CSV with the columns id, findings,
/// impression, and whether the text ended by itself; `rad3d label` and `rad3d evaluate` read it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Table of embeddings and logits
    #[arg(value_name = "TABLE.parquet")]
    table: PathBuf,

    /// Model folder: mapper and language model; thresholds of the labels for `template`
    #[arg(long, short, value_name = "DIR")]
    model: PathBuf,

    /// CSV to write
    #[arg(long, short, value_name = "CSV")]
    out: PathBuf,

    /// Who writes
    #[arg(long, value_enum, default_value_t = System::Model)]
    system: System,

    /// Training reports, for `template` and `majority`
    #[arg(long, value_name = "CSV")]
    reports: Option<PathBuf>,

    /// Labels of the training reports, for `template`
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,

    /// Seed of `shuffled`
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Also write the classifier's calibrated probabilities here, for `rad3d evaluate`
    #[arg(long, value_name = "CSV")]
    probabilities: Option<PathBuf>,

    /// Longest report in tokens
    #[arg(long, default_value_t = 400, value_name = "N")]
    max_tokens: usize,
}

const EXAMPLES: &str = "\
Examples:
  rad3d generate test.parquet --model my-model --out v3.csv
  rad3d generate test.parquet --model my-model --system shuffled --out shuffled.csv
  rad3d generate test.parquet --model my-model --system template \\
      --reports train_reports.csv --labels train_labels.csv --out template.csv";

/// Who writes the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum System {
    /// The model
    Model,
    /// The model, from another patient's embedding and logits
    Shuffled,
    /// The training report whose labels are nearest to the predicted ones
    Template,
    /// The commonest training report
    Majority,
}

/// Writes one report a row.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("generate");
    let table = read_parquet(&args.table)?;
    let folder = ModelFolder::open(&args.model)?;
    check(&folder, &table, args)?;
    let texts = match args.system {
        System::Model => by_model(&folder, &table, args, None)?,
        System::Shuffled => {
            let partner = derangement(table.rows.len(), args.seed);
            by_model(&folder, &table, args, Some(&partner))?
        }
        System::Template => by_template(folder.manifest(), &table, &training(args)?)?,
        System::Majority => {
            let training = training(args)?;
            let text = baselines::majority(&training)?;
            table.rows.iter().map(|_| (text.clone(), true)).collect()
        }
    };
    write(args, &table, &texts)?;
    if let Some(path) = &args.probabilities {
        write_probabilities(path, folder.manifest(), &table)?;
    }
    let ended = texts.iter().filter(|(_, ended)| *ended).count();
    report.settings = json!({
        "table": args.table, "model": args.model, "out": args.out, "seed": args.seed,
        "system": format!("{:?}", args.system).to_lowercase(), "max_tokens": args.max_tokens,
        "reports": args.reports, "labels": args.labels, "probabilities": args.probabilities,
    });
    report.result = json!({ "reports": texts.len(), "ended_by_themselves": ended });
    report.stop();
    report.write_beside(&args.out)?;
    talk::note(&format!(
        "wrote {} ({} reports, {ended} ended by themselves)",
        args.out.display(),
        texts.len()
    ));
    Ok(Outcome::Done)
}

/// That the model's tower made the table.
fn check(folder: &ModelFolder, table: &EmbeddingTable, args: &Args) -> anyhow::Result<()> {
    let (tower, made) = (
        &folder.manifest().tower.file.sha256,
        &table.provenance.tower_sha256,
    );
    if tower != made {
        let what = format!(
            "{}: was made by the tower {made}, the model's is {tower}",
            args.table.display()
        );
        let hint = "encode the scans with this model";
        return Err(UsageError::new(what, hint).into());
    }
    Ok(())
}

/// Texts, and whether each ended by itself.
type Texts = Vec<(Report, bool)>;

fn by_model(
    folder: &ModelFolder,
    table: &EmbeddingTable,
    args: &Args,
    partner: Option<&[usize]>,
) -> anyhow::Result<Texts> {
    let writer = Writer::open(folder, LlmChoice::Own)?;
    let settings = GenerationSettings {
        max_new_tokens: args.max_tokens.min(writer.room()),
        strategy: Strategy::Greedy,
        ..GenerationSettings::default()
    };
    let bar = talk::bar(table.rows.len() as u64, "reports");
    let mut texts = Vec::with_capacity(table.rows.len());
    for index in 0..table.rows.len() {
        let source = partner.map_or(index, |partner| partner[index]);
        let EmbeddingRow {
            embedding, logits, ..
        } = &table.rows[source];
        let encoded = Encoded {
            embedding: embedding.clone(),
            logits: logits.clone(),
        };
        let written = writer.write(&writer.prefix(&encoded)?, &settings)?;
        texts.push((written.report, written.ended_by_itself));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(texts)
}

fn by_template(
    manifest: &Manifest,
    table: &EmbeddingTable,
    training: &[Case],
) -> anyhow::Result<Texts> {
    let mut texts = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let predicted: Vec<bool> = calibrated(manifest, &row.logits)
            .map(|(label, probability)| probability >= label.threshold)
            .collect();
        texts.push((baselines::template(training, &predicted)?.clone(), true));
    }
    Ok(texts)
}

/// Each label with the calibrated probability of its logit.
fn calibrated<'a>(
    manifest: &'a Manifest,
    logits: &'a [f32],
) -> impl Iterator<Item = (&'a LabelPart, f32)> {
    let labels = manifest.head.as_ref().map_or(&[][..], |head| &head.labels);
    let pairs = labels.iter().zip(logits);
    pairs.map(|(label, logit)| (label, 1.0 / (1.0 + (-logit / label.temperature).exp())))
}

fn write_probabilities(
    path: &Path,
    manifest: &Manifest,
    table: &EmbeddingTable,
) -> anyhow::Result<()> {
    let mut rows = vec![vec!["id".to_owned()]];
    let labels = manifest.head.as_ref().map_or(&[][..], |head| &head.labels);
    rows[0].extend(labels.iter().map(|label| label.name.clone()));
    for row in &table.rows {
        let probabilities = calibrated(manifest, &row.logits);
        let cells = probabilities.map(|(_, probability)| probability.to_string());
        rows.push(std::iter::once(row.id.clone()).chain(cells).collect());
    }
    write_csv(path, &rows)
}

fn training(args: &Args) -> anyhow::Result<Vec<Case>> {
    let Some(reports) = &args.reports else {
        let what = "this baseline needs training reports";
        return Err(UsageError::new(what, "give --reports").into());
    };
    let labels = args.labels.as_deref();
    Ok(read_cases(reports, labels, &LabelSet::ct_rate())?)
}

fn write(args: &Args, table: &EmbeddingTable, texts: &Texts) -> anyhow::Result<()> {
    let header = ["id", "findings", "impression", "ended_by_itself"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (row, (report, ended)) in table.rows.iter().zip(texts) {
        let Report {
            findings,
            impression,
        } = report.clone();
        let ended = if *ended { "1" } else { "0" };
        rows.push(vec![row.id.clone(), findings, impression, ended.to_owned()]);
    }
    write_csv(&args.out, &rows)
}

fn write_csv(path: &Path, rows: &[Vec<String>]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    let mut file = AtomicFile::create(path)?;
    let bytes = writer.into_inner()?;
    file.write_all(&bytes).map_err(|error| file.fault(error))?;
    Ok(file.commit()?)
}
