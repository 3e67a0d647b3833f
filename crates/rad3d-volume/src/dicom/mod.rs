//! DICOM: classic series of one file a slice, and enhanced multi-frame files.
//!
//! ```text
//! file ─header pass→ Image ─group→ Series (slices in order) ─read→ Volume
//! ```
//!
//! Attribute meanings: DICOM PS3.3 (C.7.6.2 image plane, C.7.6.3 pixels, C.7.6.16 multi-frame);
//! encodings: PS3.5.

mod assemble;
mod attributes;
mod codec;
mod header;
mod image;
mod pixels;
mod series;
mod source;
mod stack;
mod syntax;

pub(crate) use header::{Found, looks_like_dicom, read as read_header};
pub(crate) use image::Image;
pub(crate) use series::{Series, group};
pub(crate) use source::Source;
