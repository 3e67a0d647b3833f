//! Text against text: BLEU, ROUGE, METEOR, CIDEr and BERTScore, each as the published program
//! computes it (spec `metrics` 1 to 5).
//!
//! A metric takes [`Tokens`]; which tokenizer made them moves its score by points, so the
//! tokenizer belongs to the metric's name.

mod bertscore;
mod bleu;
mod cider;
mod meteor;
mod pair;
mod porter;
mod punkt;
mod rouge;
mod thirteen_a;
mod tokens;
mod treebank;
mod wordnet;

pub use bertscore::{BertScore, BertScores, TokenEmbedder, read_bertscore_baseline};
pub use bleu::{Bleu, BleuCounts, BleuStatistic, NltkSmoothing, SacreSmoothing};
pub use cider::cider;
pub use meteor::Meteor;
pub use porter::porter_stem;
pub use punkt::Punkt;
pub use rouge::{Rouge, RougeScore, coco_rouge_l, rouge_l_sum};
pub use tokens::Tokens;
pub use wordnet::WordNet;
