//! What a phantom has: the facts from which both voxels and report are made.

mod distribution;
mod sample;

use rad3d_report::{LabelSet, LabelValues};
use serde::Serialize;

pub use distribution::PREVALENCE;

/// All that is decided about a phantom before anything is drawn or written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactSheet {
    /// The seed it came from; also that of texture, noise and wording.
    pub seed: u64,
    /// Years, 18 to 90.
    pub age: u32,
    /// Sex.
    pub sex: Sex,
    /// Size relative to the average adult, 0.9 to 1.1.
    pub stature: f32,
    /// Fat under the skin, millimetres.
    pub fat_mm: f32,
    /// Whether the vessels are filled with contrast medium.
    pub contrast: bool,
    /// At most one finding an abnormality, in the order of the label set.
    pub findings: Vec<Finding>,
}

/// Sex of a phantom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Side of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
}

impl Side {
    /// −1 for right, 1 for left: the sign of x in the patient frame (LPS).
    #[must_use]
    pub fn sign(self) -> f32 {
        match self {
            Self::Right => -1.0,
            Self::Left => 1.0,
        }
    }

    /// "right" or "left".
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Left => "left",
        }
    }
}

/// A lobe of a lung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lobe {
    /// Right upper lobe.
    RightUpper,
    /// Right middle lobe.
    RightMiddle,
    /// Right lower lobe.
    RightLower,
    /// Left upper lobe, lingula included.
    LeftUpper,
    /// Left lower lobe.
    LeftLower,
}

impl Lobe {
    /// All five.
    pub const ALL: [Self; 5] = [
        Self::RightUpper,
        Self::RightMiddle,
        Self::RightLower,
        Self::LeftUpper,
        Self::LeftLower,
    ];

    /// The lung it belongs to.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::RightUpper | Self::RightMiddle | Self::RightLower => Side::Right,
            Self::LeftUpper | Self::LeftLower => Side::Left,
        }
    }

    /// "right upper lobe".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RightUpper => "right upper lobe",
            Self::RightMiddle => "right middle lobe",
            Self::RightLower => "right lower lobe",
            Self::LeftUpper => "left upper lobe",
            Self::LeftLower => "left lower lobe",
        }
    }
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Little.
    Mild,
    /// Some.
    Moderate,
    /// Much.
    Marked,
}

impl Severity {
    /// 1, 2 or 3.
    #[must_use]
    pub fn degree(self) -> usize {
        match self {
            Self::Mild => 1,
            Self::Moderate => 2,
            Self::Marked => 3,
        }
    }
}

/// A thing that medicine put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// Generator under the skin of the chest, lead to the right ventricle.
    Pacemaker(Side),
    /// Catheter from the neck or shoulder into the superior vena cava.
    CentralLine(Side),
    /// Port chamber under the skin with its catheter.
    Port(Side),
    /// Wires that close a cut sternum.
    SternalWires,
}

/// A stretch of the aorta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AortaPart {
    /// From the heart upwards.
    Ascending,
    /// The arch.
    Arch,
    /// Downwards beside the spine.
    Descending,
}

/// A coronary artery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coronary {
    /// Left anterior descending artery.
    LeftAnteriorDescending,
    /// Circumflex artery.
    Circumflex,
    /// Right coronary artery.
    Right,
}

/// Where lymph nodes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Station {
    /// Beside the trachea, right.
    RightParatracheal,
    /// In front of the great vessels.
    Prevascular,
    /// Under the carina.
    Subcarinal,
    /// At the right hilum.
    RightHilar,
    /// At the left hilum.
    LeftHilar,
    /// In an armpit.
    Axillary(Side),
}

/// A group of enlarged nodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Node {
    /// Where.
    pub station: Station,
    /// Short axis of the largest, millimetres.
    pub short_axis_mm: f32,
}

/// What a nodule is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoduleKind {
    /// Soft tissue.
    Solid,
    /// Hazy, vessels shine through.
    GroundGlass,
    /// Calcified, an old granuloma.
    Calcified,
}

/// A round thing in the lung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Nodule {
    /// Where.
    pub lobe: Lobe,
    /// Diameter, 4 to 30 mm.
    pub diameter_mm: f32,
    /// What it is made of.
    pub kind: NoduleKind,
}

/// How atelectasis looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AtelectasisKind {
    /// Plates.
    Linear,
    /// Collapsed lung at the back.
    Dependent,
}

/// How a fibrotic sequela looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FibrosisKind {
    /// Bands from the pleura inwards.
    Bands,
    /// Scars at the apices.
    Apical,
}

/// How emphysema looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EmphysemaKind {
    /// Small holes in the lobules' centres.
    Centrilobular,
    /// A row of holes beneath the pleura.
    Paraseptal,
}

