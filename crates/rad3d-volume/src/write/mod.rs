//! Writing results, never half of one.

mod atomic;
mod gzip;
mod nifti;

pub use atomic::AtomicFile;
pub use nifti::nifti;
