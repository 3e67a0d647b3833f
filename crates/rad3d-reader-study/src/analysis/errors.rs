//! Errors that readers found, and what they wrote.

use serde::Serialize;

use crate::questions::{OTHER, TAGS};
use crate::ratings::{Rating, Ratings};
use crate::statistics::wilson;

/// How often a system's reports were said to hold an error.
#[derive(Debug, Clone, Serialize)]
pub struct Erring {
    /// The system.
    pub system: String,
    /// Key of the error; `any` for reports with at least one.
    pub error: &'static str,
    /// Readings in which it was found.
    pub count: usize,
    /// Readings that were searched for errors.
    pub readings: usize,
    /// Wilson's 95 % interval of the share; it takes readings as independent, which those of one
    /// case are not, so it is rather too narrow.
    pub interval: Option<[f64; 2]>,
}

/// Words of a reader.
#[derive(Debug, Clone, Serialize)]
pub struct Remark {
    /// The system whose report it is on.
    pub system: String,
    /// The case.
    pub case: String,
    /// The reader.
    pub reader: String,
    /// `other` for an error told in words, `comment` for anything else.
    pub about: &'static str,
    /// The words.
    pub text: String,
}

pub(super) fn errors(ratings: &Ratings) -> Vec<Erring> {
    let key = &ratings.key;
    let mut all = Vec::new();
    for (system, name) in key.systems.iter().enumerate() {
        let mut counts = [0; TAGS.len() + 1];
        let mut readings = 0;
        for ([_, _, _], rating) in first_readings(ratings, system) {
            let Some(tags) = &rating.tags else { continue };
            readings += 1;
            for &tag in tags {
                counts[tag] += 1;
            }
            counts[TAGS.len()] += usize::from(!tags.is_empty());
        }
        let names = TAGS.iter().map(|tag| tag.key).chain(["any"]);
        all.extend(names.zip(counts).map(|(error, count)| Erring {
            system: name.clone(),
            error,
            count,
            readings,
            interval: wilson(count, readings),
        }));
    }
    all
}

pub(super) fn remarks(ratings: &Ratings) -> Vec<Remark> {
    let key = &ratings.key;
    let mut all = Vec::new();
    for (system, name) in key.systems.iter().enumerate() {
        for ([_, reader, case], rating) in all_readings(ratings, system) {
            for (about, text) in [OTHER, "comment"].into_iter().zip(&rating.words) {
                if !text.is_empty() {
                    all.push(Remark {
                        system: name.clone(),
                        case: key.cases[case].clone(),
                        reader: key.readers[reader].name.clone(),
                        about,
                        text: text.clone(),
                    });
                }
            }
        }
    }
    all
}

/// `[pass, reader, case]` of every reading of a system's reports.
fn all_readings(ratings: &Ratings, system: usize) -> impl Iterator<Item = ([usize; 3], &Rating)> {
    let (readers, cases) = (ratings.key.readers.len(), ratings.key.cases.len());
    let places = (0..cases).flat_map(move |case| {
        (0..readers).flat_map(move |reader| [1, 2].map(|pass| [pass, reader, case]))
    });
    places.filter_map(move |[pass, reader, case]| {
        let rating = ratings.get(pass as u8, reader, case, system)?;
        Some(([pass, reader, case], rating))
    })
}

fn first_readings(ratings: &Ratings, system: usize) -> impl Iterator<Item = ([usize; 3], &Rating)> {
    all_readings(ratings, system).filter(|([pass, _, _], _)| *pass == 1)
}
