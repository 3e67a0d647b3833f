//! The few attributes that matter, by where they stand: the data set itself, the functional
//! groups that all frames share, or those of one frame (PS3.3 C.7.6.16).

use std::collections::BTreeMap;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Attributes of one data set or of one frame's functional groups.
pub(super) type Group = BTreeMap<Tag, Vec<u8>>;

/// What the header pass keeps of one file.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// Of the data set itself.
    pub(super) top: Group,
    /// Of the shared functional groups, without the sequences around them.
    pub(super) shared: Group,
    /// Of each frame's own functional groups.
    pub(super) frames: Vec<Group>,
    big_endian: bool,
}

const TOP: [Tag; 46] = [
    tags::OFFSET_OF_THE_FIRST_DIRECTORY_RECORD_OF_THE_ROOT_DIRECTORY_ENTITY,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::MODALITY,
    tags::MANUFACTURER,
    tags::MANUFACTURER_MODEL_NAME,
    tags::SERIES_DESCRIPTION,
    tags::STUDY_DESCRIPTION,
    tags::PROTOCOL_NAME,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::BODY_PART_EXAMINED,
    tags::SLICE_THICKNESS,
    tags::SPACING_BETWEEN_SLICES,
    tags::CONVOLUTION_KERNEL,
    tags::ECHO_TIME,
    tags::GANTRY_DETECTOR_TILT,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::SERIES_NUMBER,
    tags::ACQUISITION_NUMBER,
    tags::INSTANCE_NUMBER,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::TEMPORAL_POSITION_IDENTIFIER,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::IMAGER_PIXEL_SPACING,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RESCALE_TYPE,
    tags::ACQUISITION_TIME,
    tags::TRIGGER_TIME,
    tags::CONTENT_TIME,
    tags::FRAME_TYPE,
];

const FUNCTIONAL: [Tag; 11] = [
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::PIXEL_SPACING,
    tags::SLICE_THICKNESS,
    tags::SPACING_BETWEEN_SLICES,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::FRAME_TYPE,
    tags::CONVOLUTION_KERNEL,
    tags::TEMPORAL_POSITION_INDEX,
    tags::FRAME_ACQUISITION_NUMBER,
];

/// Most frames a file may declare functional groups for; a CT has a few thousand at most.
const MOST_FRAMES: usize = 1 << 16;

impl Attributes {
    pub(super) fn new(big_endian: bool) -> Self {
        Self {
            big_endian,
            ..Self::default()
        }
    }

    /// Whether an element at `path` (sequence and item number, outermost first) is worth reading.
    pub(super) fn wants(&self, path: &[(Tag, usize)], tag: Tag) -> bool {
        match path {
            [] => TOP.contains(&tag),
            [(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0), (_, 0)]
            | [
                (tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, ..MOST_FRAMES),
                (_, 0),
            ] => FUNCTIONAL.contains(&tag),
            [
                (tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0),
                (tags::FRAME_ANATOMY_SEQUENCE, 0),
                (tags::ANATOMIC_REGION_SEQUENCE, 0),
            ] => tag == tags::CODE_MEANING,
            _ => false,
        }
    }

    /// Keeps the value of an element that [`Attributes::wants`].
    pub(super) fn keep(&mut self, path: &[(Tag, usize)], tag: Tag, value: Vec<u8>) {
        match path {
            [] => self.top.insert(tag, value),
            [(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frame), _] => {
                if self.frames.len() <= *frame {
                    self.frames.resize_with(frame + 1, Group::new);
                }
                self.frames[*frame].insert(tag, value)
            }
            _ => self.shared.insert(tag, value),
        };
    }

    /// Whether this must be an image, pixels or not: it has a matrix, or its SOP class is one of
    /// the storage classes for images (PS3.4 B.5).
    pub(super) fn says_image(&self) -> bool {
        const IMAGES: [&str; 10] = ["1", "2", "3", "4", "6", "7", "12", "20", "128", "130"];
        let class = text(&self.top, tags::SOP_CLASS_UID).unwrap_or_default();
        let kind = class
            .strip_prefix("1.2.840.10008.5.1.4.1.1.")
            .unwrap_or_default();
        let image_class = IMAGES.contains(&kind.split('.').next().unwrap_or_default());
        image_class || (self.top.contains_key(&tags::ROWS) && self.top.contains_key(&tags::COLUMNS))
    }

    /// What kind of object this is, in a word or two; `None` if nothing says.
    pub(super) fn kind(&self) -> Option<String> {
        const DIRECTORY: Tag =
            tags::OFFSET_OF_THE_FIRST_DIRECTORY_RECORD_OF_THE_ROOT_DIRECTORY_ENTITY;
        let modality =
            text(&self.top, tags::MODALITY).map(|modality| format!("modality {modality}"));
        let class = || text(&self.top, tags::SOP_CLASS_UID).map(|uid| format!("SOP class {uid}"));
        let directory = || {
            self.top
                .contains_key(&DIRECTORY)
                .then(|| "DICOMDIR".to_owned())
        };
        modality.or_else(class).or_else(directory)
    }

    /// A 16-bit number of the data set.
    pub(super) fn short(&self, tag: Tag) -> Option<u16> {
        let bytes: [u8; 2] = self.top.get(&tag)?.get(..2)?.try_into().ok()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }
}

/// The text of an element without padding; `None` if absent or blank. Text that is not UTF-8 is
/// taken as Latin-1, which shows most western names right and damages none of what is compared.
pub(super) fn text(group: &Group, tag: Tag) -> Option<String> {
    let bytes = group.get(&tag)?;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}

/// The values of a multi-valued text element.
pub(super) fn texts(group: &Group, tag: Tag) -> Vec<String> {
    let all = text(group, tag).unwrap_or_default();
    all.split('\\')
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// `N` decimal numbers; `None` if absent, unreadable, not finite or of another count.
pub(super) fn numbers<const N: usize>(group: &Group, tag: Tag) -> Option<[f64; N]> {
    let parsed: Option<Vec<f64>> = text(group, tag)?
        .split('\\')
        .map(|part| part.trim().parse().ok().filter(|x: &f64| x.is_finite()))
        .collect();
    parsed?.try_into().ok()
}

/// One decimal number.
pub(super) fn number(group: &Group, tag: Tag) -> Option<f64> {
    numbers::<1>(group, tag).map(|[x]| x)
}
