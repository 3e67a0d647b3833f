//! Answers with the key laid over them: who judged which system how.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::answers::{Answers, ReportAnswers};
use crate::error::{Fault, ReaderStudyError, Result};
use crate::key::{Key, ReadingKey, letter};
use crate::questions::{NO_ERROR, POINTS, SCALE_COUNT, SCALES, TAGS, scale_index, tag_index};

/// What one reader said of one report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rating {
    /// 1 to 5 by scale, in the order of [`SCALES`].
    pub scores: [Option<u8>; SCALE_COUNT],
    /// Errors found, as places in [`TAGS`]; `Some` of none is "no error", `None` unanswered.
    pub tags: Option<Vec<usize>>,
    /// Words on another error, and on anything.
    pub words: [String; 2],
}

impl Rating {
    /// What is not answered, best known by name.
    fn open(&self) -> impl Iterator<Item = &'static str> + '_ {
        let scales = SCALES.iter().zip(&self.scores);
        let scales = scales.filter(|(_, score)| score.is_none());
        let tags = self.tags.is_none().then_some("errors");
        scales.map(|(scale, _)| scale.key).chain(tags)
    }
}

/// Answers that a reader still owes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owed {
    /// The reader.
    pub reader: String,
    /// How many answers are missing.
    pub missing: usize,
    /// Of how many.
    pub questions: usize,
    /// The first of them, as the reader knows it.
    pub first: String,
}

/// All ratings of a study, the places of readers, cases and systems being those of the key.
#[derive(Debug, Clone)]
pub struct Ratings {
    /// The key.
    pub key: Key,
    /// What is missing, reader by reader; empty if nothing is.
    pub owed: Vec<Owed>,
    /// `[pass, reader, case, system]`.
    table: Vec<Option<Rating>>,
}

impl Ratings {
    /// Reads answers and lays the key over them.
    ///
    /// # Errors
    /// No file; one that cannot be read, belongs to another study or to nobody in the key, or
    /// holds unknown scales or tags or values out of range; a reader twice.
    pub fn read(key: Key, files: &[PathBuf]) -> Result<Self> {
        let answers = files
            .iter()
            .map(|path| Ok((path.clone(), Answers::read(path)?)));
        Self::new(key, answers.collect::<Result<_>>()?)
    }

    /// Lays the key over answers, each with the file it came from.
    ///
    /// # Errors
    /// As [`Ratings::read`].
    pub fn new(key: Key, answers: Vec<(PathBuf, Answers)>) -> Result<Self> {
        let study = key.study()?;
        let size = 2 * key.readers.len() * key.cases.len() * key.systems.len();
        let mut ratings = Self {
            table: vec![None; size],
            owed: Vec::new(),
            key,
        };
        let mut given: Vec<Option<(PathBuf, Answers)>> = vec![None; ratings.key.readers.len()];
        for (path, answers) in answers {
            let (what, hint) = if answers.study != study {
                let hint = "give the key and the answers of one study";
                ("holds answers of another study than the key".into(), hint)
            } else if let Some(place) = ratings.reader(&answers.reader) {
                let slot = &mut given[place];
                match slot {
                    None => {
                        *slot = Some((path, answers));
                        continue;
                    }
                    Some((other, _)) => {
                        let (name, other) = (&answers.reader, other.display());
                        let hint = "give one file a reader, the latest";
                        (format!("holds answers of {name}, as {other} does"), hint)
                    }
                }
            } else {
                let hint = "give files that this study's sheets saved";
                (
                    format!("is of \"{}\", whom the key does not know", answers.reader),
                    hint,
                )
            };
            return Err(ReaderStudyError::new(Fault::Answers, path, what, hint));
        }
        for (reader, answers) in given.into_iter().enumerate() {
            ratings.take(reader, answers)?;
        }
        Ok(ratings)
    }

    /// What a reader said of a system's report of a case; pass 1 or 2.
    #[must_use]
    pub fn get(&self, pass: u8, reader: usize, case: usize, system: usize) -> Option<&Rating> {
        let place = self.place(pass, reader, case, system);
        self.table.get(place)?.as_ref()
    }

    /// One score, by its scale's place in [`SCALES`].
    #[must_use]
    pub fn score(&self, scale: usize, pass: u8, [reader, case, system]: [usize; 3]) -> Option<u8> {
        *self.get(pass, reader, case, system)?.scores.get(scale)?
    }

    fn reader(&self, name: &str) -> Option<usize> {
        self.key.readers.iter().position(|one| one.name == name)
    }

    fn place(&self, pass: u8, reader: usize, case: usize, system: usize) -> usize {
        let pass = usize::from(pass.saturating_sub(1));
        let reading = (pass * self.key.readers.len() + reader) * self.key.cases.len() + case;
        reading * self.key.systems.len() + system
    }

