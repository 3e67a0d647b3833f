//! `rad3d completions SHELL`: a completion script on stdout.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit::Outcome;

/// Print a shell's completion script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: rad3d completions bash > /etc/bash_completion.d/rad3d")]
pub(crate) struct Args {
    /// The shell to complete in.
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "rad3d",
        &mut std::io::stdout(),
    );
    Ok(Outcome::Done)
}
