//! What lies at a path, and which of it to read.

mod archive;
mod choice;
mod find;
mod summary;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) use archive::Archive;
pub use summary::{IrregularGap, SeriesSummary, SliceGaps};

use crate::dicom::{self, Series, Source};
use crate::error::{Fault, Result, VolumeError};
use crate::volume::{Format, Volume};
use crate::{content, metaimage, nifti, nrrd};
use choice::Rank;
use find::Findings;

/// What lies at a path: series of DICOM slices, or one volume file.
///
/// ```no_run
/// use rad3d_volume::Input;
/// # fn main() -> rad3d_volume::Result<()> {
/// let input = Input::open("scans/patient7".as_ref())?;
/// let volume = input.read(input.choose(None, false)?, false)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    candidates: Vec<Candidate>,
    summaries: Vec<SeriesSummary>,
    patients: usize,
    foreign: usize,
}

#[derive(Debug)]
enum Candidate {
    Dicom(Box<Series>),
    File(Source, Format),
}

impl Input {
    /// Looks at a file, a folder with all below it, or a zip, and reads headers, no pixels.
    ///
    /// Files are told apart by content. What is not DICOM is passed over in a folder; a damaged
    /// DICOM file is an error that names it.
    ///
    /// # Errors
    /// When nothing readable lies there, or something cannot be read.
    pub fn open(path: &Path) -> Result<Input> {
        let facts = std::fs::metadata(path).map_err(|e| VolumeError::unreadable(path, e))?;
        let sources = if facts.is_dir() {
            find::files_under(path)?
        } else {
            // Refuses pipes and devices, which would block.
            content::open(path)?;
            if find::is_zip(path)? {
                find::files_in(path, &Archive::open(path)?)
            } else {
                vec![Source::Disk(path.to_owned())]
            }
        };
        let count = sources.len();
        let findings = find::sort_out(sources)?;
        let foreign = findings.foreign;
        let mut candidates = if findings.images.is_empty() {
            Self::only_volume(path, facts.is_file(), count, findings)?
        } else {
            let series = dicom::group(findings.images);
            series
                .into_iter()
                .map(|s| Candidate::Dicom(Box::new(s)))
                .collect()
        };
        let summaries = ranked(&mut candidates);
        let patients: BTreeSet<u64> = candidates.iter().filter_map(Candidate::patient).collect();
        Ok(Input {
            path: path.to_owned(),
            candidates,
            summaries,
            patients: patients.len(),
            foreign,
        })
    }

    /// Without DICOM images there must be exactly one volume file.
    fn only_volume(
        path: &Path,
        is_file: bool,
        count: usize,
        mut findings: Findings,
    ) -> Result<Vec<Candidate>> {
        let nothing = |what: String, hint: &str| {
            Err(VolumeError::new(Fault::UnknownFormat, path, what, hint))
        };
        match (findings.volumes.len(), findings.other_dicom.as_slice()) {
            (1, _) => Ok(findings
                .volumes
                .drain(..)
                .map(|(source, format)| Candidate::File(source, format))
                .collect()),
            (0, []) if count == 0 => nothing("holds no file".into(), "give a folder with a scan"),
            (0, []) if is_file && count == 1 => match find::promised_format(path) {
                Some(format) => Ok(vec![Candidate::File(Source::Disk(path.to_owned()), format)]),
                None => nothing(
                    format!(
                        "is {}, no scan",
                        content::describe(&content::first_bytes(path, 512)?)
                    ),
                    "give DICOM (a file, folder or zip), NIfTI, MetaImage or NRRD",
                ),
            },
            (0, []) => nothing(
                format!("holds {count} files, none of them a scan"),
                "give DICOM (a file, folder or zip), NIfTI, MetaImage or NRRD",
            ),
            (0, kinds) => {
                let mut counts = std::collections::BTreeMap::new();
                for kind in kinds {
                    *counts.entry(kind).or_insert(0_usize) += 1;
                }
                let list: Vec<_> = counts
                    .into_iter()
                    .map(|(kind, count)| format!("{count} × {kind}"))
                    .collect();
                nothing(
                    format!("holds DICOM without images: {}", list.join(", ")),
                    "give the folder with the CT slices",
                )
            }
            (several, _) => {
                let names: Vec<_> = findings
                    .volumes
                    .iter()
                    .take(10)
                    .map(|(source, _)| source.path().display().to_string())
                    .collect();
                Err(VolumeError::new(
                    Fault::Series,
                    path,
                    format!("holds {several} volume files: {}", names.join(", ")),
                    "name one of them",
                ))
            }
        }
    }

    /// Where this was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All series, the best first.
    ///
    /// Compared in turn, the first difference decides: it can be read; modality CT; slices (no
    /// localizer or secondary capture, 16 at least); chest by body part and description, before
    /// silence, before other parts; axial; 150 to 600 mm long; original; thinner slices; softer
    /// kernel; more slices.
    #[must_use]
    pub fn series(&self) -> &[SeriesSummary] {
        &self.summaries
    }

    /// How many patients the series are of.
    #[must_use]
    pub fn patients(&self) -> usize {
        self.patients
    }

    /// How many files were passed over since they are of no format known here.
    #[must_use]
    pub fn ignored_files(&self) -> usize {
        self.foreign
    }

