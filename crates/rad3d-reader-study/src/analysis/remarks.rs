//! What readers wrote.

use serde::Serialize;

use crate::ratings::Ratings;

/// Words of a reader on a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The case.
    pub case: String,
    /// The system.
    pub system: String,
    /// The reader.
    pub reader: String,
    /// 1, or 2 for a repeat.
    pub pass: u8,
    /// The words, those on another error first.
    pub words: String,
}

pub(super) fn of(ratings: &Ratings) -> Vec<Remark> {
    let key = &ratings.key;
    let mut remarks = Vec::new();
    for (at_case, case) in key.cases.iter().enumerate() {
        for (at_system, system) in key.systems.iter().enumerate() {
            for (at_reader, reader) in key.readers.iter().enumerate() {
                for pass in [1, 2] {
                    let rating = ratings.get(pass, at_reader, at_case, at_system);
                    let words = rating.map(|rating| &rating.words).into_iter().flatten();
                    remarks.extend(words.filter(|words| !words.is_empty()).map(|words| Remark {
                        case: case.clone(),
                        system: system.clone(),
                        reader: reader.name.clone(),
                        pass,
                        words: words.clone(),
                    }));
                }
            }
        }
    }
    remarks
}
