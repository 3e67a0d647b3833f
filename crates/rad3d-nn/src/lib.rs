//! The networks of rad3d.
//!
//! ```text
//! model input ─tower→ embedding + logits ─projector→ prefix ─language model→ report
//! ```
//!
//! Inference on the CPU uses kernels of our own and builds without a tensor engine. The feature
//! `burn` adds the same networks as trainable Burn modules; `wgpu` and `cuda` add its GPU backends.

pub mod causal_lm;
pub mod cpu;
pub mod ct_vit;
mod engine_precision;
mod error;
pub mod generate;
mod head;
mod matmul;
pub mod projector;
mod source;
pub mod text_encoder;
#[cfg(feature = "burn")]
pub mod trainable;

pub use ct_vit::{CtVit, CtVitConfig};
pub use engine_precision::EnginePrecision;
pub use error::{Fault, NnError, Result};
pub use head::{AbnormalityHead, Calibration, LabelScore};
pub use projector::{PrefixMapper, Projector};
pub use source::{Weight, WeightSource};
pub use text_encoder::TextEncoder;
