//! Whether the paper's claims show in a study, by the paired bootstrap over its test reports.

use rad3d_metrics::holm;

use crate::error::Result;
use crate::matrix::{MapperCell, Mode};
use crate::observed::{COMPARED, Difference, Draws, contrast};
use crate::summary::{Row, Summary};

/// What the paper says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// Small language models gain from being trained.
    SmallGain,
    /// That gain shrinks with size, or reverses.
    GainShrinks,
    /// Priors help.
    PriorsHelp,
}

impl Claim {
    /// All three.
    pub const ALL: [Self; 3] = [Self::SmallGain, Self::GainShrinks, Self::PriorsHelp];

    /// The claim in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::SmallGain => "Small language models gain from being trained",
            Self::GainShrinks => "That gain shrinks with size, or reverses",
            Self::PriorsHelp => "Priors help",
        }
    }
}

/// One difference that bears on a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which claim; `None` for the comparison with baselines.
    pub claim: Option<Claim>,
    /// What is subtracted from what.
    pub what: String,
    /// On which test.
    pub test: String,
    /// Key of the score.
    pub score: &'static str,
    /// The difference.
    pub difference: Difference,
    /// Its p adjusted by Holm over all differences of the page.
    pub p_holm: f64,
    /// Whether the claim stands or falls with it.
    pub is_decisive: bool,
}

/// What a difference says of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The interval lies on the claim's side of 0.
    Shows,
    /// It lies on the other side.
    Reverse,
    /// It holds 0.
    Unclear,
}

/// The p below which Holm's adjustment leaves a difference standing.
const LEVEL: f64 = 0.05;

impl Finding {
    /// Whether it stands among all differences of the page.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.p_holm < LEVEL
    }

    /// What its interval says.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let score = self.difference.score;
        let (up, down) = (score.low > 0.0, score.high < 0.0);
        match (up, down, self.claim) {
            (false, false, _) => Verdict::Unclear,
            // A gain that shrinks is a difference below 0.
            (up, _, Some(Claim::GainShrinks)) => match up {
                true => Verdict::Reverse,
                false => Verdict::Shows,
            },
            (true, _, _) => Verdict::Shows,
            (false, true, _) => Verdict::Reverse,
        }
    }
}

/// Every difference that bears on a claim, and those of the best cell from each baseline.
///
/// # Errors
/// Cells that were judged on different reports.
pub fn findings(summary: &Summary) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for test in summary.tests() {
        let mut systems = Vec::new();
        for row in summary.cells().chain(summary.baselines()) {
            if let Some(draws) = summary.draws(row, test)? {
                systems.push((row, draws));
            }
        }
        let collect = Collect {
            summary,
            test,
            systems,
        };
        collect.claims(&mut found)?;
        collect.baselines(&mut found)?;
    }
    let adjusted = holm(&found.iter().map(|f| f.difference.p).collect::<Vec<_>>());
    for (finding, p) in found.iter_mut().zip(adjusted) {
        finding.p_holm = p;
    }
    Ok(found)
}

/// One test's systems.
struct Collect<'a> {
    summary: &'a Summary,
    test: &'a str,
    systems: Vec<(&'a Row, Draws)>,
}

/// Weights of systems.
type Weighted<'a> = Vec<(f64, &'a Draws)>;

impl Collect<'_> {
    fn claims(&self, found: &mut Vec<Finding>) -> Result<()> {
        let names: Vec<&str> = self.summary.study.llm.iter().map(|l| &*l.name).collect();
        let trained = |cell: &MapperCell| cell.mode == Mode::Trained;
        let flip = |cell: &MapperCell| MapperCell {
            mode: Mode::Frozen,
            ..cell.clone()
        };
        let mut gains: Vec<(&str, Weighted<'_>)> = Vec::new();
        for &name in &names {
            let gain = self.pairs(|cell| cell.llm == name && trained(cell), flip);
            if !gain.is_empty() {
                let first = gains.is_empty();
                let what = format!("{name}: trained minus frozen");
                self.tell(Some(Claim::SmallGain), &what, &gain, first, found)?;
                gains.push((name, gain));
            }
        }
        if let [(small, least), .., (large, most)] = &*gains {
            let minus = least.iter().map(|(weight, draws)| (-weight, *draws));
            let change: Weighted<'_> = most.iter().copied().chain(minus).collect();
            let what = format!("gain of {large} minus gain of {small}");
            self.tell(Some(Claim::GainShrinks), &what, &change, true, found)?;
        }
        let flip = |cell: &MapperCell| MapperCell {
            priors: false,
            ..cell.clone()
        };
        for mode in [Some(Mode::Frozen), Some(Mode::Trained), None] {
            let fits = |cell: &MapperCell| cell.priors && mode.is_none_or(|m| m == cell.mode);
            let gain = self.pairs(fits, flip);
            let of = mode.map_or("all".to_owned(), |mode| format!("LLM {}", mode.name()));
            let what = format!("{of}: with minus without priors");
            self.tell(Some(Claim::PriorsHelp), &what, &gain, mode.is_none(), found)?;
        }
        Ok(())
    }

    /// The mean difference of cells from their partners.
    fn pairs(
        &self,
        wanted: impl Fn(&MapperCell) -> bool,
        partner: impl Fn(&MapperCell) -> MapperCell,
    ) -> Weighted<'_> {
        let of = |row: &Row| row.cell.mapper().filter(|cell| cell.image).cloned();
        let own = self.systems.iter().filter(|(row, _)| !row.is_shuffled);
        let own: Vec<_> = own
            .filter_map(|(row, draws)| Some((of(row)?, draws)))
            .collect();
        let mut pairs = Vec::new();
        for (cell, draws) in own.iter().filter(|(cell, _)| wanted(cell)) {
            let other = partner(cell);
            if let Some((_, other)) = own.iter().find(|(cell, _)| *cell == other) {
                pairs.push((*draws, *other));
            }
        }
        let weight = 1.0 / pairs.len().max(1) as f64;
        let both = pairs.into_iter();
        both.flat_map(|(one, other)| [(weight, one), (-weight, other)])
            .collect()
    }

    /// The best cell against each baseline.
    fn baselines(&self, found: &mut Vec<Finding>) -> Result<()> {
        let best = self.summary.best().map(|row| row.title.as_str());
        let of_best = |(row, _): &&(&Row, Draws)| Some(row.title.as_str()) == best;
        let Some((best, own)) = self.systems.iter().find(of_best) else {
            return Ok(());
        };
        for (row, draws) in self.systems.iter().filter(|(row, _)| row.is_baseline()) {
            let what = format!("{} minus {}", best.title, row.title);
            self.tell(None, &what, &[(1.0, own), (-1.0, draws)], true, found)?;
        }
        Ok(())
    }

    fn tell(
        &self,
        claim: Option<Claim>,
        what: &str,
        parts: &[(f64, &Draws)],
        is_decisive: bool,
        found: &mut Vec<Finding>,
    ) -> Result<()> {
        let differences = contrast(parts)?.into_iter().zip(COMPARED);
        found.extend(differences.filter_map(|(difference, score)| {
            Some(Finding {
                claim,
                what: what.to_owned(),
                test: self.test.to_owned(),
                score,
                difference: difference?,
                p_holm: 1.0,
                is_decisive,
            })
        }));
        Ok(())
    }
}
