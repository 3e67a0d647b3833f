//! GREEN's language model, run on each pair, with what it wrote kept as it comes.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::green_prompt::{GreenPrompt, hex_sha256};
use crate::error::{Fault, MetricsError, Result};
use crate::input::{ReportText, listed};

/// Most tokens of a prompt with its completion, as in the authors' program.
pub const GREEN_MAX_TOKENS: usize = 2048;

/// A language model that goes on with a text; the network lives outside this crate.
pub trait Completer: std::fmt::Debug {
    /// The file or folder that it was read from.
    fn path(&self) -> &Path;

    /// SHA-256 of everything that decides what it writes, in hex.
    fn sha256(&self) -> &str;

    /// Most tokens of a text with its completion.
    fn context(&self) -> usize;

    /// How many tokens a text has.
    ///
    /// # Errors
    /// The text holds what the vocabulary cannot express.
    fn tokens(&self, text: &str) -> Result<usize>;

    /// Goes on with each text by the likeliest token, until the model ends it or text and
    /// completion have `max_tokens`. Each completion is handed to `done` as soon as it ends.
    ///
    /// # Errors
    /// The model failed, or `done` did.
    fn complete(
        &self,
        texts: &[&str],
        max_tokens: usize,
        done: &mut dyn FnMut(Completion) -> Result<()>,
    ) -> Result<()>;
}

/// What a [`Completer`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Index of the text that it goes on with.
    pub text: usize,
    /// What it wrote.
    pub written: String,
    /// Whether the model ended it, and not the limit.
    pub ended_by_itself: bool,
}

/// What GREEN's completions were made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GreenProvenance {
    /// The language model's file or folder.
    pub model: PathBuf,
    /// SHA-256 of its weights, settings and tokenizer.
    pub model_sha256: String,
    /// The prompt's file.
    pub prompt: PathBuf,
    /// SHA-256 of the template.
    pub prompt_sha256: String,
    /// Most tokens of a prompt with its completion.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub decoding: &'static str,
}

/// How a run of [`GreenRun::complete`] went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GreenProgress {
    /// Completions that the file had already.
    pub kept: usize,
    /// Completions written now.
    pub written: usize,
    /// Of all, those that the limit ended and not the model.
    pub cut: usize,
}

/// A language model with the prompt that it is asked with.
#[derive(Debug, Clone, Copy)]
pub struct GreenRun<'a> {
    /// The model.
    pub model: &'a dyn Completer,
    /// The prompt.
    pub prompt: &'a GreenPrompt,
}

/// One line of the file; [`crate::read_green`] takes `id` and `completion`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: String,
    completion: String,
    ended_by_itself: bool,
    /// SHA-256 of model, limit and prompt with both texts: what the completion follows from.
    made_from: String,
}

