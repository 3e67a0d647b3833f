//! F1-RadGraph (Delbrouck 2022): entities and relations of two reports, as sets (spec `metrics` 7).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Entities of one report, by number, as RadGraph writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RadGraphAnnotation {
    /// The entities.
    pub entities: BTreeMap<String, RadGraphEntity>,
}

/// Some words of a report, and what they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RadGraphEntity {
    /// The words, as in the report.
    pub tokens: String,
    /// Kind and certainty, `Observation::definitely absent`.
    pub label: String,
    /// Kind of the relation, and the number of the entity that it points to.
    pub relations: Vec<(String, String)>,
}

/// Whose program; the two part only where reports differ in capitals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RadGraphRelease {
    /// The repository's head: words in lower case.
    #[default]
    Head,
    /// PyPI's `radgraph` 0.1.18: only words with a relation, in the complete score, in lower case.
    Pypi0118,
}

/// F1 of the sets, in the three ways of the reference; 0 where a side has no entities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadGraphF1 {
    /// Of words and labels (`RG_E`).
    pub simple: f64,
    /// Of words, labels, and whether there is a relation (`RG_ER`): what tables usually give.
    pub partial: f64,
    /// Of words, labels, and each relation with its target (`RG_bar_ER`).
    pub complete: f64,
}

/// One member of a set: words, label, and the relation as far as it is looked at.
type Member<'a> = (String, &'a str, Option<(&'a str, String)>);

impl RadGraphF1 {
    /// Compares two annotations.
    ///
    /// # Errors
    /// The number of an entity that a relation points to and that is not there.
    pub fn of(
        hypothesis: &RadGraphAnnotation,
        reference: &RadGraphAnnotation,
        release: RadGraphRelease,
    ) -> Result<Self, String> {
        let both = |set: fn(&RadGraphAnnotation, RadGraphRelease) -> BTreeSet<Member<'_>>| {
            f1(&set(hypothesis, release), &set(reference, release))
        };
        Ok(Self {
            simple: both(simple),
            partial: both(partial),
            complete: f1(
                &complete(hypothesis, release)?,
                &complete(reference, release)?,
            ),
        })
    }
}

fn simple(annotation: &RadGraphAnnotation, release: RadGraphRelease) -> BTreeSet<Member<'_>> {
    let entities = annotation.entities.values();
    entities
        .map(|entity| (words(entity, release), entity.label.as_str(), None))
        .collect()
}

fn partial(annotation: &RadGraphAnnotation, release: RadGraphRelease) -> BTreeSet<Member<'_>> {
    let entities = annotation.entities.values();
    let related = |entity: &RadGraphEntity| !entity.relations.is_empty();
    entities
        .map(|entity| {
            let relation = related(entity).then(|| ("", String::new()));
            (words(entity, release), entity.label.as_str(), relation)
        })
        .collect()
}

fn complete(
    annotation: &RadGraphAnnotation,
    release: RadGraphRelease,
) -> Result<BTreeSet<Member<'_>>, String> {
    let mut members = BTreeSet::new();
    for entity in annotation.entities.values() {
        let label = entity.label.as_str();
        if entity.relations.is_empty() {
            members.insert((words(entity, release), label, None));
        }
        for (kind, target) in &entity.relations {
            let target = annotation
                .entities
                .get(target)
                .ok_or_else(|| format!("a relation points to entity {target}, which is missing"))?;
            let relation = (kind.as_str(), target.tokens.to_lowercase());
            members.insert((entity.tokens.to_lowercase(), label, Some(relation)));
        }
    }
    Ok(members)
}

fn words(entity: &RadGraphEntity, release: RadGraphRelease) -> String {
    match release {
        RadGraphRelease::Head => entity.tokens.to_lowercase(),
        RadGraphRelease::Pypi0118 => entity.tokens.clone(),
    }
}

fn f1(hypothesis: &BTreeSet<Member<'_>>, reference: &BTreeSet<Member<'_>>) -> f64 {
    let shared = hypothesis.intersection(reference).count();
    match shared {
        0 => 0.0,
        // 2PR / (P + R) with P and R of the same numerator.
        _ => 2.0 * shared as f64 / (hypothesis.len() + reference.len()) as f64,
    }
}
