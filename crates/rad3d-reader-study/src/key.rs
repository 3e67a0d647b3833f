//! Who is who: what the readers must not see and the analysis needs.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::design::{Design, ReferenceRole};
use crate::error::{Fault, ReaderStudyError, Result};
use crate::material::hex;
use crate::questions::SCALES;

const FORMAT: &str = "rad3d-reader-study-key";
const VERSION: u32 = 1;
const WARNING: &str = "This file says which system wrote which report. Keep it from the readers \
                       until all answers are in.";

/// The key of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    format: String,
    version: u32,
    /// What to do with this file.
    pub warning: String,
    /// Where the draws started.
    pub seed: u64,
    /// Share of the cases that come twice.
    pub repeats: f64,
    /// What part the references play.
    pub reference: ReferenceRole,
    /// SHA-256 of all reports.
    pub reports_sha256: String,
    /// Keys of the scales, as in [`SCALES`].
    pub scales: Vec<String>,
    /// What is rated, the reference first if it is.
    pub systems: Vec<String>,
    /// Ids of the cases.
    pub cases: Vec<String>,
    /// What each reader reads.
    pub readers: Vec<ReaderKey>,
}

/// What one reader reads, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderKey {
    /// The reader's name.
    pub name: String,
    /// The readings, in order.
    pub readings: Vec<ReadingKey>,
}

/// One case as one reader meets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingKey {
    /// Id of the case.
    pub case: String,
    /// 1, or 2 for a repeat.
    pub pass: u8,
    /// The systems behind A, B, C…
    pub reports: Vec<String>,
}

impl Key {
    pub(crate) fn new(
        design: &Design,
        reports_sha256: String,
        systems: Vec<String>,
        cases: Vec<String>,
        readers: Vec<ReaderKey>,
    ) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            warning: WARNING.into(),
            seed: design.seed,
            repeats: design.repeats,
            reference: design.reference,
            reports_sha256,
            scales: SCALES.map(|scale| scale.key.to_owned()).into(),
            systems,
            cases,
            readers,
        }
    }

    /// Reads a key.
    ///
    /// # Errors
    /// It cannot be read, is no key of this version, or was changed so that it no longer fits
    /// itself.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ReaderStudyError::unreadable(path, error))?;
        let hint = "give the key that `rad3d reader-study new` wrote, unchanged";
        let fault = |what: String| ReaderStudyError::new(Fault::Key, path, what, hint);
        let key: Self = serde_json::from_str(&text)
            .map_err(|error| fault("is no key of a reader study".into()).because(error))?;
        if (key.format.as_str(), key.version) != (FORMAT, VERSION) {
            let what = format!("is \"{}\" {}", key.format, key.version);
            return Err(fault(format!("{what}, expected \"{FORMAT}\" {VERSION}")));
        }
        key.check().map_err(fault)?;
        Ok(key)
    }

    /// The key as the text of its file.
    ///
    /// # Errors
    /// None but those of memory.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n")
            .map_err(|error| ReaderStudyError::output("key", error))
    }

    /// What names the study on sheets and in answers: SHA-256 of the key.
    ///
    /// # Errors
    /// None but those of memory.
    pub fn study(&self) -> Result<String> {
        let bytes = serde_json::to_vec(self);
        let bytes = bytes.map_err(|error| ReaderStudyError::output("key", error))?;
        Ok(hex(&Sha256::digest(bytes)))
    }

    /// What contradicts itself.
    fn check(&self) -> Result<(), String> {
        if !self.scales.iter().eq(SCALES.iter().map(|scale| scale.key)) {
            return Err(format!("has the scales {}", self.scales.join(", ")));
        }
        if self.systems.is_empty() || self.cases.is_empty() || self.readers.is_empty() {
            return Err("has no systems, cases or readers".into());
        }
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names
        };
        let (systems, cases) = (sorted(&self.systems), sorted(&self.cases));
        for reader in &self.readers {
            let mut seen = HashSet::new();
            for reading in &reader.readings {
                let fits = cases.binary_search(&reading.case).is_ok()
                    && (1..=2).contains(&reading.pass)
                    && sorted(&reading.reports) == systems
                    && seen.insert((&reading.case, reading.pass));
                if !fits {
                    let (name, case) = (&reader.name, &reading.case);
                    return Err(format!(
                        "{name}'s reading of \"{case}\" does not fit the study"
                    ));
                }
            }
            let first = seen.iter().filter(|(_, pass)| *pass == 1).count();
            if first != self.cases.len() {
                return Err(format!("{} does not read every case", reader.name));
            }
        }
        Ok(())
    }
}

/// The letter of the n-th report of a reading.
pub(crate) fn letter(index: usize) -> char {
    (b'A'..=b'Z').nth(index).map_or('?', char::from)
}
