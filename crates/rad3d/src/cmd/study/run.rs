//! `rad3d study run STUDY.toml --out DIR`: every cell that is not done yet.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rad3d_study::{
    Cell, CellRecord, Finished, Outcome as CellOutcome, Shard, Study, StudyFolder, WorkFolder,
};

use super::RunArgs;
use super::baselines::by_baseline;
use super::cell::Trained;
use super::data::Data;
use super::llms::Llms;
use crate::exit::{Outcome, classify};
use crate::run_report::{RunReport, forget_peak_memory, peak_memory_bytes};
use crate::talk;

/// How the cells of a run went.
#[derive(Debug, Default, serde::Serialize)]
struct Tally {
    cells: usize,
    done_before: usize,
    done_now: usize,
    with_another_process: usize,
    failed: Vec<String>,
}

/// Runs the cells of the shard one after the other.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Outcome> {
    let mut report = RunReport::start("study");
    let study = Study::read(&args.study)?;
    let folder = StudyFolder::new(&args.out);
    let data = Data::open(&study)?;
    let mut llms = Llms::new(&study, &folder)?;
    let cells = args.shard.unwrap_or(Shard::ALL).of(study.cells());
    // Settings of any cell that make no training stop the study before the first one.
    for cell in cells.iter().filter_map(Cell::mapper) {
        Trained::settings(&study, cell, "llm".as_ref(), "reports".as_ref())?;
    }
    folder.save_settings(&study)?;
    let mut tally = Tally {
        cells: cells.len(),
        ..Tally::default()
    };
    for (at, cell) in cells.iter().enumerate() {
        let name = cell.name();
        let work = folder.cell(cell);
        let told = format!("{} of {}: {name}", at + 1, cells.len());
        let Some(_lock) = work.try_lock()? else {
            talk::note(&format!("{told}: another process has it"));
            tally.with_another_process += 1;
            continue;
        };
        let hash = data.hash_of(&study, cell, &llms)?;
        let before = work.record().ok().flatten();
        if before.is_some_and(|one| one.hash == hash && one.finished().is_some()) {
            tally.done_before += 1;
            continue;
        }
        talk::note(&told);
        work.begin(&hash)?;
        forget_peak_memory();
        let work_of = AssertUnwindSafe(|| finished(&study, cell, &work, &data, &mut llms));
        let outcome = match catch_unwind(work_of) {
            Ok(Ok(mut finished)) => {
                finished.peak_memory_bytes = peak_memory_bytes();
                tally.done_now += 1;
                CellOutcome::Done(Box::new(finished))
            }
            Ok(Err(error)) => {
                let hint = classify(&error).1.unwrap_or_default().to_owned();
                let what = format!("{error:#}");
                CellOutcome::Failed { what, hint }
            }
            Err(_) => CellOutcome::Failed {
                what: "the program broke off; its message stands above".to_owned(),
                hint: "report this as a bug".to_owned(),
            },
        };
        if let CellOutcome::Failed { what, hint } = &outcome {
            talk::warn(&format!("{name} failed: {what}; {hint}"));
            tally.failed.push(name);
        }
        work.finish(&CellRecord {
            cell: cell.clone(),
            hash,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            outcome,
        })?;
    }
    report.settings = serde_json::json!({ "study": args.study, "out": args.out });
    report.stop();
    talk::note(&format!(
        "{}: {} cells, {} done before, {} done now, {} failed, {} with another process",
        args.out.display(),
        tally.cells,
        tally.done_before,
        tally.done_now,
        tally.failed.len(),
        tally.with_another_process
    ));
    let failed = !tally.failed.is_empty();
    report.result = serde_json::to_value(&tally)?;
    report.write_beside(&args.out.join("study.toml"))?;
    Ok(match failed {
        true => Outcome::DoneWithFailures,
        false => Outcome::Done,
    })
}

/// The work of one cell.
fn finished(
    study: &Study,
    cell: &Cell,
    work: &WorkFolder,
    data: &Data,
    llms: &mut Llms<'_>,
) -> anyhow::Result<Finished> {
    match cell {
        Cell::Mapper(mapper) => {
            let llm = llms.get(&mapper.llm)?;
            let trained = Trained::train(study, mapper, &llm, work, data)?;
            trained.judged(study, work, data)
        }
        Cell::Template | Cell::Majority => by_baseline(study, cell, work, data),
    }
}
