//! CSV tables of reports in, CSV tables of labels out.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Fault, ReportError, Result};
use crate::label_set::{LabelSet, LabelValues};
use crate::report::Report;

/// Names of the identity column, best first, compared without case.
const ID_COLUMNS: [&str; 5] = [
    "id",
    "VolumeName",
    "AccessionNo",
    "study_id",
    "impression_id",
];
/// Names of a column that holds the whole report.
const REPORT_COLUMNS: [&str; 3] = ["report", "report_text", "text"];
/// Names of the findings column.
const FINDINGS_COLUMNS: [&str; 2] = ["findings", "Findings_EN"];
/// Names of the impression column.
const IMPRESSION_COLUMNS: [&str; 4] = [
    "impression",
    "Impressions_EN",
    "impressions",
    "Impression_EN",
];

/// Where the text of a report stands in a row.
#[derive(Debug, Clone, Copy)]
enum TextColumns {
    Whole(usize),
    Sections {
        findings: Option<usize>,
        impression: Option<usize>,
    },
}

/// A row of a table of reports.
#[derive(Debug, Clone)]
pub struct ReportRow {
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
    /// The report's identity, unique in the table.
    pub id: String,
    /// The report.
    pub report: Report,
    /// Reference labels, if the table has a column for each label.
    pub truth: Option<LabelValues<bool>>,
}

/// Reads a CSV of reports row by row, in constant memory but for the ids.
///
/// Columns: an identity (`id`, or CT-RATE's `VolumeName` or `AccessionNo`), and the text: either
/// `report` (or `report_text`), or `findings` and/or `impression` (CT-RATE: `Findings_EN`,
/// `Impressions_EN`). A column for every label of the set makes [`ReportRow::truth`].
pub struct ReportTable<R> {
    path: PathBuf,
    reader: csv::Reader<R>,
    id: usize,
    text: TextColumns,
    truth: Option<(LabelSet, Vec<usize>)>,
    seen: HashMap<String, u64>,
    row: csv::ByteRecord,
}

impl ReportTable<BufReader<File>> {
    /// Opens a CSV file; `labels` are those looked for among the columns.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, or lacks the columns named above.
    pub fn open(path: impl AsRef<Path>, labels: &LabelSet) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| ReportError::unreadable(path, error))?;
        if file.metadata().is_ok_and(|about| about.is_dir()) {
            let hint = "give a CSV file with the columns id and report";
            return Err(ReportError::new(
                Fault::Unreadable,
                path,
                "is a folder",
                hint,
            ));
        }
        Self::new(path, BufReader::new(file), labels)
    }
}

impl<R: Read> ReportTable<R> {
    /// Reads a table from `input`; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`ReportTable::open`].
    pub fn new(path: impl AsRef<Path>, input: R, labels: &LabelSet) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let mut reader = csv::ReaderBuilder::new().from_reader(input);
        let header = reader
            .byte_headers()
            .map_err(|error| broken(&path, error))?
            .clone();
        let mut names = Vec::with_capacity(header.len());
        for field in &header {
            let name = std::str::from_utf8(field).map_err(|_| not_utf8(&path, 1))?;
            names.push(name.trim_start_matches('\u{feff}').trim().to_owned());
        }
        let column = |wanted: &[&str]| {
            let find = |want: &&str| {
                names
                    .iter()
                    .position(|name| name.eq_ignore_ascii_case(want))
            };
            wanted.iter().find_map(find)
        };
        let missing = |what: &str, hint: &str| {
            let header = names.join(", ");
            let header: String = header.chars().take(200).collect();
            let what = format!("line 1: has no {what} column (columns: {header})");
            ReportError::new(Fault::Table, &path, what, hint)
        };
        let id = column(&ID_COLUMNS).ok_or_else(|| {
            missing(
                "id",
                "name the identity column id (VolumeName and AccessionNo are known too)",
            )
        })?;
        let (findings, impression) = (column(&FINDINGS_COLUMNS), column(&IMPRESSION_COLUMNS));
        let text = match (column(&REPORT_COLUMNS), findings, impression) {
            (Some(whole), ..) => TextColumns::Whole(whole),
            (None, None, None) => {
                let hint = "name the text column report, or give findings and impression \
                            (Findings_EN and Impressions_EN are known too)";
                return Err(missing("report", hint));
            }
            _ => TextColumns::Sections {
                findings,
                impression,
            },
        };
        let positions: Option<Vec<_>> = labels.names().map(|name| column(&[name])).collect();
        let truth = positions.map(|positions| (labels.clone(), positions));
        let (seen, row) = (HashMap::new(), csv::ByteRecord::new());
        Ok(Self {
            path,
            reader,
            id,
            text,
            truth,
            seen,
            row,
        })
    }

    /// Whether the table has a column for every label.
    pub fn has_truth(&self) -> bool {
        self.truth.is_some()
    }

    /// The next row, `None` at the end.
    fn next_row(&mut self) -> Result<Option<ReportRow>> {
        let more = self.reader.read_byte_record(&mut self.row);
        if !more.map_err(|error| broken(&self.path, error))? {
            return Ok(None);
        }
        let line = self.row.position().map_or(0, csv::Position::line);
        let field = |index: usize| {
            let bytes = self.row.get(index).unwrap_or_default();
            std::str::from_utf8(bytes).map_err(|_| not_utf8(&self.path, line))
        };
        let fault = |what: String, hint: &str| {
            ReportError::new(
                Fault::Table,
                &self.path,
                format!("line {line}: {what}"),
                hint,
            )
        };
        let id = field(self.id)?.trim().to_owned();
        if id.is_empty() {
            return Err(fault(
                "has an empty id".into(),
                "give every report its own id",
            ));
        }
        let report = match self.text {
            TextColumns::Whole(whole) => Report::parse(field(whole)?),
            TextColumns::Sections {
                findings,
                impression,
            } => {
                let section = |column: Option<usize>| column.map_or(Ok(""), field);
                Report::from_sections(section(findings)?, section(impression)?)
            }
        };
        let truth = match &self.truth {
            None => None,
            Some((labels, columns)) => {
                let mut values = Vec::with_capacity(columns.len());
                for (&column, name) in columns.iter().zip(labels.names()) {
                    values.push(match field(column)?.trim() {
                        "0" | "0.0" => false,
                        "1" | "1.0" => true,
                        other => {
                            let other: String = other.chars().take(40).collect();
                            let what = format!("column \"{name}\" holds \"{other}\"");
                            return Err(fault(what, "label columns hold 0 or 1"));
                        }
                    });
                }
                Some(LabelValues::new(labels.clone(), values)?)
            }
        };
        if let Some(first) = self.seen.insert(id.clone(), line) {
            let what = format!("repeats the id \"{id}\" of line {first}");
            return Err(fault(
                what,
                "give every report its own id, or remove the double",
            ));
        }
        Ok(Some(ReportRow {
            line,
            id,
            report,
            truth,
        }))
    }
}

