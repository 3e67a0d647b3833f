//! The command line's grammar: the verbs, and what every verb shares.

use clap::{Parser, Subcommand};

#[cfg(feature = "train")]
use crate::cmd::train;
use crate::cmd::{
    completions, encode, evaluate, generate, inspect, label, model, pack, phantom, preprocess,
    reader_study, report, study,
};

/// Chest CT in, draft radiology report out.
///
/// A research tool: what it writes is a draft for a radiologist to check, never a diagnosis.
///
/// INPUT is a DICOM file, a folder of them (searched through) or a .zip; a NIfTI file (.nii,
/// .nii.gz), a MetaImage (.mha, .mhd) or an NRRD (.nrrd, .nhdr).
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  rad3d report scans/patient-7/ --out draft.html   a draft report, with the shipped model
  rad3d inspect scans/patient-7/              what is in this folder, and can it be used?
  rad3d inspect scan.nii.gz --json | jq .     the same for a program
  rad3d preprocess scan.zip --out scan.safetensors
  rad3d preprocess scan.zip --out look.nii.gz see in a viewer what the network would see

Exit codes: 0 done, 1 done with failures listed, 2 bad input or usage, 3 internal error.
stdout carries data, stderr carries messages.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a draft report of a chest CT.
    Report(report::Args),
    /// Say what a scan is and what would be done to it.
    Inspect(inspect::Args),
    /// Make the exact tensor that an image tower expects.
    Preprocess(preprocess::Args),
    /// Encode scans into embeddings and logits.
    Encode(encode::Args),
    /// Write reports of encoded scans, by a model or a baseline.
    Generate(generate::Args),
    /// Train a mapper, a classifier, a tower or a small language model.
    #[cfg(feature = "train")]
    Train(train::Args),
    /// Make a model folder of finished training runs.
    Pack(pack::Args),
    /// Make, look at, check and fetch models.
    Model(model::Args),
    /// Label chest CT reports with the 18 CT-RATE abnormalities, by rules.
    Label(label::Args),
    /// Score written reports against reference reports, with intervals.
    Evaluate(Box<evaluate::Args>),
    /// Train and judge a whole matrix of systems, as the paper's scaling study.
    Study(study::Args),
    /// Let radiologists judge reports blind: make their sheets, analyse their answers.
    ReaderStudy(reader_study::Args),
    /// Make synthetic chest CTs with labels and reports.
    Phantom(phantom::Args),
    /// Print a shell's completion script.
    Completions(completions::Args),
}
