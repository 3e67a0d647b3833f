//! CSV tables.

use std::path::Path;

use super::{FINDINGS_NAMES, ID_NAMES, IMPRESSION_NAMES, REPORT_NAMES, ReportText, position};
use crate::error::{Fault, MetricsError, Result};

/// A CSV table in memory.
pub(super) struct Table {
    pub(super) header: csv::StringRecord,
    pub(super) rows: Vec<csv::StringRecord>,
}

impl Table {
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self> {
        let broken = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            let what = match error.kind() {
                csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => format!("line {line}: has {len} columns where the header has {expected_len}"),
                _ => format!("line {line}: is no row of a CSV table"),
            };
            let hint = "put texts that hold commas or line breaks in double quotes, and double \
                        the quotes inside them";
            MetricsError::new(Fault::Data, path, what, hint)
        };
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let header = reader.headers().map_err(broken)?.clone();
        let rows = reader.records().collect::<Result<_, _>>().map_err(broken)?;
        Ok(Self { header, rows })
    }

    /// The column of one of these names.
    pub(super) fn column(&self, wanted: &[&str]) -> Option<usize> {
        position(self.header.iter(), wanted)
    }

    /// The id column.
    pub(super) fn id(&self, path: &Path) -> Result<usize> {
        self.column(&ID_NAMES).ok_or_else(|| {
            let hint = "name the identity column id (VolumeName and AccessionNo are known too)";
            self.lacks(path, "id", hint)
        })
    }

    /// The error of a column that is not there.
    pub(super) fn lacks(&self, path: &Path, column: &str, hint: &str) -> MetricsError {
        let header = self.header.iter().collect::<Vec<_>>().join(", ");
        let header: String = header.chars().take(300).collect();
        let what = format!("has no column {column} (columns: {header})");
        MetricsError::new(Fault::Data, path, what, hint)
    }
}

/// The reports of a CSV table.
pub(super) fn reports(path: &Path, text: &str) -> Result<Vec<ReportText>> {
    let table = Table::parse(path, text)?;
    let id = table.id(path)?;
    let (findings, impression) = (
        table.column(&FINDINGS_NAMES),
        table.column(&IMPRESSION_NAMES),
    );
    let whole = table.column(&REPORT_NAMES);
    if whole.is_none() && findings.is_none() && impression.is_none() {
        let hint = "name the text column report, or give findings and impression";
        return Err(table.lacks(path, "report", hint));
    }
    let rows = table.rows.iter().map(|row| {
        let field = |column: Option<usize>| column.and_then(|at| row.get(at)).unwrap_or_default();
        let id = field(Some(id)).trim();
        match whole {
            Some(_) => ReportText::whole(id, field(whole)),
            None => ReportText::sections(id, field(findings), field(impression)),
        }
    });
    Ok(rows.collect())
}
