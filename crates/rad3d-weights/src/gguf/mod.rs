//! GGUF: llama.cpp's single-file models, with quantised weights and the tokenizer.

mod read;
mod value;

pub use read::GgufMetadata;
pub(crate) use read::{GgufTensor, read};
pub use value::GgufValue;
