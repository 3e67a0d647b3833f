//! The verbs, one file each.

pub(crate) mod completions;
pub(crate) mod encode;
pub(crate) mod evaluate;
pub(crate) mod generate;
pub(crate) mod inspect;
pub(crate) mod label;
pub(crate) mod model;
pub(crate) mod pack;
pub(crate) mod phantom;
pub(crate) mod preprocess;
pub(crate) mod reader_study;
pub(crate) mod report;
pub(crate) mod study;
#[cfg(feature = "train")]
pub(crate) mod train;

use crate::cli::{Cli, Verb};
use crate::exit::Outcome;

/// Runs the verb that was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.verb {
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Preprocess(args) => preprocess::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Encode(args) => encode::run(&args),
        Verb::Model(args) => model::run(&args),
        Verb::Label(args) => label::run(&args),
        Verb::Evaluate(args) => evaluate::run(&args),
        Verb::ReaderStudy(args) => reader_study::run(&args),
        Verb::Generate(args) => generate::run(&args),
        Verb::Pack(args) => pack::run(&args),
        #[cfg(feature = "train")]
        Verb::Train(args) => train::run(&args),
        Verb::Study(args) => study::run(&args),
        Verb::Phantom(args) => phantom::run(&args),
        Verb::Completions(args) => completions::run(&args),
    }
}
