//! A projector and a language model: trained, generated with, judged.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rad3d_nn::generate::{GenerationSettings, Strategy};
use rad3d_report::Report;
use rad3d_study::pca::two_components;
use rad3d_study::{Finished, MapperCell, Mode, Prefixes, Study, TestRecord, WorkFolder};
use rad3d_train::mapper_run::MapperRun;
use rad3d_train::tasks::MapperSettings;
use rad3d_weights::Checkpoint;

use super::data::{Data, TestData, written};
use super::judge::{Judge, names_of};
use crate::encoder::Encoded;
use crate::exit::UsageError;
use crate::talk;
use crate::writer::{Writer, WriterParts};

/// File with the seconds of training so far.
const CLOCK_FILE: &str = "training-seconds.json";
/// How often they are written down.
const CLOCK_EVERY: Duration = Duration::from_secs(10);

/// A cell whose training is over.
pub(super) struct Trained {
    run: PathBuf,
    /// The language model that writes: the one given, or the trained one.
    llm: PathBuf,
    trainable: u64,
    llm_parameters: u64,
    total: u64,
    seconds: f64,
}

impl Trained {
    /// The cell's settings of `train mapper`.
    pub(super) fn settings(
        study: &Study,
        cell: &MapperCell,
        llm: &Path,
        reports: &Path,
    ) -> anyhow::Result<MapperSettings> {
        let table = study.mapper_settings(cell, llm, reports);
        table.try_into().map_err(|error: toml::de::Error| {
            let what = format!("[mapper]: {}", error.message());
            UsageError::new(what, "see docs/reference-training.md for the keys").into()
        })
    }

    /// Trains in the cell's folder, from its checkpoint on if there is one.
    pub(super) fn train(
        study: &Study,
        cell: &MapperCell,
        llm: &Path,
        work: &WorkFolder,
        data: &Data,
    ) -> anyhow::Result<Self> {
        let reports = data.share(study, cell.data_share, work.path())?;
        let settings = Self::settings(study, cell, llm, &reports)?;
        let run = work.path().join("run");
        let before: f64 = work.read(CLOCK_FILE)?.unwrap_or(0.0);
        let mut seconds = before;
        if !run.join("trained").exists() {
            let (began, mut told) = (Instant::now(), Instant::now());
            let bar = talk::bar(0, "steps");
            let trained = settings.run(&run, true, |progress| {
                bar.set_length(progress.steps as u64);
                bar.set_position(progress.step as u64);
                bar.set_message(format!("loss {:.4}", progress.loss));
                if told.elapsed() > CLOCK_EVERY {
                    told = Instant::now();
                    // Lost seconds are no reason to stop; the write at the end tells a fault.
                    let _ = work.write(CLOCK_FILE, &(before + began.elapsed().as_secs_f64()));
                }
            });
            bar.finish_and_clear();
            trained?;
            seconds = before + began.elapsed().as_secs_f64();
            work.write(CLOCK_FILE, &seconds)?;
            rad3d_study::folder::write_whole(&run.join("trained"), b"")?;
        }
        // A finished cell is never gone on with, and checkpoints hold four times its weights.
        for name in ["checkpoint.safetensors", "best.safetensors"] {
            let _ = std::fs::remove_file(run.join(name));
        }
        let llm = match cell.mode {
            Mode::Frozen => llm.to_owned(),
            Mode::Trained => tuned(&run, llm, &work.path().join("llm"))?,
        };
        let mapper = parameters(&Checkpoint::open(run.join("mapper.safetensors"))?);
        let llm_parameters = parameters(&Checkpoint::open(&llm)?);
        Ok(Self {
            trainable: match cell.mode {
                Mode::Frozen => mapper,
                Mode::Trained => mapper + llm_parameters,
            },
            total: mapper + llm_parameters,
            run,
            llm,
            llm_parameters,
            seconds,
        })
    }

