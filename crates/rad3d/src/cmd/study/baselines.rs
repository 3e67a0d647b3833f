//! Baselines that are no network.

use std::time::Instant;

use rad3d_report::Report;
use rad3d_study::{Cell, Finished, Study, TestRecord, WorkFolder};
use rad3d_train::baselines;
use rad3d_train::data::Case;
use rad3d_weights::MapperTarget;

use super::data::{Data, TestData, thresholds, written};
use super::judge::{Judge, names_of};

/// Probability above which a label is present, where no model folder says better.
const EVEN: f32 = 0.5;

/// Writes and judges the reports of a baseline.
pub(super) fn by_baseline(
    study: &Study,
    cell: &Cell,
    work: &WorkFolder,
    data: &Data,
) -> anyhow::Result<Finished> {
    let judge = Judge::new(study)?;
    let training: Vec<Case> = data
        .training
        .iter()
        .map(|case| Case {
            report: sections(&case.report, data.target),
            ..case.clone()
        })
        .collect();
    let mut tests = Vec::with_capacity(data.tests.len());
    for test in &data.tests {
        let began = Instant::now();
        let reports = match cell {
            Cell::Template => templates(study, test, &training)?,
            _ => vec![baselines::majority(&training)?; test.rows.len()],
        };
        let hypotheses: Vec<_> = test
            .references
            .iter()
            .zip(reports)
            .map(|(reference, report)| written(&reference.id, report, data.target))
            .collect();
        let seconds = began.elapsed().as_secs_f64();
        judge.keep(work, &test.name, &hypotheses)?;
        tests.push(TestRecord {
            name: test.name.clone(),
            labels: names_of(test),
            seconds_a_report: seconds / test.references.len() as f64,
            ended_by_themselves: hypotheses.len(),
            own: judge.judged(test, &hypotheses, data)?,
            shuffled: None,
            prefixes: None,
        });
    }
    Ok(Finished {
        trainable_parameters: 0,
        total_parameters: 0,
        llm_parameters: 0,
        training_seconds: 0.0,
        peak_memory_bytes: None,
        tests,
    })
}

/// The sections that are learnt: the commonest report of these is asked for.
fn sections(report: &Report, target: MapperTarget) -> Report {
    let (mut findings, mut impression) = (report.findings.clone(), report.impression.clone());
    match target {
        MapperTarget::Both => {}
        MapperTarget::Findings => impression.clear(),
        MapperTarget::Impression => findings.clear(),
    }
    Report {
        findings,
        impression,
    }
}

/// For each scan the training report whose labels are nearest to those predicted.
fn templates<'a>(
    study: &Study,
    test: &TestData,
    training: &'a [Case],
) -> anyhow::Result<Vec<&'a Report>> {
    let calibration = thresholds(study)?;
    let mut reports = Vec::with_capacity(test.rows.len());
    for row in &test.rows {
        let predicted: Vec<bool> = row
            .logits
            .iter()
            .enumerate()
            .map(|(label, logit)| {
                let part = calibration.get(label);
                let temperature = part.map_or(1.0, |part| part.temperature);
                let threshold = part.map_or(EVEN, |part| part.threshold);
                1.0 / (1.0 + (-logit / temperature).exp()) >= threshold
            })
            .collect();
        reports.push(baselines::template(training, &predicted)?);
    }
    Ok(reports)
}
