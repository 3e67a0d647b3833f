//! Calibration tables: temperature and threshold of each label.

use std::path::Path;

use serde::Deserialize;

use super::manifest::LabelPart;
use crate::error::{Fault, Result, WeightsError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    label: String,
    temperature: f32,
    threshold: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "label")]
    labels: Vec<Row>,
}

/// Reads a table of `label,temperature,threshold`: CSV with that header in any order, or TOML (by
/// the file's ending) with a `[[label]]` table for each, whose keys are `label`, `temperature` and
/// `threshold`.
///
/// # Errors
/// [`Fault::Unreadable`] if the file can't be read; [`Fault::Manifest`], with the line for CSV, for
/// anything that is no such table: another header, a temperature that is not above 0, a threshold
/// outside 0 to 1, a label given twice, no label at all.
pub fn read_calibration(path: impl AsRef<Path>) -> Result<Vec<LabelPart>> {
    let path = path.as_ref();
    let fault = |what: String| {
        let hint = "give a CSV table with the header label,temperature,threshold and one row for \
                    each label, or the same as TOML";
        WeightsError::new(Fault::Manifest, path, what, hint)
    };
    let text =
        std::fs::read_to_string(path).map_err(|error| WeightsError::unreadable(path, error))?;
    let is_toml = path.extension().is_some_and(|ending| ending == "toml");
    let rows = if is_toml {
        let table: Table =
            toml::from_str(&text).map_err(|error| fault(format!("is no calibration: {error}")))?;
        table.labels
    } else {
        csv::Reader::from_reader(text.as_bytes())
            .deserialize()
            .collect::<Result<Vec<Row>, _>>()
            .map_err(|error| fault(format!("is no calibration: {error}")))?
    };
    let mut labels: Vec<LabelPart> = Vec::new();
    for row in rows {
        let sound = row.temperature.is_finite() && row.temperature > 0.0;
        if !sound || !(0.0..=1.0).contains(&row.threshold) {
            return Err(fault(format!(
                "label {:?} has temperature {} and threshold {}; needed: above 0, and from 0 to 1",
                row.label, row.temperature, row.threshold
            )));
        }
        if labels.iter().any(|label| label.name == row.label) {
            return Err(fault(format!("label {:?} is there twice", row.label)));
        }
        labels.push(LabelPart {
            name: row.label,
            temperature: row.temperature,
            threshold: row.threshold,
        });
    }
    if labels.is_empty() {
        return Err(fault("names no label".to_owned()));
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<LabelPart>> {
        let folder = tempfile::tempdir().map_err(|error| WeightsError::unreadable(name, error))?;
        let file = folder.path().join(name);
        std::fs::write(&file, text).map_err(|error| WeightsError::unreadable(&file, error))?;
        read_calibration(&file)
    }

    #[test]
    fn csv_and_toml_say_the_same() {
        let csv = read("c.csv", "threshold,label,temperature\n0.25,\"a, b\",1.5\n").unwrap();
        let toml = "[[label]]\nlabel = \"a, b\"\ntemperature = 1.5\nthreshold = 0.25\n";
        assert_eq!(csv, read("c.toml", toml).unwrap());
        assert_eq!((csv[0].temperature, csv[0].threshold), (1.5, 0.25));
    }

    #[test]
    fn tables_that_cannot_be_meant_are_refused() {
        for (text, part) in [
            ("label,temperature\na,1\n", "threshold"),
            ("label,temperature,threshold\na,0,0.5\n", "temperature 0"),
            (
                "label,temperature,threshold\na,nan,0.5\n",
                "temperature NaN",
            ),
            ("label,temperature,threshold\na,1,1.5\n", "threshold 1.5"),
            ("label,temperature,threshold\na,1,0.5\na,1,0.5\n", "twice"),
            ("label,temperature,threshold\na,x,0.5\n", "line: 2"),
            ("label,temperature,threshold\n", "no label"),
        ] {
            let error = read("c.csv", text).unwrap_err();
            assert_eq!(error.fault, Fault::Manifest);
            assert!(error.to_string().contains(part), "{error}");
            assert!(error.hint.contains("label,temperature,threshold"));
        }
    }
}
