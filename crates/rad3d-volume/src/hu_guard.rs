//! Are the stored values Hounsfield units already?
//!
//! Published CT data answers in four ways: DICOM with a rescale to apply, NIfTI in Hounsfield
//! units with a table that carries the rescale all the same (CT-RATE v2), NIfTI of stored values
//! with the rescale in the table only (CT-RATE v1), and files rescaled twice. Applying the
//! rescale once too often or too seldom gives a volume of nothing but air or bone, and a network
//! that reports it with confidence. So the decision is made from evidence and recorded.

use serde::Serialize;

use crate::error::{Fault, Result, VolumeError};
use crate::histogram::Sample;
use crate::hu::Rescale;
use crate::metadata::MetadataRow;
use crate::volume::{Format, Volume};

/// How to get from stored values to Hounsfield units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HuMode {
    /// Decide from header, table and histogram; refuse when they leave doubt.
    #[default]
    Auto,
    /// Stored values: apply the header's rescale, then the metadata table's, as the published
    /// CT-CLIP script does.
    Raw,
    /// Hounsfield units as they are stored: apply neither.
    Hu,
}

/// Which line was chosen, and on what grounds.
#[derive(Debug, Clone, Serialize)]
pub struct HuDecision {
    /// What was asked for.
    pub mode: HuMode,
    /// The line from stored values to Hounsfield units, applied once.
    pub to_hu: Rescale,
    /// The grounds, in words.
    pub because: String,
    /// How the histogram lies under that line.
    pub evidence: HuEvidence,
}

/// Where the values lie once turned to Hounsfield units.
#[derive(Debug, Clone, Serialize)]
pub struct HuEvidence {
    /// Share of voxels in [−1100, −600): air and lung.
    pub air_share: f64,
    /// Share in [−200, 250): fat, water, muscle, blood.
    pub soft_tissue_share: f64,
    /// Share below −1100, where nothing in a patient lies.
    pub below_air_share: f64,
    /// Share at or above 700: dense bone, metal.
    pub dense_share: f64,
    /// Fullest bin below −500.
    pub air_peak_hu: Option<f64>,
    /// Fullest bin in [−300, 500).
    pub soft_tissue_peak_hu: Option<f64>,
    /// A value that fills what the scanner did not see, in Hounsfield units, and its share.
    pub fill: Option<(f64, f64)>,
}

/// How well values fit the body under a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Air and soft tissue lie where they should.
    Body,
    /// There is not enough of both to tell.
    Unknown,
    /// They lie where nothing in a body does.
    Impossible,
}

impl HuEvidence {
    /// Looks at a sample through a line.
    #[must_use]
    pub fn of(sample: &Sample, to_hu: Rescale) -> Self {
        Self {
            air_share: sample.share(to_hu, -1100.0, -600.0),
            soft_tissue_share: sample.share(to_hu, -200.0, 250.0),
            below_air_share: sample.share(to_hu, f64::NEG_INFINITY, -1100.0),
            dense_share: sample.share(to_hu, 700.0, f64::INFINITY),
            air_peak_hu: sample.peak_hu(to_hu, -3000.0, -500.0),
            soft_tissue_peak_hu: sample.peak_hu(to_hu, -300.0, 500.0),
            fill: sample
                .fill()
                .map(|(value, share)| (to_hu.apply(f64::from(value)), share)),
        }
    }

    fn fit(&self) -> Fit {
        let air_in_place = self
            .air_peak_hu
            .is_some_and(|hu| (-1080.0..=-640.0).contains(&hu));
        let tissue_in_place = self
            .soft_tissue_peak_hu
            .is_some_and(|hu| (-160.0..=160.0).contains(&hu));
        if self.below_air_share > 0.03 || self.dense_share > 0.15 {
            Fit::Impossible
        } else if self.air_share >= 0.02
            && self.soft_tissue_share >= 0.05
            && air_in_place
            && tissue_in_place
        {
            Fit::Body
        } else {
            Fit::Unknown
        }
    }
}

/// Decides how the stored values of `volume` become Hounsfield units.
///
/// # Errors
/// [`Fault::AmbiguousHu`] in mode [`HuMode::Auto`] when header, table and histogram do not agree
/// on one line.
pub fn decide_hu(
    volume: &Volume,
    sample: &Sample,
    table: Option<&MetadataRow>,
    mode: HuMode,
) -> Result<HuDecision> {
    let decision = |to_hu: Rescale, because: String| HuDecision {
        mode,
        to_hu,
        because,
        evidence: HuEvidence::of(sample, to_hu),
    };
    let header = volume.rescale;
    match mode {
        HuMode::Hu => Ok(decision(
            Rescale::IDENTITY,
            "asked for: stored values are Hounsfield units, no rescale applied".into(),
        )),
        HuMode::Raw => {
            let to_hu = table.map_or(header, |row| header.then(row.rescale));
            let from = if table.is_some() {
                "header's, then the table's"
            } else {
                "header's"
            };
            Ok(decision(
                to_hu,
                format!("asked for: the {from} rescale applied to stored values"),
            ))
        }
        HuMode::Auto => {
            let candidates = Candidates::new(volume, sample, table);
            let (to_hu, because) = candidates.choose().map_err(|refusal| {
                VolumeError::new(Fault::AmbiguousHu, &volume.path, refusal.what, refusal.hint)
            })?;
            Ok(decision(to_hu, because))
        }
    }
}

