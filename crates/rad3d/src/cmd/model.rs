//! `rad3d model import|inspect|verify|pull`: model folders.

use std::io::Write;
use std::path::{Path, PathBuf};

use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressStyle};
use rad3d_report::LabelSet;
use rad3d_volume::Recipe;
use rad3d_weights::{
    Checkpoint, Hub, Import, Manifest, ModelFolder, Progress, RecipeChoice, Snapshot,
    read_calibration,
};
use serde::Serialize;

use crate::exit::{Outcome, UsageError};
use crate::talk;

/// Make, look at, check and fetch models.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  rad3d model pull unsloth/Llama-3.2-1B --out llama --file '*.json' --file '*.safetensors'
  rad3d model import --tower CT_LiPro_v2.pt --labels ct-rate --mapper mapper.pt --llm llama \\
      --out my-model
  rad3d model inspect my-model
  rad3d model verify my-model";

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a model folder from published checkpoints
    Import(Box<ImportArgs>),
    /// Show a model's parts, parameters, memory and licences
    Inspect(InspectArgs),
    /// Check that every file of a model folder has the recorded content
    Verify(VerifyArgs),
    /// Fetch a repository from the Hugging Face hub
    ///
    /// Resumes what was begun. HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean
    /// what they mean to huggingface_hub, and the cache is shared with it.
    Pull(PullArgs),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// CT-CLIP's checkpoint, or CT-LiPro's, which has tower and head
    #[arg(long, visible_alias = "lipro", value_name = "FILE")]
    tower: PathBuf,

    /// Labels of the head, in order: ct-rate, or a text file with one a line
    ///
    /// If the checkpoint has a head and this is not given: ct-rate.
    #[arg(long, value_name = "NAMES")]
    labels: Option<String>,

    /// Temperature and threshold of each label: a .csv table with the header
    /// label,temperature,threshold, or the same as .toml; labels left out keep 1 and 0.5
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,

    /// Prefix mapper (ClipCap's names)
    #[arg(long, value_name = "FILE")]
    mapper: Option<PathBuf>,

    /// SHA-256 of the tower that the mapper was trained on, if it is another than this one
    #[arg(long, value_name = "SHA256", requires = "mapper")]
    mapper_tower: Option<String>,

    /// Language model: a GGUF file or a Hugging Face folder
    #[arg(long, value_name = "PATH")]
    llm: Option<PathBuf>,

    /// Leave the language model where it is and record its hash
    #[arg(long, requires = "llm")]
    reference_llm: bool,

    /// Preprocessing recipe: ct-clip, ct2rep, or a .toml file
    #[arg(long, default_value = "ct-clip", value_name = "RECIPE")]
    recipe: String,

    /// Voxels of a patch along the slices
    #[arg(long, default_value_t = 10, value_name = "N")]
    temporal_patch: usize,

    /// Slices of the tower's input, if other than the recipe's
    #[arg(long, value_name = "N")]
    depth: Option<usize>,

    /// Licence of tower and head
    #[arg(long, default_value = "CC-BY-NC-SA-4.0", value_name = "SPDX")]
    tower_licence: String,

    /// Licence of the mapper
    #[arg(long, default_value = "unknown", value_name = "SPDX")]
    mapper_licence: String,

    /// Licence of the language model
    #[arg(long, default_value = "unknown", value_name = "SPDX")]
    llm_licence: String,

    /// The model's name; the folder's if not given
    #[arg(long)]
    name: Option<String>,

    /// The folder to make
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
struct InspectArgs {
    /// A model folder, a weight file or a Hugging Face folder
    model: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// A model folder
    model: PathBuf,
}

#[derive(Debug, clap::Args)]
struct PullArgs {
    /// Repository, with a branch, tag or commit after an @
    #[arg(value_name = "OWNER/NAME[@REVISION]")]
    repository: String,

    /// Fetch only files that match; * stands for anything; may be repeated
    #[arg(long = "file", value_name = "PATTERN")]
    files: Vec<String>,

    /// Put the files here too (hard links into the cache where possible)
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Does what was asked for.
pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.verb {
        Verb::Import(args) => import(args),
        Verb::Inspect(args) => inspect(args),
        Verb::Verify(args) => verify(&args.model),
        Verb::Pull(args) => pull(args),
    }
}

