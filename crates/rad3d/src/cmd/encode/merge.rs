//! `rad3d encode merge TABLES… --out FILE`: one table of the tables of all shards.

use std::path::PathBuf;

use rad3d_embeddings::{read_parquet, write_parquet};
use serde_json::json;

use crate::exit::{Outcome, UsageError};
use crate::run_report::{HashedInput, RunReport, sha256_of};
use crate::talk;

/// Make one table of the tables of all shards.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tables that `rad3d encode --shard` wrote
    #[arg(required = true, value_name = "TABLE")]
    tables: Vec<PathBuf>,

    /// Table to write
    #[arg(long, short, value_name = "FILE.parquet")]
    out: PathBuf,
}

/// Reads all, checks that one model made them and no scan is in two, writes one.
pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("encode merge");
    let (Some(first), rest) = (
        args.tables.first(),
        args.tables.get(1..).unwrap_or_default(),
    ) else {
        return Err(UsageError::new("no tables", "name the shards' tables").into());
    };
    let mut merged = read_parquet(first)?;
    for path in rest {
        merged.append(read_parquet(path)?, path)?;
    }
    merged.rows.sort_by(|a, b| a.id.cmp(&b.id));
    write_parquet(&args.out, &merged)?;
    for path in &args.tables {
        report.inputs.push(HashedInput {
            path: path.clone(),
            sha256: sha256_of(path)?,
        });
    }
    report.settings = json!({ "tables": args.tables, "out": args.out });
    report.result = json!({ "rows": merged.rows.len(), "provenance": merged.provenance });
    report.stop();
    report.write_beside(&args.out)?;
    talk::note(&format!(
        "wrote {} ({} rows)",
        args.out.display(),
        merged.rows.len()
    ));
    Ok(Outcome::Done)
}
