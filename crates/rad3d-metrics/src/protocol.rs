//! A protocol fixes what moves a score by points: which text, which tokens, whose program.

use serde::{Deserialize, Serialize};

use crate::input::ReportText;
use crate::saved::GreenProvenance;
use crate::text::{Bleu, NltkSmoothing, SacreSmoothing, Tokens};

/// Whose numbers the scores can be held against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RAD3D-Prefix (arXiv 2606.17213), as far as its numbers show (spec `metrics` 9): whole
    /// report, Hugging Face's BLEU, `rouge_score`, NLTK's METEOR.
    #[default]
    Paper,
    /// The VLM3D challenge: whole report on one line, pycocoevalcap on its untokenised text.
    Vlm3d,
    /// CT2Rep: findings only, cleaned and in lower case, pycocoevalcap.
    Ct2rep,
}

/// Which program's BLEU is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BleuProgram {
    /// Hugging Face `evaluate`, tokens `13a`.
    Hf,
    /// pycocoevalcap, words between white space.
    Coco,
    /// sacreBLEU with its default smoothing, tokens `13a`.
    Sacrebleu,
    /// NLTK `corpus_bleu` without smoothing, tokens of `word_tokenize`.
    Nltk,
}

impl BleuProgram {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hf, Self::Coco, Self::Sacrebleu, Self::Nltk];

    /// The formula.
    pub fn bleu(self) -> Bleu {
        match self {
            Self::Hf => Bleu::HuggingFace { smooth: false },
            Self::Coco => Bleu::Coco,
            Self::Sacrebleu => Bleu::SacreBleu {
                smoothing: SacreSmoothing::Exp,
                effective_order: false,
            },
            Self::Nltk => Bleu::Nltk {
                smoothing: NltkSmoothing::Method0,
            },
        }
    }

    /// Program, level and tokens in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Hf => "Hugging Face evaluate, corpus, no smoothing, tokens 13a with case",
            Self::Coco => "pycocoevalcap, corpus, words between white space",
            Self::Sacrebleu => "sacreBLEU, corpus, exp smoothing, tokens 13a with case, 0 to 1",
            Self::Nltk => "NLTK corpus_bleu, no smoothing, tokens of word_tokenize with case",
        }
    }
}

/// A protocol in words, for those who read the scores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtocolDescription {
    /// Its name.
    pub name: Protocol,
    /// What text is compared.
    pub text: &'static str,
    /// How BLEU is made.
    pub bleu: &'static str,
    /// How ROUGE is made.
    pub rouge: &'static str,
    /// How METEOR is made, or why it is not.
    pub meteor: String,
    /// How CIDEr is made.
    pub cider: &'static str,
    /// Encoder and settings of BERTScore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bertscore: Option<String>,
    /// What GREEN's completions were made with, where its model was run for this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub green: Option<GreenProvenance>,
    /// Scores that were made from other models' output, and how.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub saved: Vec<&'static str>,
    /// Where labels come from and how they are averaged.
    pub labels: String,
}

impl Protocol {
    /// The BLEU this protocol uses unless told otherwise.
    pub fn bleu(self) -> BleuProgram {
        match self {
            Self::Paper => BleuProgram::Hf,
            Self::Vlm3d | Self::Ct2rep => BleuProgram::Coco,
        }
    }

    /// Whether ROUGE-L is pycocoevalcap's instead of `rouge_score`'s.
    pub fn has_coco_rouge(self) -> bool {
        self != Self::Paper
    }

    /// Whether METEOR is NLTK's. The others use the Java program, which is another metric with
    /// lower values and is not built in.
    pub fn has_meteor(self) -> bool {
        self == Self::Paper
    }

    /// The text of a reference that is compared.
    pub fn reference(self, report: &ReportText) -> String {
        match self {
            Self::Paper => report.text.clone(),
            Self::Vlm3d => on_one_line(&report.text),
            Self::Ct2rep => clean(findings(report)),
        }
    }

    /// The text of a hypothesis that is compared.
    pub fn hypothesis(self, report: &ReportText) -> String {
        match self {
            Self::Vlm3d => {
                let text = report
                    .text
                    .replace("<|eot_id|>", "")
                    .replace(['"', '_'], "");
                on_one_line(&text)
            }
            Self::Paper | Self::Ct2rep => self.reference(report),
        }
    }

    /// What text is compared, in words.
    pub fn describe_text(self) -> &'static str {
        match self {
            Self::Paper => "findings and impression, as written",
            Self::Vlm3d => "whole report without line breaks and without blanks before full stops",
            Self::Ct2rep => {
                "findings, lower case, without punctuation, sentences parted by full stops"
            }
        }
    }
}

/// CIDEr's words, and coco's: between white space.
pub(crate) fn white_space(texts: &[String]) -> Vec<Tokens> {
    texts.iter().map(|text| Tokens::white_space(text)).collect()
}

/// VLM3D: no line breaks, no blanks around full stops.
fn on_one_line(text: &str) -> String {
    text.replace('\n', "")
        .replace(" . ", ".")
        .replace(" .", ".")
}

/// The findings; all of it where the text has no sections.
fn findings(report: &ReportText) -> &str {
    if report.report.findings.is_empty() {
        &report.text
    } else {
        &report.report.findings
    }
}

/// CT2Rep's cleaning: runs of blanks, underscores and stops shortened, list numbers and
/// punctuation dropped, lower case, ` . ` between sentences and at the end.
fn clean(text: &str) -> String {
    let mut text = text.replace('\n', " ");
    for (run, single) in [("__", "_"), ("  ", " "), ("..", ".")] {
        while text.contains(run) {
            text = text.replace(run, single);
        }
    }
    text = text.replace("1. ", "");
    for number in ["2", "3", "4", "5"] {
        text = text.replace(&format!(". {number}. "), ". ");
    }
    for number in ["2", "3", "4", "5"] {
        text = text.replace(&format!(" {number}. "), ". ");
    }
    let lower = text.trim().to_lowercase();
    let sentences = lower.split(". ").map(|sentence| {
        let kept = sentence.trim().chars().filter(|c| !DROPPED.contains(*c));
        kept.collect::<String>()
    });
    sentences.collect::<Vec<_>>().join(" . ") + " ."
}

/// Characters that CT2Rep's cleaning drops.
const DROPPED: &str = ".,?;*!%^&_+():<=>@[]{}\"/\\'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ct2rep_cleans_the_findings() {
        let report = ReportText::sections("a", "1. Heart: Normal. 2. A 2.5 mm  nodule.", "None");
        let text = Protocol::Ct2rep.hypothesis(&report);
        assert_eq!(text, "heart normal . a 25 mm nodule .");
    }

    #[test]
    fn vlm3d_joins_lines() {
        let report = ReportText::whole("a", "Normal .\nNo_thing \"here\" . Clear .<|eot_id|>");
        assert_eq!(
            Protocol::Vlm3d.hypothesis(&report),
            "Normal.Nothing here.Clear."
        );
    }
}
