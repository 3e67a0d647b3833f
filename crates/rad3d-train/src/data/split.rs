//! Training and validation, no patient on both sides.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::Case;
use crate::error::{Fault, Result, TrainError};
use crate::random::Draw;

/// Two sides, and a hash that says which cases lie on which.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// What is learnt from.
    pub training: Vec<Case>,
    /// What is looked at while learning.
    pub validation: Vec<Case>,
    /// SHA-256 over the sorted ids of both sides, hexadecimal.
    pub sha256: String,
}

/// Puts about `share` of the patients on the validation side: each by a hash of the seed and
/// the patient alone, so that new patients move nobody.
///
/// # Errors
/// [`Fault::Settings`] for a share that leaves a side empty.
pub fn split_by_patient(cases: Vec<Case>, share: f64, seed: u64) -> Result<Split> {
    let aside = |case: &Case| {
        let digest = Sha256::digest(format!("{seed}/{}", case.patient));
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        (u64::from_be_bytes(bytes) as f64 / 2_f64.powi(64)) < share
    };
    let (validation, training) = cases.into_iter().partition(aside);
    split_given(training, validation)
}

/// A split that tables made.
///
/// # Errors
/// [`Fault::Leakage`] listing patients on both sides; [`Fault::Settings`] for an empty side.
pub fn split_given(training: Vec<Case>, validation: Vec<Case>) -> Result<Split> {
    if training.is_empty() || validation.is_empty() {
        let what = format!(
            "leaves {} cases to learn from and {} to check with",
            training.len(),
            validation.len()
        );
        let hint = "change data.validation-share, or give other tables";
        return Err(TrainError::new(Fault::Settings, "split", what, hint));
    }
    let patients = |side: &[Case]| -> BTreeSet<String> {
        side.iter().map(|case| case.patient.clone()).collect()
    };
    let both: Vec<String> = patients(&training)
        .intersection(&patients(&validation))
        .cloned()
        .collect();
    if !both.is_empty() {
        let shown = both.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let what = format!("has {} patients on both sides, as {shown}", both.len());
        let hint = "take them out of one of the tables";
        return Err(TrainError::new(Fault::Leakage, "split", what, hint));
    }
    let mut hasher = Sha256::new();
    for (name, side) in [("training", &training), ("validation", &validation)] {
        let ids: BTreeSet<&str> = side.iter().map(|case| case.id.as_str()).collect();
        hasher.update(name);
        for id in ids {
            hasher.update("\n");
            hasher.update(id);
        }
        hasher.update("\n\n");
    }
    let sha256 = hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Ok(Split {
        training,
        validation,
        sha256,
    })
}

/// For each of `count` cases another one, drawn from `seed`: nobody keeps his own. With one case
/// there is no other, and it is its own.
#[must_use]
pub fn derangement(count: usize, seed: u64) -> Vec<usize> {
    let mut partner: Vec<usize> = (0..count).collect();
    let mut draw = Draw::new(seed, "derangement", 0);
    // Sattolo's shuffle makes one cycle of all, in which nobody stays.
    for last in (1..count).rev() {
        partner.swap(last, draw.below(last));
    }
    partner
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(id: usize, patient: usize) -> Case {
        Case {
            id: format!("scan {id}"),
            patient: format!("patient {patient}"),
            report: rad3d_report::Report::default(),
            context: String::new(),
            labels: None,
        }
    }

    proptest! {
        #[test]
        fn nobody_keeps_his_own(count in 2..200_usize, seed: u64) {
            let partner = derangement(count, seed);
            let mut sorted = partner.clone();
            sorted.sort_unstable();
            prop_assert!(partner.iter().enumerate().all(|(own, other)| own != *other));
            prop_assert!(sorted.into_iter().eq(0..count));
        }

        #[test]
        fn all_scans_of_a_patient_lie_on_one_side(seed: u64) {
            let cases: Vec<Case> = (0..200).map(|scan| case(scan, scan / 3)).collect();
            let split = split_by_patient(cases, 0.3, seed).unwrap();
            prop_assert_eq!(split.training.len() + split.validation.len(), 200);
            // split_given, which it ends with, refuses patients on both sides.
            prop_assert!(split.validation.len() > 10 && split.validation.len() < 120);
        }
    }

    #[test]
    fn a_patient_on_both_sides_is_named() {
        let error = split_given(vec![case(1, 7)], vec![case(2, 7)]).unwrap_err();
        assert_eq!(error.fault, Fault::Leakage);
        assert!(error.what.contains("patient 7"));
        let one = split_given(vec![case(1, 1)], vec![case(2, 2)]).unwrap();
        let other = split_given(vec![case(2, 2)], vec![case(1, 1)]).unwrap();
        assert_ne!(one.sha256, other.sha256);
    }
}