/// The lines that could be right, each looked at through the histogram.
struct Candidates<'a> {
    format: Format,
    sample: &'a Sample,
    header: Rescale,
    table: Option<Rescale>,
}

struct Refusal {
    what: String,
    hint: String,
}

impl<'a> Candidates<'a> {
    fn new(volume: &Volume, sample: &'a Sample, table: Option<&MetadataRow>) -> Self {
        Self {
            format: volume.format,
            sample,
            header: volume.rescale,
            // A table beside DICOM repeats what the header says.
            table: table
                .filter(|_| volume.format != Format::Dicom)
                .map(|row| row.rescale),
        }
    }

    fn fit(&self, to_hu: Rescale) -> Fit {
        HuEvidence::of(self.sample, to_hu).fit()
    }

    fn choose(&self) -> Result<(Rescale, String), Refusal> {
        let by_header = self.fit(self.header);
        let header_name = match (self.format, self.header.is_identity()) {
            (_, true) => "stored values are Hounsfield units already".to_owned(),
            (Format::Dicom, false) => format!("DICOM rescale applied once: {}", self.header),
            (_, false) => format!("header scaling applied once: {}", self.header),
        };
        let by_table = self
            .table
            .filter(|line| !line.is_identity())
            .map(|line| (line, self.fit(self.header.then(line))));
        match (by_header, by_table) {
            (Fit::Body, None) => Ok((
                self.header,
                format!("{header_name}; air and soft tissue lie in place"),
            )),
            (Fit::Body, Some((line, Fit::Impossible | Fit::Unknown))) => Ok((
                self.header,
                format!(
                    "{header_name}; air and soft tissue lie in place, and would not if the \
                     table's rescale ({line}) were applied as well"
                ),
            )),
            (Fit::Impossible | Fit::Unknown, Some((line, Fit::Body))) => Ok((
                self.header.then(line),
                format!(
                    "stored values are not Hounsfield units; the table's rescale applied once: \
                     {line}; air and soft tissue then lie in place"
                ),
            )),
            // A DICOM CT states its units; a field of view without air is no contradiction.
            (Fit::Unknown, None) if self.format == Format::Dicom => Ok((
                self.header,
                format!("{header_name}; too little air or soft tissue in view to confirm it"),
            )),
            (Fit::Body, Some((line, Fit::Body))) => Err(Refusal {
                what: format!(
                    "may hold Hounsfield units or not: both {} and {line} fit",
                    self.header
                ),
                hint: "say which: --hu hu (as stored) or --hu raw (apply the table's rescale)"
                    .into(),
            }),
            _ => Err(self.refusal()),
        }
    }

    /// Why nothing fits, with a remedy where the histogram suggests one.
    fn refusal(&self) -> Refusal {
        let peaks = self.describe_peaks();
        let through = |add: f64| {
            self.fit(self.header.then(Rescale {
                slope: 1.0,
                intercept: add,
            }))
        };
        let unscaled_fits = !self.header.is_identity() && self.fit(Rescale::IDENTITY) == Fit::Body;
        if unscaled_fits {
            return Refusal {
                what: format!(
                    "its values are Hounsfield units before the header's rescale ({}) and not \
                     after it; {peaks}",
                    self.header
                ),
                hint: "give --hu hu to take the stored values as they are".into(),
            };
        }
        for shift in [1024.0, 1000.0] {
            if through(shift) == Fit::Body {
                return Refusal {
                    what: format!("looks as if rescaled twice: {peaks}"),
                    hint: format!("export it again; its values lie {shift} HU too low"),
                };
            }
            if through(-shift) == Fit::Body {
                return Refusal {
                    what: format!("does not hold Hounsfield units: {peaks}"),
                    hint: format!(
                        "it looks like stored values with an offset of {shift}: give the table \
                         that has its rescale with --metadata"
                    ),
                };
            }
        }
        Refusal {
            what: format!("cannot be told to hold Hounsfield units: {peaks}"),
            hint: "if you know better, say --hu hu (as stored) or --hu raw (apply the rescale)"
                .into(),
        }
    }

    fn describe_peaks(&self) -> String {
        let evidence = HuEvidence::of(self.sample, self.header);
        let (low, high) = self.sample.range().unwrap_or((0.0, 0.0));
        let in_hu = |value: f32| self.header.apply(f64::from(value));
        format!(
            "values run from {} to {}, {:.1} % lie where air and lung do and {:.1} % where soft \
             tissue does",
            in_hu(low),
            in_hu(high),
            100.0 * evidence.air_share,
            100.0 * evidence.soft_tissue_share,
        )
    }
}
