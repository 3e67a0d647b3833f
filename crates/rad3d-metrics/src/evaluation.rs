//! One system judged against references, or two against each other: everything in `scores.json`.

mod collapse;
mod dependency;
mod diff;
mod negation;
mod system;

use std::collections::BTreeMap;

use rad3d_report::{LabelValues, Labeler};
use serde::{Serialize, Serializer};

use crate::bootstrap::{Bootstrap, Comparison, Estimate, holm};
use crate::error::{Fault, MetricsError, Result};
use crate::input::ReportText;
use crate::labels::{
    AurocStatistic, CalibrationCurve, Classification, LabelMatrix, RocCurve, ScoreMatrix,
    TextLabeler,
};
use crate::protocol::{BleuProgram, Protocol, ProtocolDescription};
use crate::saved::SavedScores;
use crate::text::{BertScore, Punkt, WordNet};

pub use collapse::{Collapse, CollapseSide, RareFinding};
pub use dependency::{Dependency, DependencyBin};
pub use diff::{Piece, differences};
pub use negation::{NegationCounts, NegationProbe, negated};
pub use system::ReportScores;
use system::{Statistics, System};

/// What is judged.
#[derive(Debug)]
pub struct Subjects {
    /// What radiologists wrote.
    pub references: Vec<ReportText>,
    /// What the system wrote, in the same order.
    pub hypotheses: Vec<ReportText>,
    /// What another system wrote, in the same order.
    pub baseline: Option<Vec<ReportText>>,
    /// True labels; without them, the labeler's of the references.
    pub truth: Option<LabelMatrix>,
    /// The image classifier's probabilities.
    pub probabilities: Option<ScoreMatrix>,
    /// What models that ran elsewhere say of the hypotheses.
    pub saved: SavedScores,
    /// What they say of the baseline.
    pub baseline_saved: SavedScores,
}

/// How to judge.
#[derive(Debug)]
pub struct Settings {
    /// Text, tokens and programs.
    pub protocol: Protocol,
    /// BLEU of this program instead of the protocol's.
    pub bleu: Option<BleuProgram>,
    /// How intervals are drawn.
    pub bootstrap: Bootstrap,
    /// Reads labels off texts, unless there is a classifier; turns sentences into their contrary.
    pub labeler: Labeler,
    /// Reads labels off texts.
    pub classifier: Option<Box<dyn TextLabeler + Send>>,
    /// Parts text into sentences for METEOR.
    pub punkt: Punkt,
    /// METEOR's synonyms.
    pub wordnet: Option<WordNet>,
    /// BERTScore's encoder.
    pub bertscore: Option<BertScore>,
}

/// A score by its key, in order; `None` is a score that is undefined on these data.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyed<T>(pub Vec<(&'static str, T)>);

impl<T> Keyed<T> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        let entry = self.0.iter().find(|(name, _)| *name == key);
        entry.map(|(_, value)| value)
    }
}

impl<T: Serialize> Serialize for Keyed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// Two systems on one score, with the p-value adjusted for all scores compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AdjustedComparison {
    /// The comparison.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// `p_two_sided` after Holm's adjustment over all keys.
    pub p_holm: f64,
}

/// How one label fared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelScores {
    /// True cases.
    pub cases: u64,
    /// Cases found.
    pub true_positives: u64,
    /// Found, not true.
    pub false_positives: u64,
    /// True, not found.
    pub false_negatives: u64,
    /// True among those found.
    pub precision: f64,
    /// Found among those true.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Its interval.
    pub f1_interval: Option<Estimate>,
    /// Area under the classifier's ROC curve, with its interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc: Option<Estimate>,
}

/// The classifier's probabilities against the true labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probabilities {
    /// Mean area under the ROC curves, with its interval.
    pub auroc_macro: Option<Estimate>,
    /// The curves, one a label; `None` where all reports are of one class.
    pub roc: Vec<Option<RocCurve>>,
    /// Probabilities against observed shares, all labels pooled.
    pub calibration: CalibrationCurve,
    /// How the texts follow the classifier.
    pub dependency: Dependency,
}

/// Everything that was found out. Serialises as `scores.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// What made the scores.
    pub protocol: ProtocolDescription,
    /// How many reports.
    pub count: usize,
    /// Scores of all reports together.
    pub corpus: Keyed<Option<f64>>,
    /// Their 95 % intervals.
    pub intervals: Keyed<Option<Estimate>>,
    /// BLEU-1 to BLEU-4 of the same texts by every program.
    pub bleu_by_program: BTreeMap<&'static str, Option<[f64; 4]>>,
    /// Label by label.
    pub labels: LabelValues<LabelScores>,
    /// Against the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Keyed<Option<AdjustedComparison>>>,
    /// The classifier, if its probabilities were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<Probabilities>,
    /// Whether the system writes the same thing again and again.
    pub collapse: Collapse,
    /// What the scores are blind to.
    pub negation: NegationProbe,
    /// How intervals were drawn.
    pub bootstrap: Bootstrap,
    /// What a reader of the scores should know.
    pub notes: Vec<String>,
    /// Report by report.
    pub reports: Vec<ReportScores>,
}

