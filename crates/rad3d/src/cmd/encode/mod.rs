//! `rad3d encode INPUT… --model DIR --out FILE`: scans in, embeddings out.

mod discover;
mod failures;
mod merge;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, sync_channel};

use rad3d_embeddings::{EmbeddingRow, EmbeddingTable, Journal, read_parquet, write_parquet};
use rad3d_nn::cpu::Precision;
use rad3d_volume::{Input, MetadataRow, PrepareOptions, Recipe, prepare};
use serde_json::json;

use crate::device::Device;
use crate::encoder::Encoder;
use crate::exit::{Outcome, UsageError};
use crate::run_report::RunReport;
use crate::talk;
use discover::Scan;
use failures::Failure;

/// Encode scans into embeddings and logits.
///
/// INPUT is a scan, or a tree of them: each volume file, each zip and each folder of DICOM slices
/// is a scan. While one is encoded the next ones are read. Rows are safe as soon as they are made:
/// run the same command again after a kill, and it goes on. Scans that fail are listed in
/// failures.csv beside the output and tried again by the next run.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    merge: Option<Verb>,

    /// Scans, or folders of scans
    #[arg(required = true)]
    input: Vec<PathBuf>,

    /// Model folder with the tower and, for logits, the head
    #[arg(long, required = true, value_name = "DIR")]
    model: Option<PathBuf>,

    /// Table to write
    #[arg(long, short, required = true, value_name = "FILE.parquet")]
    out: Option<PathBuf>,

    /// Take the i-th of n equal parts of the scans, for job arrays
    #[arg(long, value_name = "i/n")]
    shard: Option<Shard>,

    /// CT-RATE's metadata table, for scans with blank headers
    #[arg(long, value_name = "CSV")]
    metadata: Option<PathBuf>,

    /// Encode what is no chest CT or has large gaps all the same
    #[arg(long)]
    force: bool,

    /// Factors of the tower's matrix products: f32, bf16 (only where the processor has AVX-512
    /// BF16) or bf16-emulated (slow, to see what bf16 does to the numbers)
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    precision: Precision,

    /// Where to compute the tower
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    device: Device,
}

const EXAMPLES: &str = "\
Examples:
  rad3d encode scan.zip --model my-model --out scan.parquet
  rad3d encode /data/ct-rate/train --model my-model --out train.parquet --shard 3/16
  rad3d encode merge train.shard-*-of-16.parquet --out train.parquet";

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make one table of the tables of all shards
    Merge(merge::Args),
}

/// The `index`-th (from 1) of `count` parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            Some(Self {
                index: index.parse().ok()?,
                count: count.parse().ok()?,
            })
        });
        parts
            .filter(|shard| (1..=shard.count).contains(&shard.index))
            .ok_or("expected i/n with i from 1 to n, as in 3/16")
    }
}

/// The files of one run.
struct Outputs {
    table: PathBuf,
    journal: PathBuf,
    failures: PathBuf,
}

impl Outputs {
    /// `out` itself, or with the shard in its name, so that jobs never write to one file.
    fn new(out: &Path, shard: Option<Shard>) -> Result<Self, UsageError> {
        if out.extension().is_none_or(|ending| ending != "parquet") {
            return Err(UsageError::new(
                format!("{}: embeddings are written as Parquet", out.display()),
                "end the name with .parquet",
            ));
        }
        let part = shard.map_or(String::new(), |Shard { index, count }| {
            format!(".shard-{index}-of-{count}")
        });
        let stem = out.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            table: out.with_file_name(format!("{stem}{part}.parquet")),
            journal: out.with_file_name(format!("{stem}{part}.rows.jsonl")),
            failures: out.with_file_name(format!("failures{part}.csv")),
        })
    }
}

/// Encodes everything that is not encoded yet, or merges.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(Verb::Merge(args)) = &args.merge {
        return merge::run(args);
    }
    let (Some(model), Some(out)) = (&args.model, &args.out) else {
        return Err(UsageError::new("no model or no output", "give --model and --out").into());
    };
    let mut report = RunReport::start("encode");
    report.device = args.device.name();
    args.device.require()?;
    let outputs = Outputs::new(out, args.shard)?;
    let scans = scans_of_shard(&args.input, args.shard)?;
    let encoder = Encoder::open(model, args.precision, args.device)?;
    let mut work = Work::resume(&outputs, &encoder)?;
    let todo: Vec<Scan> = scans
        .iter()
        .filter(|scan| !work.is_done(&scan.id))
        .cloned()
        .collect();
    let already = scans.len() - todo.len();
    if already > 0 {
        talk::note(&format!(
            "{already} of {} scans are encoded already",
            scans.len()
        ));
    }
    let failures = encode_all(&encoder, &todo, args, &mut work)?;
    let rows = work.finish(&outputs, &encoder)?;
    failures::write(&outputs.failures, &failures)?;
    report.settings = json!({
        "input": args.input, "model": model, "out": outputs.table,
        "shard": args.shard.map(|shard| format!("{}/{}", shard.index, shard.count)),
        "metadata": args.metadata, "force": args.force, "precision": args.precision,
    });
    report.result = json!({
        "scans": scans.len(), "encoded_now": todo.len() - failures.len(),
        "encoded_before": already, "failed": failures.len(), "rows": rows,
        "provenance": encoder.provenance,
    });
    report.stop();
    report.write_beside(&outputs.table)?;
    talk::note(&format!("wrote {} ({rows} rows)", outputs.table.display()));
    if failures.is_empty() {
        return Ok(Outcome::Done);
    }
    talk::warn(&format!(
        "{} of {} scans failed: see {}",
        failures.len(),
        scans.len(),
        outputs.failures.display()
    ));
    Ok(Outcome::DoneWithFailures)
}

