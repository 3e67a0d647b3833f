//! The verbs, one file each.

pub(crate) mod completions;
pub(crate) mod inspect;
pub(crate) mod preprocess;

use crate::cli::{Cli, Verb};
use crate::exit::Outcome;

/// Runs the verb that was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.verb {
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Preprocess(args) => preprocess::run(&args),
        Verb::Completions(args) => completions::run(&args),
    }
}
