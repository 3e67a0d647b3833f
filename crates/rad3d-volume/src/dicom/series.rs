//! Files into series, and a series into a volume.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::assemble;
use super::image::Image;
use super::source::Source;
use super::stack::{FrameRef, Stack, StackFault, list, median};
use crate::error::{Fault, Result, VolumeError};
use crate::geometry::{Geometry, Vec3};
use crate::orientation::Orientation;
use crate::volume::{Format, ScanFacts, Volume};

/// Slices of one series that share matrix, spacing, orientation and kind.
#[derive(Debug)]
pub(crate) struct Series {
    pub(super) images: Vec<Image>,
    pub(super) stack: Stack,
    /// What the series was split by beyond its UID, for listings.
    pub(crate) part: Option<String>,
}

/// What must agree within a series, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    series_uid: Option<String>,
    patient: u64,
    localizer: bool,
    kind: Vec<String>,
    rows: usize,
    columns: usize,
    spacing_um: Option<[i64; 2]>,
    orientation: Option<[i64; 6]>,
}

impl GroupKey {
    fn of(image: &Image) -> Self {
        let rounded = |axes: [Vec3; 2]| {
            let [a, b] = axes;
            // 0.001 of a unit vector is 0.06°: well above rounding, well below a tilt.
            [a[0], a[1], a[2], b[0], b[1], b[2]].map(|x| (x * 500.0).round() as i64)
        };
        Self {
            series_uid: image.facts.series_uid.clone(),
            patient: image.patient,
            localizer: image.is_localizer(),
            kind: image.facts.image_type.iter().take(3).cloned().collect(),
            rows: image.rows,
            columns: image.columns,
            spacing_um: image
                .spacing_mm
                .map(|mm| mm.map(|x| (x * 1e3).round() as i64)),
            orientation: image.orientation.map(rounded),
        }
    }
}

/// Sorts files into series.
pub(crate) fn group(images: Vec<Image>) -> Vec<Series> {
    let mut groups: BTreeMap<GroupKey, Vec<Image>> = BTreeMap::new();
    for image in images {
        groups.entry(GroupKey::of(&image)).or_default().push(image);
    }
    let mut orientations: BTreeMap<Option<String>, BTreeSet<Option<[i64; 6]>>> = BTreeMap::new();
    for key in groups.keys().filter(|key| !key.localizer) {
        orientations
            .entry(key.series_uid.clone())
            .or_default()
            .insert(key.orientation);
    }
    let mut series = Vec::new();
    for (key, images) in groups {
        let count = orientations.get(&key.series_uid).map_or(0, BTreeSet::len);
        let mixed = !key.localizer && key.series_uid.is_some() && count > 1;
        for mut part in split(images) {
            if mixed {
                let what = format!("mixes {count} orientations in one series");
                let hint = "export the planes as series of their own";
                part.stack.fault = Some(StackFault::new(Fault::Series, what, hint));
            }
            series.push(part);
        }
    }
    series
}

