//! The reports that are to be judged.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rad3d_metrics::{ReportText, align, read_reports};
use sha2::{Digest, Sha256};

use crate::error::{Fault, ReaderStudyError, Result};

/// What the reference is called among the systems.
pub const REFERENCE: &str = "reference";

/// More than these have no letter of their own.
const MOST_SYSTEMS: usize = 25;

/// A system's reports, in the order of the references.
#[derive(Debug, Clone)]
pub struct System {
    /// Its name, which readers must not learn.
    pub name: String,
    /// One report a case.
    pub reports: Vec<ReportText>,
}

/// The references and what every system wrote of the same cases.
#[derive(Debug, Clone)]
pub struct Material {
    /// What radiologists wrote; their ids are the cases.
    pub references: Vec<ReportText>,
    /// The systems, in the order given.
    pub systems: Vec<System>,
}

impl Material {
    /// Reads tables of reports (CSV or JSON, see [`read_reports`]), named systems first by their
    /// name.
    ///
    /// # Errors
    /// No system, a doubled or reserved name; a file cannot be read, or its ids are not those of
    /// the references (all are listed).
    pub fn read(references: &Path, systems: &[(String, PathBuf)]) -> Result<Self> {
        check_names(systems.iter().map(|(name, _)| name.as_str()))?;
        let references = read_reports(references)?;
        let read = |(name, path): &(String, PathBuf)| {
            Ok(System {
                name: name.clone(),
                reports: align(&references, read_reports(path)?, path)?,
            })
        };
        let systems = systems.iter().map(read).collect::<Result<_>>()?;
        Ok(Self {
            references,
            systems,
        })
    }

    /// The report of a rated system, by the name it has in the key.
    pub(crate) fn report(&self, system: &str, case: &str) -> Option<&ReportText> {
        let reports = match system {
            REFERENCE => &self.references,
            name => {
                &self
                    .systems
                    .iter()
                    .find(|system| system.name == name)?
                    .reports
            }
        };
        reports.iter().find(|report| report.id == case)
    }

    /// SHA-256 of every id and text, so that a study of other texts is another study.
    pub(crate) fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        let mut add = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        let all = self.systems.iter().map(|one| (&*one.name, &one.reports));
        for (name, reports) in [(REFERENCE, &self.references)].into_iter().chain(all) {
            add(name);
            for report in reports {
                add(&report.id);
                add(&report.text);
            }
        }
        hex(&hasher.finalize())
    }

    /// Reports whose own text holds the name of a system as a word, as `system, id`: they would
    /// tell a reader who wrote them.
    #[must_use]
    pub fn give_away(&self) -> Vec<String> {
        let mut found = Vec::new();
        for system in &self.systems {
            let wanted = words(&system.name);
            for report in system.reports.iter().chain(&self.references) {
                let text = words(&report.text);
                if !wanted.is_empty() && text.windows(wanted.len()).any(|part| part == wanted) {
                    found.push(format!("{}, {}", system.name, report.id));
                }
            }
        }
        found
    }
}

/// Words in lower case, without punctuation.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| !letter.is_alphanumeric());
    let words = parts.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn check_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Result<()> {
    let fault =
        |what: String, hint: &str| Err(ReaderStudyError::new(Fault::Design, "systems", what, hint));
    match names.len() {
        0 => return fault("are none".into(), "give at least one --system NAME=FILE"),
        1..=MOST_SYSTEMS => {}
        count => {
            let what = format!("are {count}; a sheet has letters for {MOST_SYSTEMS}");
            return fault(what, "split the study");
        }
    }
    let mut seen = HashSet::new();
    for name in names {
        if name.trim().is_empty() || name.trim() != name {
            let what = format!("\"{name}\" is empty or has blanks around it");
            return fault(what, "give every system a name: --system NAME=FILE");
        }
        if name.eq_ignore_ascii_case(REFERENCE) {
            let what = format!("\"{name}\" is what the references are called");
            return fault(what, "give the system another name");
        }
        if !seen.insert(name.to_lowercase()) {
            let hint = "give every system its own name";
            return fault(format!("\"{name}\" is given twice"), hint);
        }
    }
    Ok(())
}

/// Bytes as lower-case hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
