//! The finished cells of a study as rows, and what there is to say of each.

use rad3d_metrics::Bootstrap;
use rad3d_report::LabelSet;

use crate::error::{Fault, Result, StudyError};
use crate::folder::StudyFolder;
use crate::matrix::{Cell, MapperCell};
use crate::observed::Draws;
use crate::record::{CellRecord, Finished, Judged, Outcome, Score};
use crate::settings::Study;

/// Keys of the scores in tables, and their titles.
pub const COLUMNS: [(&str, &str); 8] = [
    ("f1_macro", "F1 macro"),
    ("f1_micro", "F1 micro"),
    ("crg", "CRG"),
    ("bleu_1", "BLEU-1"),
    ("bleu_4", "BLEU-4"),
    ("rouge_l", "ROUGE-L"),
    ("meteor", "METEOR"),
    ("cider", "CIDEr"),
];

/// The score that says which cell is the best.
const CHOSEN_BY: &str = "f1_macro";

/// A study and what has become of its cells.
#[derive(Debug)]
pub struct Summary {
    /// The settings.
    pub study: Study,
    /// Finished cells in the study's order.
    pub rows: Vec<Row>,
    /// The best cell's reports given to other patients, if that was judged.
    pub shuffled: Option<Row>,
    /// Cells that failed: name, what, hint.
    pub failed: Vec<[String; 3]>,
    /// Names of cells that have no record yet.
    pub missing: Vec<String>,
    /// Names of the labels that flags in the records stand for.
    labels: LabelSet,
}

/// A finished cell.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is.
    pub cell: Cell,
    /// Its name in tables.
    pub title: String,
    /// What it cost and scored.
    pub finished: Finished,
    /// Whether the scores are those of its shuffled reports.
    pub is_shuffled: bool,
}

impl Row {
    /// What it scored on a test.
    #[must_use]
    pub fn judged(&self, test: &str) -> Option<&Judged> {
        let test = self.finished.test(test)?;
        match self.is_shuffled {
            true => test.shuffled.as_ref(),
            false => Some(&test.own),
        }
    }

    /// A score on a test.
    #[must_use]
    pub fn score(&self, test: &str, key: &str) -> Option<Score> {
        self.judged(test)?.scores.get(key).copied()
    }

    /// Whether it stands beneath the table.
    #[must_use]
    pub fn is_baseline(&self) -> bool {
        self.is_shuffled || self.cell.is_baseline()
    }
}

impl Summary {
    /// Reads the records of a study's folder.
    ///
    /// # Errors
    /// [`Fault::Record`] where there is no study, no finished cell, or a record can't be read.
    pub fn read(folder: &StudyFolder) -> Result<Self> {
        let study = folder.settings()?;
        let records = folder.records(&study)?;
        Self::of(study, records).map_err(|error| StudyError {
            path: folder.path().to_owned(),
            ..error
        })
    }

    /// Of a study's cells and their records.
    ///
    /// # Errors
    /// [`Fault::Record`] where no cell is finished, or a test has labels of another number.
    pub fn of(study: Study, records: Vec<(Cell, Option<CellRecord>)>) -> Result<Self> {
        let (mut rows, mut failed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (cell, record) in records {
            match record.map(|record| record.outcome) {
                None => missing.push(cell.name()),
                Some(Outcome::Failed { what, hint }) => failed.push([cell.name(), what, hint]),
                Some(Outcome::Done(finished)) => rows.push(Row {
                    title: title(&study, &cell),
                    cell,
                    finished: *finished,
                    is_shuffled: false,
                }),
            }
        }
        let hint = "run the study first: rad3d study run";
        let fault = |what| StudyError::new(Fault::Record, "study", what, hint);
        let first = rows.first().ok_or_else(|| fault("no cell is finished"))?;
        let names = first.finished.tests.first().map(|test| &test.labels);
        let names = names.ok_or_else(|| fault("a cell was judged on no test"))?;
        let labels = LabelSet::new(names.iter().cloned())?;
        let mut summary = Self {
            study,
            rows,
            shuffled: None,
            failed,
            missing,
            labels,
        };
        summary.shuffled = summary.best().and_then(|best| {
            best.finished.tests.first()?.shuffled.as_ref()?;
            Some(Row {
                title: format!("{}, shuffled", best.title),
                is_shuffled: true,
                ..best.clone()
            })
        });
        Ok(summary)
    }

    /// Names of the tests, the first in domain.
    #[must_use]
    pub fn tests(&self) -> Vec<&str> {
        let tests = self.study.test.iter();
        tests.map(|test| test.name.as_str()).collect()
    }

    /// Cells that see the image, in order.
    pub fn cells(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_baseline())
    }

    /// What the cells are compared with, in order.
    pub fn baselines(&self) -> impl Iterator<Item = &Row> {
        let baselines = self.rows.iter().filter(|row| row.is_baseline());
        baselines.chain(&self.shuffled)
    }

    /// The cell with the best F1 in domain; the first of equals.
    #[must_use]
    pub fn best(&self) -> Option<&Row> {
        let test = self.study.test.first()?;
        let score = |row: &&Row| row.score(&test.name, CHOSEN_BY).map(|score| score.value);
        let mut best: Option<(&Row, f64)> = None;
        for row in self.cells() {
            if let Some(value) = score(&row)
                && best.is_none_or(|(_, most)| value > most)
            {
                best = Some((row, value));
            }
        }
        best.map(|(row, _)| row)
    }

    /// The largest value of a score among cells that see the image.
    #[must_use]
    pub fn largest(&self, test: &str, key: &str) -> Option<f64> {
        let values = self.cells().filter_map(|row| row.score(test, key));
        values.map(|score| score.value).max_by(f64::total_cmp)
    }

    /// The draws of a row's reports on a test.
    ///
    /// # Errors
    /// [`Fault::Record`] or [`Fault::Metrics`] for a record that isn't whole.
    pub fn draws(&self, row: &Row, test: &str) -> Result<Option<Draws>> {
        let Some(judged) = row.judged(test) else {
            return Ok(None);
        };
        let bootstrap = Bootstrap {
            seed: self.study.evaluation.seed,
            resamples: self.study.evaluation.resamples,
        };
        Draws::of(&judged.observed, &self.labels, &bootstrap).map(Some)
    }

    /// Names of the labels, in the order of the flags.
    #[must_use]
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }
}

/// A cell's name in tables: what tells it from the study's others.
fn title(study: &Study, cell: &Cell) -> String {
    let cell = match cell {
        Cell::Template => return "template".to_owned(),
        Cell::Majority => return "majority".to_owned(),
        Cell::Mapper(cell) => cell,
    };
    let mut title = format!("{} {}", cell.llm, cell.variant());
    if !cell.image {
        title = format!("{}, LLM {}", title, cell.mode.name());
    }
    for (several, text) in others(study, cell) {
        if several {
            title = format!("{title}, {text}");
        }
    }
    title
}

/// The other axes: whether the study has several values of each, and the cell's.
fn others(study: &Study, cell: &MapperCell) -> [(bool, String); 4] {
    let matrix = &study.matrix;
    let share = format!("{} % of the data", (1e4 * cell.data_share).round() / 1e2);
    [
        (matrix.projector.len() > 1, cell.projector_name().to_owned()),
        (
            matrix.prefix_length.len() > 1,
            format!("prefix {}", cell.prefix_length),
        ),
        (matrix.data_share.len() > 1, share),
        (matrix.seed.len() > 1, format!("seed {}", cell.seed)),
    ]
}
