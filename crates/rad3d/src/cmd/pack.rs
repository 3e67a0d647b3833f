//! `rad3d pack`: a model folder of finished training runs.

use std::path::PathBuf;

use rad3d_train::pack::Pack;
use rad3d_train::read_settings;

use crate::exit::Outcome;
use crate::talk;

/// Make a model folder of finished training runs.
///
/// The settings name the runs: name, licence, source, tower-run, and as far as they are there
/// notice, mapper-run, llm, training-embeddings and held-out-embeddings. The folder is then used
/// by `rad3d encode`, `rad3d generate` and `rad3d report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Settings
    #[arg(long, short, value_name = "FILE.toml")]
    config: PathBuf,

    /// A setting to lay over the file's; may be given often
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// The folder to make
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// Packs.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let pack: Pack = read_settings(&args.config, &args.set)?;
    let manifest = pack.write(&args.out)?;
    let bytes: u64 = manifest.files().map(|file| file.bytes).sum();
    talk::note(&format!(
        "wrote {} ({}, {:.1} MB)",
        args.out.display(),
        manifest.name,
        bytes as f64 / 1e6
    ));
    Ok(Outcome::Done)
}
