//! What was observed report by report, and differences between systems with their intervals.

use rad3d_metrics::{
    Bleu, BleuCounts, BleuProgram, BleuStatistic, Bootstrap, ClassificationStatistic, ItemMean,
    LabelMatrix, Matrix, Protocol, ReportText, Rouge, Statistic, Tokens, percentile,
};
use rad3d_report::{LabelSet, Labeler};
use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result, StudyError};
use crate::record::Score;

/// The scores that differences are taken of, in the order of [`Pairing`].
pub const COMPARED: [&str; 3] = ["f1_macro", "bleu_mean", "rouge_l"];

/// All that the compared scores need to know of each report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Program whose BLEU the counts are for.
    pub bleu_program: BleuProgram,
    /// The reports.
    pub ids: Vec<String>,
    /// True labels: a string of 0 and 1 a report.
    pub truth: Vec<String>,
    /// Labels of the written text, likewise.
    pub found: Vec<String>,
    /// Runs of 1 to 4 words shared; words of the hypothesis; words of the reference.
    pub bleu: Vec<[u64; 6]>,
    /// ROUGE-L.
    pub rouge_l: Vec<f64>,
}

impl Observed {
    /// What `hypotheses` show against `references`, in the same order.
    ///
    /// # Errors
    /// Labels of another set than the labeler's.
    pub fn of(
        references: &[ReportText],
        hypotheses: &[ReportText],
        truth: &LabelMatrix,
        labeler: &Labeler,
        protocol: Protocol,
    ) -> Result<Self> {
        let bleu_program = protocol.bleu();
        let tokens = |text: &str| match bleu_program {
            BleuProgram::Coco => Tokens::white_space(text),
            _ => Tokens::thirteen_a(text),
        };
        let mut observed = Self {
            bleu_program,
            ids: references.iter().map(|text| text.id.clone()).collect(),
            truth: truth.rows().map(flags).collect(),
            found: Vec::new(),
            bleu: Vec::new(),
            rouge_l: Vec::new(),
        };
        for (reference, hypothesis) in references.iter().zip(hypotheses) {
            let labels = labeler.label(&hypothesis.report).labels;
            labels.expect_labels(truth.labels())?;
            observed.found.push(flags(labels.values()));
            let (wanted, given) = (
                protocol.reference(reference),
                protocol.hypothesis(hypothesis),
            );
            let counts = BleuCounts::of(&tokens(&wanted), &tokens(&given));
            let [one, two, three, four] = counts.matches;
            let words = [counts.hypothesis, counts.reference];
            observed
                .bleu
                .push([one, two, three, four, words[0], words[1]]);
            let rouge = Rouge::of(&Tokens::rouge(&wanted), &Tokens::rouge(&given));
            observed.rouge_l.push(rouge.l.f1);
        }
        Ok(observed)
    }

    fn statistics(&self, labels: &LabelSet) -> Result<Statistics> {
        let matrix = |rows: &[String]| {
            let values = rows.iter().flat_map(|row| row.bytes().map(|b| b == b'1'));
            Matrix::new(labels.clone(), values.collect())
        };
        let counts = self.bleu.iter().map(|&[a, b, c, d, words, wanted]| {
            let totals = [0, 1, 2, 3].map(|less| words.saturating_sub(less));
            BleuCounts {
                matches: [a, b, c, d],
                totals,
                without: totals.map(|total| u64::from(total == 0)),
                hypothesis: words,
                reference: wanted,
            }
        });
        let bleu: Bleu = self.bleu_program.bleu();
        Ok(Statistics {
            labels: ClassificationStatistic::new(&matrix(&self.found)?, &matrix(&self.truth)?)?,
            bleu: BleuStatistic::new(bleu, counts.collect())?,
            rouge_l: ItemMean::new(self.rouge_l.clone())?,
        })
    }
}

fn flags(row: &[bool]) -> String {
    row.iter().map(|set| if *set { '1' } else { '0' }).collect()
}

/// The compared scores of one system.
struct Statistics {
    labels: ClassificationStatistic,
    bleu: BleuStatistic,
    rouge_l: ItemMean,
}

impl Statistic for Statistics {
    fn items(&self) -> usize {
        self.rouge_l.items()
    }