fn import(args: &ImportArgs) -> anyhow::Result<Outcome> {
    let recipe = Recipe::find(&args.recipe)?;
    let checkpoint = Checkpoint::open(&args.tower)?;
    let has_head = checkpoint.contains("classifier.bias");
    let labels = match args.labels.as_deref() {
        None if !has_head => Vec::new(),
        None | Some("ct-rate") => LabelSet::ct_rate().names().map(str::to_owned).collect(),
        Some(file) => labels_in(Path::new(file))?,
    };
    let folder_name = || {
        args.out
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let import = Import {
        name: args
            .name
            .clone()
            .or_else(folder_name)
            .unwrap_or_else(|| "model".to_owned()),
        tower: args.tower.clone(),
        tower_licence: args.tower_licence.clone(),
        labels,
        calibration: match &args.calibration {
            Some(file) => read_calibration(file)?,
            None => Vec::new(),
        },
        mapper: args
            .mapper
            .clone()
            .map(|path| (path, args.mapper_licence.clone())),
        mapper_tower_sha256: args.mapper_tower.clone(),
        llm: args
            .llm
            .clone()
            .map(|path| (path, args.llm_licence.clone())),
        copy_llm: !args.reference_llm,
        recipe: recipe_choice(&args.recipe)?,
        depth_and_patch: (args.depth.unwrap_or(recipe.size[0]), args.temporal_patch),
    };
    let spinner = talk::spinner("importing");
    let report = import.run(&args.out)?;
    spinner.finish_and_clear();
    for note in &report.notes {
        talk::note(note);
    }
    talk::note(&format!(
        "took {} tensors, left {}:",
        report.taken,
        report.ignored.len()
    ));
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, reason) in &report.ignored {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    for (reason, names) in reasons {
        let more = match names.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        talk::note(&format!(
            "  {}{more}: {reason}",
            names.first().copied().unwrap_or_default()
        ));
    }
    print_parts(&parts_of_folder(&report.folder)?)?;
    Ok(Outcome::Done)
}

fn labels_in(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        UsageError::new(
            format!("{}: labels cannot be read ({error})", file.display()),
            "give ct-rate, or a text file with one label a line",
        )
    })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// A built-in recipe goes by its name; any other travels with the model.
fn recipe_choice(recipe: &str) -> anyhow::Result<RecipeChoice> {
    if Recipe::NAMES.contains(&recipe) {
        return Ok(RecipeChoice::Named(recipe.to_owned()));
    }
    let text = std::fs::read_to_string(recipe)?;
    Ok(RecipeChoice::Table(toml::from_str(&text)?))
}

/// A part of a model, as `inspect` shows it.
#[derive(Debug, Serialize)]
struct Part {
    part: &'static str,
    files: Vec<PathBuf>,
    tensors: usize,
    parameters: u64,
    /// Bytes as stored, which is what a memory-mapped model needs at most.
    bytes: u64,
    /// Bytes with every parameter as f32.
    bytes_as_f32: u64,
    element_types: Vec<String>,
    licence: Option<String>,
    sources: Vec<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Inspection<'a> {
    path: &'a Path,
    manifest: Option<&'a Manifest>,
    parts: Vec<Part>,
}

fn inspect(args: &InspectArgs) -> anyhow::Result<Outcome> {
    let folder = match args.model.join(rad3d_weights::MANIFEST_FILE).is_file() {
        true => Some(ModelFolder::open(&args.model)?),
        false => None,
    };
    let parts = match &folder {
        Some(folder) => parts_of_folder(folder)?,
        None => vec![part("weights", &Checkpoint::open(&args.model)?)],
    };
    if args.json {
        talk::print_json(&Inspection {
            path: &args.model,
            manifest: folder.as_ref().map(ModelFolder::manifest),
            parts,
        })?;
    } else {
        print_parts(&parts)?;
    }
    Ok(Outcome::Done)
}

fn part(name: &'static str, checkpoint: &Checkpoint) -> Part {
    let infos: Vec<_> = checkpoint
        .names()
        .filter_map(|name| checkpoint.info(name))
        .collect();
    let mut types: Vec<String> = infos.iter().map(|info| info.dtype.to_string()).collect();
    types.sort();
    types.dedup();
    let parameters = infos.iter().map(|info| info.elements() as u64).sum();
    Part {
        part: name,
        files: checkpoint.files().to_vec(),
        tensors: infos.len(),
        parameters,
        bytes: infos.iter().map(|info| info.bytes as u64).sum(),
        bytes_as_f32: parameters * 4,
        element_types: types,
        licence: None,
        sources: Vec::new(),
        notes: checkpoint.notes().to_vec(),
    }
}

