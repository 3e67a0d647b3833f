//! Files that other models left: one record a report, matched by id.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Affinity, GreenCounts, RadGraphAnnotation, RadGraphF1, RadGraphRelease, RateAnnotation,
    RateScore,
};
use crate::error::{Fault, MetricsError, Result};
use crate::input::{ReportText, listed, records};

/// What a completion may be called.
const COMPLETION_NAMES: [&str; 4] = ["completion", "green_analysis", "response", "output"];

/// GREEN of each report, from completions of its language model: a CSV table or JSON lines with
/// an id and `completion` (or `green_analysis`, `response`, `output`).
///
/// # Errors
/// As [`crate::read_reports`]; records without a completion (their ids are listed).
pub fn read_green(path: &Path, references: &[ReportText]) -> Result<Vec<f64>> {
    let hint = "give one completion a report: id and completion";
    each(path, references, hint, |record| {
        let texts = COMPLETION_NAMES.iter().filter_map(|name| record.get(*name));
        let text = texts.into_iter().find_map(|value| value.as_str());
        let text = text.ok_or("has no completion")?;
        Ok(GreenCounts::of(text).score())
    })
}

/// F1-RadGraph of each report, from annotations of both sides: JSON lines with `id`, `reference`
/// and `hypothesis` (or `ref` and `hyp`), each an object with RadGraph's `entities`.
///
/// # Errors
/// As [`crate::read_reports`]; records that are no such annotation (their ids are listed).
pub fn read_radgraph(path: &Path, references: &[ReportText]) -> Result<Vec<RadGraphF1>> {
    #[derive(serde::Deserialize)]
    struct Record {
        #[serde(alias = "ref")]
        reference: RadGraphAnnotation,
        #[serde(alias = "hyp")]
        hypothesis: RadGraphAnnotation,
    }
    let hint = "give RadGraph's entities of both reports: id, reference and hypothesis";
    each(path, references, hint, |record| {
        let Record {
            reference,
            hypothesis,
        } = parse(record)?;
        RadGraphF1::of(&hypothesis, &reference, RadGraphRelease::default())
    })
}

/// RaTEScore of each report, from annotations of both sides: JSON lines with `id`, `ref_types`,
/// `ref_emb`, `hyp_types` and `hyp_emb`.
///
/// # Errors
/// As [`crate::read_reports`]; records that are no such annotation (their ids are listed).
pub fn read_rate(path: &Path, references: &[ReportText], affinity: Affinity) -> Result<Vec<f64>> {
    let hint = "give the entities of both reports: id, ref_types, ref_emb, hyp_types and hyp_emb";
    each(path, references, hint, |record| {
        let annotation: RateAnnotation = parse(record)?;
        RateScore::of(&annotation, affinity).map(|scores| scores.score)
    })
}

fn parse<T: DeserializeOwned>(record: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(record)).map_err(|error| error.to_string())
}

/// Scores every record, and names all that cannot be scored.
fn each<T>(
    path: &Path,
    references: &[ReportText],
    hint: &str,
    score: impl Fn(Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<T>> {
    let mut scores = Vec::with_capacity(references.len());
    let (mut wrong, mut why) = (Vec::new(), None);
    for (reference, record) in references.iter().zip(records(path, references)?) {
        match score(record) {
            Ok(one) => scores.push(one),
            Err(error) => {
                wrong.push(reference.id.as_str());
                why.get_or_insert(error);
            }
        }
    }
    match why {
        None => Ok(scores),
        Some(why) => {
            let what = format!("cannot be scored for {} ({why})", listed(&wrong));
            Err(MetricsError::new(Fault::Data, path, what, hint))
        }
    }
}
