//! Embeddings of a tower's own scans, so that what stands on it need not encode them again.

use std::path::{Path, PathBuf};

use rad3d_embeddings::{EmbeddingRow, EmbeddingTable, Provenance, write_parquet};
use rad3d_weights::sha256_of_file;

use super::tower::TowerTask;
use crate::error::{Result, TrainError};

impl TowerTask {
    /// Writes `training.parquet` and `validation.parquet` with latents `[cases, latent]` and
    /// logits `[cases, labels]` of both sides; `files` are those of tower and head.
    pub(super) fn write_tables(
        &self,
        folder: &Path,
        files: &[PathBuf; 2],
        latents: [&[f32]; 2],
        logits: [&[f32]; 2],
    ) -> Result<()> {
        let recipe = serde_json::to_string(&self.recipe);
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tower_sha256: sha256_of_file(&files[0], |_| {})?,
            head_sha256: Some(sha256_of_file(&files[1], |_| {})?),
            recipe: recipe.map_err(|error| TrainError::unwritable(folder, error))?,
            labels: self.labels.names().map(str::to_owned).collect(),
            precision: "f32".to_owned(),
        };
        for (side, name) in ["training", "validation"].into_iter().enumerate() {
            let table = table(&provenance, &self.ids[side], latents[side], logits[side]);
            write_parquet(&folder.join(format!("{name}.parquet")), &table)?;
        }
        Ok(())
    }
}

fn table(
    provenance: &Provenance,
    ids: &[String],
    latents: &[f32],
    logits: &[f32],
) -> EmbeddingTable {
    let width = latents.len() / ids.len().max(1);
    let labels = logits.len() / ids.len().max(1);
    let mut rows: Vec<EmbeddingRow> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| EmbeddingRow {
            id: id.clone(),
            path: id.clone(),
            embedding: latents[index * width..][..width].to_vec(),
            logits: logits[index * labels..][..labels].to_vec(),
        })
        .collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    EmbeddingTable {
        provenance: provenance.clone(),
        rows,
    }
}