fn parts_of_folder(folder: &ModelFolder) -> anyhow::Result<Vec<Part>> {
    let manifest = folder.manifest();
    let with = |mut part: Part, record: &rad3d_weights::FileRecord| {
        part.licence = Some(record.licence.clone());
        part.sources.push(record.source.clone());
        part
    };
    let mut parts = vec![with(part("tower", &folder.tower()?), &manifest.tower.file)];
    if let (Some(checkpoint), Some(head)) = (folder.head()?, &manifest.head) {
        parts.push(with(part("head", &checkpoint), &head.file));
    }
    if let (Some(checkpoint), Some(mapper)) = (folder.mapper()?, &manifest.mapper) {
        parts.push(with(part("mapper", &checkpoint), &mapper.file));
    }
    if let (Some(path), Some(llm)) = (folder.llm_path(), &manifest.llm)
        && let Some(first) = llm.files.first()
    {
        parts.push(with(part("llm", &Checkpoint::open(path)?), first));
    }
    Ok(parts)
}

fn print_parts(parts: &[Part]) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let bold = AnsiColor::Cyan.on_default().bold();
    writeln!(
        out,
        "{bold}{:<8} {:>13} {:>10} {:>10}  {:<12} licence{bold:#}",
        "part", "parameters", "stored", "as f32", "types"
    )?;
    for part in parts {
        let types = part.element_types.join(" ");
        let licence = part.licence.as_deref().unwrap_or("not recorded");
        writeln!(
            out,
            "{:<8} {:>13} {:>10} {:>10}  {types:<12} {licence}",
            part.part,
            grouped(part.parameters),
            mebibytes(part.bytes),
            mebibytes(part.bytes_as_f32),
        )?;
        for note in &part.notes {
            writeln!(out, "         {note}")?;
        }
    }
    let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum::<u64>();
    writeln!(
        out,
        "{:<8} {:>13} {:>10} {:>10}",
        "all",
        grouped(sum(|part| part.parameters)),
        mebibytes(sum(|part| part.bytes)),
        mebibytes(sum(|part| part.bytes_as_f32)),
    )?;
    Ok(())
}

/// 178,616,136
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn verify(model: &Path) -> anyhow::Result<Outcome> {
    let folder = ModelFolder::open(model)?;
    let files = folder.manifest().files();
    let (count, bytes) = files.fold((0, 0), |(n, sum), file| (n + 1, sum + file.bytes));
    let bar = byte_bar(bytes, "hashing");
    folder.verify(|done| bar.inc(done))?;
    bar.finish_and_clear();
    talk::note(&format!("{count} files, {}: as recorded", mebibytes(bytes)));
    Ok(Outcome::Done)
}

fn pull(args: &PullArgs) -> anyhow::Result<Outcome> {
    let (repository, revision) = args
        .repository
        .split_once('@')
        .unwrap_or((&args.repository, "main"));
    let hub = Hub::from_environment(|name| std::env::var_os(name));
    let bar = byte_bar(0, "");
    let snapshot: Snapshot = hub.pull(
        repository,
        revision,
        &args.files,
        |progress| match progress {
            Progress::Begin { file, bytes, held } => {
                bar.set_length(bytes);
                bar.set_position(held);
                bar.set_message(file.to_owned());
            }
            Progress::Bytes(bytes) => bar.inc(bytes),
        },
    )?;
    bar.finish_and_clear();
    if let Some(out) = &args.out {
        snapshot.place_in(out)?;
    }
    talk::note(&format!("{repository} at {}", snapshot.commit));
    let mut stdout = std::io::stdout().lock();
    for (path, cached) in &snapshot.files {
        let place = args
            .out
            .as_ref()
            .map_or_else(|| cached.clone(), |out| out.join(path));
        writeln!(stdout, "{}", place.display())?;
    }
    Ok(Outcome::Done)
}

/// A bar of bytes on a terminal's stderr; elsewhere nothing (indicatif hides it).
fn byte_bar(bytes: u64, message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(bytes).with_message(message);
    let template = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(178_616_136), "178,616,136");
    }
}