    fn scores(&self) -> usize {
        COMPARED.len()
    }

    fn score(&self, times: &[u32], scores: &mut [f64]) {
        let mut labels = vec![f64::NAN; self.labels.scores()];
        self.labels.score(times, &mut labels);
        let mut bleu = [f64::NAN; 4];
        self.bleu.score(times, &mut bleu);
        let mut rouge_l = [f64::NAN];
        self.rouge_l.score(times, &mut rouge_l);
        let f1 = labels.get(ClassificationStatistic::F1_MACRO);
        let values = [
            f1.copied().unwrap_or(f64::NAN),
            bleu.iter().sum::<f64>() / 4.0,
            rouge_l[0],
        ];
        for (score, value) in scores.iter_mut().zip(values) {
            *score = value;
        }
    }
}

/// The compared scores of one system, as they are and on every draw of the reports. Two systems
/// drawn from one seed were drawn alike, so that draws can be subtracted.
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    ids: Vec<String>,
    truth: Vec<String>,
    /// As they are.
    pub values: [f64; COMPARED.len()],
    /// Draw by draw, `[resamples, COMPARED]`.
    drawn: Vec<f64>,
}

impl Draws {
    /// Draws the reports of `observed`, whose flags are of `labels`.
    ///
    /// # Errors
    /// No reports, or flags of other labels.
    pub fn of(observed: &Observed, labels: &LabelSet, bootstrap: &Bootstrap) -> Result<Self> {
        let statistics = observed.statistics(labels)?;
        let mut values = [f64::NAN; COMPARED.len()];
        statistics.score(&vec![1; statistics.items()], &mut values);
        Ok(Self {
            ids: observed.ids.clone(),
            truth: observed.truth.clone(),
            values,
            drawn: bootstrap.resample(&statistics)?,
        })
    }
}

/// A difference, how sure it is, and whether it could be none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The difference and its 95 % interval.
    pub score: Score,
    /// Two-sided, of the paired bootstrap.
    pub p: f64,
}

/// The weighted sum of systems' scores, each of [`COMPARED`]; with weights that sum to 0, a
/// difference. `None` where a score is undefined.
///
/// # Errors
/// [`Fault::Record`] where the systems were judged on other reports or drawn otherwise.
pub fn contrast(parts: &[(f64, &Draws)]) -> Result<[Option<Difference>; COMPARED.len()]> {
    let Some((_, first)) = parts.first() else {
        return Ok([None; COMPARED.len()]);
    };
    for (_, other) in parts {
        let same = (&other.ids, &other.truth) == (&first.ids, &first.truth);
        if !same || other.drawn.len() != first.drawn.len() {
            let what = "cells were judged on other reports than each other";
            let hint = "run the study again: it makes the older ones anew";
            return Err(StudyError::new(Fault::Record, "cell.json", what, hint));
        }
    }
    let summed = |value: &dyn Fn(&Draws) -> f64| -> f64 {
        parts
            .iter()
            .map(|(weight, draws)| weight * value(draws))
            .sum()
    };
    Ok(std::array::from_fn(|score| {
        let value = summed(&|draws| draws.values[score]);
        let places = (score..first.drawn.len()).step_by(COMPARED.len());
        let drawn = places.map(|place| summed(&|draws| draws.drawn[place]));
        difference(value, drawn.filter(|drawn| !drawn.is_nan()).collect())
    }))
}

/// The bootstrap's interval and two-sided p of a difference: `min(1, 2 (min(#<=0, #>=0) + 1) /
/// (N + 1))`, as in [`rad3d_metrics::Comparison`].
fn difference(value: f64, mut drawn: Vec<f64>) -> Option<Difference> {
    if value.is_nan() {
        return None;
    }
    drawn.sort_by(f64::total_cmp);
    let at_most = drawn.iter().filter(|d| **d <= 0.0).count();
    let at_least = drawn.iter().filter(|d| **d >= 0.0).count();
    let rarer = at_most.min(at_least) as f64;
    Some(Difference {
        score: Score {
            value,
            low: percentile(&drawn, 2.5)?,
            high: percentile(&drawn, 97.5)?,
        },
        p: (2.0 * (rarer + 1.0) / (drawn.len() as f64 + 1.0)).min(1.0),
    })
}