    /// Writes the reports of all tests and judges them.
    pub(super) fn judged(
        &self,
        study: &Study,
        work: &WorkFolder,
        data: &Data,
    ) -> anyhow::Result<Finished> {
        let mapper = MapperRun::open(&self.run)?;
        let parts = WriterParts {
            kind: mapper.kind,
            config: mapper.config,
            inputs: mapper.inputs,
            target: mapper.target,
            prompt: mapper.prompt,
            llm_path: self.llm.clone(),
        };
        let weights = Checkpoint::open(&mapper.file)?;
        let writer = Writer::of_parts(parts, &weights, &mapper.file.display().to_string())?;
        let judge = Judge::new(study)?;
        let mut tests = Vec::with_capacity(data.tests.len());
        let mut before: Option<(&TestData, Texts)> = None;
        for test in &data.tests {
            let texts = match before {
                // The same scans, only reported in other words: the model writes the same.
                Some((other, texts)) if other.rows == test.rows => texts,
                _ => generate(study, &writer, test)?,
            };
            let hypotheses: Vec<_> = test
                .references
                .iter()
                .zip(&texts.reports)
                .map(|(reference, report)| written(&reference.id, report, data.target))
                .collect();
            judge.keep(work, &test.name, &hypotheses)?;
            let shuffled = study.baselines.shuffled;
            tests.push(TestRecord {
                name: test.name.clone(),
                labels: names_of(test),
                seconds_a_report: texts.seconds / test.references.len() as f64,
                ended_by_themselves: texts.ended,
                own: judge.judged(test, &hypotheses, data)?,
                shuffled: match shuffled {
                    true => Some(judge.shuffled(test, &hypotheses, data)?),
                    false => None,
                },
                prefixes: texts.prefixes.clone(),
            });
            before = Some((test, texts));
        }
        Ok(Finished {
            trainable_parameters: self.trainable,
            total_parameters: self.total,
            llm_parameters: self.llm_parameters,
            training_seconds: self.seconds,
            peak_memory_bytes: None,
            tests,
        })
    }
}

/// What a cell wrote of a test.
struct Texts {
    reports: Vec<Report>,
    ended: usize,
    seconds: f64,
    prefixes: Option<Prefixes>,
}

/// Writes one report a row, several at a time, greedily.
fn generate(study: &Study, writer: &Writer, test: &TestData) -> anyhow::Result<Texts> {
    let settings = GenerationSettings {
        max_new_tokens: study.generation.max_tokens.min(writer.room()),
        strategy: Strategy::Greedy,
        ..GenerationSettings::default()
    };
    let began = Instant::now();
    let mut prefixes = Vec::with_capacity(test.rows.len());
    for row in &test.rows {
        prefixes.push(writer.prefix(&Encoded {
            embedding: row.embedding.clone(),
            logits: row.logits.clone(),
        })?);
    }
    let bar = talk::bar(test.rows.len() as u64, "reports");
    let (mut reports, mut ended) = (Vec::with_capacity(test.rows.len()), 0);
    for batch in prefixes.chunks(study.generation.batch) {
        let batch: Vec<&[f32]> = batch.iter().map(Vec::as_slice).collect();
        for written in writer.write_all(&batch, &settings)? {
            ended += usize::from(written.ended_by_itself);
            reports.push(written.report);
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    let width = prefixes.first().map_or(0, Vec::len);
    Ok(Texts {
        reports,
        ended,
        seconds,
        prefixes: two_components(&prefixes.concat(), width),
    })
}

/// A folder of the trained language model, with all that its weights need beside them.
fn tuned(run: &Path, llm: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let fault = |path: &Path, error: std::io::Error| {
        let what = format!("{}: cannot be copied ({error})", path.display());
        UsageError::new(what, "check the folder's permissions and the free space")
    };
    std::fs::create_dir_all(out).map_err(|error| fault(out, error))?;
    let entries = std::fs::read_dir(llm).map_err(|error| fault(llm, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| fault(llm, error))?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        // An index names the shards of the weights from before.
        let needed = [".json", ".model", ".txt", ".jinja"]
            .iter()
            .any(|end| text.ends_with(end));
        if needed && !text.ends_with(".index.json") {
            std::fs::copy(entry.path(), out.join(&name))
                .map_err(|error| fault(&entry.path(), error))?;
        }
    }
    let (from, to) = (run.join("llm.safetensors"), out.join("model.safetensors"));
    if from.exists() {
        std::fs::rename(&from, &to).map_err(|error| fault(&from, error))?;
    }
    Ok(out.to_owned())
}

/// How many numbers a file of weights holds.
fn parameters(weights: &Checkpoint) -> u64 {
    let infos = weights.names().filter_map(|name| weights.info(name));
    infos
        .map(|info| info.shape.iter().product::<usize>() as u64)
        .sum()
}
