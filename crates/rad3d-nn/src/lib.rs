//! The networks of rad3d.
//!
//! ```text
//! model input ─tower→ embedding + logits ─projector→ prefix ─language model→ report
//! ```
//!
//! Inference on the CPU uses kernels of our own and builds without a tensor engine. The feature
//! `burn` adds the same networks as trainable Burn modules; `wgpu` and `cuda` add its GPU backends.

mod error;

pub use error::{Fault, NnError, Result};
