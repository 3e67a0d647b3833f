//! One system's texts, scored report by report.

use std::collections::BTreeMap;

use rad3d_report::Report;
use rayon::prelude::*;
use serde::Serialize;

use super::{Keyed, Settings};
use crate::bootstrap::{ItemMean, Statistic, Together};
use crate::error::Result;
use crate::input::ReportText;
use crate::labels::{ClassificationStatistic, LabelMatrix, Matrix};
use crate::protocol::{BleuProgram, Protocol, white_space};
use crate::saved::{RadGraphF1, SavedScores};
use crate::text::{BleuCounts, BleuStatistic, Meteor, Rouge, Tokens, cider, coco_rouge_l};

/// The scores of one report; `None` where the protocol leaves a metric out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportScores {
    /// The report.
    pub id: String,
    /// BLEU-4 of this pair alone; 0 without a word.
    pub bleu_4: f64,
    /// ROUGE-1.
    pub rouge_1: f64,
    /// ROUGE-2.
    pub rouge_2: f64,
    /// ROUGE-L.
    pub rouge_l: f64,
    /// METEOR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meteor: Option<f64>,
    /// CIDEr within this set.
    pub cider: f64,
    /// F1 of BERTScore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bertscore_f1: Option<f64>,
    /// GREEN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub green: Option<f64>,
    /// F1-RadGraph of words, labels and whether there is a relation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radgraph_f1: Option<f64>,
    /// RaTEScore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratescore: Option<f64>,
    /// F1 of this report's labels; 1 where both sides have none.
    pub f1: f64,
    /// True labels that the text lacks.
    pub missed: Vec<String>,
    /// Labels of the text that are not true.
    pub added: Vec<String>,
}

/// Scores of the texts of one pair.
struct Pair {
    bleu: [BleuCounts; 4],
    rouge: [f64; 3],
    meteor: Option<f64>,
}

/// A system's texts and what they score.
pub(super) struct System {
    ids: Vec<String>,
    pairs: Vec<Pair>,
    cider: Vec<f64>,
    /// One value a report of each metric by a model that there is, by key.
    modelled: Vec<(&'static str, Vec<f64>)>,
    found: LabelMatrix,
    program: BleuProgram,
    bleu: BleuStatistic,
    classification: ClassificationStatistic,
}

/// Labels of texts, by the classifier where there is one, else by the labeler.
pub(super) fn labels_of(texts: &[ReportText], settings: &Settings) -> Result<LabelMatrix> {
    let rows = match &settings.classifier {
        Some(classifier) => {
            let reports: Vec<&Report> = texts.iter().map(|text| &text.report).collect();
            classifier.label(&reports)?
        }
        None => texts
            .par_iter()
            .map(|text| settings.labeler.label(&text.report).labels)
            .collect(),
    };
    Matrix::from_rows(settings.labeler.labels().clone(), &rows)
}

impl System {
    pub(super) fn of(
        references: &[ReportText],
        hypotheses: &[ReportText],
        truth: &LabelMatrix,
        settings: &Settings,
    ) -> Result<Self> {
        let protocol = settings.protocol;
        let wanted: Vec<_> = references.iter().map(|t| protocol.reference(t)).collect();
        let given: Vec<_> = hypotheses.iter().map(|t| protocol.hypothesis(t)).collect();
        let pairs: Vec<Pair> = wanted
            .par_iter()
            .zip(&given)
            .map_init(
                || Meteor::new(settings.wordnet.as_ref()),
                |meteor, (wanted, given)| Pair::of(wanted, given, meteor, settings),
            )
            .collect();
        let found = labels_of(hypotheses, settings)?;
        let program = settings.bleu.unwrap_or(protocol.bleu());
        let counts = pairs.iter().map(|pair| pair.counts(program)).collect();
        let bertscore = settings.bertscore.as_ref();
        let bertscore = bertscore.map(|one| one.f1(&wanted, &given)).transpose()?;
        Ok(Self {
            modelled: bertscore
                .into_iter()
                .map(|values| ("bertscore_f1", values))
                .collect(),
            ids: references.iter().map(|text| text.id.clone()).collect(),
            cider: cider(&white_space(&wanted), &white_space(&given)),
            classification: ClassificationStatistic::new(&found, truth)?,
            bleu: BleuStatistic::new(program.bleu(), counts)?,
            pairs,
            found,
            program,
        })
    }