/// An abnormality with all that voxels and words need to know of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Something that medicine put there.
    MedicalMaterial(Device),
    /// Plaques in the aorta's wall.
    ArterialCalcification {
        /// How many.
        severity: Severity,
        /// Where; never empty.
        parts: Vec<AortaPart>,
    },
    /// A heart wider than half the chest.
    Cardiomegaly(Severity),
    /// Fluid around the heart.
    PericardialEffusion {
        /// Thickness of the rim.
        thickness_mm: f32,
    },
    /// Plaques in coronary walls.
    CoronaryCalcification {
        /// How many.
        severity: Severity,
        /// Where; never empty.
        vessels: Vec<Coronary>,
    },
    /// Stomach above the diaphragm.
    HiatalHernia {
        /// Across.
        diameter_mm: f32,
    },
    /// Enlarged nodes; never empty.
    Lymphadenopathy(Vec<Node>),
    /// Holes in the lung.
    Emphysema {
        /// How much.
        severity: Severity,
        /// What kind.
        kind: EmphysemaKind,
        /// Where; never empty.
        lobes: Vec<Lobe>,
    },
    /// Lung without air.
    Atelectasis {
        /// How much.
        severity: Severity,
        /// What kind.
        kind: AtelectasisKind,
        /// Where; never empty.
        lobes: Vec<Lobe>,
    },
    /// Nodules, the largest first; never empty.
    LungNodule(Vec<Nodule>),
    /// Ground glass.
    LungOpacity {
        /// How much.
        severity: Severity,
        /// Where; never empty.
        lobes: Vec<Lobe>,
    },
    /// What an old inflammation left.
    FibroticSequela {
        /// What kind.
        kind: FibrosisKind,
        /// Where; never empty.
        lobes: Vec<Lobe>,
    },
    /// Fluid in the pleural space; at least one side.
    PleuralEffusion {
        /// Depth on the right, millimetres.
        right_mm: Option<f32>,
        /// Depth on the left, millimetres.
        left_mm: Option<f32>,
    },
    /// Lighter and darker patches of lung.
    MosaicAttenuation(Severity),
    /// Thick sleeves around bronchi; lobes, never empty.
    PeribronchialThickening(Vec<Lobe>),
    /// Lung filled with something else than air.
    Consolidation {
        /// How much of the lobe.
        severity: Severity,
        /// Where; never empty.
        lobes: Vec<Lobe>,
    },
    /// Wide bronchi.
    Bronchiectasis {
        /// How wide.
        severity: Severity,
        /// Where; never empty.
        lobes: Vec<Lobe>,
    },
    /// A net of thick septa.
    SeptalThickening {
        /// How thick.
        severity: Severity,
        /// Where; never empty.
        lobes: Vec<Lobe>,
    },
}

impl Finding {
    /// Position of its label in [`rad3d_report::CT_RATE_LABELS`].
    #[must_use]
    pub fn label(&self) -> usize {
        match self {
            Self::MedicalMaterial(_) => 0,
            Self::ArterialCalcification { .. } => 1,
            Self::Cardiomegaly(_) => 2,
            Self::PericardialEffusion { .. } => 3,
            Self::CoronaryCalcification { .. } => 4,
            Self::HiatalHernia { .. } => 5,
            Self::Lymphadenopathy(_) => 6,
            Self::Emphysema { .. } => 7,
            Self::Atelectasis { .. } => 8,
            Self::LungNodule(_) => 9,
            Self::LungOpacity { .. } => 10,
            Self::FibroticSequela { .. } => 11,
            Self::PleuralEffusion { .. } => 12,
            Self::MosaicAttenuation(_) => 13,
            Self::PeribronchialThickening(_) => 14,
            Self::Consolidation { .. } => 15,
            Self::Bronchiectasis { .. } => 16,
            Self::SeptalThickening { .. } => 17,
        }
    }
}

impl FactSheet {
    /// The facts of `seed`; see `distribution.rs` for how likely what is.
    #[must_use]
    pub fn sample(seed: u64) -> Self {
        sample::fact_sheet(seed)
    }

    /// The facts of `seed` with exactly these labels, positions in
    /// [`rad3d_report::CT_RATE_LABELS`]; for pictures and tests of one abnormality.
    #[must_use]
    pub fn with_labels(seed: u64, labels: &[usize]) -> Self {
        sample::with_labels(seed, labels)
    }

    /// Which of the 18 labels the phantom has.
    #[must_use]
    pub fn labels(&self) -> LabelValues<bool> {
        LabelValues::from_fn(LabelSet::ct_rate(), |index, _| {
            self.findings.iter().any(|finding| finding.label() == index)
        })
    }
}
