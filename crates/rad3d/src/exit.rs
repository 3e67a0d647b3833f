//! Exit codes, and how an error is told.
//!
//! stdout is data, stderr is talk. Codes: 0 done, 1 done with failures listed, 2 bad input or
//! usage, 3 internal.

use std::io::Write;
use std::process::ExitCode;

use rad3d_embeddings::EmbeddingsError;
use rad3d_metrics::MetricsError;
use rad3d_nn::NnError;
use rad3d_report::ReportError;
use rad3d_study::StudyError;
use rad3d_train::TrainError;
use rad3d_volume::VolumeError;
use rad3d_weights::WeightsError;

/// How a verb that ran to its end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything asked for was done.
    Done,
    /// Done, but some of many inputs failed; they were listed.
    DoneWithFailures,
}

/// A fault of the input or the call that no library raised: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct UsageError {
    what: String,
    hint: String,
}

impl UsageError {
    /// What is wrong with the call, and what to do about it.
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
}

/// A fault of what the metrics were given, reports, labels, dictionaries or models, is one of the
/// input.
pub(crate) fn of_metrics(error: MetricsError) -> UsageError {
    UsageError::new(error.to_string(), error.hint)
}

/// Tells a failure on stderr and turns the outcome into the process's exit code.
pub(crate) fn report(outcome: anyhow::Result<Outcome>) -> ExitCode {
    let error = match outcome {
        Ok(Outcome::Done) => return ExitCode::SUCCESS,
        Ok(Outcome::DoneWithFailures) => return ExitCode::from(1),
        Err(error) => error,
    };
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    let (code, hint) = classify(&error);
    let mut stderr = anstream::stderr().lock();
    let style = anstyle::AnsiColor::Red.on_default().bold();
    // Nothing is left to tell a failure to when stderr itself is closed.
    let _ = writeln!(stderr, "{style}error:{style:#} {error}");
    if let Some(hint) = hint {
        let style = anstyle::AnsiColor::Cyan.on_default().bold();
        let _ = writeln!(stderr, "{style}hint:{style:#} {hint}");
    }
    ExitCode::from(code)
}

/// The exit code of an error, and its hint where it carries one.
pub(crate) fn classify(error: &anyhow::Error) -> (u8, Option<&str>) {
    if let Some(error) = error.downcast_ref::<VolumeError>() {
        return (2, Some(&error.hint));
    }
    if let Some(error) = error.downcast_ref::<WeightsError>() {
        return (2, Some(&error.hint));
    }
    if let Some(error) = error.downcast_ref::<NnError>() {
        return (2, Some(&error.hint));
    }
    if let Some(error) = error.downcast_ref::<EmbeddingsError>() {
        return (2, Some(&error.hint));
    }
    if let Some(error) = error.downcast_ref::<ReportError>() {
        return (2, Some(&error.hint));
    }
    if let Some(error) = error.downcast_ref::<TrainError>() {
        return (2, Some(&error.hint));
    }
    if let Some(error) = error.downcast_ref::<StudyError>() {
        return (2, Some(&error.hint));
    }
    if let Some(error) = error.downcast_ref::<UsageError>() {
        return (2, Some(&error.hint));
    }
    (3, None)
}

/// `rad3d inspect scan | head -1` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
