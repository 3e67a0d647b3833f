//! `rad3d train mapper|classifier|tower|lm --config FILE`: learning.

use std::path::PathBuf;

use rad3d_train::Result;
use rad3d_train::engine::{Outcome as Trained, Progress};
use rad3d_train::read_settings;
use rad3d_train::tasks::{ClassifierSettings, LmSettings, MapperSettings, TowerSettings};
use serde_json::json;

use crate::exit::Outcome;
use crate::run_report::RunReport;
use crate::talk;

/// Train a mapper, a classifier, a tower or a small language model.
///
/// Settings are TOML; paths in it are relative to where rad3d is called. The folder gets
/// checkpoints, events.jsonl, a TensorBoard file, loss.svg, settings.toml and the result.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What learns
    #[arg(value_enum)]
    what: What,

    /// Settings
    #[arg(long, short, value_name = "FILE.toml")]
    config: PathBuf,

    /// Folder of the run
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// A setting to lay over the file's; may be given often
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Go on from the folder's checkpoint, if there is one
    #[arg(long)]
    resume: bool,
}

const EXAMPLES: &str = "\
Examples:
  rad3d train mapper --config v3.toml --out runs/v3
  rad3d train mapper --config v3.toml --out runs/v2 --set priors=false
  rad3d train mapper --config v3.toml --out runs/v3 --resume
  rad3d train classifier --config head.toml --out runs/head --set fit.epochs=50";

/// What learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Prefix mapper through a frozen or trained language model
    Mapper,
    /// Abnormality head on embeddings
    Classifier,
    /// CT-ViT tower with its head, on scans
    Tower,
    /// Small language model, on reports alone
    Lm,
}

/// Trains, with a bar.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("train");
    let bar = talk::bar(0, "steps");
    let show = |progress: Progress| {
        bar.set_length(progress.steps as u64);
        bar.set_position(progress.step as u64);
        bar.set_message(format!(
            "loss {:.4}, {:.0} a second",
            progress.loss, progress.items_per_second
        ));
    };
    let trained = train(args, show);
    bar.finish_and_clear();
    let trained = trained?;
    report.settings = json!({ "config": args.config, "set": args.set, "resume": args.resume });
    report.result = json!({
        "steps": trained.steps, "stopped_early": trained.stopped_early,
        "best_score": trained.best.map(|best| best.0),
        "best_epoch": trained.best.map(|best| best.1 + 1),
    });
    report.stop();
    report.write_beside(&args.out)?;
    let best = trained.best.map_or(String::new(), |(score, epoch)| {
        format!(", best {score:.4} in epoch {}", epoch + 1)
    });
    talk::note(&format!(
        "trained {} steps{best}: {}",
        trained.steps,
        args.out.display()
    ));
    Ok(Outcome::Done)
}

fn train(args: &Args, show: impl FnMut(Progress)) -> Result<Trained> {
    let (out, resume) = (&args.out, args.resume);
    match args.what {
        What::Mapper => {
            let settings: MapperSettings = read_settings(&args.config, &args.set)?;
            settings.run(out, resume, show)
        }
        What::Classifier => {
            let settings: ClassifierSettings = read_settings(&args.config, &args.set)?;
            settings.run(out, resume, show)
        }
        What::Lm => {
            let settings: LmSettings = read_settings(&args.config, &args.set)?;
            settings.run(out, resume, show)
        }
        What::Tower => {
            let settings: TowerSettings = read_settings(&args.config, &args.set)?;
            let bar = talk::bar(0, "tensors");
            let prepared = |done: usize, all: usize| {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            };
            settings.run(out, resume, prepared, show)
        }
    }
}
