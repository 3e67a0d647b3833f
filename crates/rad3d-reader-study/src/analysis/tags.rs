//! Which errors were found in whose reports?

use serde::Serialize;

use super::for_all_first;
use crate::questions::TAGS;
use crate::ratings::Ratings;
use crate::statistics::{Share, wilson};

/// Stands for any of the errors.
pub const ANY: &str = "any";

/// How often an error was found in a system's reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagShare {
    /// The system.
    pub system: String,
    /// Key of the error, or [`ANY`].
    pub tag: &'static str,
    /// Readings in which the question was answered.
    pub readings: usize,
    /// Readings in which the error was found.
    pub found: usize,
    /// Their share, with Wilson's interval, which takes readings as independent; `None` without a
    /// reading.
    pub share: Option<Share>,
}

pub(super) fn of(ratings: &Ratings) -> Vec<TagShare> {
    let mut shares = Vec::new();
    for (at, name) in ratings.key.systems.iter().enumerate() {
        let (mut readings, mut any, mut found) = (0, 0, [0; TAGS.len()]);
        for_all_first(ratings, |_, system, rating| {
            let Some(tags) = rating.tags.as_ref().filter(|_| system == at) else { return };
            readings += 1;
            any += usize::from(!tags.is_empty());
            for &tag in tags {
                found[tag] += 1;
            }
        });
        let counted = TAGS.iter().map(|tag| tag.key).zip(found);
        let all = counted.chain([(ANY, any)]).map(|(tag, found)| TagShare {
            system: name.clone(),
            tag,
            readings,
            found,
            share: wilson(found, readings),
        });
        shares.extend(all);
    }
    shares
}