    /// Joins the scores of models that ran elsewhere.
    pub(super) fn with_saved(mut self, saved: &SavedScores) -> Self {
        let radgraph = |score: fn(&RadGraphF1) -> f64| {
            let all = saved.radgraph.as_ref();
            all.map(|all| all.iter().map(score).collect())
        };
        let all: [(&str, Option<Vec<f64>>); 5] = [
            ("green", saved.green.clone()),
            ("radgraph_f1", radgraph(|one| one.partial)),
            ("radgraph_simple", radgraph(|one| one.simple)),
            ("radgraph_complete", radgraph(|one| one.complete)),
            ("ratescore", saved.ratescore.clone()),
        ];
        let there = all.into_iter();
        self.modelled
            .extend(there.filter_map(|(key, values)| Some((key, values?))));
        self
    }

    /// The hypotheses' labels.
    pub(super) fn found(&self) -> &LabelMatrix {
        &self.found
    }

    /// Everything that the bootstrap recomputes.
    pub(super) fn statistics(&self) -> Statistics<'_> {
        let column = |score: fn(&Pair) -> Option<f64>| {
            let values: Option<Vec<f64>> = self.pairs.iter().map(score).collect();
            values.and_then(|values| ItemMean::new(values).ok())
        };
        let columns = [
            ("rouge_1", column(|pair| Some(pair.rouge[0]))),
            ("rouge_2", column(|pair| Some(pair.rouge[1]))),
            ("rouge_l", column(|pair| Some(pair.rouge[2]))),
            ("meteor", column(|pair| pair.meteor)),
            ("cider", ItemMean::new(self.cider.clone()).ok()),
        ];
        let modelled = self.modelled.iter();
        let modelled = modelled.map(|(key, values)| (*key, ItemMean::new(values.clone()).ok()));
        let means = columns
            .into_iter()
            .chain(modelled)
            .filter_map(|(key, mean)| Some((key, mean?)));
        Statistics {
            bleu: &self.bleu,
            means: means.collect(),
            classification: &self.classification,
        }
    }

    /// BLEU of the corpus by every program.
    pub(super) fn bleu_by_program(
        &self,
        settings: &Settings,
    ) -> BTreeMap<&'static str, Option<[f64; 4]>> {
        let name = |program| match program {
            BleuProgram::Hf => "hf",
            BleuProgram::Coco => "coco",
            BleuProgram::Sacrebleu => "sacrebleu",
            BleuProgram::Nltk => "nltk",
        };
        let score = |program: BleuProgram| {
            let mut sum = BleuCounts::default();
            self.pairs
                .iter()
                .for_each(|pair| sum += pair.counts(program));
            program.bleu().score(&sum)
        };
        // NLTK's tokens are only made where METEOR needs them.
        let made = |program: &BleuProgram| *program != BleuProgram::Nltk || needs_nltk(settings);
        let programs = BleuProgram::ALL.into_iter().filter(made);
        programs
            .map(|program| (name(program), score(program)))
            .collect()
    }

    /// Report by report.
    pub(super) fn reports(&self, truth: &LabelMatrix) -> Vec<ReportScores> {
        let labels = truth.rows().zip(self.found.rows());
        let pairs = self.pairs.iter().zip(&self.cider).zip(labels);
        let names: Vec<&str> = truth.labels().names().collect();
        let modelled = |wanted: &str, at: usize| {
            let (_, values) = self.modelled.iter().find(|(key, _)| *key == wanted)?;
            values.get(at).copied()
        };
        self.ids
            .iter()
            .zip(pairs)
            .enumerate()
            .map(|(at, (id, ((pair, &cider), (truth, found))))| {
                let those = |wanted: fn(bool, bool) -> bool| -> Vec<String> {
                    let both = names.iter().zip(truth.iter().zip(found));
                    both.filter(|(_, (truth, found))| wanted(**truth, **found))
                        .map(|(name, _)| (*name).to_owned())
                        .collect()
                };
                let missed = those(|truth, found| truth && !found);
                let added = those(|truth, found| found && !truth);
                let hits = those(|truth, found| truth && found).len();
                let wrong = missed.len() + added.len();
                ReportScores {
                    id: id.clone(),
                    bleu_4: bleu_of_one(self.program, &pair.counts(self.program)),
                    rouge_1: pair.rouge[0],
                    rouge_2: pair.rouge[1],
                    rouge_l: pair.rouge[2],
                    meteor: pair.meteor,
                    cider,
                    bertscore_f1: modelled("bertscore_f1", at),
                    green: modelled("green", at),
                    radgraph_f1: modelled("radgraph_f1", at),
                    ratescore: modelled("ratescore", at),
                    f1: match hits + wrong {
                        0 => 1.0,
                        _ => 2.0 * hits as f64 / (2 * hits + wrong) as f64,
                    },
                    missed,
                    added,
                }
            })
            .collect()
    }
}

fn bleu_of_one(program: BleuProgram, counts: &BleuCounts) -> f64 {
    program.bleu().score(counts).map_or(0.0, |scores| scores[3])
}

