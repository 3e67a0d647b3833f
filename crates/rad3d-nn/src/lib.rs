//! The networks of rad3d.
//!
//! ```text
//! model input ─tower→ embedding + logits ─projector→ prefix ─language model→ report
//! ```
//!
//! Inference on the CPU uses kernels of our own and builds without a tensor engine. The feature
//! `burn` adds the same networks as trainable Burn modules; `wgpu` and `cuda` add its GPU backends.

pub mod cpu;
pub mod ct_vit;
mod error;
mod source;

pub use ct_vit::{CtVit, CtVitConfig};
pub use error::{Fault, NnError, Result};
pub use source::{Weight, WeightSource};
