//! How far readers agree with each other and with themselves.

use rad3d_metrics::{Bootstrap, Estimate};
use serde::Serialize;

use super::pairs;
use crate::error::Result;
use crate::questions::SCALES;
use crate::ratings::Ratings;
use crate::statistics::Kappas;

/// Whose agreement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Of two readers, on first readings.
    Inter,
    /// Of one reader's first and second readings.
    Intra,
}

/// A quadratic kappa on one scale.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Key of the scale.
    pub scale: &'static str,
    /// Whose agreement.
    pub kind: Kind,
    /// Who: two readers, or one; `None` for the mean of all kappas of that kind.
    pub readers: Option<Vec<String>>,
    /// Pairs of scores behind it.
    pub pairs: usize,
    /// Kappa with its 95 % interval by cases; `None` where it is undefined.
    pub kappa: Option<Estimate>,
}

pub(super) fn agreement(ratings: &Ratings, bootstrap: Bootstrap) -> Result<Vec<Agreement>> {
    let readers = ratings.key.readers.len();
    let inter: Vec<_> = pairs(readers)
        .map(|(one, other)| [(one, 1), (other, 1)])
        .collect();
    let intra: Vec<_> = (0..readers).map(|one| [(one, 1), (one, 2)]).collect();
    let mut all = Vec::new();
    for scale in 0..SCALES.len() {
        for (kind, sides) in [(Kind::Inter, &inter), (Kind::Intra, &intra)] {
            all.extend(kappas(ratings, scale, kind, sides, bootstrap)?);
        }
    }
    Ok(all)
}

/// Kappas between sides, each a reader and a pass; nothing if no score has a partner.
fn kappas(
    ratings: &Ratings,
    scale: usize,
    kind: Kind,
    sides: &[[(usize, u8); 2]],
    bootstrap: Bootstrap,
) -> Result<Vec<Agreement>> {
    let key = &ratings.key;
    let of_case = |sides: &[(usize, u8); 2], case: usize| {
        let pair = |system: usize| {
            let [one, other] =
                sides.map(|(reader, pass)| ratings.score(scale, pass, [reader, case, system]));
            one.zip(other)
        };
        (0..key.systems.len()).filter_map(pair).collect::<Vec<_>>()
    };
    // Cases are drawn from those that pair something: of second readings, few do.
    let paired = |case: &usize| sides.iter().any(|sides| !of_case(sides, *case).is_empty());
    let cases: Vec<usize> = (0..key.cases.len()).filter(paired).collect();
    let groups: Vec<Vec<Vec<(u8, u8)>>> = sides
        .iter()
        .map(|sides| cases.iter().map(|&case| of_case(sides, case)).collect())
        .collect();
    let counts: Vec<usize> = groups
        .iter()
        .map(|cases| cases.iter().map(Vec::len).sum())
        .collect();
    let all: usize = counts.iter().sum();
    if all == 0 {
        return Ok(Vec::new());
    }
    let estimates = bootstrap.estimate(&Kappas::new(groups))?;
    let names = sides.iter().map(|[(one, _), (other, _)]| {
        let mut names = vec![key.readers[*one].name.clone()];
        if one != other {
            names.push(key.readers[*other].name.clone());
        }
        Some(names)
    });
    let rows = names.zip(counts).chain([(None, all)]).zip(estimates);
    Ok(rows
        .map(|((readers, pairs), kappa)| Agreement {
            scale: SCALES[scale].key,
            kind,
            readers,
            pairs,
            kappa,
        })
        .collect())
}