/// Whether the tokens of `word_tokenize` are made.
fn needs_nltk(settings: &Settings) -> bool {
    settings.protocol.has_meteor() || settings.bleu == Some(BleuProgram::Nltk)
}

impl Pair {
    fn of(wanted: &str, given: &str, meteor: &mut Meteor<'_>, settings: &Settings) -> Self {
        let protocol = settings.protocol;
        let both = |tokenize: &dyn Fn(&str) -> Tokens| (tokenize(wanted), tokenize(given));
        let thirteen_a = both(&Tokens::thirteen_a);
        let white_space = both(&Tokens::white_space);
        let nltk = needs_nltk(settings).then(|| both(&|text| Tokens::nltk(text, &settings.punkt)));
        let rouge = both(&Tokens::rouge);
        let rouge = Rouge::of(&rouge.0, &rouge.1);
        let hf = BleuCounts::of(&thirteen_a.0, &thirteen_a.1);
        let sacre =
            match wanted.ends_with(char::is_whitespace) || given.ends_with(char::is_whitespace) {
                // Only a hyphen before a final line break tells the two apart.
                true => BleuCounts::of(
                    &Tokens::thirteen_a(wanted.trim_end()),
                    &Tokens::thirteen_a(given.trim_end()),
                ),
                false => hf,
            };
        let counts = |pair: &(Tokens, Tokens)| BleuCounts::of(&pair.0, &pair.1);
        Self {
            bleu: [
                hf,
                counts(&white_space),
                sacre,
                nltk.as_ref().map(counts).unwrap_or_default(),
            ],
            rouge: [
                rouge.one.f1,
                rouge.two.f1,
                match protocol.has_coco_rouge() {
                    true => coco_rouge_l(wanted, given),
                    false => rouge.l.f1,
                },
            ],
            meteor: nltk
                .as_ref()
                .filter(|_| protocol.has_meteor())
                .map(|(wanted, given)| meteor.score(wanted, given)),
        }
    }

    fn counts(&self, program: BleuProgram) -> BleuCounts {
        let [hf, coco, sacrebleu, nltk] = self.bleu;
        match program {
            BleuProgram::Hf => hf,
            BleuProgram::Coco => coco,
            BleuProgram::Sacrebleu => sacrebleu,
            BleuProgram::Nltk => nltk,
        }
    }
}

/// A system's scores as the bootstrap takes them.
pub(super) struct Statistics<'a> {
    bleu: &'a BleuStatistic,
    means: Vec<(&'static str, ItemMean)>,
    classification: &'a ClassificationStatistic,
}

/// Keys of the label scores that belong to no single label, in the statistic's order.
const LABEL_KEYS: [&str; 10] = [
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "precision_micro",
    "recall_micro",
    "f1_micro",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "crg",
];

impl<'a> Statistics<'a> {
    /// These without the means that `other` lacks.
    pub(super) fn shared_with(&self, other: &Statistics<'_>) -> Statistics<'a> {
        let theirs = other.keys();
        let means = self.means.iter().filter(|(key, _)| theirs.contains(key));
        Statistics {
            bleu: self.bleu,
            means: means.cloned().collect(),
            classification: self.classification,
        }
    }

    /// All of them as one; after those of [`Statistics::keys`] comes F1 of every label.
    pub(super) fn all(&self) -> Together<'_> {
        let mut all: Vec<&dyn Statistic> = vec![self.bleu];
        all.extend(self.means.iter().map(|(_, mean)| mean as &dyn Statistic));
        all.push(self.classification);
        Together(all)
    }

    /// The keys of the scores, in order.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        let bleu = ["bleu_1", "bleu_2", "bleu_3", "bleu_4"].into_iter();
        let means = self.means.iter().map(|(key, _)| *key);
        bleu.chain(means).chain(LABEL_KEYS).collect()
    }

    /// The scores of the whole corpus, with a mean BLEU where the protocol has one.
    pub(super) fn corpus(&self, protocol: Protocol) -> Keyed<Option<f64>> {
        let all = self.all();
        let mut values = vec![f64::NAN; all.scores()];
        all.score(&vec![1; all.items()], &mut values);
        let defined = |value: f64| (!value.is_nan()).then_some(value);
        let pairs = self.keys().into_iter().zip(values);
        let mut corpus: Vec<_> = pairs.map(|(key, value)| (key, defined(value))).collect();
        let bleu = self.bleu.corpus();
        corpus.insert(4, ("bleu_mean", bleu.map(|b| b.iter().sum::<f64>() / 4.0)));
        if !protocol.has_meteor() {
            corpus.push(("meteor", None));
        }
        for key in ["bertscore_f1", "green", "radgraph_f1", "ratescore"] {
            if !corpus.iter().any(|(known, _)| *known == key) {
                corpus.push((key, None));
            }
        }
        Keyed(corpus)
    }
}
