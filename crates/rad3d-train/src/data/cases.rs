//! One case: a report, its patient, its labels.

use std::collections::HashMap;
use std::path::Path;

use rad3d_report::{LabelSet, Report, ReportTable};

use crate::error::{Fault, Result, TrainError};

/// Names of a column with the patient's identity (INSPECT: `person_id`).
const PATIENT_COLUMNS: [&str; 4] = ["patient", "patient_id", "person_id", "PatientID"];
/// Names of a column with what was known before the scan.
const CONTEXT_COLUMNS: [&str; 2] = ["ClinicalInformation_EN", "clinical_information"];
/// Names of the identity column.
const ID_COLUMNS: [&str; 5] = [
    "id",
    "VolumeName",
    "AccessionNo",
    "study_id",
    "impression_id",
];

/// A report and what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The scan's name, as in the table of embeddings.
    pub id: String,
    /// Whose scan it is.
    pub patient: String,
    /// The report.
    pub report: Report,
    /// What was known before; often empty.
    pub context: String,
    /// Whether each label is present, if a table said so.
    pub labels: Option<Vec<bool>>,
}

/// Reads a CSV of reports: CT-RATE's, INSPECT's, or `id,report` with label columns; labels from
/// `labels` if that is given, else from the table itself if it has all of them.
///
/// A patient is a column of that name, or CT-RATE's `train_12` of `train_12_a_1.nii.gz`, or the
/// id itself.
///
/// # Errors
/// [`Fault::Data`] for unreadable tables, and listing reports that the label table lacks.
pub fn read_cases(
    reports: &Path,
    labels: Option<&Path>,
    label_set: &LabelSet,
) -> Result<Vec<Case>> {
    let extra = extra_columns(reports)?;
    let given = labels
        .map(|path| read_labels(path, label_set))
        .transpose()?;
    let mut cases = Vec::new();
    let mut missing = Vec::new();
    for row in ReportTable::open(reports, label_set)? {
        let row = row?;
        let (patient, context) = extra.get(&row.id).cloned().unwrap_or_default();
        let labels = match &given {
            Some(given) => {
                let found = given.get(&row.id).cloned();
                if found.is_none() {
                    missing.push(row.id.clone());
                }
                found
            }
            None => row.truth.map(|truth| truth.values().to_vec()),
        };
        cases.push(Case {
            patient: patient.unwrap_or_else(|| patient_of(&row.id)),
            id: row.id,
            report: row.report,
            context,
            labels,
        });
    }
    if !missing.is_empty() {
        let shown = missing.iter().take(5).cloned().collect::<Vec<_>>();
        let what = format!(
            "has {} reports without labels, as {}",
            missing.len(),
            shown.join(", ")
        );
        let hint = "give the label table of the same split";
        return Err(TrainError::new(Fault::Data, reports, what, hint));
    }
    if cases.is_empty() {
        let hint = "give a table with reports";
        return Err(TrainError::new(
            Fault::Data,
            reports,
            "holds no report",
            hint,
        ));
    }
    Ok(cases)
}

/// Labels by id: a CSV with an identity column and a 0/1 column for every label of the set.
///
/// # Errors
/// [`Fault::Data`] naming the column or the line at fault.
pub fn read_labels(path: &Path, label_set: &LabelSet) -> Result<HashMap<String, Vec<bool>>> {
    let fault = |what: String| {
        let hint = "give a CSV with an id (or VolumeName) and a 0/1 column a label";
        TrainError::new(Fault::Data, path, what, hint)
    };
    let mut reader =
        csv::Reader::from_path(path).map_err(|error| TrainError::unreadable(path, error))?;
    let header = reader
        .headers()
        .map_err(|error| TrainError::unreadable(path, error))?
        .clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|cell| cell.eq_ignore_ascii_case(name))
    };
    let id = ID_COLUMNS
        .iter()
        .find_map(|name| column(name))
        .ok_or_else(|| fault("has no id column".to_owned()))?;
    let mut columns = Vec::new();
    for name in label_set.names() {
        columns.push(column(name).ok_or_else(|| fault(format!("has no column {name:?}")))?);
    }
    let mut found = HashMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| TrainError::unreadable(path, error))?;
        let line = row.position().map_or(0, csv::Position::line);
        let mut values = Vec::with_capacity(columns.len());
        for &column in &columns {
            match row.get(column).map(str::trim) {
                Some("1" | "1.0") => values.push(true),
                Some("0" | "0.0") => values.push(false),
                other => {
                    let cell = other.unwrap_or_default();
                    return Err(fault(format!("line {line}: {cell:?} is neither 0 nor 1")));
                }
            }
        }
        let name = row.get(id).unwrap_or_default().to_owned();
        if found.insert(name.clone(), values).is_some() {
            return Err(fault(format!("line {line}: {name} stands there twice")));
        }
    }
    Ok(found)
}

