//! The table for a program: one line a system and test, every score with its interval.

use std::collections::BTreeSet;

use crate::error::{Result, StudyError};
use crate::summary::{Row, Summary};

/// All scores and costs as CSV; shuffled reports of every cell are among the lines.
///
/// # Errors
/// None but those of memory.
pub fn csv(summary: &Summary) -> Result<String> {
    let fault = |error: csv::Error| StudyError::unwritable("table.csv", error);
    let rows: Vec<Row> = summary.rows.iter().flat_map(with_shuffled).collect();
    let tests = summary.tests();
    let keys: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| tests.iter().filter_map(|test| row.judged(test)))
        .flat_map(|judged| judged.scores.keys().map(String::as_str))
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fixed = [
        "cell",
        "title",
        "shuffled",
        "test",
        "trainable_parameters",
        "total_parameters",
        "llm_parameters",
        "training_seconds",
        "peak_memory_bytes",
        "seconds_a_report",
        "ended_by_themselves",
        "reports",
    ];
    let ends = |key: &&str| {
        [
            (*key).to_owned(),
            format!("{key}_low"),
            format!("{key}_high"),
        ]
    };
    let header: Vec<String> = fixed
        .into_iter()
        .map(str::to_owned)
        .chain(keys.iter().flat_map(ends))
        .collect();
    writer.write_record(&header).map_err(fault)?;
    for row in &rows {
        for &test in &tests {
            let (Some(judged), Some(record)) = (row.judged(test), row.finished.test(test)) else {
                continue;
            };
            let finished = &row.finished;
            let memory = finished.peak_memory_bytes;
            let mut line = vec![
                row.cell.name(),
                row.title.clone(),
                u8::from(row.is_shuffled).to_string(),
                test.to_owned(),
                finished.trainable_parameters.to_string(),
                finished.total_parameters.to_string(),
                finished.llm_parameters.to_string(),
                finished.training_seconds.to_string(),
                memory.map_or(String::new(), |bytes| bytes.to_string()),
                record.seconds_a_report.to_string(),
                record.ended_by_themselves.to_string(),
                judged.observed.ids.len().to_string(),
            ];
            for key in &keys {
                match judged.scores.get(*key) {
                    Some(score) => {
                        line.extend([score.value, score.low, score.high].map(|x| x.to_string()));
                    }
                    None => line.extend([String::new(), String::new(), String::new()]),
                }
            }
            writer.write_record(&line).map_err(fault)?;
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| StudyError::unwritable("table.csv", error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A row, and that of its shuffled reports if they were judged.
fn with_shuffled(row: &Row) -> Vec<Row> {
    let judged = row
        .finished
        .tests
        .iter()
        .any(|test| test.shuffled.is_some());
    let shuffled = judged.then(|| Row {
        title: format!("{}, shuffled", row.title),
        is_shuffled: true,
        ..row.clone()
    });
    [Some(row.clone()), shuffled]
        .into_iter()
        .flatten()
        .collect()
}