    /// Takes in a reader's answers; `None` if the reader sent none.
    fn take(&mut self, reader: usize, answers: Option<(PathBuf, Answers)>) -> Result<()> {
        let own = self.key.readers[reader].clone();
        if let Some((path, answers)) = &answers
            && answers.readings.len() != own.readings.len()
        {
            let (has, wants) = (answers.readings.len(), own.readings.len());
            let what = format!(
                "holds {has} readings where {}'s sheet has {wants}",
                own.name
            );
            return Err(malformed(path, what));
        }
        let (mut missing, mut questions, mut first) = (0, 0, None);
        for (at, reading) in own.readings.iter().enumerate() {
            let given = answers
                .as_ref()
                .map(|(path, all)| (path, &all.readings[at]));
            let mut letters = reading.reports.len();
            for (index, system) in reading.reports.iter().enumerate() {
                let letter = letter(index).to_string();
                let report = given.and_then(|(path, one)| Some((path, one.reports.get(&letter)?)));
                let rating = match report {
                    Some((path, answers)) => {
                        letters -= 1;
                        let place = format!("reading {}, report {letter}", at + 1);
                        rating(answers)
                            .map_err(|what| malformed(path, format!("{place}: {what}")))?
                    }
                    None => Rating::default(),
                };
                questions += SCALE_COUNT + 1;
                for open in rating.open() {
                    missing += 1;
                    first.get_or_insert(format!("reading {}, report {letter}: {open}", at + 1));
                }
                self.put(reader, reading, system, rating);
            }
            if let Some((path, one)) = given
                && one.reports.len() != reading.reports.len() - letters
            {
                let names: Vec<&str> = one.reports.keys().map(String::as_str).collect();
                let what = format!("reading {}: has reports {}", at + 1, names.join(", "));
                let last = letter(reading.reports.len() - 1);
                return Err(malformed(
                    path,
                    format!("{what}; the sheet has A to {last}"),
                ));
            }
        }
        if answers.is_none() {
            first = Some("no file of answers".into());
        }
        self.owed.extend(first.map(|first| Owed {
            reader: own.name,
            missing,
            questions,
            first,
        }));
        Ok(())
    }

    fn put(&mut self, reader: usize, reading: &ReadingKey, system: &str, rating: Rating) {
        let case = self.key.cases.iter().position(|case| *case == reading.case);
        let system = self.key.systems.iter().position(|one| one == system);
        if let (Some(case), Some(system)) = (case, system) {
            let place = self.place(reading.pass, reader, case, system);
            self.table[place] = Some(rating);
        }
    }

    /// Stops unless every reader has answered everything.
    ///
    /// # Errors
    /// [`Fault::Incomplete`], with how much each reader owes.
    pub fn expect_complete(&self) -> Result<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        let owed = self.owed.iter().map(|one| {
            let Owed {
                reader,
                missing,
                questions,
                first,
            } = one;
            format!("{reader} lacks {missing} of {questions} ({first})")
        });
        let what = owed.collect::<Vec<_>>().join("; ");
        let hint = "wait for the rest, or analyse what is there with --allow-incomplete";
        Err(ReaderStudyError::new(
            Fault::Incomplete,
            "answers",
            what,
            hint,
        ))
    }
}

fn malformed(path: &Path, what: String) -> ReaderStudyError {
    let hint = "give the file that the sheet saved, unchanged";
    ReaderStudyError::new(Fault::Answers, path, what, hint)
}

/// One report's answers, checked.
fn rating(answers: &ReportAnswers) -> Result<Rating, String> {
    let mut rating = Rating::default();
    for (key, value) in &answers.scores {
        let scale = scale_index(key).ok_or_else(|| {
            let known = SCALES.map(|scale| scale.key).join(", ");
            format!("scale \"{key}\" is unknown ({known} are known)")
        })?;
        let score = value.as_u64().and_then(|value| u8::try_from(value).ok());
        rating.scores[scale] = match score.filter(|score| POINTS.contains(score)) {
            None if *value == Value::Null => None,
            None => return Err(format!("scale \"{key}\" holds {value}, expected 1 to 5")),
            score => score,
        };
    }
    let no_error = answers.tags.iter().any(|tag| tag == NO_ERROR);
    if no_error && answers.tags.len() > 1 {
        return Err(format!(
            "\"{NO_ERROR}\" stands among errors: {}",
            answers.tags.join(", ")
        ));
    }
    let mut tags = Vec::new();
    for key in answers.tags.iter().filter(|tag| *tag != NO_ERROR) {
        let tag = tag_index(key).ok_or_else(|| {
            let known = TAGS.map(|tag| tag.key).join(", ");
            format!("error \"{key}\" is unknown ({known} are known)")
        })?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    rating.tags = (no_error || !tags.is_empty()).then_some(tags);
    rating.words = [&answers.other, &answers.comment].map(|words| words.trim().to_owned());
    Ok(rating)
}