fn scans_of_shard(inputs: &[PathBuf], shard: Option<Shard>) -> anyhow::Result<Vec<Scan>> {
    let all = discover::scans(inputs)?;
    if all.is_empty() {
        let names: Vec<_> = inputs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(UsageError::new(
            format!("{}: no scans there", names.join(", ")),
            "give volume files, zips, or folders that hold them or DICOM slices",
        )
        .into());
    }
    let Some(Shard { index, count }) = shard else {
        return Ok(all);
    };
    Ok(all.into_iter().skip(index - 1).step_by(count).collect())
}

/// Rows made so far: those of an earlier table, those of the journal.
struct Work {
    rows: Vec<EmbeddingRow>,
    done: BTreeSet<String>,
    journal: Journal,
}

impl Work {
    fn resume(outputs: &Outputs, encoder: &Encoder) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        if outputs.table.exists() {
            let table = read_parquet(&outputs.table)?;
            if let Some(conflict) = encoder.provenance.conflict(&table.provenance) {
                return Err(UsageError::new(
                    format!("{}: was made with {conflict}", outputs.table.display()),
                    "give another --out or the settings that made it, or remove the old table",
                )
                .into());
            }
            rows = table.rows;
        }
        let (journal, newer) = Journal::open(&outputs.journal, &encoder.provenance)?;
        let mut done: BTreeSet<String> = rows.iter().map(|row| row.id.clone()).collect();
        rows.extend(newer.into_iter().filter(|row| done.insert(row.id.clone())));
        Ok(Self {
            rows,
            done,
            journal,
        })
    }

    fn is_done(&self, id: &str) -> bool {
        self.done.contains(id)
    }

    fn push(&mut self, row: EmbeddingRow) -> anyhow::Result<()> {
        self.journal.push(&row)?;
        self.rows.push(row);
        Ok(())
    }

    /// Writes the table, in the order of ids, then lets go of the journal.
    fn finish(mut self, outputs: &Outputs, encoder: &Encoder) -> anyhow::Result<usize> {
        self.rows.sort_by(|a, b| a.id.cmp(&b.id));
        let count = self.rows.len();
        let table = EmbeddingTable {
            provenance: encoder.provenance.clone(),
            rows: self.rows,
        };
        write_parquet(&outputs.table, &table)?;
        self.journal.remove()?;
        Ok(count)
    }
}

/// A scan's tensor, or why there is none.
type Read = (Scan, anyhow::Result<Vec<f32>>);

/// Scans read ahead of the one being encoded; a tensor is 221 MB.
const READ_AHEAD: usize = 1;

/// Encodes `todo` while a thread reads ahead; a scan's fault is listed and the rest goes on.
fn encode_all(
    encoder: &Encoder,
    todo: &[Scan],
    args: &Args,
    work: &mut Work,
) -> anyhow::Result<Vec<Failure>> {
    let bar = talk::bar(todo.len() as u64, "scans");
    let (sender, tensors) = sync_channel::<Read>(READ_AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for scan in todo {
                let tensor = tensor_of(scan, &encoder.recipe, args);
                // The other side has gone only when writing failed; then nothing is left to do.
                if sender.send((scan.clone(), tensor)).is_err() {
                    return;
                }
            }
        });
        encode_received(encoder, tensors, work, &bar)
    })
}

fn encode_received(
    encoder: &Encoder,
    tensors: Receiver<Read>,
    work: &mut Work,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<Vec<Failure>> {
    let mut failures = Vec::new();
    for (scan, tensor) in tensors {
        match tensor.and_then(|tensor| encoder.encode(&tensor)) {
            Ok(encoded) => work.push(EmbeddingRow {
                id: scan.id,
                path: scan.path.to_string_lossy().into_owned(),
                embedding: encoded.embedding,
                logits: encoded.logits,
            })?,
            Err(error) => {
                bar.suspend(|| talk::warn(&error.to_string()));
                let Scan { id, path } = scan;
                failures.push(Failure {
                    id,
                    path,
                    reason: error.to_string(),
                });
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(failures)
}

fn tensor_of(scan: &Scan, recipe: &Recipe, args: &Args) -> anyhow::Result<Vec<f32>> {
    let metadata = match &args.metadata {
        Some(table) => Some(MetadataRow::find(table, &scan.path)?),
        None => None,
    };
    let input = Input::open(&scan.path)?;
    let volume = input.read(input.choose(None, args.force)?, args.force)?;
    let options = PrepareOptions {
        metadata,
        force: args.force,
        ..PrepareOptions::default()
    };
    let prepared = prepare(volume, recipe, &options)?;
    Ok(prepared.plan.tensor(&prepared.volume))
}
