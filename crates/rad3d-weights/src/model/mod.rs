//! Model folders: a manifest, and the files it names.

mod calibration;
mod expected;
mod import;
mod llm;
mod manifest;
mod mapper;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use calibration::read_calibration;
pub use import::{Import, ImportReport, tower_config};
pub use llm::{LlmKind, LlmPart, llm_sha256};
pub use manifest::{
    FamiliarityPart, FileRecord, HeadPart, LabelPart, MANIFEST_VERSION, Manifest, RecipeChoice,
    TowerConfig, TowerPart,
};
pub use mapper::{MapperConfig, MapperInputs, MapperKind, MapperPart, MapperTarget};

use crate::error::{Fault, Result, WeightsError};
use crate::{Checkpoint, sha256_of_file};

/// Name of the manifest in its folder.
pub const MANIFEST_FILE: &str = "model.toml";

/// An opened model folder: a checked manifest; weights are opened on demand.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    manifest: Manifest,
}

impl ModelFolder {
    /// Opens a folder and checks its manifest, and that each file is there with its length. Hashes
    /// are for [`ModelFolder::verify`].
    ///
    /// # Errors
    /// As [`Manifest::parse`]; [`Fault::Unreadable`] or [`Fault::Truncated`] for a file that is
    /// missing or has another length.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = path.join(MANIFEST_FILE);
        let text = std::fs::read_to_string(&file)
            .map_err(|source| WeightsError::unreadable(&file, source))?;
        let manifest = Manifest::parse(&file, &text)?;
        let folder = Self {
            path: path.to_owned(),
            manifest,
        };
        for record in folder.manifest.files() {
            folder.check_length(record)?;
        }
        Ok(folder)
    }

    fn check_length(&self, record: &FileRecord) -> Result<()> {
        let file = self.path_of(record);
        let length = std::fs::metadata(&file)
            .map_err(|source| WeightsError::unreadable(&file, source))?
            .len();
        if length != record.bytes {
            let what = format!("has {length} bytes, the manifest says {}", record.bytes);
            return Err(WeightsError::truncated(file, what));
        }
        Ok(())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where a file of the manifest lies.
    #[must_use]
    pub fn path_of(&self, record: &FileRecord) -> PathBuf {
        self.path.join(&record.path)
    }

    /// Hashes every file, several at once; `progress` hears the bytes done since its last call,
    /// from any thread.
    ///
    /// # Errors
    /// [`Fault::Hash`] for the first file (in the manifest's order) with another content.
    pub fn verify(&self, progress: impl Fn(u64) + Sync) -> Result<()> {
        let records: Vec<&FileRecord> = self.manifest.files().collect();
        let results: Vec<Result<()>> = records
            .par_iter()
            .map(|record| {
                self.check_length(record)?;
                let file = self.path_of(record);
                let found = sha256_of_file(&file, &progress)?;
                if found == record.sha256 {
                    return Ok(());
                }
                let hint = "the file was changed or damaged; import or fetch it again";
                let what = format!("has SHA-256 {found}, the manifest says {}", record.sha256);
                Err(WeightsError::new(Fault::Hash, file, what, hint))
            })
            .collect();
        results.into_iter().collect()
    }

    /// The tower's weights.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn tower(&self) -> Result<Checkpoint> {
        Checkpoint::open(self.path_of(&self.manifest.tower.file))
    }

    /// The head's weights, if there is a head.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn head(&self) -> Result<Option<Checkpoint>> {
        let head = self.manifest.head.as_ref();
        head.map(|head| Checkpoint::open(self.path_of(&head.file)))
            .transpose()
    }

    /// The mapper's weights, if there is a mapper.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn mapper(&self) -> Result<Option<Checkpoint>> {
        let mapper = self.manifest.mapper.as_ref();
        mapper
            .map(|mapper| Checkpoint::open(self.path_of(&mapper.file)))
            .transpose()
    }

    /// The safetensors of the familiarity part, if there is one.
    #[must_use]
    pub fn familiarity_path(&self) -> Option<PathBuf> {
        let part = self.manifest.familiarity.as_ref()?;
        Some(self.path_of(&part.file))
    }

    /// The GGUF file or the folder of the language model, if there is one.
    #[must_use]
    pub fn llm_path(&self) -> Option<PathBuf> {
        let llm = self.manifest.llm.as_ref()?;
        let first = self.path_of(llm.files.first()?);
        match llm.kind {
            LlmKind::Gguf => Some(first),
            LlmKind::HuggingFace => first.parent().map(Path::to_owned),
        }
    }
}
