//! Weights for rad3d, without a tensor engine.
//!
//! [`Checkpoint`] reads safetensors, PyTorch's `.pt` and `.bin` (never running their pickles), GGUF
//! and Hugging Face folders, memory-mapped. [`Loader`] hands its tensors to a network and accounts
//! for every one. [`Tokenizer`] turns text into token ids.
//! [`ModelFolder`] is a model as rad3d keeps it, made by [`Import`]; [`Hub`] fetches models.

mod atomic;
mod bytes;
mod checkpoint;
mod dtype;
mod error;
mod gguf;
mod hash;
mod hub;
mod loader;
mod model;
mod pytorch;
pub mod quant;
mod safetensors_write;
mod tensor;
mod tokenizer;

pub use bytes::Bytes;
pub use checkpoint::{Checkpoint, Format};
pub use dtype::{DType, element_count};
pub use error::{Fault, Result, WeightsError};
pub use gguf::{GgufMetadata, GgufValue};
pub use hash::sha256_of_file;
pub use hub::{Hub, HubCache, Progress, Snapshot};
pub use loader::{IgnoreRule, Loaded, Loader, Mismatch, TensorFault, ct_clip_ignores};
pub use model::{
    FamiliarityPart, FileRecord, HeadPart, Import, ImportReport, LabelPart, LlmKind, LlmPart,
    MANIFEST_FILE, MANIFEST_VERSION, Manifest, MapperConfig, MapperInputs, MapperKind, MapperPart,
    MapperTarget, ModelFolder, RecipeChoice, TowerConfig, TowerPart, llm_sha256, read_calibration,
    tower_config,
};
pub use pytorch::count_tensors_in_pickle;
pub use safetensors_write::write_safetensors;
pub use tensor::{TensorInfo, TensorView};
pub use tokenizer::{SpecialTokens, TextStream, Tokenizer};
