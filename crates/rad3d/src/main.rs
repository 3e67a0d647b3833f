//! The command line of rad3d: one file a verb under `cmd/`.

mod cli;
mod cmd;
mod exit;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit::report(cmd::run(cli::Cli::parse()))
}