impl Evaluation {
    /// Judges the subjects.
    ///
    /// # Errors
    /// Sides of different lengths, or labels of another set than the labeler's.
    pub fn of(subjects: &Subjects, settings: &Settings) -> Result<Self> {
        let truth = match &subjects.truth {
            Some(truth) => truth.clone(),
            None => system::labels_of(&subjects.references, settings)?,
        };
        check_lengths(subjects, &truth)?;
        let references = &subjects.references;
        let system = System::of(references, &subjects.hypotheses, &truth, settings)?
            .with_saved(&subjects.saved);
        let statistics = system.statistics();
        let keys = statistics.keys();
        let baseline = match &subjects.baseline {
            Some(texts) => Some(
                System::of(references, texts, &truth, settings)?
                    .with_saved(&subjects.baseline_saved),
            ),
            None => None,
        };
        let (intervals, comparison) = match &baseline {
            None => (settings.bootstrap.estimate(&statistics.all())?, None),
            Some(baseline) => compare(&statistics, baseline.statistics(), &settings.bootstrap)?,
        };
        let aurocs = match &subjects.probabilities {
            Some(scores) => settings
                .bootstrap
                .estimate(&AurocStatistic::new(scores, &truth)?)?,
            None => Vec::new(),
        };
        let probabilities = match &subjects.probabilities {
            Some(scores) => Some(Probabilities {
                auroc_macro: aurocs.first().copied().flatten(),
                roc: RocCurve::of_labels(scores, &truth)?,
                calibration: CalibrationCurve::pooled(scores, &truth)?,
                dependency: Dependency::of(scores, system.found(), &truth)?,
            }),
            None => None,
        };
        let of_labels = |estimates: &[Option<Estimate>], from: usize, label: usize| {
            estimates.get(from + label).copied().flatten()
        };
        let classification = Classification::of(system.found(), &truth)?;
        let mut label = 0;
        let labels = classification.labels.map(|counts| {
            let scores = LabelScores {
                cases: counts.true_positives + counts.false_negatives,
                true_positives: counts.true_positives,
                false_positives: counts.false_positives,
                false_negatives: counts.false_negatives,
                precision: counts.precision(),
                recall: counts.recall(),
                f1: counts.f1(),
                f1_interval: of_labels(&intervals, keys.len(), label),
                auroc: of_labels(&aurocs, 1, label),
            };
            label += 1;
            scores
        });
        let keyed = keys.iter().copied().zip(intervals.iter().copied());
        Ok(Self {
            protocol: describe(settings, subjects),
            count: subjects.references.len(),
            corpus: statistics.corpus(settings.protocol),
            intervals: Keyed(keyed.collect()),
            bleu_by_program: system.bleu_by_program(settings),
            labels,
            comparison,
            probabilities,
            collapse: Collapse::of(&subjects.references, &subjects.hypotheses, &system, &truth),
            negation: NegationProbe::of(&subjects.references, settings)?,
            bootstrap: settings.bootstrap,
            notes: notes(subjects, settings),
            reports: system.reports(&truth),
        })
    }
}

/// Intervals of a system's scores in the order of its keys (F1 of each label after them), and its
/// comparison with a baseline on the scores that both have.
#[expect(clippy::type_complexity, reason = "two results of one resampling")]
fn compare(
    system: &Statistics<'_>,
    baseline: Statistics<'_>,
    bootstrap: &Bootstrap,
) -> Result<(
    Vec<Option<Estimate>>,
    Option<Keyed<Option<AdjustedComparison>>>,
)> {
    let keys = system.keys();
    let both = system.shared_with(&baseline);
    let shared = both.keys();
    let compared = bootstrap.compare(&baseline.shared_with(system).all(), &both.all())?;
    let intervals = if shared == keys {
        let own = compared.iter().map(|one| one.map(|one| one.system));
        own.collect()
    } else {
        bootstrap.estimate(&system.all())?
    };
    Ok((intervals, Some(adjusted(&shared, &compared))))
}

