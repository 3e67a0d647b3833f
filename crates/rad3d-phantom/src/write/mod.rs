//! Phantoms on disk, laid out as CT-RATE publishes its scans or as DICOM series.

mod dicom;
mod tables;
mod turn;

use std::path::{Path, PathBuf};

use rad3d_volume::{Geometry, Orientation, write};
use serde::Serialize;

use crate::error::{PhantomError, Result};
use crate::facts::FactSheet;
use crate::grid::{Scanner, ScannerKind};
use crate::random::Random;
use crate::report::Phrasing;
use crate::scene::Scene;
use tables::Tables;

/// What every folder of phantoms says of itself.
pub const NOTICE: &str = "Synthetic phantom, not a patient: the images and reports in this folder \
     were computed from a random seed and show nobody.";

/// How phantoms are laid out in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `train/train_1/train_1_a/train_1_a_1.nii.gz`, voxel axes to left, back and head, with
    /// `train_metadata.csv` beside the other tables.
    CtRate,
    /// The same names, voxel axes in any of the 48 ways; each file's header says which.
    Turned,
    /// `phantom_1/slice_0001.dcm` and so on, a series a folder.
    Dicom,
    /// No scans: the tables alone, for what learns from reports.
    Tables,
}

/// What to write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    /// How many phantoms, at least 1.
    pub count: u32,
    /// Seed of the first; the next has the next number.
    pub seed: u64,
    /// How they are laid out.
    pub layout: Layout,
    /// Voxels this far apart instead of a scanner's: see [`Scanner::sparse`].
    pub sparse_mm: Option<f64>,
    /// How their reports are worded.
    pub phrasing: Phrasing,
    /// Whose scanners make the scans.
    #[serde(skip_serializing_if = "ScannerKind::is_usual")]
    pub scanner: ScannerKind,
}

/// A phantom that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Its seed.
    pub seed: u64,
    /// Its name in the tables.
    pub name: String,
    /// The file or the folder of slices.
    pub path: PathBuf,
}

impl Order {
    /// Writes phantoms and their tables into the folder `out`, which is made if it is missing.
    /// The same order writes the same bytes. `done` hears of each phantom.
    ///
    /// The tables are `train_reports.csv` (VolumeName, ClinicalInformation_EN,
    /// Findings_EN, Impressions_EN),
    /// `train_labels.csv` (VolumeName and 18 labels), `facts.jsonl` (facts, scanner, places of
    /// findings) and `manifest.json`.
    ///
    /// # Errors
    /// When `out` holds something already and `overwrite` is false, `count` is 0, or something
    /// cannot be written.
    pub fn write(
        &self,
        out: &Path,
        overwrite: bool,
        mut done: impl FnMut(&Written),
    ) -> Result<Vec<Written>> {
        if self.count == 0 {
            let hint = "ask for one phantom or more";
            return Err(PhantomError::new(out, "no phantom was asked for", hint));
        }
        std::fs::create_dir_all(out).map_err(|error| PhantomError::unwritable(out, error))?;
        let mut entries =
            std::fs::read_dir(out).map_err(|error| PhantomError::unwritable(out, error))?;
        if !overwrite && entries.next().is_some() {
            let hint = "give an empty or new folder, or --force to write into this one";
            return Err(PhantomError::new(out, "is not empty", hint));
        }
        let mut tables = Tables::new(
            out,
            self.phrasing,
            matches!(self.layout, Layout::CtRate | Layout::Dicom),
        );
        let mut written = Vec::new();
        for number in 1..=self.count {
            let seed = self.seed.wrapping_add(u64::from(number - 1));
            let phantom = self.phantom(out, number, seed, &mut tables)?;
            done(&phantom);
            written.push(phantom);
        }
        tables.finish(self, &written)?;
        Ok(written)
    }

    fn phantom(&self, out: &Path, number: u32, seed: u64, tables: &mut Tables) -> Result<Written> {
        let facts = FactSheet::sample(seed);
        let scanner = match self.sparse_mm {
            Some(voxel_mm) => self.scanner.sparse(&facts, voxel_mm),
            None => self.scanner.sample(&facts),
        };
        if self.layout == Layout::Tables {
            let name = format!("train_{number}_a_1.nii.gz");
            tables.add_without_scan(&name, &facts)?;
            let path = out.to_owned();
            return Ok(Written { seed, name, path });
        }
        let scene = Scene::new(&facts);
        let voxels = scene.scan(&scanner);
        let (name, path) = if self.layout == Layout::Dicom {
            let name = format!("phantom_{number}");
            let path = out.join(&name);
            dicom::series(&path, &facts, &scanner, &voxels)?;
            (name, path)
        } else {
            let name = format!("train_{number}_a_1.nii.gz");
            let folder = out
                .join("train")
                .join(format!("train_{number}"))
                .join(format!("train_{number}_a"));
            std::fs::create_dir_all(&folder)
                .map_err(|error| PhantomError::unwritable(&folder, error))?;
            let path = folder.join(&name);
            self.nifti(&path, &facts, &scanner, voxels)?;
            (name, path)
        };
        tables.add(&name, &scene, &scanner)?;
        Ok(Written { seed, name, path })
    }

    fn nifti(
        &self,
        path: &Path,
        facts: &FactSheet,
        scanner: &Scanner,
        voxels: Vec<i16>,
    ) -> Result<()> {
        let geometry = geometry(path, scanner)?;
        if self.layout != Layout::Turned {
            return Ok(write::nifti_i16(path, &geometry, &voxels)?);
        }
        let all: Vec<Orientation> = Orientation::all().collect();
        let chosen = Random::new(facts.seed, "orientation").below(all.len());
        let (geometry, voxels) = match all.get(chosen) {
            Some(&orientation) => turn::turned(&geometry, &voxels, orientation)
                .map_err(|fault| unsound(path, &fault))?,
            None => (geometry, voxels),
        };
        Ok(write::nifti_i16(path, &geometry, &voxels)?)
    }
}

fn geometry(path: &Path, scanner: &Scanner) -> Result<Geometry> {
    scanner.geometry().map_err(|fault| unsound(path, &fault))
}

fn unsound(path: &Path, fault: &rad3d_volume::GeometryFault) -> PhantomError {
    let hint = "give the scanner a size and a spacing above zero";
    PhantomError::new(path, fault.to_string(), hint)
}
