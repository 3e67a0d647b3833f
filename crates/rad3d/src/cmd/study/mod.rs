//! `rad3d study run|table`: a whole matrix of systems, trained, generated and judged.

#[cfg(feature = "train")]
mod baselines;
#[cfg(feature = "train")]
mod cell;
#[cfg(feature = "train")]
mod data;
#[cfg(feature = "train")]
mod judge;
#[cfg(feature = "train")]
mod llms;
#[cfg(feature = "train")]
mod run;
mod table;

use std::path::PathBuf;

use crate::exit::Outcome;

/// Train and judge a whole matrix of systems, as the paper's scaling study.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  rad3d study run study.toml --out study              train, generate and judge every cell
  rad3d study run study.toml --out study --shard 1/4  a quarter of the cells, on this machine
  rad3d study table study                             tables, pictures, what they say";

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Train, generate and judge every cell that is not done yet
    #[cfg(feature = "train")]
    Run(RunArgs),
    /// Make tables and pictures of the cells that are done
    Table(TableArgs),
}

/// What `rad3d study run` takes.
#[cfg(feature = "train")]
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Settings
    #[arg(value_name = "STUDY.toml")]
    study: PathBuf,

    /// Folder of the study; one that was begun is gone on with
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// Part i of n of the cells, to spread them over processes or machines
    #[arg(long, value_name = "I/N")]
    shard: Option<rad3d_study::Shard>,
}

/// What `rad3d study table` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct TableArgs {
    /// Folder of the study
    #[arg(value_name = "DIR")]
    study: PathBuf,
}

/// Does one of both.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.what {
        #[cfg(feature = "train")]
        What::Run(args) => run::run(args),
        What::Table(args) => table::run(args),
    }
}
