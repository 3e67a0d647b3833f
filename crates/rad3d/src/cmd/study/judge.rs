//! Scores of a cell's reports.

use std::collections::BTreeMap;

use rad3d_metrics::{Bootstrap, Evaluation, Punkt, ReportText, SavedScores, Settings, Subjects};
use rad3d_report::Labeler;
use rad3d_study::{Judged, Observed, Study, WorkFolder};
use rad3d_train::data::derangement;

use super::data::{Data, TestData};

/// Seed of the order in which shuffled reports are given to other patients.
const SHUFFLE_SEED: u64 = 1;

/// Judges reports as the study says.
pub(super) struct Judge {
    settings: Settings,
}

impl Judge {
    /// A judge of the study's protocol.
    pub(super) fn new(study: &Study) -> anyhow::Result<Self> {
        let evaluation = &study.evaluation;
        Ok(Self {
            settings: Settings {
                protocol: evaluation.protocol,
                bleu: None,
                bootstrap: Bootstrap {
                    seed: evaluation.seed,
                    resamples: evaluation.resamples,
                },
                labeler: Labeler::ct_rate()?,
                classifier: None,
                punkt: Punkt::default(),
                wordnet: None,
                bertscore: None,
            },
        })
    }

    /// Scores of `hypotheses`, which are in the order of the references.
    pub(super) fn judged(
        &self,
        test: &TestData,
        hypotheses: &[ReportText],
        data: &Data,
    ) -> anyhow::Result<Judged> {
        let subjects = Subjects {
            references: test.references.clone(),
            hypotheses: hypotheses.to_vec(),
            baseline: None,
            truth: Some(test.truth.clone()),
            probabilities: None,
            saved: SavedScores::default(),
            baseline_saved: SavedScores::default(),
        };
        let evaluation = Evaluation::of(&subjects, &self.settings)?;
        let intervals = evaluation.intervals.0.iter();
        let scores: BTreeMap<_, _> = intervals
            .filter_map(|(key, estimate)| Some(((*key).to_owned(), (*estimate)?.into())))
            .collect();
        Ok(Judged {
            scores,
            observed: Observed::of(
                &test.references,
                hypotheses,
                &test.truth,
                &data.labeler,
                self.settings.protocol,
            )?,
        })
    }

    /// The same reports, each given to another patient: the model that writes greedily would have
    /// written just these from the other's embedding.
    pub(super) fn shuffled(
        &self,
        test: &TestData,
        hypotheses: &[ReportText],
        data: &Data,
    ) -> anyhow::Result<Judged> {
        let partner = derangement(hypotheses.len(), SHUFFLE_SEED);
        let others: Vec<ReportText> = test
            .references
            .iter()
            .zip(partner)
            .map(|(reference, other)| ReportText {
                id: reference.id.clone(),
                ..hypotheses[other].clone()
            })
            .collect();
        self.judged(test, &others, data)
    }

    /// Leaves the reports in the cell's folder, for `rad3d evaluate`.
    pub(super) fn keep(
        &self,
        work: &WorkFolder,
        test: &str,
        hypotheses: &[ReportText],
    ) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["id", "findings", "impression"])?;
        for text in hypotheses {
            writer.write_record([&text.id, &text.report.findings, &text.report.impression])?;
        }
        let name = format!("{}.csv", test.replace([' ', '/'], "-"));
        let bytes = writer.into_inner()?;
        rad3d_study::folder::write_whole(&work.path().join(name), &bytes)?;
        Ok(())
    }
}

/// Names of a test's labels, in order.
pub(super) fn names_of(test: &TestData) -> Vec<String> {
    test.truth.labels().names().map(str::to_owned).collect()
}
