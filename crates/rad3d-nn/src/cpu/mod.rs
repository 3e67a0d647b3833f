//! Kernels for inference on the CPU, over plain slices of f32.
//!
//! Activations travel in *panels*: [`Isa::lanes`] tokens side by side, stored `[feature, lane]`.
//! Weights are packed once, at load, into panels of [`Isa::tile_rows`] output features, stored
//! `[input feature, row]`. A register tile of the product then is `[output feature, lane]`, which
//! is the layout of the next product's input: a chain of layers never transposes in between.

mod attention;
mod elementwise;
pub(crate) mod isa;
mod linear;
mod matrix;
mod panel;
mod parallel;
mod precision;
mod tile;

pub use attention::{AttentionBias, AttentionShape, attend};
pub(crate) use elementwise::{
    LENGTH_EPSILON, NORM_EPSILON, add_bias, dot, exp, geglu, geglu_back, gelu, l2_normalise,
    largest, normalise_row, relu, softmax, softmax_back, sum_of,
};
pub use isa::Isa;
pub(crate) use isa::vectorised;
pub(crate) use linear::linear;
pub use matrix::PackedMatrix;
pub(crate) use panel::{add_panel_to_rows, panel_to_rows, rows_to_panel};
pub(crate) use parallel::with_scratch;
pub use precision::{Kernel, Precision};

/// `a · b + c`, fused where the instruction set can do that in one instruction.
#[inline(always)]
pub(crate) fn fma<const FUSE: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSE { a.mul_add(b, c) } else { a * b + c }
}
