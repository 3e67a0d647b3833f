//! Reports, labels, embeddings and scans, joined and split by patient.

mod cases;
mod split;
mod volumes;

pub use cases::{Case, read_cases, read_labels};
pub use split::{Split, derangement, split_by_patient, split_given};
pub use volumes::{TensorCache, scans_by_name};
