//! Embeddings of scans: one row a scan, kept as Parquet, gathered in a journal while they are made.
//!
//! Training reads these tables instead of volumes: 512 numbers a scan instead of 55 million.

mod error;
pub mod familiarity;
mod journal;
mod parquet_file;
mod table;

pub use error::{EmbeddingsError, Fault, Result};
pub use familiarity::{Familiarity, FamiliarityLimits};
pub use journal::Journal;
pub use parquet_file::{read_parquet, write_parquet};
pub use table::{EmbeddingRow, EmbeddingTable, Provenance};
