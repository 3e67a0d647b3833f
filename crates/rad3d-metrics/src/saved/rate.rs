//! RaTEScore (Zhao 2024): entities of two reports, compared by their vectors and kinds (spec
//! `metrics` 8).

use std::ops::Range;

use serde::Deserialize;

/// What an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum RateType {
    /// An abnormality that is there.
    Abnormality,
    /// A place in the body.
    Anatomy,
    /// A disease that is there.
    Disease,
    /// An abnormality that is not there.
    NonAbnormality,
    /// A disease that is not there.
    NonDisease,
}

impl RateType {
    /// Whether one says that something is there and the other that something is not.
    fn denies(self, other: Self) -> bool {
        let there = |one| matches!(one, Self::Abnormality | Self::Disease);
        let absent = |one| matches!(one, Self::NonAbnormality | Self::NonDisease);
        there(self) && absent(other) || absent(self) && there(other)
    }
}

/// How much a match of two kinds counts: weights that the authors fitted to radiologists'
/// judgement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// Fitted to whole reports; the default of RaTEScore 0.6.0.
    #[default]
    Long,
    /// Fitted to sentences.
    Short,
}

impl Affinity {
    fn of(self, own: RateType, matched: RateType) -> f64 {
        let table = match self {
            Self::Long => &LONG,
            Self::Short => &SHORT,
        };
        let row = table.get(own as usize);
        row.and_then(|row| row.get(matched as usize))
            .copied()
            .unwrap_or(0.0)
    }

    /// What a match is multiplied by if one side denies it.
    fn denial(self) -> f64 {
        match self {
            Self::Long => 0.8716553966489615,
            Self::Short => 0.3611577852354489,
        }
    }
}

/// Entities of a reference and of a hypothesis with their vectors, as RaTEScore's models make
/// them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RateAnnotation {
    /// Kinds of the reference's entities.
    pub ref_types: Vec<RateType>,
    /// Vectors of the reference's entities, all of one length.
    pub ref_emb: Vec<Vec<f64>>,
    /// Kinds of the hypothesis' entities.
    pub hyp_types: Vec<RateType>,
    /// Vectors of the hypothesis' entities, all of one length.
    pub hyp_emb: Vec<Vec<f64>>,
}

/// RaTEScore of a pair. Similarities may be negative, and so may these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateScore {
    /// Over the reference's entities (the authors' name for it).
    pub precision: f64,
    /// Over the hypothesis' entities.
    pub recall: f64,
    /// Harmonic mean; 0.5 where a side has no entity, 0 where precision and recall add up to 0.
    pub score: f64,
}

impl RateScore {
    /// Compares the two sides.
    ///
    /// # Errors
    /// What is wrong with the annotation: kinds and vectors of different number, vectors of
    /// different length, values that are not finite.
    pub fn of(annotation: &RateAnnotation, affinity: Affinity) -> Result<Self, String> {
        let RateAnnotation {
            ref_types,
            ref_emb,
            hyp_types,
            hyp_emb,
        } = annotation;
        for (side, kinds, vectors) in [
            ("reference", ref_types, ref_emb),
            ("hypothesis", hyp_types, hyp_emb),
        ] {
            let (kinds, count) = (kinds.len(), vectors.len());
            if kinds != count {
                return Err(format!("{side}: {kinds} types for {count} vectors"));
            }
        }
        let mut vectors = ref_emb.iter().chain(hyp_emb);
        let width = vectors.clone().next().map_or(0, Vec::len);
        if vectors.any(|one| one.len() != width || !one.iter().all(|value| value.is_finite())) {
            return Err("vectors of different lengths, or with values that are not finite".into());
        }
        if ref_types.is_empty() || hyp_types.is_empty() {
            return Ok(Self {
                precision: 0.5,
                recall: 0.5,
                score: 0.5,
            });
        }
        let (wanted, given) = (unit(ref_emb), unit(hyp_emb));
        let precision = side((&wanted, ref_types), (&given, hyp_types), affinity);
        let recall = side((&given, hyp_types), (&wanted, ref_types), affinity);
        let sum = precision + recall;
        let score = if sum == 0.0 {
            0.0
        } else {
            2.0 * precision * recall / sum
        };
        Ok(Self {
            precision,
            recall,
            score,
        })
    }
}

