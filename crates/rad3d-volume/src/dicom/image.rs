//! One DICOM file with pixels: its matrix, its frames, and where each lies in the patient.

use std::hash::{DefaultHasher, Hash, Hasher};

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::attributes::{Attributes, Group, number, numbers, text, texts};
use super::header::Pixels;
use super::source::{Source, Start, truncated};
use super::syntax::{Packing, Syntax};
use crate::error::{Fault, Result, VolumeError};
use crate::geometry::{Vec3, cross, norm};
use crate::hu::Rescale;
use crate::volume::ScanFacts;

/// How a pixel lies in its stored word (PS3.5 section 8.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bits {
    /// Bits of a word: 8 or 16.
    pub(super) allocated: u8,
    /// Bits of a pixel.
    pub(super) stored: u8,
    /// The highest bit of the pixel.
    pub(super) high: u8,
    /// Whether pixels are two's complement.
    pub(super) signed: bool,
}

impl Bits {
    /// The pixel in a stored word.
    #[inline(always)]
    pub(super) fn pixel(self, word: u16) -> i32 {
        let up = 15 - u32::from(self.high);
        let down = 16 - u32::from(self.stored);
        let top = word << up;
        if self.signed {
            i32::from((top as i16) >> down)
        } else {
            i32::from(top >> down)
        }
    }

    /// Smallest and largest pixel.
    pub(super) fn range(self) -> (f64, f64) {
        let span = f64::from(1_u32 << self.stored);
        if self.signed {
            (-span / 2.0, span / 2.0 - 1.0)
        } else {
            (0.0, span - 1.0)
        }
    }
}

/// One frame's place and line to Hounsfield units.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) position: Option<Vec3>,
    pub(super) rescale: Rescale,
    /// Acquisition and temporal position, to tell apart frames at one place.
    pub(super) acquisition: Option<String>,
    pub(super) temporal: Option<String>,
}

/// One file with pixels.
#[derive(Debug)]
pub(crate) struct Image {
    pub(super) source: Source,
    pub(super) syntax: Syntax,
    pub(super) start: Start,
    pub(super) pixels: Pixels,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) bits: Bits,
    pub(super) frames: Vec<Frame>,
    /// Directions of `i` and `j`.
    pub(super) orientation: Option<[Vec3; 2]>,
    /// Spacing along `i` and `j`.
    pub(super) spacing_mm: Option<[f64; 2]>,
    pub(super) slice_thickness_mm: Option<f64>,
    /// Smallest and largest stored padding value.
    pub(super) padding: Option<(i32, i32)>,
    pub(super) facts: ScanFacts,
    /// A hash of patient ID and name: enough to tell two patients apart, and no more.
    pub(super) patient: u64,
    pub(super) study_uid: Option<String>,
    pub(super) echo_time: Option<String>,
    /// Whether this is a secondary capture: a picture of a screen, a scanned page.
    pub(super) captured: bool,
    /// Whether the frames' positions were worked out from one position and the spacing.
    pub(super) positions_derived: bool,
    /// Why the pixels cannot be used, found in the header; raised when they are asked for.
    pub(super) refused: Option<(Fault, String)>,
}

/// Most voxels of one file; a CT of 1024 × 1024 × 4096 is as large.
const MOST_PIXELS: u64 = 1 << 32;