/// Patient and context by id.
type Extra = HashMap<String, (Option<String>, String)>;

fn extra_columns(path: &Path) -> Result<Extra> {
    let unreadable = |error| TrainError::unreadable(path, error);
    let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    let column = |names: &[&str]| {
        let position = |name: &&str| {
            header
                .iter()
                .position(|cell| cell.eq_ignore_ascii_case(name))
        };
        names.iter().find_map(position)
    };
    let (id, patient) = (column(&ID_COLUMNS), column(&PATIENT_COLUMNS));
    let context = column(&CONTEXT_COLUMNS);
    let mut extra = Extra::new();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let cell = |column: Option<usize>| column.and_then(|column| row.get(column));
        if let Some(id) = cell(id) {
            let patient = cell(patient).map(str::to_owned);
            let context = cell(context).unwrap_or_default().to_owned();
            extra.insert(id.to_owned(), (patient, context));
        }
    }
    Ok(extra)
}

/// `train_12` of CT-RATE's `train_12_a_1.nii.gz`: everything else is a patient of its own.
fn patient_of(id: &str) -> String {
    let stem = id.split('.').next().unwrap_or(id);
    let parts: Vec<&str> = stem.split('_').collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match *parts {
        [split, number, scan, reconstruction]
            if digits(number) && digits(reconstruction) && scan.len() <= 2 =>
        {
            format!("{split}_{number}")
        }
        _ => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconstructions_of_a_scan_are_one_patient_s() {
        assert_eq!(patient_of("train_12_a_1.nii.gz"), "train_12");
        assert_eq!(patient_of("valid_7_b_2.nii.gz"), "valid_7");
        assert_eq!(patient_of("study.17"), "study.17");
    }

    #[test]
    fn ct_rate_tables_join_and_missing_labels_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let reports = folder.path().join("reports.csv");
        let labels = folder.path().join("labels.csv");
        let set = LabelSet::new(["Emphysema", "Pleural effusion"]).unwrap();
        std::fs::write(
            &reports,
            "VolumeName,ClinicalInformation_EN,Findings_EN,Impressions_EN\n\
             train_1_a_1.nii.gz,cough,Emphysema.,Emphysema.\n\
             train_1_a_2.nii.gz,cough,Emphysema.,Emphysema.\n",
        )
        .unwrap();
        let head = "VolumeName,Pleural effusion,Emphysema\n";
        std::fs::write(&labels, format!("{head}train_1_a_1.nii.gz,0,1\n")).unwrap();
        let error = read_cases(&reports, Some(&labels), &set).unwrap_err();
        assert!(error.what.contains("train_1_a_2.nii.gz"), "{error}");
        let both = format!("{head}train_1_a_1.nii.gz,0,1\ntrain_1_a_2.nii.gz,0.0,1.0\n");
        std::fs::write(&labels, both).unwrap();
        let cases = read_cases(&reports, Some(&labels), &set).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[1].labels, Some(vec![true, false]));
        assert_eq!(
            (cases[1].patient.as_str(), cases[1].context.as_str()),
            ("train_1", "cough")
        );
        std::fs::write(&labels, format!("{head}train_1_a_1.nii.gz,2,1\n")).unwrap();
        let error = read_labels(&labels, &set).unwrap_err();
        assert!(error.what.contains("line 2"), "{error}");
    }
}