/// Vectors of length 1.
fn unit(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let unit = |vector: &Vec<f64>| {
        let length = dot(vector, vector).sqrt().max(1e-12);
        vector.iter().map(|value| value / length).collect()
    };
    vectors.iter().map(unit).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Weighted mean of each entity's best similarity with one of the other side.
fn side(
    own: (&[Vec<f64>], &[RateType]),
    other: (&[Vec<f64>], &[RateType]),
    affinity: Affinity,
) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (vector, &kind) in own.0.iter().zip(own.1) {
        let similarities = other.0.iter().map(|one| dot(one, vector));
        let best = similarities
            .zip(other.1)
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        let Some((similarity, &matched)) = best else {
            continue;
        };
        let weight = affinity.of(kind, matched);
        let denial = match kind.denies(matched) {
            true => affinity.denial(),
            false => 1.0,
        };
        sum += similarity * weight * denial;
        weights += weight;
    }
    if weights == 0.0 { 0.0 } else { sum / weights }
}

/// Places of the entities in a sentence's tokens and what they are, from the tags of the entity
/// model (`B-DISEASE`, `I-DISEASE`, `O`); `[CLS]` and `[SEP]` stand around the tokens.
///
/// As the reference does it: the last tag of a sentence closes nothing, so an entity that runs up
/// to it ends before the final `[SEP]`; a part without a beginning is no entity, but where a
/// beginning follows it, it begins one itself.
pub fn rate_entities<'a>(tokens: &[&str], tags: &[&'a str]) -> Vec<(Range<usize>, &'a str)> {
    let mut entities = Vec::new();
    let (mut start, mut end) = (None, None);
    let mut kind = "";
    for (at, pair) in tags.windows(2).enumerate().take(tokens.len()) {
        let &[tag, next] = pair else { continue };
        if matches!(tokens.get(at), Some(&("[CLS]" | "[SEP]"))) {
            continue;
        }
        let Some((place @ ("B" | "I"), own)) = tag.split_once('-') else {
            continue;
        };
        let begins = place == "B";
        match next.as_bytes().first() {
            Some(b'I') if begins => (start, kind) = (Some(at), own),
            Some(b'B' | b'O') => {
                if begins {
                    entities.push((at..at + 1, own));
                } else if let Some(start) = start {
                    entities.push((start..at + 1, kind));
                }
                (start, end, kind) = match next.starts_with('B') {
                    true => (Some(at), Some(at), own),
                    false => (None, None, ""),
                };
            }
            _ => {}
        }
    }
    if let (Some(start), None) = (start, end) {
        entities.push((start..tokens.len().saturating_sub(1).max(start), kind));
    }
    entities
}

// Rows: an entity's own kind; columns: the kind it was matched with; both in the order of
// `RateType`. From RaTEScore 0.6.0 (MIT).
const LONG: [[f64; 5]; 5] = [
    [
        0.4276119164393705,
        0.6240929990607657,
        0.0034478181112993847,
        0.5431049700217344,
        0.27005425386213877,
    ],
    [
        0.7487824274337533,
        0.2856134859160784,
        0.4592143222158069,
        0.02097055139911715,
        0.00013736314126696204,
    ],
    [
        0.8396510075734789,
        0.9950209388542061,
        0.8460555030578727,
        0.9820689020512646,
        0.3789136708096537,
    ],
    [
        0.16546764653692908,
        0.018670610691852826,
        0.719397354576018,
        0.0009357166071730684,
        0.0927333564267591,
    ],
    [
        0.7759420231214385,
        0.1839139293714062,
        0.10073046076318157,
        0.03860183811876373,
        0.34065681486566446,
    ],
];

const SHORT: [[f64; 5]; 5] = [
    [
        0.4070293318365468,
        0.6952639610605605,
        0.28342529466226446,
        0.9479148658006686,
        0.23875064111146294,
    ],
    [
        0.5829759950441763,
        0.7709590751917746,
        0.0006059634829551632,
        0.794672584951181,
        0.27982942400798977,
    ],
    [
        0.8840397619834857,
        0.9637659445696822,
        0.19018958438059513,
        0.6962283914800402,
        0.943727057946997,
    ],
    [
        0.1712744286898638,
        0.4485149671497294,
        0.00045065329822896076,
        0.0007887930317199857,
        0.8555432840895761,
    ],
    [
        0.9555801066212176,
        0.13122106162635216,
        0.6072996585919443,
        0.05650711141169969,
        0.3214769399791204,
    ],
];
