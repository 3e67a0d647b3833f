//! What can be said of a series without decoding a pixel.

use serde::Serialize;

use crate::dicom::Series;
use crate::orientation::Orientation;
use crate::volume::{Format, ScanFacts};

/// A series of DICOM slices, or one volume file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesSummary {
    /// Its format.
    pub format: Format,
    /// What its headers say of the scan.
    pub facts: ScanFacts,
    /// What tells it from others of the same series UID, such as `acquisition 2`.
    pub part: Option<String>,
    /// Number of files.
    pub files: usize,
    /// Number of slices with a place of their own; for a volume file, voxels along `k`.
    pub slices: usize,
    /// Voxels along `i`, `j`, `k`, missing slices included.
    pub dims_ijk: Option<[usize; 3]>,
    /// Spacing along `i`, `j`, `k`, millimetres.
    pub spacing_mm: Option<[f64; 3]>,
    /// Patient directions of `i`, `j`, `k`.
    pub orientation: Option<Orientation>,
    /// From the first slice's centre to the last one's, millimetres.
    pub length_mm: Option<f64>,
    /// Distances between neighbouring slices (DICOM only).
    pub slice_gaps_mm: Option<SliceGaps>,
    /// Name of the DICOM transfer syntax; several if files differ.
    pub transfer_syntax: Option<String>,
    /// Why it cannot be read, if the headers say so already.
    pub fault: Option<String>,
    /// Whether it is what this program is for.
    pub suitable: bool,
    /// Why it was ranked where it is.
    pub reason: String,
}

/// Distances between neighbouring slices along their normal, in millimetres.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceGaps {
    /// The smallest.
    pub min: f64,
    /// The usual one: the spacing along `k`.
    pub median: f64,
    /// The largest.
    pub max: f64,
    /// Those that differ from the usual one by more than 1 % and 0.05 mm.
    pub irregular: Vec<IrregularGap>,
}

/// A step between slices that is not the usual one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IrregularGap {
    /// Where it begins, along the slices' normal.
    pub at_mm: f64,
    /// How long it is.
    pub gap_mm: f64,
}

impl SliceGaps {
    fn of(steps: &[(f64, f64)], median: f64) -> Self {
        let lengths = || steps.iter().map(|&(_, gap)| gap);
        let irregular = steps
            .iter()
            .filter(|(_, gap)| (gap - median).abs() > (0.01 * median).max(0.05))
            .map(|&(at_mm, gap_mm)| IrregularGap { at_mm, gap_mm })
            .collect();
        Self {
            min: lengths().fold(f64::INFINITY, f64::min),
            median,
            max: lengths().fold(0.0, f64::max),
            irregular,
        }
    }
}

impl SeriesSummary {
    pub(super) fn of_series(series: &Series) -> Self {
        let steps = series.steps_mm();
        Self {
            format: Format::Dicom,
            facts: series.facts().clone(),
            part: series.part.clone(),
            files: series.files(),
            slices: series.slices(),
            dims_ijk: Some(series.dims_ijk()),
            spacing_mm: series.spacing_mm(),
            orientation: series.orientation(),
            length_mm: (!steps.is_empty()).then(|| series.length_mm()),
            slice_gaps_mm: series
                .step_mm()
                .filter(|_| !steps.is_empty())
                .map(|median| SliceGaps::of(&steps, median)),
            transfer_syntax: Some(series.syntax()),
            fault: series.fault(),
            suitable: false,
            reason: String::new(),
        }
    }

    pub(super) fn of_header(header: &crate::summary::Summary) -> Self {
        let geometry = &header.geometry;
        let dims_ijk = geometry.dims_ijk();
        Self {
            dims_ijk: Some(dims_ijk),
            slices: dims_ijk[2],
            spacing_mm: header.geometry_declared.then(|| geometry.spacing_mm()),
            orientation: header.geometry_declared.then(|| geometry.orientation()),
            length_mm: header.geometry_declared.then(|| geometry.extent_mm()[2]),
            ..Self::of_faulty(header.format, None)
        }
    }

    pub(super) fn of_faulty(format: Format, fault: Option<String>) -> Self {
        Self {
            format,
            facts: ScanFacts::default(),
            part: None,
            files: 1,
            slices: 0,
            dims_ijk: None,
            spacing_mm: None,
            orientation: None,
            length_mm: None,
            slice_gaps_mm: None,
            transfer_syntax: None,
            suitable: fault.is_none(),
            reason: match &fault {
                Some(fault) => format!("cannot be read: {fault}"),
                None => format!("the {format} file given"),
            },
            fault,
        }
    }

    /// The series in a few words, for lists in messages; nothing in it identifies the patient.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.facts.series_uid.clone());
        words.extend(self.part.clone());
        words.extend(self.facts.modality.clone());
        words.extend(
            self.facts
                .series_description
                .as_ref()
                .map(|text| format!("\"{text}\"")),
        );
        words.push(format!("{} slices", self.slices));
        format!("{}: {}", words.join(" "), self.reason)
    }
}