impl Image {
    pub(super) fn new(
        source: Source,
        syntax: Syntax,
        start: Start,
        pixels: Pixels,
        attributes: &Attributes,
    ) -> Result<Self> {
        let faulty = |what: String| {
            let hint = "the header is damaged; export the file again, or leave it out";
            VolumeError::new(Fault::Header, source.path(), what, hint)
        };
        let needed = |tag: Tag, name: &str| {
            attributes
                .short(tag)
                .ok_or_else(|| faulty(format!("has no {name}")))
        };
        let top = &attributes.top;
        let (rows, columns) = (
            needed(tags::ROWS, "Rows")?,
            needed(tags::COLUMNS, "Columns")?,
        );
        if rows == 0 || columns == 0 {
            return Err(faulty(format!("has {rows} rows and {columns} columns")));
        }
        let frame_count = match text(top, tags::NUMBER_OF_FRAMES) {
            None => 1,
            Some(count) => match count.parse::<u32>() {
                Ok(count) if count > 0 => count,
                _ => return Err(faulty(format!("its number of frames is `{count}`"))),
            },
        };
        if u64::from(rows) * u64::from(columns) * u64::from(frame_count) > MOST_PIXELS {
            return Err(faulty(format!(
                "claims {rows} × {columns} × {frame_count} pixels"
            )));
        }
        let (bits, mut refused) = bits(attributes).map_err(faulty)?;
        let samples = attributes.short(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        if samples != 1 {
            let photometric = text(top, tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
            let what = format!("is a colour image ({samples} samples a pixel, {photometric})");
            refused = Some((Fault::Voxels, what));
        }
        if refused.is_none() && attributes.frames.len() > frame_count as usize {
            let what = format!(
                "has functional groups for {} frames, and {frame_count} frames",
                attributes.frames.len()
            );
            return Err(faulty(what));
        }
        let group = |tag| lookup(attributes, tag);
        let orientation = group(tags::IMAGE_ORIENTATION_PATIENT)
            .and_then(|group| numbers::<6>(group, tags::IMAGE_ORIENTATION_PATIENT))
            .and_then(|[a, b, c, d, e, f]| unit_axes([a, b, c], [d, e, f]));
        let spacing_mm = group(tags::PIXEL_SPACING)
            .and_then(|group| numbers::<2>(group, tags::PIXEL_SPACING))
            .map(|[between_rows, between_columns]| [between_columns, between_rows]);
        let one = |tag| group(tag).and_then(|group| number(group, tag));
        let mut image = Self {
            syntax,
            start,
            pixels,
            rows: usize::from(rows),
            columns: usize::from(columns),
            bits,
            frames: Vec::new(),
            orientation,
            spacing_mm,
            slice_thickness_mm: one(tags::SLICE_THICKNESS).filter(|mm| *mm > 0.0),
            padding: padding(attributes, bits),
            facts: facts(attributes),
            patient: patient(top),
            study_uid: text(top, tags::STUDY_INSTANCE_UID),
            echo_time: text(top, tags::ECHO_TIME),
            captured: text(top, tags::SOP_CLASS_UID)
                .is_some_and(|uid| uid.starts_with("1.2.840.10008.5.1.4.1.1.7")),
            positions_derived: false,
            refused,
            source,
        };
        image.frames = frames(attributes, frame_count as usize);
        image.derive_positions(one(tags::SPACING_BETWEEN_SLICES));
        Ok(image)
    }

    /// Frames without functional groups: the first one's position and the spacing give the rest.
    fn derive_positions(&mut self, spacing_between: Option<f64>) {
        let alone = self.frames.len() < 2 || self.frames[1].position.is_some();
        let (Some([row, column]), Some(step)) = (self.orientation, spacing_between) else {
            return;
        };
        let Some(first) = self.frames[0].position.filter(|_| !alone && step != 0.0) else {
            return;
        };
        let normal = cross(row, column);
        for (index, frame) in self.frames.iter_mut().enumerate() {
            let along = index as f64 * step;
            frame.position = Some(std::array::from_fn(|axis| {
                first[axis] + along * normal[axis]
            }));
        }
        self.positions_derived = true;
    }

    /// Pixels of one frame.
    pub(super) fn frame_len(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes of one uncompressed frame.
    pub(super) fn frame_bytes(&self) -> u64 {
        self.frame_len() as u64 * u64::from(self.bits.allocated / 8)
    }

    /// Checks, before anything is allocated, that the file is long enough for the frames it
    /// claims.
    pub(super) fn check_length(&self, file_len: u64) -> Result<()> {
        if self.refused.is_some() || self.syntax.packing != Packing::Native {
            return Ok(());
        }
        let want = self.frame_bytes() * self.frames.len() as u64;
        let declared = u64::from(self.pixels.len.unwrap_or(0));
        if declared < want {
            let what = format!(
                "holds {declared} bytes of pixels; {} rows × {} columns × {} frames need {want}",
                self.rows,
                self.columns,
                self.frames.len()
            );
            let hint =
                "the file is incomplete or damaged; copy or export it again, or leave it out";
            return Err(VolumeError::new(
                Fault::Truncated,
                self.source.path(),
                what,
                hint,
            ));
        }
        if !self.start.deflated && self.start.offset + self.pixels.offset + want > file_len {
            let end = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(truncated(self.source.path(), end));
        }
        Ok(())
    }

    /// Whether this is a scout view rather than a slice.
    pub(super) fn is_localizer(&self) -> bool {
        self.facts
            .image_type
            .iter()
            .any(|value| value.eq_ignore_ascii_case("LOCALIZER"))
    }
}

/// The innermost group that has `tag`: the first frame's, the shared, the data set.
fn lookup(attributes: &Attributes, tag: Tag) -> Option<&Group> {
    attributes
        .frames
        .first()
        .into_iter()
        .chain([&attributes.shared, &attributes.top])
        .find(|group| group.contains_key(&tag))
}

fn frames(attributes: &Attributes, count: usize) -> Vec<Frame> {
    let empty = Group::new();
    (0..count)
        .map(|index| {
            let own = attributes.frames.get(index).unwrap_or(&empty);
            let levels = [own, &attributes.shared, &attributes.top];
            let one = |tag| levels.iter().find_map(|group| number(group, tag));
            let word = |tag| levels.iter().find_map(|group| text(group, tag));
            // The data set's own position is the first frame's alone.
            let places = if index == 0 {
                &levels[..]
            } else {
                &levels[..2]
            };
            Frame {
                position: places
                    .iter()
                    .find_map(|group| numbers(group, tags::IMAGE_POSITION_PATIENT)),
                rescale: Rescale {
                    slope: one(tags::RESCALE_SLOPE).unwrap_or(1.0),
                    intercept: one(tags::RESCALE_INTERCEPT).unwrap_or(0.0),
                },
                acquisition: word(tags::FRAME_ACQUISITION_NUMBER)
                    .or_else(|| word(tags::ACQUISITION_NUMBER)),
                temporal: word(tags::TEMPORAL_POSITION_INDEX)
                    .or_else(|| word(tags::TEMPORAL_POSITION_IDENTIFIER)),
            }
        })
        .collect()
}

/// The two axes at unit length; `None` unless they are (nearly) at right angles.
fn unit_axes(row: Vec3, column: Vec3) -> Option<[Vec3; 2]> {
    let (row_norm, column_norm) = (norm(row), norm(column));
    let sound = (0.9..1.1).contains(&row_norm)
        && (0.9..1.1).contains(&column_norm)
        && norm(cross(row, column)) > 0.99 * row_norm * column_norm;
    sound.then(|| [row.map(|x| x / row_norm), column.map(|x| x / column_norm)])
}

/// How pixels lie in their words; a layout that is sound but not supported is only refused.
fn bits(attributes: &Attributes) -> Result<(Bits, Option<(Fault, String)>), String> {
    let allocated = attributes
        .short(tags::BITS_ALLOCATED)
        .ok_or("has no Bits Allocated")?;
    let stored = attributes.short(tags::BITS_STORED).unwrap_or(allocated);
    let high = attributes
        .short(tags::HIGH_BIT)
        .unwrap_or(stored.wrapping_sub(1));
    let signed = attributes.short(tags::PIXEL_REPRESENTATION).unwrap_or(0) == 1;
    if !matches!(allocated, 8 | 16) {
        let what = format!("stores {allocated} bits a pixel; 8 and 16 are supported");
        let any = Bits {
            allocated: 16,
            stored: 16,
            high: 15,
            signed,
        };
        return Ok((any, Some((Fault::Unsupported, what))));
    }
    if stored == 0 || stored > allocated || high >= allocated || high + 1 < stored {
        return Err(format!(
            "claims {stored} bits stored of {allocated} allocated, the highest number {high}"
        ));
    }
    let [allocated, stored, high] = [allocated, stored, high].map(|bits| bits as u8);
    Ok((
        Bits {
            allocated,
            stored,
            high,
            signed,
        },
        None,
    ))
}

/// The padding value or range (PS3.3 C.7.5.1.1.2), which has the pixels' own representation.
fn padding(attributes: &Attributes, bits: Bits) -> Option<(i32, i32)> {
    let value = |tag| {
        let word = attributes.short(tag)?;
        Some(if bits.signed {
            i32::from(word as i16)
        } else {
            i32::from(word)
        })
    };
    let one = value(tags::PIXEL_PADDING_VALUE)?;
    let other = value(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(one);
    Some((one.min(other), one.max(other)))
}

fn facts(attributes: &Attributes) -> ScanFacts {
    let top = &attributes.top;
    let first = |tag| lookup(attributes, tag).and_then(|group| text(group, tag));
    let scanner = [tags::MANUFACTURER, tags::MANUFACTURER_MODEL_NAME]
        .into_iter()
        .filter_map(|tag| text(top, tag))
        .collect::<Vec<_>>()
        .join(" ");
    let mut image_type = texts(top, tags::IMAGE_TYPE);
    if image_type.is_empty() {
        image_type = texts(&attributes.shared, tags::FRAME_TYPE);
    }
    ScanFacts {
        modality: text(top, tags::MODALITY),
        body_part: text(top, tags::BODY_PART_EXAMINED)
            .or_else(|| text(&attributes.shared, tags::CODE_MEANING))
            .map(|part| part.to_uppercase()),
        image_type,
        series_description: text(top, tags::SERIES_DESCRIPTION)
            .or_else(|| text(top, tags::PROTOCOL_NAME)),
        series_uid: text(top, tags::SERIES_INSTANCE_UID),
        kernel: first(tags::CONVOLUTION_KERNEL),
        scanner: (!scanner.is_empty()).then_some(scanner),
    }
}

fn patient(top: &Group) -> u64 {
    let mut hasher = DefaultHasher::new();
    // The ID decides; a name is spelt in many ways, and counts only where there is no ID.
    match text(top, tags::PATIENT_ID) {
        Some(id) => id.hash(&mut hasher),
        None => text(top, tags::PATIENT_NAME).hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_keep_their_sign_and_shed_what_lies_above() {
        let twelve = Bits {
            allocated: 16,
            stored: 12,
            high: 11,
            signed: true,
        };
        assert_eq!(twelve.pixel(0x0FFF), -1);
        assert_eq!(twelve.pixel(0xF7FF), 2047);
        assert_eq!(twelve.range(), (-2048.0, 2047.0));
        let raised = Bits {
            allocated: 16,
            stored: 12,
            high: 15,
            signed: false,
        };
        assert_eq!(raised.pixel(0xABCD), 0xABC);
        let byte = Bits {
            allocated: 8,
            stored: 8,
            high: 7,
            signed: true,
        };
        assert_eq!(byte.pixel(0x80), -128);
    }
}
