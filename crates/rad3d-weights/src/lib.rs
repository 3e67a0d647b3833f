//! Weights for rad3d, without a tensor engine.
//!
//! [`Checkpoint`] reads safetensors, PyTorch's `.pt` and `.bin` (never running their pickles), GGUF
//! and Hugging Face folders, memory-mapped. [`Loader`] hands its tensors to a network and accounts
//! for every one.

mod bytes;
mod checkpoint;
mod dtype;
mod error;
mod gguf;
mod loader;
mod pytorch;
pub mod quant;
mod tensor;
mod tokenizer;

pub use bytes::Bytes;
pub use checkpoint::{Checkpoint, Format};
pub use dtype::{DType, element_count};
pub use error::{Fault, Result, WeightsError};
pub use gguf::{GgufMetadata, GgufValue};
pub use loader::{IgnoreRule, Loaded, Loader, Mismatch, TensorFault, ct_clip_ignores};
pub use pytorch::count_tensors_in_pickle;
pub use tensor::{TensorInfo, TensorView};
pub use tokenizer::{SpecialTokens, TextStream, Tokenizer};
