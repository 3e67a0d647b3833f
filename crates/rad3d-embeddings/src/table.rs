//! The table in memory.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{EmbeddingsError, Fault, Result};

/// What made the embeddings. Rows of two provenances never meet in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of rad3d.
    pub version: String,
    /// SHA-256 of the tower's weights, hexadecimal.
    pub tower_sha256: String,
    /// SHA-256 of the head's weights; none without a head.
    pub head_sha256: Option<String>,
    /// The preprocessing recipe, as JSON.
    pub recipe: String,
    /// Names of the labels, in the order of the logits.
    pub labels: Vec<String>,
    /// Precision of the tower's matrix products, as `rad3d encode --precision` names it. Tables made
    /// before it was recorded count as `f32`, which was and is the default.
    #[serde(default = "default_precision")]
    pub precision: String,
}

fn default_precision() -> String {
    "f32".to_owned()
}

impl Provenance {
    /// What differs from `other` so that rows must not be mixed, if anything does; another version
    /// of rad3d alone does not.
    #[must_use]
    pub fn conflict(&self, other: &Self) -> Option<&'static str> {
        if self.tower_sha256 != other.tower_sha256 {
            Some("another tower")
        } else if self.head_sha256 != other.head_sha256 {
            Some("another head")
        } else if self.recipe != other.recipe {
            Some("another recipe")
        } else if self.labels != other.labels {
            Some("other labels")
        } else if self.precision != other.precision {
            Some("another precision")
        } else {
            None
        }
    }
}

/// One scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingRow {
    /// The scan's name: its file name (CT-RATE's `VolumeName`) or folder name.
    pub id: String,
    /// The path it was read from.
    pub path: String,
    /// The tower's embedding, of unit length.
    pub embedding: Vec<f32>,
    /// One logit a label, not calibrated; empty without a head.
    pub logits: Vec<f32>,
}

/// Rows of one provenance, no two of one scan.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingTable {
    /// What made the rows.
    pub provenance: Provenance,
    /// The rows.
    pub rows: Vec<EmbeddingRow>,
}

impl EmbeddingTable {
    /// Adds the rows of `other`, read from `path`.
    ///
    /// # Errors
    /// [`Fault::Mismatch`] when something else made them; [`Fault::Duplicate`] when a scan is in
    /// both.
    pub fn append(&mut self, other: EmbeddingTable, path: &Path) -> Result<()> {
        if let Some(conflict) = self.provenance.conflict(&other.provenance) {
            return Err(EmbeddingsError::new(
                Fault::Mismatch,
                path,
                format!("was made with {conflict} than the tables before it"),
                "merge only what one model made, with one recipe and precision",
            ));
        }
        let known: BTreeSet<&str> = self.rows.iter().map(|row| row.id.as_str()).collect();
        if let Some(row) = other
            .rows
            .iter()
            .find(|row| known.contains(row.id.as_str()))
        {
            return Err(EmbeddingsError::new(
                Fault::Duplicate,
                path,
                format!("holds {}, which another table holds too", row.id),
                "merge each shard once",
            ));
        }
        self.rows.extend(other.rows);
        Ok(())
    }
}