impl<R: Read> Iterator for ReportTable<R> {
    type Item = Result<ReportRow>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

impl<R> std::fmt::Debug for ReportTable<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportTable")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Writes labels as CSV: `id`, then one 0/1 column a label.
pub struct LabelWriter<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> LabelWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(output: W, labels: &LabelSet) -> std::io::Result<Self> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record(std::iter::once("id").chain(labels.names()))?;
        Ok(Self { writer })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, id: &str, values: &LabelValues<bool>) -> std::io::Result<()> {
        let cells = values
            .values()
            .iter()
            .map(|&value| if value { "1" } else { "0" });
        Ok(self.writer.write_record(std::iter::once(id).chain(cells))?)
    }

    /// Writes what is buffered and hands the output back.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(self) -> std::io::Result<W> {
        self.writer.into_inner().map_err(|error| error.into_error())
    }
}

impl<W: Write> std::fmt::Debug for LabelWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabelWriter").finish_non_exhaustive()
    }
}

/// A row the CSV reader could not make sense of.
fn broken(path: &Path, error: csv::Error) -> ReportError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ReportError::unreadable(path, error),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => ReportError::new(
            Fault::Table,
            path,
            format!("line {line}: has {len} columns where the header has {expected_len}"),
            "put texts that hold commas or line breaks in double quotes, and double the quotes \
             inside them",
        ),
        other => ReportError::new(
            Fault::Table,
            path,
            format!("line {line}: is no row of a CSV table ({other:?})"),
            "save the table as comma-separated UTF-8",
        ),
    }
}

fn not_utf8(path: &Path, line: u64) -> ReportError {
    ReportError::new(
        Fault::Table,
        path,
        format!("line {line}: is not UTF-8"),
        "save the table as UTF-8 (in spreadsheets: \"CSV UTF-8\")",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<ReportRow>> {
        let labels = LabelSet::new(["Nodule", "Cyst"]).unwrap();
        ReportTable::new("reports.csv", text, &labels)?.collect()
    }

    fn fault(text: &[u8]) -> String {
        let error = read(text).unwrap_err();
        assert_eq!(error.fault, Fault::Table);
        assert!(!error.hint.is_empty());
        error.to_string()
    }

    #[test]
    fn plain_and_published_columns() {
        let rows = read("\u{feff}ID,Report\na,\"One, two.\nThree.\"\n".as_bytes()).unwrap();
        assert_eq!((rows[0].line, rows[0].id.as_str()), (2, "a"));
        assert_eq!(rows[0].report.findings, "One, two.\nThree.");
        let text = b"VolumeName,Findings_EN,Impressions_EN,nodule,cyst\nv,F.,Not given.,1,0.0\n";
        let rows = read(text).unwrap();
        assert_eq!(
            rows[0].report,
            Report {
                findings: "F.".into(),
                impression: String::new()
            }
        );
        assert_eq!(rows[0].truth.as_ref().unwrap().values(), [true, false]);
    }

    #[test]
    fn faults_name_line_and_remedy() {
        assert!(fault(b"name,text\n").contains("line 1: has no id column (columns: name, text)"));
        assert!(fault(b"").contains("has no id column"));
        assert!(fault(b"id,words\n").contains("has no report column"));
        assert!(
            fault(b"id,report\na,x\nb,y\na,z\n").contains("line 4: repeats the id \"a\" of line 2")
        );
        assert!(fault(b"id,report\na,caf\xe9\n").contains("line 2: is not UTF-8"));
        assert!(
            fault(b"id,report\na,x,y\n").contains("line 2: has 3 columns where the header has 2")
        );
        assert!(fault(b"id,report\n ,x\n").contains("line 2: has an empty id"));
        assert!(
            fault(b"id,report,Nodule,Cyst\na,x,2,0\n").contains("column \"Nodule\" holds \"2\"")
        );
    }

    #[test]
    fn labels_are_written_as_zeros_and_ones() {
        let labels = LabelSet::new(["Nodule", "Cyst"]).unwrap();
        let mut writer = LabelWriter::new(Vec::new(), &labels).unwrap();
        writer
            .write("a,b", &LabelValues::new(labels, vec![true, false]).unwrap())
            .unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert_eq!(text, "id,Nodule,Cyst\n\"a,b\",1,0\n");
    }
}
