//! Writing results, never half of one.

mod atomic;
mod gzip;
mod nifti;
mod tensor;

pub use atomic::AtomicFile;
pub use nifti::{nifti, nifti_i16};
pub use tensor::tensor;
