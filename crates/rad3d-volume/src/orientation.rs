//! Names for the directions of voxel axes, as in `LPS` or `RAS`.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::geometry::{Vec3, dot};

/// A direction in the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AxisCode {
    /// Towards the patient's left (+x in LPS).
    Left,
    /// Towards the patient's right (−x).
    Right,
    /// Towards the back (+y).
    Posterior,
    /// Towards the front (−y).
    Anterior,
    /// Towards the head (+z).
    Superior,
    /// Towards the feet (−z).
    Inferior,
}

impl AxisCode {
    const ALL: [AxisCode; 6] = [
        Self::Left,
        Self::Right,
        Self::Posterior,
        Self::Anterior,
        Self::Superior,
        Self::Inferior,
    ];

    /// The letter: L, R, P, A, S or I.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Left => 'L',
            Self::Right => 'R',
            Self::Posterior => 'P',
            Self::Anterior => 'A',
            Self::Superior => 'S',
            Self::Inferior => 'I',
        }
    }

    /// Unit vector of this direction in LPS.
    #[must_use]
    pub fn unit_lps(self) -> Vec3 {
        let mut unit = [0.0; 3];
        unit[self.patient_axis()] = if self.is_positive() { 1.0 } else { -1.0 };
        unit
    }

    /// 0 for left–right, 1 for posterior–anterior, 2 for superior–inferior.
    #[must_use]
    pub fn patient_axis(self) -> usize {
        match self {
            Self::Left | Self::Right => 0,
            Self::Posterior | Self::Anterior => 1,
            Self::Superior | Self::Inferior => 2,
        }
    }

    /// Whether the direction is a positive one of LPS.
    #[must_use]
    pub fn is_positive(self) -> bool {
        matches!(self, Self::Left | Self::Posterior | Self::Superior)
    }

    fn of(patient_axis: usize, positive: bool) -> Self {
        match (patient_axis, positive) {
            (0, true) => Self::Left,
            (0, false) => Self::Right,
            (1, true) => Self::Posterior,
            (1, false) => Self::Anterior,
            (_, true) => Self::Superior,
            (_, false) => Self::Inferior,
        }
    }
}

/// The directions that the voxel axes `i`, `j`, `k` point to, one of each patient axis.
///
/// One of 48: 6 permutations times 8 sign choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Orientation([AxisCode; 3]);

/// A text that names no orientation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no orientation: expected one letter of each pair L/R, P/A, S/I, as in LPS or RAS"
)]
pub struct OrientationParseError(String);

/// How to visit a volume's axes so that they point as another orientation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisMap {
    /// For each target axis, the source axis it is.
    pub source_axis: [usize; 3],
    /// For each target axis, whether the source axis runs the other way.
    pub flipped: [bool; 3],
}

impl AxisMap {
    /// Every axis where it is.
    pub const IDENTITY: AxisMap = AxisMap {
        source_axis: [0, 1, 2],
        flipped: [false; 3],
    };
}

impl Orientation {
    /// Left, posterior, superior: DICOM's patient axes and what CT-CLIP expects of `i`, `j`, `k`.
    pub const LPS: Orientation =
        Orientation([AxisCode::Left, AxisCode::Posterior, AxisCode::Superior]);

    /// Right, anterior, superior: NIfTI's patient axes.
    pub const RAS: Orientation =
        Orientation([AxisCode::Right, AxisCode::Anterior, AxisCode::Superior]);

    /// The three directions, of `i`, `j` and `k`.
    #[must_use]
    pub fn codes(self) -> [AxisCode; 3] {
        self.0
    }

    /// All 48 orientations.
    pub fn all() -> impl Iterator<Item = Orientation> {
        AXIS_PERMUTATIONS.into_iter().flat_map(|permutation| {
            (0..8_u8).map(move |signs| {
                Orientation(std::array::from_fn(|axis| {
                    AxisCode::of(permutation[axis], signs >> axis & 1 == 0)
                }))
            })
        })
    }

    /// The assignment of patient axes to voxel axes with the largest sum of |cosines|, so that
    /// each patient axis is used once however oblique the grid is.
    #[must_use]
    pub fn nearest(directions_lps: [Vec3; 3]) -> Orientation {
        let alignment = |permutation: &[usize; 3]| -> f64 {
            (0..3)
                .map(|axis| directions_lps[axis][permutation[axis]].abs())
                .sum()
        };
        let best = AXIS_PERMUTATIONS
            .into_iter()
            .reduce(|best, next| {
                if alignment(&next) > alignment(&best) {
                    next
                } else {
                    best
                }
            })
            .unwrap_or([0, 1, 2]);
        Orientation(std::array::from_fn(|axis| {
            let patient_axis = best[axis];
            AxisCode::of(patient_axis, directions_lps[axis][patient_axis] >= 0.0)
        }))
    }

    /// How a volume oriented as `self` is visited to point as `target` says.
    #[must_use]
    pub fn map_to(self, target: Orientation) -> AxisMap {
        let mut map = AxisMap::IDENTITY;
        for (axis, wanted) in target.0.into_iter().enumerate() {
            for (source, have) in self.0.into_iter().enumerate() {
                if have.patient_axis() == wanted.patient_axis() {
                    map.source_axis[axis] = source;
                    map.flipped[axis] = have != wanted;
                }
            }
        }
        map
    }

    /// Unit vectors (LPS) of the three voxel axes.
    #[must_use]
    pub fn directions_lps(self) -> [Vec3; 3] {
        self.0.map(AxisCode::unit_lps)
    }

    /// Whether `directions_lps` point exactly (to 1e-6) as this orientation says.
    #[must_use]
    pub fn is_exactly(self, directions_lps: [Vec3; 3]) -> bool {
        self.0
            .into_iter()
            .zip(directions_lps)
            .all(|(code, direction)| dot(code.unit_lps(), direction) > 1.0 - 1e-6)
    }
}

const AXIS_PERMUTATIONS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

impl std::fmt::Display for Orientation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|code| write!(f, "{}", code.letter()))
    }
}

impl Serialize for Orientation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Orientation {
    type Err = OrientationParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || OrientationParseError(text.to_owned());
        let mut codes = Vec::with_capacity(3);
        for letter in text.chars() {
            let code = AxisCode::ALL
                .into_iter()
                .find(|c| c.letter() == letter.to_ascii_uppercase());
            codes.push(code.ok_or_else(fault)?);
        }
        let codes: [AxisCode; 3] = codes.try_into().map_err(|_| fault())?;
        let mut used = codes.map(AxisCode::patient_axis);
        used.sort_unstable();
        if used == [0, 1, 2] {
            Ok(Self(codes))
        } else {
            Err(fault())
        }
    }
}
