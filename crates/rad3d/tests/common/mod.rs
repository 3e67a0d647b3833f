//! What the tests of the command line share: running it, and comparing what it says.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "every test file uses another part of it"
)]
#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Folder of the whole project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Small scans that go with `prep_metadata.csv`; they show no chest, so they need `--force`.
pub(crate) fn small_scan(name: &str) -> PathBuf {
    root()
        .join("crates/rad3d-volume/tests/fixtures/preprocess")
        .join(name)
        .canonicalize()
        .unwrap()
}

/// The program, ready to be given arguments; the user's own model plays no part.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rad3d"));
    command.env_remove("RAD3D_MODEL").env("NO_COLOR", "1");
    command
}

/// Runs the program with arguments of any kind of text.
pub(crate) fn rad3d<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    program().args(arguments).output().unwrap()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Exit code and both streams in one text, with folders and times made the same on all machines.
pub(crate) fn told(output: &Output, places: &[(&Path, &str)]) -> String {
    let mut all = format!(
        "exit code: {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        stdout(output),
        stderr(output)
    );
    for (place, name) in places {
        all = all.replace(text(place), name);
    }
    // Half-written files have a random name.
    while let Some((before, rest)) = all.split_once(".rad3d-")
        && let Some((_, after)) = rest.split_once(".part")
    {
        all = format!("{before}[half-written]{after}");
    }
    all
}

pub(crate) fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
}
