//! The cells of a study, and which part of them a shard does.

use std::str::FromStr;

use rad3d_weights::MapperKind;
use serde::{Deserialize, Serialize};

use crate::settings::Study;

/// What happens to the language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing.
    Frozen,
    /// It is trained with the projector.
    Trained,
}

impl Mode {
    /// As settings name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Trained => "trained",
        }
    }
}

/// A projector and a language model, trained in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MapperCell {
    /// The language model's name.
    pub llm: String,
    /// What happens to it.
    pub mode: Mode,
    /// Whether the projector sees the logits.
    pub priors: bool,
    /// Whether it sees the embedding; not, for cue-only.
    pub image: bool,
    /// The projector.
    pub projector: MapperKind,
    /// Vectors given to the language model.
    pub prefix_length: usize,
    /// Share of the training reports.
    pub data_share: f64,
    /// Seed of the training.
    pub seed: u64,
}

impl MapperCell {
    /// As settings name the projector.
    #[must_use]
    pub fn projector_name(&self) -> &'static str {
        match self.projector {
            MapperKind::Transformer => "transformer",
            MapperKind::Linear => "linear",
            MapperKind::R2GenGpt => "r2gengpt",
        }
    }

    /// The paper's name of it, cue-only, or V-1 with priors.
    #[must_use]
    pub fn variant(&self) -> &'static str {
        match (self.image, self.mode, self.priors) {
            (false, ..) => "cue-only",
            (true, Mode::Trained, false) => "V-1",
            (true, Mode::Trained, true) => "V-1 + priors",
            (true, Mode::Frozen, false) => "V-2",
            (true, Mode::Frozen, true) => "V-3",
        }
    }
}

/// One system of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// A projector and a language model.
    Mapper(MapperCell),
    /// The training report whose labels are nearest to the predicted ones.
    Template,
    /// The commonest training report.
    Majority,
}

impl Cell {
    /// The name of its folder: everything that it is.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Template => "template".to_owned(),
            Self::Majority => "majority".to_owned(),
            Self::Mapper(cell) => {
                let sees = match (cell.image, cell.priors) {
                    (false, _) => "cue-only",
                    (true, true) => "priors",
                    (true, false) => "no-priors",
                };
                let parts = [
                    cell.llm.clone(),
                    cell.mode.name().to_owned(),
                    sees.to_owned(),
                    cell.projector_name().to_owned(),
                    format!("prefix{}", cell.prefix_length),
                    format!("data{}", round(100.0 * cell.data_share)),
                    format!("seed{}", cell.seed),
                ];
                parts.join("_")
            }
        }
    }

    /// Whether it stands beneath the table: a baseline.
    #[must_use]
    pub fn is_baseline(&self) -> bool {
        !matches!(self, Self::Mapper(cell) if cell.image)
    }

    /// The projector and language model, where it is made of these.
    #[must_use]
    pub fn mapper(&self) -> Option<&MapperCell> {
        match self {
            Self::Mapper(cell) => Some(cell),
            Self::Template | Self::Majority => None,
        }
    }
}

/// Without the digits that binary fractions leave behind.
fn round(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

impl Study {
    /// All cells in order: language models outermost, seeds innermost, baselines last.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        let mut cues = Vec::new();
        for llm in &self.llm {
            let cue_only = self.baselines.cue_only.contains(&llm.name);
            for cell in self.of_llm(&llm.name) {
                if cell.priors && cue_only {
                    cues.push(MapperCell {
                        image: false,
                        ..cell.clone()
                    });
                }
                cells.push(Cell::Mapper(cell));
            }
        }
        cells.extend(cues.into_iter().map(Cell::Mapper));
        if self.baselines.template {
            cells.push(Cell::Template);
        }
        if self.baselines.majority {
            cells.push(Cell::Majority);
        }
        cells
    }

    fn of_llm(&self, llm: &str) -> Vec<MapperCell> {
        let matrix = &self.matrix;
        let mut cells = vec![MapperCell {
            llm: llm.to_owned(),
            mode: Mode::Frozen,
            priors: false,
            image: true,
            projector: MapperKind::Transformer,
            prefix_length: 0,
            data_share: 1.0,
            seed: 0,
        }];
        cells = crossed(cells, &matrix.data_share, |cell, x| cell.data_share = *x);
        cells = crossed(cells, &matrix.projector, |cell, x| cell.projector = *x);
        cells = crossed(cells, &matrix.prefix_length, |cell, x| {
            cell.prefix_length = *x;
        });
        cells = crossed(cells, &matrix.llm_mode, |cell, x| cell.mode = *x);
        cells = crossed(cells, &matrix.priors, |cell, x| cell.priors = *x);
        crossed(cells, &matrix.seed, |cell, x| cell.seed = *x)
    }
}

/// Every cell with every value.
fn crossed<T>(
    cells: Vec<MapperCell>,
    values: &[T],
    set: impl Fn(&mut MapperCell, &T),
) -> Vec<MapperCell> {
    let mut all = Vec::with_capacity(cells.len() * values.len());
    for cell in cells {
        for value in values {
            let mut cell = cell.clone();
            set(&mut cell, value);
            all.push(cell);
        }
    }
    all
}

/// Part `index` (from 1) of `count` parts of a study's cells: every `count`-th of them, so that
/// large language models are spread over the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The whole.
    pub const ALL: Self = Self { index: 1, count: 1 };

    /// Its cells, in order.
    #[must_use]
    pub fn of<T>(self, cells: Vec<T>) -> Vec<T> {
        let own = cells.into_iter().enumerate();
        own.filter(|(at, _)| at % self.count == self.index - 1)
            .map(|(_, cell)| cell)
            .collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index, count }),
            _ => Err("expected i/n with 1 <= i <= n, such as 1/4".to_owned()),
        }
    }
}