/// A way to tell apart slices at one place.
type Splitter = (&'static str, fn(&Image, usize) -> Option<String>);

const SPLITTERS: [Splitter; 5] = [
    ("acquisition", |image, frame| {
        image.frames[frame].acquisition.clone()
    }),
    ("temporal position", |image, frame| {
        image.frames[frame].temporal.clone()
    }),
    ("kernel", |image, _| image.facts.kernel.clone()),
    ("echo time", |image, _| image.echo_time.clone()),
    ("study", |image, _| image.study_uid.clone()),
];

/// Fewest slices that a part must have for a split to make sense of doubled places.
const SMALLEST_PART: usize = 3;

/// One stack, or several if slices share places and something tells them apart.
fn split(images: Vec<Image>) -> Vec<Series> {
    let frames: Vec<FrameRef> = images
        .iter()
        .enumerate()
        .flat_map(|(image, file)| {
            (0..file.frames.len()).map(move |frame| FrameRef { image, frame })
        })
        .collect();
    let stack = Stack::new(&images, &frames);
    if stack.doubled.is_empty() {
        return vec![Series {
            images,
            stack,
            part: None,
        }];
    }
    for (name, value) in SPLITTERS {
        let mut parts: BTreeMap<Option<String>, Vec<FrameRef>> = BTreeMap::new();
        for &at in &frames {
            parts
                .entry(value(&images[at.image], at.frame))
                .or_default()
                .push(at);
        }
        let one_file = images.len() == 1;
        let stacks: Vec<_> = parts
            .into_iter()
            .map(|(value, at)| (value, Stack::new(&images, &at)))
            .collect();
        let sound = |stack: &Stack| stack.doubled.is_empty() && stack.slices.len() >= SMALLEST_PART;
        // Frames of one file stay together: its parts could not be named apart.
        if !one_file && stacks.len() > 1 && stacks.iter().all(|(_, stack)| sound(stack)) {
            return parted(images, name, value);
        }
    }
    vec![Series {
        images,
        stack,
        part: None,
    }]
}

/// Splits by file; a file whose frames differ goes with its first.
fn parted(
    images: Vec<Image>,
    name: &str,
    value: fn(&Image, usize) -> Option<String>,
) -> Vec<Series> {
    let mut parts: BTreeMap<Option<String>, Vec<Image>> = BTreeMap::new();
    for image in images {
        parts.entry(value(&image, 0)).or_default().push(image);
    }
    parts
        .into_iter()
        .flat_map(|(value, images)| {
            let label = format!("{name} {}", value.as_deref().unwrap_or("not given"));
            split(images).into_iter().map(move |part| Series {
                part: Some(label.clone()),
                ..part
            })
        })
        .collect()
}

impl Series {
    /// The first file, which speaks for the series.
    pub(super) fn first(&self) -> &Image {
        let at = self.stack.slices.first().map_or(0, |slice| slice.at.image);
        &self.images[at]
    }

    /// What its headers say of the scan.
    pub(crate) fn facts(&self) -> &ScanFacts {
        &self.first().facts
    }

    /// Where each of its files lies.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.images.iter().map(|image| &image.source)
    }

    /// Number of files.
    pub(crate) fn files(&self) -> usize {
        self.images.len()
    }

    /// Number of slices that have a place of their own.
    pub(crate) fn slices(&self) -> usize {
        self.stack.slices.len()
    }

    /// Distances between neighbouring slices: each step, and where it begins along the normal.
    pub(crate) fn steps_mm(&self) -> Vec<(f64, f64)> {
        self.stack
            .slices
            .iter()
            .map(|s| s.offset_mm)
            .zip(self.stack.steps_mm())
            .collect()
    }

    /// The hash that tells patients apart.
    pub(crate) fn patient(&self) -> u64 {
        self.first().patient
    }

    /// Whether this is a scout view.
    pub(crate) fn is_localizer(&self) -> bool {
        self.first().is_localizer()
    }

    /// Whether this is a picture of a screen or a scanned page.
    pub(crate) fn is_captured(&self) -> bool {
        self.first().captured
    }

    /// Name of the transfer syntaxes of its files.
    pub(crate) fn syntax(&self) -> String {
        let names: BTreeSet<_> = self.images.iter().map(|image| image.syntax.name).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Why it cannot be read, if the headers already say so.
    pub(crate) fn fault(&self) -> Option<String> {
        let refused = self.images.iter().find_map(|image| image.refused.as_ref());
        match (refused, &self.stack.fault) {
            (Some((_, what)), _) => Some(what.clone()),
            (None, Some(fault)) => Some(fault.what.clone()),
            (None, None) => None,
        }
    }

    /// Voxels along each axis.
    pub(crate) fn dims_ijk(&self) -> [usize; 3] {
        let first = self.first();
        [first.columns, first.rows, self.stack.depth()]
    }

    /// Spacing along each axis, where the headers give it.
    pub(crate) fn spacing_mm(&self) -> Option<Vec3> {
        let [i, j] = self.first().spacing_mm?.map(crate::geometry::clean_mm);
        Some([i, j, self.stack.spacing_mm?])
    }

    /// Directions of the voxel axes, where the headers give them.
    pub(crate) fn orientation(&self) -> Option<Orientation> {
        let [i, j] = self.first().orientation?;
        Some(Orientation::nearest([i, j, self.stack.normal]))
    }

    /// Cosine between the slices' normal and the body's long axis.
    pub(crate) fn axial_cosine(&self) -> f64 {
        self.stack.normal[2].abs()
    }

    /// From the first slice's centre to the last one's, millimetres.
    pub(crate) fn length_mm(&self) -> f64 {
        self.stack.steps_mm().iter().sum()
    }

    /// Smallest to largest step divided by the usual: for the choice among series.
    pub(crate) fn step_mm(&self) -> Option<f64> {
        median(&self.stack.steps_mm()).or(self.stack.spacing_mm)
    }

    /// Decodes all slices.
    pub(crate) fn read(&self, path: &Path, force: bool) -> Result<Volume> {
        self.check(path, force)?;
        let first = self.first();
        let geometry = self.geometry(path)?;
        let mut warnings = Vec::new();
        if first.positions_derived {
            warnings.push(
                "slice positions were derived from the first one and the spacing between slices"
                    .to_owned(),
            );
        }
        if !self.stack.gaps.is_empty() {
            warnings.push(format!(
                "missing slices were interpolated: {}",
                self.stack.gap_list()
            ));
        }
        assemble::drop_copies(&self.images, &self.stack, path, &mut warnings)?;
        let assembled = assemble::voxels(&self.images, &self.stack)?;
        Volume {
            path: path.to_owned(),
            format: Format::Dicom,
            voxels: assembled.voxels,
            geometry,
            geometry_declared: true,
            rescale: assembled.rescale,
            padding: assembled.padding,
            facts: first.facts.clone(),
            warnings,
        }
        .checked()
    }

    fn check(&self, path: &Path, force: bool) -> Result<()> {
        for image in &self.images {
            if let Some((fault, what)) = &image.refused {
                let hint = "give a CT series of the chest";
                return Err(VolumeError::new(*fault, image.source.path(), what, hint));
            }
        }
        match &self.stack.fault {
            Some(fault) if !(force && fault.yields_to_force) => {
                Err(VolumeError::new(fault.fault, path, &fault.what, fault.hint))
            }
            _ => Ok(()),
        }
    }

    fn geometry(&self, path: &Path) -> Result<Geometry> {
        let first = self.first();
        let unusable = |what: String| {
            let hint = "export the series again with its geometry";
            VolumeError::new(Fault::Geometry, path, what, hint)
        };
        let (Some(spacing_mm), Some([i, j])) = (self.spacing_mm(), first.orientation) else {
            return Err(unusable("has no Pixel Spacing".into()));
        };
        Geometry::new(
            self.dims_ijk(),
            spacing_mm,
            [i, j, self.stack.normal],
            self.stack.origin(),
        )
        .map_err(|e| unusable(e.to_string()))
    }

    /// File names of slices at one place, for messages.
    pub(super) fn name_of(images: &[Image], at: FrameRef) -> String {
        let image = &images[at.image];
        let name = image
            .source
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        if image.frames.len() > 1 {
            format!("{name} frame {}", at.frame + 1)
        } else {
            name.into_owned()
        }
    }

    /// The error for different slices at one place.
    pub(super) fn doubled(path: &Path, pairs: &[(String, String, f64)]) -> VolumeError {
        let list = list(
            pairs
                .iter()
                .map(|(a, b, mm)| format!("{a} and {b} at {mm:.2} mm")),
        );
        VolumeError::new(
            Fault::Series,
            path,
            format!("different slices lie at one place: {list}"),
            "the series holds several reconstructions or phases; export one alone",
        )
    }
}
