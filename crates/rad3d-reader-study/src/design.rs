//! How a study is to be, and the drawing of who reads what in which order.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::{Fault, ReaderStudyError, Result};
use crate::key::{Key, ReaderKey, ReadingKey};
use crate::material::{Material, REFERENCE};
use crate::random::Random;

/// What part the reference reports play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceRole {
    /// They are rated blind among the systems' reports.
    Rated,
    /// They are shown openly, to judge by, and are not rated.
    Shown,
}

/// How a study is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// How many cases to draw; all, if none is said.
    pub cases: Option<usize>,
    /// Names of the readers; each gets a sheet of that name.
    pub readers: Vec<String>,
    /// Share of the cases that each reader gets a second time, unannounced: 0 to 0.5.
    pub repeats: f64,
    /// What part the references play.
    pub reference: ReferenceRole,
    /// Where the draws start.
    pub seed: u64,
}

impl Design {
    /// Draws the study.
    ///
    /// Every reader reads every case once, in an order of their own, and some a second time; at
    /// each reading the reports are lettered A, B, C… in an order drawn for that reading alone. A
    /// repeat comes at least half the number of cases later, among cases not seen before, as far
    /// as these last.
    ///
    /// # Errors
    /// [`Fault::Design`]: more cases than there are, none, readers without a proper name or twice
    /// of the same, or a share of repeats outside 0 to 0.5.
    pub fn draw(&self, material: &Material) -> Result<Key> {
        self.check(material)?;
        let mut drawn: Vec<usize> = (0..material.references.len()).collect();
        Random::new(self.seed, &["cases"]).shuffle(&mut drawn);
        drawn.truncate(self.cases.unwrap_or(drawn.len()));
        // The key lists cases as the references do; the order of reading is drawn below.
        drawn.sort_unstable();
        let ids = drawn.iter().filter_map(|&at| material.references.get(at));
        let cases: Vec<String> = ids.map(|report| report.id.clone()).collect();

        let reference = (self.reference == ReferenceRole::Rated).then_some(REFERENCE);
        let names = material.systems.iter().map(|system| system.name.as_str());
        let systems: Vec<String> = reference.into_iter().chain(names).map(Into::into).collect();
        let readers = self.readers.iter().map(|name| ReaderKey {
            name: name.clone(),
            readings: self.readings(name, &cases, &systems),
        });
        Ok(Key::new(
            self,
            material.sha256(),
            systems.clone(),
            cases.clone(),
            readers.collect(),
        ))
    }

    /// What one reader reads, in order.
    fn readings(&self, reader: &str, cases: &[String], systems: &[String]) -> Vec<ReadingKey> {
        let mut order: Vec<&String> = cases.iter().collect();
        let mut random = Random::new(self.seed, &["order", reader]);
        random.shuffle(&mut order);
        let half = cases.len() / 2;
        let repeats = ((self.repeats * cases.len() as f64).round() as usize).min(half);
        with_repeats(&order, repeats, &mut random)
            .into_iter()
            .map(|(case, pass)| {
                let mut reports = systems.to_vec();
                let purpose = ["letters", reader, case, if pass == 1 { "1" } else { "2" }];
                Random::new(self.seed, &purpose).shuffle(&mut reports);
                ReadingKey {
                    case: case.clone(),
                    pass,
                    reports,
                }
            })
            .collect()
    }

    fn check(&self, material: &Material) -> Result<()> {
        let fault = |place: &str, what: String, hint: &str| {
            Err(ReaderStudyError::new(Fault::Design, place, what, hint))
        };
        let there = material.references.len();
        if let Some(cases) = self.cases
            && !(1..=there).contains(&cases)
        {
            let what = format!("{cases} are asked for, {there} are there");
            return fault("cases", what, "give --cases within that, or leave it out");
        }
        if !(0.0..=0.5).contains(&self.repeats) {
            let what = format!("a share of {} is asked for", self.repeats);
            return fault("repeats", what, "give --repeats from 0 to 0.5");
        }
        if self.readers.is_empty() {
            let hint = "give --readers R1,R2";
            return fault("readers", "are none".into(), hint);
        }
        let mut seen = HashSet::new();
        for name in &self.readers {
            let proper = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            let is_name = name.chars().all(proper) && name.len() <= 64;
            if !is_name || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
                let what = format!("\"{name}\" cannot name a file");
                let hint = "give names of at most 64 letters, digits, dots, dashes and underscores";
                return fault("readers", what, hint);
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                let hint = "give every reader an own name; capitals do not tell them apart";
                return fault("readers", format!("\"{name}\" is given twice"), hint);
            }
        }
        Ok(())
    }
}

/// The cases in `order` as pass 1, and `repeats` of them once more as pass 2, each at least half
/// as many readings later as there are cases.
fn with_repeats<'a>(
    order: &[&'a String],
    repeats: usize,
    random: &mut Random,
) -> Vec<(&'a String, u8)> {
    let half = order.len() / 2;
    let mut places: Vec<usize> = (0..half).collect();
    random.shuffle(&mut places);
    places.truncate(repeats);
    places.sort_unstable();
    let (early, late) = order.split_at(half);
    let mut readings: Vec<(&String, u8)> = early.iter().map(|case| (*case, 1)).collect();
    let mut fresh = late.iter();
    let mut again = places.into_iter().peekable();
    while fresh.len() > 0 || again.len() > 0 {
        let distance = |place: &usize| place + half <= readings.len();
        // Repeats come in the order in which they were first read, so the first one is the only
        // one that may be due.
        let due = again.peek().is_some_and(distance);
        let takes_again = due && random.below(fresh.len() + again.len()) < again.len();
        let next = match takes_again || fresh.len() == 0 {
            true => again.next().and_then(|place| order.get(place)),
            false => None,
        };
        match next {
            Some(case) => readings.push((*case, 2)),
            None => readings.extend(fresh.next().map(|case| (*case, 1))),
        }
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_come_late_and_once() {
        let names: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        let order: Vec<&String> = names.iter().collect();
        for (seed, cases, repeats) in [(1, 21, 5), (2, 20, 10), (3, 4, 2), (4, 3, 1), (5, 1, 0)] {
            let order = &order[..cases];
            let readings = with_repeats(order, repeats, &mut Random::new(seed, &["test"]));
            assert_eq!(readings.len(), cases + repeats);
            let place = |case: &String, pass| {
                let mut found = readings
                    .iter()
                    .enumerate()
                    .filter(|(_, one)| **one == (case, pass));
                let first = found.next().map(|(place, _)| place);
                assert!(found.next().is_none(), "{case} twice in pass {pass}");
                first
            };
            let mut again = 0;
            for case in order {
                let first = place(case, 1).unwrap();
                if let Some(second) = place(case, 2) {
                    again += 1;
                    assert!(second - first >= cases / 2, "{first} {second} of {cases}");
                }
            }
            assert_eq!(again, repeats);
        }
    }
}
