//! The command line of rad3d: one file a verb under `cmd/`.

mod cli;
mod cmd;
mod completer;
mod device;
mod encoder;
mod encoder_tokenizer;
mod exit;
mod pictures;
mod run_report;
mod scan_args;
mod shipped;
mod talk;
mod text_embedder;
mod text_labeler;
mod writer;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit::report(cmd::run(cli::Cli::parse()))
}