/// Comparisons by key, p-values adjusted over all of them.
fn adjusted(
    keys: &[&'static str],
    compared: &[Option<Comparison>],
) -> Keyed<Option<AdjustedComparison>> {
    let keyed = || keys.iter().copied().zip(compared.iter().copied());
    let p_values: Vec<f64> = keyed()
        .filter_map(|(_, one)| one.map(|one| one.p_two_sided))
        .collect();
    let mut adjusted = holm(&p_values).into_iter();
    let adjust = |(key, comparison): (&'static str, Option<Comparison>)| {
        let comparison = comparison.and_then(|comparison| {
            Some(AdjustedComparison {
                comparison,
                p_holm: adjusted.next()?,
            })
        });
        (key, comparison)
    };
    Keyed(keyed().map(adjust).collect())
}

fn check_lengths(subjects: &Subjects, truth: &LabelMatrix) -> Result<()> {
    let count = subjects.references.len();
    let sides = [
        ("hypotheses", Some(subjects.hypotheses.len())),
        ("baseline", subjects.baseline.as_ref().map(Vec::len)),
        ("labels", Some(truth.reports())),
        (
            "probabilities",
            subjects.probabilities.as_ref().map(ScoreMatrix::reports),
        ),
    ];
    let saved = [&subjects.saved, &subjects.baseline_saved];
    let saved = saved.into_iter().flat_map(SavedScores::lengths);
    for (side, other) in sides
        .into_iter()
        .chain(saved.map(|len| ("saved scores", len)))
    {
        if other.is_some_and(|other| other != count) {
            let what = format!("{} reports for {count} references", other.unwrap_or(0));
            let hint = "match the sides by id first";
            return Err(MetricsError::new(Fault::Mismatch, side, what, hint));
        }
    }
    Ok(())
}

fn describe(settings: &Settings, subjects: &Subjects) -> ProtocolDescription {
    let protocol = settings.protocol;
    let truth = match (&subjects.truth, &settings.classifier) {
        (Some(_), _) => "as given",
        (None, Some(_)) => "by it from the references",
        (None, None) => "by the labeler from the references",
    };
    let labeler = match &settings.classifier {
        Some(classifier) => classifier.describe(),
        None => "built-in labeler".into(),
    };
    let synonyms = match settings.wordnet {
        Some(_) => "WordNet synonyms",
        None => "no synonyms (no WordNet given)",
    };
    ProtocolDescription {
        name: protocol,
        text: protocol.describe_text(),
        bleu: settings.bleu.unwrap_or(protocol.bleu()).describe(),
        rouge: if protocol.has_coco_rouge() {
            "ROUGE-1/2: rouge_score, F1, no stemmer; ROUGE-L: pycocoevalcap, beta 1.2; means"
        } else {
            "rouge_score, F1, no stemmer, mean"
        },
        meteor: if protocol.has_meteor() {
            format!("NLTK, tokens of word_tokenize in lower case, {synonyms}, mean")
        } else {
            "left out: this protocol uses METEOR 1.5 (Java), which is another metric".into()
        },
        cider: "pycocoevalcap, words between white space, mean",
        bertscore: settings.bertscore.as_ref().map(BertScore::describe),
        green: subjects.saved.green_by.clone(),
        saved: subjects.saved.describe(),
        labels: format!(
            "{labeler} on the hypotheses, truth {truth}; zero_division 0; macro is the \
             mean of the labels' F1"
        ),
    }
}

/// What the scores do not say by themselves.
fn notes(subjects: &Subjects, settings: &Settings) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: &str| notes.push(text.to_owned());
    if settings.protocol.has_meteor() {
        if settings.wordnet.is_none() {
            note(
                "METEOR ran without synonyms, since no WordNet was given; on chest CT reports \
                 that lowers it by about 0.002",
            );
        }
        if !settings.punkt.is_complete() {
            note(
                "Sentences for METEOR were parted without nltk_data; NLTK decides otherwise \
                 after a few numbers and abbreviations",
            );
        }
    } else {
        note("METEOR is left out: this protocol's is a Java program and another metric");
    }
    let absent = [
        ("BERTScore", settings.bertscore.is_none()),
        ("GREEN", subjects.saved.green.is_none()),
        ("RadGraph F1", subjects.saved.radgraph.is_none()),
        ("RaTEScore", subjects.saved.ratescore.is_none()),
    ];
    let absent: Vec<&str> = absent
        .iter()
        .filter_map(|(name, absent)| absent.then_some(*name))
        .collect();
    if !absent.is_empty() {
        note(&format!(
            "Not computed, since they need models or what models made: {}",
            absent.join(", ")
        ));
    }
    if subjects.references.len() == 1 {
        note("CIDEr is 0 for a single report: it weighs words by the other references");
    }
    let empty = |texts: &[ReportText]| texts.iter().filter(|t| t.text.trim().is_empty()).count();
    let (references, hypotheses) = (empty(&subjects.references), empty(&subjects.hypotheses));
    if references + hypotheses > 0 {
        note(&format!(
            "{references} references and {hypotheses} hypotheses are empty texts; they count, \
             with scores of 0"
        ));
    }
    notes
}