    /// The series of that UID, or without one the best by the rule at [`Input::series`].
    ///
    /// # Errors
    /// When no series has the UID, or the series are of several patients and neither a UID nor
    /// `force` says that this is meant.
    pub fn choose(&self, uid: Option<&str>, force: bool) -> Result<usize> {
        if let Some(uid) = uid {
            let found = self
                .summaries
                .iter()
                .position(|s| s.facts.series_uid.as_deref() == Some(uid));
            return found.ok_or_else(|| {
                let there: Vec<_> = self
                    .summaries
                    .iter()
                    .take(20)
                    .map(SeriesSummary::in_words)
                    .collect();
                VolumeError::new(
                    Fault::Series,
                    &self.path,
                    format!("holds no series {uid}; there are: {}", there.join("; ")),
                    "give the UID of one of them with --series",
                )
            });
        }
        if self.patients > 1 && !force {
            return Err(VolumeError::new(
                Fault::Series,
                &self.path,
                format!(
                    "holds {} series of {} patients",
                    self.summaries.len(),
                    self.patients
                ),
                "give one patient's folder, or name a series with --series",
            ));
        }
        Ok(0)
    }

    /// The files on disk that the series at `index` of [`Input::series`] lies in, sorted: its
    /// slices, or the zip that holds them.
    #[must_use]
    pub fn files(&self, index: usize) -> Vec<PathBuf> {
        let on_disk = |source: &Source| match source {
            Source::Disk(path) => path.clone(),
            Source::Zipped { .. } => self.path.clone(),
        };
        let mut files: Vec<PathBuf> = match self.candidates.get(index) {
            Some(Candidate::Dicom(series)) => series.sources().map(on_disk).collect(),
            Some(Candidate::File(source, _)) => vec![on_disk(source)],
            None => Vec::new(),
        };
        files.sort();
        files.dedup();
        files
    }

    /// Reads the series at `index` of [`Input::series`].
    ///
    /// `force` reads a series in spite of many or large gaps between slices; they are
    /// interpolated. It overrides nothing else.
    ///
    /// # Errors
    /// When the series makes no volume or its pixels cannot be decoded.
    pub fn read(&self, index: usize, force: bool) -> Result<Volume> {
        match self.candidates.get(index) {
            Some(Candidate::Dicom(series)) => series.read(&self.path, force),
            Some(Candidate::File(source, format)) => read_file(source, *format),
            None => Err(VolumeError::new(
                Fault::Series,
                &self.path,
                format!(
                    "has {} series, number {index} was asked for",
                    self.candidates.len()
                ),
                "ask for one that is there",
            )),
        }
    }
}

impl Candidate {
    fn patient(&self) -> Option<u64> {
        match self {
            Self::Dicom(series) => Some(series.patient()),
            Self::File(..) => None,
        }
    }
}

/// Puts the best first and says why each is where it is.
fn ranked(candidates: &mut [Candidate]) -> Vec<SeriesSummary> {
    let rank = |candidate: &Candidate| match candidate {
        Candidate::Dicom(series) => Some(Rank::of(series)),
        Candidate::File(..) => None,
    };
    candidates.sort_by_key(|candidate| std::cmp::Reverse(rank(candidate)));
    let best = candidates.first().and_then(rank);
    let summary = |(place, candidate): (usize, &Candidate)| match candidate {
        Candidate::Dicom(series) => {
            let rank = Rank::of(series);
            SeriesSummary {
                suitable: rank.suitable(),
                reason: rank.reason(series, best.as_ref().filter(|_| place > 0)),
                ..SeriesSummary::of_series(series)
            }
        }
        Candidate::File(source, format) => match header(source, *format) {
            Ok(header) => SeriesSummary::of_header(&header),
            Err(e) => SeriesSummary::of_faulty(*format, Some(e.what)),
        },
    };
    candidates.iter().enumerate().map(summary).collect()
}

fn header(source: &Source, format: Format) -> Result<crate::summary::Summary> {
    on_disk(source, |path| match format {
        Format::MetaImage => metaimage::summary(path),
        Format::Nrrd => nrrd::summary(path),
        Format::Nifti | Format::Dicom => nifti::summary(path),
    })
}

fn read_file(source: &Source, format: Format) -> Result<Volume> {
    let mut volume = on_disk(source, |path| match format {
        Format::MetaImage => metaimage::read(path),
        Format::Nrrd => nrrd::read(path),
        Format::Nifti | Format::Dicom => nifti::read(path),
    })?;
    volume.path = source.path().to_owned();
    Ok(volume)
}

/// Hands `work` the path of a file; an entry of a zip is unpacked to a temporary file for it.
fn on_disk<T>(source: &Source, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let zipped = source.path();
    if let Source::Disk(path) = source {
        return work(path);
    }
    let failed = |e: std::io::Error| {
        VolumeError::new(
            Fault::Output,
            zipped,
            "cannot be unpacked to a temporary file",
            "free some disk space, or set TMPDIR",
        )
        .because(e)
    };
    // Readers look at the name's end.
    let name = zipped
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut file = tempfile::Builder::new()
        .suffix(&name)
        .tempfile()
        .map_err(failed)?;
    source.read(|entry| std::io::copy(entry, &mut file).map_err(failed).map(drop))?;
    work(file.path()).map_err(|e| VolumeError {
        path: zipped.to_owned(),
        ..e
    })
}
