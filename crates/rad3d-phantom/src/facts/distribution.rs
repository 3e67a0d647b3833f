//! How likely abnormalities are, alone and together.
//!
//! Every abnormality has a hidden score, partly its own and partly that of causes it shares with
//! others; it is present when the score exceeds what its prevalence asks for (a Gaussian
//! copula). So the prevalences hold exactly, whatever the causes.

use rad3d_report::CT_RATE_LABELS;

use crate::random::Random;

/// Approximate share of CT-RATE's training volumes with each label, rounded from the counts
/// published with the data set (Hamamci et al., arXiv 2403.17834), in label order.
pub const PREVALENCE: [f32; 18] = [
    0.12, 0.28, 0.11, 0.07, 0.25, 0.14, 0.26, 0.19, 0.26, 0.45, 0.37, 0.27, 0.12, 0.07, 0.10, 0.18,
    0.10, 0.08,
];

/// Causes that abnormalities share.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
enum Cause {
    Age,
    Smoking,
    HeartFailure,
    Infection,
    AirwayDisease,
}

const CAUSES: usize = 5;

use Cause::{Age, AirwayDisease, HeartFailure, Infection, Smoking};

/// Correlation of each label's score with its causes; squares sum to less than 1.
const LOADINGS: [&[(Cause, f32)]; 18] = [
    &[(Age, 0.30), (HeartFailure, 0.35)],
    &[(Age, 0.75), (Smoking, 0.25)],
    &[(Age, 0.40), (HeartFailure, 0.65)],
    &[(HeartFailure, 0.55), (Infection, 0.20)],
    &[(Age, 0.70), (Smoking, 0.30), (HeartFailure, 0.15)],
    &[(Age, 0.45)],
    &[(Infection, 0.30), (Smoking, 0.20)],
    &[(Age, 0.40), (Smoking, 0.70)],
    &[(Age, 0.20), (HeartFailure, 0.45), (Infection, 0.15)],
    &[(Age, 0.20), (Smoking, 0.25)],
    &[(Infection, 0.75), (HeartFailure, 0.10)],
    &[(Age, 0.40), (AirwayDisease, 0.25)],
    &[(Age, 0.20), (HeartFailure, 0.75), (Infection, 0.20)],
    &[(AirwayDisease, 0.50), (Smoking, 0.20)],
    &[(AirwayDisease, 0.65), (Infection, 0.20)],
    &[(Infection, 0.70), (HeartFailure, 0.20)],
    &[(AirwayDisease, 0.60), (Age, 0.20)],
    &[(HeartFailure, 0.50), (Infection, 0.35)],
];

/// Who someone is and what they have.
pub(super) struct Draw {
    /// Standard score of the age.
    pub(super) age: f32,
    /// Presence of each label.
    pub(super) present: [bool; CT_RATE_LABELS.len()],
}

/// Draws causes, then scores.
pub(super) fn draw(random: &mut Random) -> Draw {
    let causes: [f32; CAUSES] = std::array::from_fn(|_| random.normal());
    let present = std::array::from_fn(|label| {
        let shared = LOADINGS[label];
        let own = 1.0
            - shared
                .iter()
                .map(|(_, loading)| loading * loading)
                .sum::<f32>();
        let score: f32 = own.max(0.0).sqrt() * random.normal()
            + shared
                .iter()
                .map(|&(cause, loading)| loading * causes[cause as usize])
                .sum::<f32>();
        above(score) < PREVALENCE[label]
    });
    Draw {
        age: causes[Age as usize],
        present,
    }
}

/// Probability that a standard normal number exceeds `x` (Abramowitz and Stegun 26.2.17, error
/// below 1e-7).
fn above(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = t
        * (0.319_381_53
            + t * (-0.356_563_78 + t * (1.781_477_9 + t * (-1.821_255_9 + t * 1.330_274_4))));
    let tail = series * (-0.5 * x * x).exp() * 0.398_942_3;
    if x < 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_of_the_normal_distribution() {
        for (x, expected) in [
            (0.0, 0.5),
            (1.0, 0.158_655),
            (-1.0, 0.841_345),
            (2.0, 0.022_750),
        ] {
            assert!((above(x) - expected).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn loadings_leave_room_for_chance() {
        for loadings in LOADINGS {
            assert!(loadings.iter().map(|(_, l)| l * l).sum::<f32>() < 1.0);
        }
    }
}
