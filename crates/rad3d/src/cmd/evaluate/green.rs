//! `--green-model`: GREEN's language model run on each pair, its completions kept in the folder.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use rad3d_metrics::{
    GreenProgress, GreenPrompt, GreenRun, ReportText, SavedScores, Subjects, read_green,
};
use serde::Serialize;

use crate::completer::LocalCompleter;
use crate::exit::of_metrics as usage;
use crate::talk;

/// GREEN's language model, run here.
#[derive(Debug, clap::Args)]
pub(super) struct GreenArgs {
    /// GREEN by running this language model: Hugging Face folder or GGUF file
    #[arg(long, value_name = "PATH", requires = "green_prompt", conflicts_with_all = ["green", "baseline_green"])]
    pub(super) green_model: Option<PathBuf>,

    /// What it is asked: a text with {reference} and {candidate} where the reports belong
    #[arg(long, value_name = "FILE", requires = "green_model")]
    pub(super) green_prompt: Option<PathBuf>,

    /// Pairs that it judges together; memory grows with it
    #[arg(long, value_name = "N", requires = "green_model", default_value = "4")]
    green_batch: NonZero<usize>,
}

/// How the runs went, for the run report.
#[derive(Debug, Serialize)]
pub(super) struct GreenRuns {
    system: GreenProgress,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<GreenProgress>,
}

impl GreenArgs {
    /// Asks the model about the hypotheses, and about the baseline if there is one; the scores
    /// join `subjects`. Completions lie in `out` afterwards. `None` without a model.
    pub(super) fn judge(
        &self,
        subjects: &mut Subjects,
        out: &Path,
    ) -> anyhow::Result<Option<GreenRuns>> {
        let (Some(model), Some(prompt)) = (&self.green_model, &self.green_prompt) else {
            return Ok(None);
        };
        let prompt = GreenPrompt::read(prompt).map_err(usage)?;
        let waiting = talk::spinner("reading the language model");
        let model = LocalCompleter::open(model, self.green_batch)?;
        waiting.finish_and_clear();
        super::make_folder(out)?;
        let run = GreenRun {
            model: &model,
            prompt: &prompt,
        };
        let (references, saved) = (&subjects.references, &mut subjects.saved);
        let file = out.join("green-completions.jsonl");
        let system = judge_side(run, &file, references, &subjects.hypotheses, saved)?;
        let baseline = match &subjects.baseline {
            None => None,
            Some(texts) => {
                let file = out.join("green-completions-baseline.jsonl");
                let saved = &mut subjects.baseline_saved;
                Some(judge_side(run, &file, references, texts, saved)?)
            }
        };
        Ok(Some(GreenRuns { system, baseline }))
    }
}

fn judge_side(
    run: GreenRun<'_>,
    file: &Path,
    references: &[ReportText],
    hypotheses: &[ReportText],
    saved: &mut SavedScores,
) -> anyhow::Result<GreenProgress> {
    let bar = talk::bar(references.len() as u64, "completions");
    let mut told = |finished: usize| bar.set_position(finished as u64);
    let progress = run.complete(file, references, hypotheses, &mut told);
    bar.finish_and_clear();
    let progress = progress.map_err(usage)?;
    saved.green = Some(read_green(file, references).map_err(usage)?);
    saved.green_by = Some(run.provenance());
    let GreenProgress { kept, written, cut } = progress;
    let place = file.display();
    talk::note(&format!(
        "{place}: {written} completions written, {kept} kept"
    ));
    if cut > 0 {
        let limit = run.provenance().max_tokens;
        talk::warn(&format!(
            "{place}: {cut} completions were cut at {limit} tokens; what they would have listed \
             after that does not count"
        ));
    }
    Ok(progress)
}
