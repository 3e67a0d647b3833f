//! Rows as they are made, a line each, so that a kill loses at most the one being written.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{EmbeddingsError, Fault, Result};
use crate::table::{EmbeddingRow, Provenance};

/// A file of JSON lines: what makes the rows, then one row a line.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal at `path` and gives back the rows it holds already; starts one if there
    /// is none. A last line without its end, as a kill leaves it, is cut off.
    ///
    /// # Errors
    /// [`Fault::Mismatch`] when its rows were made with other weights or another recipe;
    /// [`Fault::Content`] when it is no journal; [`Fault::Unreadable`], [`Fault::Output`].
    pub fn open(path: &Path, provenance: &Provenance) -> Result<(Self, Vec<EmbeddingRow>)> {
        let unwritable = |error| EmbeddingsError::unwritable(path, error);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(unwritable)?;
        let (rows, whole) = read_lines(path, &file, provenance)?;
        file.set_len(whole).map_err(unwritable)?;
        file.seek(SeekFrom::End(0)).map_err(unwritable)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
        };
        if whole == 0 {
            journal.write_line(provenance)?;
        }
        Ok((journal, rows))
    }

    /// Adds a row. It is in the file when this returns.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn push(&mut self, row: &EmbeddingRow) -> Result<()> {
        self.write_line(row)
    }

    /// Removes the journal, once its rows are safe elsewhere.
    ///
    /// # Errors
    /// [`Fault::Output`].
    pub fn remove(self) -> Result<()> {
        let Self { path, file } = self;
        drop(file);
        std::fs::remove_file(&path).map_err(|error| EmbeddingsError::unwritable(&path, error))
    }

    fn write_line(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let unwritable = |error: std::io::Error| EmbeddingsError::unwritable(&self.path, error);
        let mut line = serde_json::to_vec(value).map_err(|error| unwritable(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(unwritable)?;
        self.file.sync_data().map_err(unwritable)
    }
}

/// The rows, and how many bytes of whole lines hold them.
fn read_lines(
    path: &Path,
    file: &File,
    provenance: &Provenance,
) -> Result<(Vec<EmbeddingRow>, u64)> {
    let damaged = |line: usize| {
        EmbeddingsError::new(
            Fault::Content,
            path,
            format!("is no journal of embeddings (line {line})"),
            "move it away, or give another --out",
        )
    };
    let mut reader = BufReader::new(file);
    let mut rows = Vec::new();
    let mut whole = 0;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader
            .read_until(b'\n', &mut line)
            .map_err(|error| EmbeddingsError::unreadable(path, error))?;
        if line.last() != Some(&b'\n') {
            break;
        }
        if number == 1 {
            let found: Provenance = serde_json::from_slice(&line).map_err(|_| damaged(number))?;
            if let Some(conflict) = provenance.conflict(&found) {
                return Err(EmbeddingsError::new(
                    Fault::Mismatch,
                    path,
                    format!("holds rows made with {conflict}"),
                    "go on with the model, recipe and --precision that made them, or give another --out",
                ));
            }
        } else {
            rows.push(serde_json::from_slice(&line).map_err(|_| damaged(number))?);
        }
        whole += read as u64;
    }
    Ok((rows, whole))
}
