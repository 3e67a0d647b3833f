//! The language models of a study: given, or pre-trained once for all cells.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rad3d_study::{Llm, Study, StudyFolder, hash_of};
use rad3d_train::tasks::LmSettings;
use rad3d_weights::llm_sha256;
use serde::{Deserialize, Serialize};

use crate::exit::UsageError;
use crate::run_report::sha256_of;
use crate::talk;

/// The record of a pre-trained language model.
const LLM_FILE: &str = "llm.json";

/// What a pre-trained language model leaves behind.
#[derive(Debug, Serialize, Deserialize)]
struct LlmRecord {
    hash: String,
    seconds: f64,
    validation_loss: Option<f64>,
}

/// The language models, made as they are asked for.
pub(super) struct Llms<'a> {
    study: &'a Study,
    folder: &'a StudyFolder,
    /// What each is made of.
    hashes: BTreeMap<String, String>,
    /// What failed before, so that it isn't tried again for every cell.
    failed: BTreeMap<String, String>,
}

impl<'a> Llms<'a> {
    /// Checks the settings of all.
    pub(super) fn new(study: &'a Study, folder: &'a StudyFolder) -> anyhow::Result<Self> {
        let mut hashes = BTreeMap::new();
        for llm in &study.llm {
            let hash = match (&llm.folder, settings(study, llm)?) {
                (Some(path), _) => llm_sha256(path)?,
                (None, Some(settings)) => {
                    let reports = sha256_of(&settings.reports)?;
                    let settings = LmSettings {
                        reports: PathBuf::new(),
                        ..settings
                    };
                    let settings = serde_json::to_string(&settings)?;
                    hash_of([settings.as_str(), reports.as_str()])
                }
                (None, None) => String::new(),
            };
            hashes.insert(llm.name.clone(), hash);
        }
        Ok(Self {
            study,
            folder,
            hashes,
            failed: BTreeMap::new(),
        })
    }

    /// SHA-256 of the language model, or of all it is made of.
    pub(super) fn hash(&self, name: &str) -> String {
        self.hashes.get(name).cloned().unwrap_or_default()
    }

    /// The language model's folder; pre-trains it, or waits for the process that does.
    pub(super) fn get(&mut self, name: &str) -> anyhow::Result<PathBuf> {
        if let Some(what) = self.failed.get(name) {
            let what = format!("the language model {name} could not be made: {what}");
            return Err(UsageError::new(what, "see the first cell that needed it").into());
        }
        let made = self.make(name);
        if let Err(error) = &made {
            self.failed.insert(name.to_owned(), format!("{error:#}"));
        }
        made
    }

    fn make(&self, name: &str) -> anyhow::Result<PathBuf> {
        let llm = self.study.llm(name);
        let llm = llm.ok_or_else(|| anyhow::anyhow!("{name} is no language model"))?;
        if let Some(path) = &llm.folder {
            return Ok(path.clone());
        }
        let Some(settings) = settings(self.study, llm)? else {
            anyhow::bail!("{name} has neither folder nor settings");
        };
        let work = self.folder.llm(name);
        let _lock = work.lock()?;
        let result = work.path().join("run").join("llm");
        let hash = self.hash(name);
        let before: Option<LlmRecord> = work.read(LLM_FILE).ok().flatten();
        if before.is_some_and(|record| record.hash == hash) {
            return Ok(result);
        }
        work.begin(&hash)?;
        talk::note(&format!("pre-training the language model {name}"));
        let began = std::time::Instant::now();
        let bar = talk::bar(0, "steps");
        let trained = settings.run(&work.path().join("run"), true, |progress| {
            bar.set_length(progress.steps as u64);
            bar.set_position(progress.step as u64);
            bar.set_message(format!("loss {:.4}", progress.loss));
        });
        bar.finish_and_clear();
        let trained = trained?;
        work.write(
            LLM_FILE,
            &LlmRecord {
                hash,
                seconds: began.elapsed().as_secs_f64(),
                validation_loss: trained.best.map(|best| best.0),
            },
        )?;
        Ok(result)
    }
}

/// Settings of `train lm` of one that is pre-trained.
fn settings(study: &Study, llm: &Llm) -> anyhow::Result<Option<LmSettings>> {
    let Some(table) = study.lm_settings(llm) else {
        return Ok(None);
    };
    let settings = table.try_into().map_err(|error: toml::de::Error| {
        let what = format!("language model {}: {}", llm.name, error.message());
        UsageError::new(what, "see docs/reference-training.md for the keys")
    })?;
    Ok(Some(settings))
}
