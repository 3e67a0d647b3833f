//! A text classifier as labeler: CT-CLIP's RadBERT, or any other of the 18 CT-RATE labels.

use std::path::Path;

use rad3d_metrics::TextLabeler;
use rad3d_nn::text_encoder::TextClassifier;
use rad3d_report::{LabelSet, LabelValues, Report};
use rad3d_weights::Checkpoint;

use crate::encoder_tokenizer::EncoderTokenizer;
use crate::exit::UsageError;
use crate::run_report::{HashedInput, hashes_of};
use crate::talk;
use crate::text_embedder::{of_network, of_weights};

/// A label is there from this logit on: a probability of 0.5.
const THRESHOLD: f32 = 0.0;

/// A classifier with its tokenizer, and which of its outputs is which label.
#[derive(Debug)]
pub(crate) struct ClassifierLabeler {
    name: String,
    files: Vec<HashedInput>,
    classifier: TextClassifier,
    tokenizer: EncoderTokenizer,
    labels: LabelSet,
    /// The output of each label.
    outputs: Vec<usize>,
}

impl ClassifierLabeler {
    /// Opens a folder: configuration, tokenizer, weights.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let classifier = TextClassifier::open(folder)?;
        let tokenizer = EncoderTokenizer::open(folder, classifier.encoder().config())?;
        let labels = LabelSet::ct_rate();
        let outputs = match classifier.names() {
            Some(names) => outputs_by_name(folder, &labels, names)?,
            // CT-CLIP's own has no names: its order is the label set's.
            None if classifier.outputs() == labels.len() => (0..labels.len()).collect(),
            None => {
                let what = format!(
                    "{}: has {} outputs without names, there are {} labels",
                    folder.display(),
                    classifier.outputs(),
                    labels.len()
                );
                let hint = "name the outputs in config.json (id2label)";
                return Err(UsageError::new(what, hint).into());
            }
        };
        if let ignored @ [_, ..] = classifier.ignored() {
            talk::note(&format!(
                "{}: has {} tensors that no logit needs: {}",
                folder.display(),
                ignored.len(),
                ignored.join(", ")
            ));
        }
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            files: hashes_of(Checkpoint::open(folder)?.files())?,
            classifier,
            tokenizer,
            labels,
            outputs,
        })
    }

    /// The labels that it judges.
    pub(crate) fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// Its weight files.
    pub(crate) fn files(&self) -> &[HashedInput] {
        &self.files
    }

    /// The logit of every label, report by report. A report's text is its findings and its
    /// impression with a space between them, as CT-RATE's tables part them.
    pub(crate) fn logits(
        &self,
        reports: &[&Report],
    ) -> rad3d_metrics::Result<Vec<LabelValues<f32>>> {
        let encode = |report: &&Report| {
            let text = [report.findings.as_str(), &report.impression].join(" ");
            self.tokenizer.encode(text.trim()).map_err(of_weights)
        };
        let ids = reports.iter().map(encode);
        let ids = ids.collect::<rad3d_metrics::Result<Vec<_>>>()?;
        let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
        let logits = self.classifier.logits(&ids).map_err(of_network)?;
        let own = |logits: &Vec<f32>| {
            let value = |label: usize, _: &str| logits[self.outputs[label]];
            LabelValues::from_fn(self.labels.clone(), value)
        };
        Ok(logits.iter().map(own).collect())
    }

    /// Whether a logit says that its label is there.
    pub(crate) fn is_there(logit: f32) -> bool {
        logit >= THRESHOLD
    }
}

impl TextLabeler for ClassifierLabeler {
    fn describe(&self) -> String {
        let sha256 = self.files.iter().map(|file| file.sha256.as_str());
        format!(
            "text classifier {} (weights SHA-256 {}), probability from 0.5, first {} tokens,",
            self.name,
            sha256.collect::<Vec<_>>().join(", "),
            self.tokenizer.longest()
        )
    }

    fn label(&self, reports: &[&Report]) -> rad3d_metrics::Result<Vec<LabelValues<bool>>> {
        let logits = self.logits(reports)?;
        let judge = |logits: &LabelValues<f32>| logits.map(|logit| Self::is_there(*logit));
        Ok(logits.iter().map(judge).collect())
    }
}

/// The output of each label by its name, whatever the case. An output for the absence of all
/// findings, which some copies of RadBERT have, is no label.
fn outputs_by_name(
    folder: &Path,
    labels: &LabelSet,
    names: &[String],
) -> Result<Vec<usize>, UsageError> {
    let plain = |name: &str| name.trim().replace('_', " ").to_lowercase();
    let plain_names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    let find = |label: &str| {
        let label = plain(label);
        let mut found = (0..names.len()).filter(|&at| plain_names[at] == label);
        found.next().filter(|_| found.next().is_none())
    };
    let missing: Vec<&str> = labels
        .names()
        .filter(|label| find(label).is_none())
        .collect();
    let known = |name: &String| {
        labels.names().any(|label| plain(label) == *name)
            || ["no finding", "no findings"].contains(&name.as_str())
    };
    let pairs = names.iter().zip(&plain_names);
    let unknown = pairs.filter(|(_, plain)| !known(plain));
    let unknown: Vec<&str> = unknown.map(|(name, _)| name.as_str()).collect();
    if missing.is_empty() && unknown.is_empty() {
        return Ok(labels.names().filter_map(find).collect());
    }
    let list = |names: &[&str]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let what = format!(
        "{}: its labels are not the {} of CT-RATE; not named once: {}; unknown: {}",
        folder.join("config.json").display(),
        labels.len(),
        list(&missing),
        list(&unknown)
    );
    let hint = "give a classifier of CT-RATE's labels, or correct id2label";
    Err(UsageError::new(what, hint))
}
