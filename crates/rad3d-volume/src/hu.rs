//! Hounsfield units and the line from stored values to them.

use serde::{Deserialize, Serialize};

/// A radiodensity in Hounsfield units: water 0, air −1000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hu(pub f32);

impl Hu {
    /// Air.
    pub const AIR: Hu = Hu(-1000.0);
    /// Water.
    pub const WATER: Hu = Hu(0.0);
}

impl std::fmt::Display for Hu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} HU", self.0)
    }
}

/// The line `value = slope * stored + intercept` (DICOM Rescale Slope and Intercept, NIfTI
/// `scl_slope` and `scl_inter`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rescale {
    /// Units per stored unit; finite and not zero.
    pub slope: f64,
    /// Value of a stored zero; finite.
    pub intercept: f64,
}

impl Rescale {
    /// Leaves values as they are.
    pub const IDENTITY: Rescale = Rescale {
        slope: 1.0,
        intercept: 0.0,
    };

    /// `slope * stored + intercept`.
    #[must_use]
    pub fn apply(self, stored: f64) -> f64 {
        self.slope * stored + self.intercept
    }

    /// This line, then `next` on its result.
    #[must_use]
    pub fn then(self, next: Rescale) -> Rescale {
        Rescale {
            slope: next.slope * self.slope,
            intercept: next.slope * self.intercept + next.intercept,
        }
    }

    /// Whether the line changes nothing.
    #[must_use]
    pub fn is_identity(self) -> bool {
        self == Self::IDENTITY
    }
}

impl Default for Rescale {
    fn default() -> Self {
        Self::IDENTITY
    }
}

impl std::fmt::Display for Rescale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.intercept < 0.0 { '-' } else { '+' };
        write!(f, "{} * stored {sign} {}", self.slope, self.intercept.abs())
    }
}
