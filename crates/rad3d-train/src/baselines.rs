//! What a network must be compared with: reports written without looking.
//!
//! Clinical F1 on CT-RATE comes mostly from the classifier, so a method that can't beat these has
//! learnt nothing from the image. Cue-only (the mapper fed with logits alone) and shuffled
//! (another patient's embedding) are made by the network itself; see
//! [`crate::data::derangement`].

use std::collections::HashMap;

use rad3d_report::Report;

use crate::data::Case;
use crate::error::{Fault, Result, TrainError};

/// The report whose text is the commonest of training; the first of them on a tie.
///
/// # Errors
/// [`Fault::Data`] without training reports.
pub fn majority(training: &[Case]) -> Result<&Report> {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for case in training {
        *counts.entry(text(case)).or_default() += 1;
    }
    let mut best: Option<(&Report, usize)> = None;
    for case in training {
        let count = counts[&text(case)];
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((&case.report, count));
        }
    }
    best.map(|(report, _)| report).ok_or_else(empty)
}

fn text(case: &Case) -> (&str, &str) {
    (&case.report.findings, &case.report.impression)
}

/// The training report whose labels lie nearest to `predicted`: fewest labels that differ, the
/// first on a tie.
///
/// # Errors
/// [`Fault::Data`] without labelled training reports.
pub fn template<'a>(training: &'a [Case], predicted: &[bool]) -> Result<&'a Report> {
    let distance = |case: &Case| {
        let labels = case.labels.as_ref()?;
        Some(labels.iter().zip(predicted).filter(|(a, b)| a != b).count())
    };
    let nearest = training
        .iter()
        .filter_map(|case| Some((distance(case)?, case)))
        .min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, case)| &case.report).ok_or_else(empty)
}

fn empty() -> TrainError {
    let what = "no training reports with labels";
    TrainError::new(
        Fault::Data,
        "training reports",
        what,
        "give --reports and --labels",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(text: &str, labels: [bool; 2]) -> Case {
        Case {
            id: text.to_owned(),
            patient: text.to_owned(),
            report: Report {
                findings: text.to_owned(),
                impression: String::new(),
            },
            context: String::new(),
            labels: Some(labels.to_vec()),
        }
    }

    #[test]
    fn the_commonest_and_the_nearest() {
        let cases = [
            case("a", [true, true]),
            case("b", [false, true]),
            case("b", [false, true]),
        ];
        assert_eq!(majority(&cases).unwrap().findings, "b");
        assert_eq!(template(&cases, &[true, true]).unwrap().findings, "a");
        assert_eq!(template(&cases, &[false, false]).unwrap().findings, "b");
        assert!(majority(&[]).is_err());
    }
}