impl GreenRun<'_> {
    /// What its completions are made with.
    #[must_use]
    pub fn provenance(&self) -> GreenProvenance {
        GreenProvenance {
            model: self.model.path().to_owned(),
            model_sha256: self.model.sha256().to_owned(),
            prompt: self.prompt.path().to_owned(),
            prompt_sha256: self.prompt.sha256(),
            max_tokens: self.max_tokens(),
            decoding: "greedy",
        }
    }

    /// Asks about each pair and appends each answer to `file`, a record a line, as soon as it
    /// ends. Answers that `file` has already to the same question by the same model are kept; if
    /// it holds others, these go to a file with `.old` after its name. `told` is called with the
    /// number of answers there are, at the beginning and after each.
    ///
    /// # Errors
    /// Prompts that leave no room for an answer (their ids are listed, and nothing is run),
    /// `file` that cannot be read or written, failures of the model.
    pub fn complete(
        &self,
        file: &Path,
        references: &[ReportText],
        hypotheses: &[ReportText],
        told: &mut dyn FnMut(usize),
    ) -> Result<GreenProgress> {
        let chat = |(reference, hypothesis): (&ReportText, &ReportText)| {
            self.prompt.chat(&reference.text, &hypothesis.text)
        };
        let pairs = references.iter().zip(hypotheses);
        let chats: Vec<String> = pairs.map(chat).collect();
        self.check_lengths(references, &chats)?;
        let limit = self.max_tokens().to_string();
        let key = |chat: &String| hex_sha256(&[self.model.sha256(), &limit, chat]);
        let keys: Vec<String> = chats.iter().map(key).collect();
        let ids = references.iter().map(|reference| reference.id.as_str());
        let kept = keep(file, &ids.zip(keys.iter().map(String::as_str)).collect())?;

        let mut progress = GreenProgress {
            kept: kept.len(),
            cut: kept
                .values()
                .filter(|record| !record.ended_by_itself)
                .count(),
            ..GreenProgress::default()
        };
        let fault = |error| unwritable(file, error);
        let output = OpenOptions::new().create(true).append(true).open(file);
        let mut output = output.map_err(fault)?;
        let open = |at: &usize| !kept.contains_key(&references[*at].id);
        let open: Vec<usize> = (0..chats.len()).filter(open).collect();
        let texts: Vec<&str> = open.iter().map(|&at| chats[at].as_str()).collect();
        told(progress.kept);
        let mut done = |completion: Completion| {
            let at = open[completion.text];
            let record = Record {
                id: references[at].id.clone(),
                completion: completion.written,
                ended_by_itself: completion.ended_by_itself,
                made_from: keys[at].clone(),
            };
            output
                .write_all(line(file, &record)?.as_bytes())
                .map_err(fault)?;
            progress.written += 1;
            progress.cut += usize::from(!completion.ended_by_itself);
            told(progress.kept + progress.written);
            Ok(())
        };
        self.model.complete(&texts, self.max_tokens(), &mut done)?;
        Ok(progress)
    }

    /// The authors' limit, or the model's where that is lower.
    fn max_tokens(&self) -> usize {
        self.model.context().min(GREEN_MAX_TOKENS)
    }

    fn check_lengths(&self, references: &[ReportText], chats: &[String]) -> Result<()> {
        let (limit, mut long) = (self.max_tokens(), Vec::new());
        for (reference, chat) in references.iter().zip(chats) {
            if self.model.tokens(chat)? >= limit {
                long.push(reference.id.as_str());
            }
        }
        if long.is_empty() {
            return Ok(());
        }
        let what = format!(
            "with both reports fills all {limit} tokens that the model may take, for {}",
            listed(&long)
        );
        let hint = "shorten the prompt, or give a model with a longer context";
        Err(MetricsError::new(
            Fault::Model,
            self.prompt.path(),
            what,
            hint,
        ))
    }
}

/// The records of `file` that answer the questions of `keys` (by id), after taking all others out
/// of it: half a line that a killed run left, and answers to other questions.
fn keep(file: &Path, keys: &HashMap<&str, &str>) -> Result<BTreeMap<String, Record>> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(MetricsError::unreadable(file, error)),
    };
    let mut kept = BTreeMap::new();
    let (mut whole, mut others) = (true, false);
    for bytes in bytes.split_inclusive(|byte| *byte == b'\n') {
        let ends = bytes.ends_with(b"\n");
        match serde_json::from_slice::<Record>(bytes) {
            Ok(record) if keys.get(record.id.as_str()) == Some(&record.made_from.as_str()) => {
                let doubled = kept.insert(record.id.clone(), record).is_some();
                whole &= ends && !doubled;
            }
            _ => {
                whole = false;
                others |= ends;
            }
        }
    }
    if !whole {
        let beside = |end: &str| {
            let mut name = file.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        let part = beside(".part");
        let write = || -> std::io::Result<()> {
            let mut output = File::create(&part)?;
            for record in kept.values() {
                output.write_all(serde_json::to_string(record)?.as_bytes())?;
                output.write_all(b"\n")?;
            }
            output.sync_all()?;
            if others {
                std::fs::rename(file, beside(".old"))?;
            }
            std::fs::rename(&part, file)
        };
        write().map_err(|error| unwritable(file, error))?;
    }
    Ok(kept)
}

fn line(file: &Path, record: &Record) -> Result<String> {
    let json = serde_json::to_string(record);
    let json = json.map_err(|error| unwritable(file, error.into()))?;
    Ok(json + "\n")
}

fn unwritable(file: &Path, error: std::io::Error) -> MetricsError {
    let hint = "check the disk's free space and the folder's permissions";
    MetricsError::new(Fault::Unreadable, file, "cannot be written", hint).because(error)
}
