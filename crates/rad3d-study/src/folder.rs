//! A study's folder: one folder a cell, and who works on which.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{Fault, Result, StudyError};
use crate::matrix::Cell;
use crate::record::CellRecord;
use crate::settings::Study;

/// Name of the settings' copy in the folder.
const STUDY_FILE: &str = "study.toml";
/// Name of a cell's record.
const CELL_FILE: &str = "cell.json";
/// Name of the file that holds the hash of the work a folder was begun for.
const HASH_FILE: &str = "begun";
/// Name of the file whose lock says that a process works in the folder.
const LOCK_FILE: &str = "lock";

/// The folder of a study.
#[derive(Debug, Clone)]
pub struct StudyFolder(PathBuf);

impl StudyFolder {
    /// The folder at `path`, which need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves a copy of the settings, for the tables.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn save_settings(&self, study: &Study) -> Result<()> {
        let path = self.0.join(STUDY_FILE);
        let text = toml::to_string_pretty(study).map_err(|e| StudyError::unwritable(&path, e))?;
        make_folder(&self.0)?;
        write_whole(&path, text.as_bytes())
    }

    /// The settings that the study was last run with.
    ///
    /// # Errors
    /// [`Fault::Record`] where there are none.
    pub fn settings(&self) -> Result<Study> {
        let path = self.0.join(STUDY_FILE);
        if !path.exists() {
            let hint = "give the folder of rad3d study run --out";
            let what = "is the folder of no study: it has no study.toml";
            return Err(StudyError::new(Fault::Record, &self.0, what, hint));
        }
        Study::read(&path)
    }

    /// The folder of a cell.
    #[must_use]
    pub fn cell(&self, cell: &Cell) -> WorkFolder {
        WorkFolder(self.0.join("cells").join(cell.name()))
    }

    /// The folder of a language model that the study pre-trains.
    #[must_use]
    pub fn llm(&self, name: &str) -> WorkFolder {
        WorkFolder(self.0.join("llms").join(name))
    }

    /// The records of a study's cells in order; `None` for those that have none yet.
    ///
    /// # Errors
    /// [`Fault::Record`] for a record that can't be read.
    pub fn records(&self, study: &Study) -> Result<Vec<(Cell, Option<CellRecord>)>> {
        let cells = study.cells().into_iter();
        cells
            .map(|cell| {
                let record = self.cell(&cell).record()?;
                Ok((cell, record))
            })
            .collect()
    }
}

/// A folder in which one piece of work is done, by one process at a time.
#[derive(Debug, Clone)]
pub struct WorkFolder(PathBuf);

/// Keeps others from working in the folder until it is dropped, or its process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl WorkFolder {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the folder; `None` while another process has it.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn try_lock(&self) -> Result<Option<Lock>> {
        let (path, file) = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StudyError::unwritable(path, error)),
        }
    }

    /// Takes the folder, after another process is done with it.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn lock(&self) -> Result<Lock> {
        let (path, file) = self.lock_file()?;
        file.lock().map_err(|e| StudyError::unwritable(path, e))?;
        Ok(Lock(file))
    }

    fn lock_file(&self) -> Result<(PathBuf, File)> {
        make_folder(&self.0)?;
        let path = self.0.join(LOCK_FILE);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| StudyError::unwritable(&path, error))?;
        Ok((path, file))
    }

    /// Gets the folder ready for the work of `hash`: what is there of the same work stays, to be
    /// gone on with; what is there of another goes.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn begin(&self, hash: &str) -> Result<()> {
        let path = self.0.join(HASH_FILE);
        let begun = std::fs::read_to_string(&path).unwrap_or_default();
        if begun == hash {
            return Ok(());
        }
        // The old hash goes first: what a kill leaves half cleared is nobody's.
        if path.exists() {
            std::fs::remove_file(&path).map_err(|error| StudyError::unwritable(&path, error))?;
        }
        let entries = std::fs::read_dir(&self.0).map_err(|e| StudyError::unwritable(&self.0, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| StudyError::unwritable(&self.0, e))?;
            if entry.file_name() == LOCK_FILE {
                continue;
            }
            let path = entry.path();
            let removed = match path.is_dir() {
                true => std::fs::remove_dir_all(&path),
                false => std::fs::remove_file(&path),
            };
            removed.map_err(|error| StudyError::unwritable(&path, error))?;
        }
        write_whole(&path, hash.as_bytes())
    }

    /// The cell's record, if it has one.
    ///
    /// # Errors
    /// [`Fault::Record`] for one that can't be read.
    pub fn record(&self) -> Result<Option<CellRecord>> {
        self.read(CELL_FILE)
    }

    /// Writes the cell's record, whole or not at all.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn finish(&self, record: &CellRecord) -> Result<()> {
        self.write(CELL_FILE, record)
    }

    /// Reads a file of JSON; `None` where there is none.
    ///
    /// # Errors
    /// [`Fault::Record`] for one that can't be read.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.0.join(name);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StudyError::unreadable(path, error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let what = format!("is no record of this version: {error}");
            let hint = "remove it and run the study again";
            StudyError::new(Fault::Record, path, what, hint).because(error)
        })
    }

    /// Writes a file of JSON, whole or not at all.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn write(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.0.join(name);
        let mut text = serde_json::to_vec(value).map_err(|e| StudyError::unwritable(&path, e))?;
        text.push(b'\n');
        write_whole(&path, &text)
    }
}

/// SHA-256 of the parts, hexadecimal.
#[must_use]
pub fn hash_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| StudyError::unwritable(path, error))
}

/// Writes beside its place and renames, so that a kill leaves the old file or the new one.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| StudyError::unwritable(path, error))
}
