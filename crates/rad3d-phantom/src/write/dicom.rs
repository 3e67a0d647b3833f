//! A phantom as a DICOM series: one CT image a slice, explicit little endian.

use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use rayon::prelude::*;

use crate::error::{PhantomError, Result};
use crate::facts::{FactSheet, Sex};
use crate::grid::Scanner;
use crate::random::Random;

/// Stored values are Hounsfield units less this, so that 12 unsigned bits hold them.
const INTERCEPT: i32 = -1024;

/// Writes `voxels` (columns fastest) into `folder`, a file a slice.
pub(super) fn series(
    folder: &Path,
    facts: &FactSheet,
    scanner: &Scanner,
    voxels: &[i16],
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| PhantomError::unwritable(folder, error))?;
    let [columns, rows, _] = scanner.dims_ijk;
    let slices = voxels.par_chunks((columns * rows).max(1)).enumerate();
    slices.try_for_each(|(k, slice)| {
        let path = folder.join(format!("slice_{:04}.dcm", k + 1));
        let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        image(facts, scanner, k, slice)
            .with_meta(meta)
            .map_err(|error| PhantomError::unwritable(&path, error))?
            .write_to_file(&path)
            .map_err(|error| PhantomError::unwritable(&path, error))
    })
}

/// A UID made of the seed alone, under the root for UUIDs (2.25).
fn uid(facts: &FactSheet, purpose: &str) -> String {
    let mut random = Random::new(facts.seed, purpose);
    format!(
        "2.25.{}",
        u128::from(random.bits()) << 64 | u128::from(random.bits())
    )
}

fn image(facts: &FactSheet, scanner: &Scanner, k: usize, slice: &[i16]) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
        object.put(DataElement::new(tag, vr, value));
    };
    let [x, y, z] = scanner.spacing_mm;
    let [left, back, low] = scanner.origin_lps_mm;
    // Rounded to a micrometre, so that binary dust fits into sixteen characters.
    let decimal = |mm: f64| ((mm * 1000.0).round() / 1000.0).to_string();
    let position = low + k as f64 * z;
    let sex = if facts.sex == Sex::Female { "F" } else { "M" };
    let several = |values: &[String]| PrimitiveValue::Strs(values.iter().cloned().collect());
    for (tag, vr, text) in [
        (
            tags::SPECIFIC_CHARACTER_SET,
            VR::CS,
            "ISO_IR 192".to_owned(),
        ),
        (
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::CT_IMAGE_STORAGE.to_owned(),
        ),
        (
            tags::SOP_INSTANCE_UID,
            VR::UI,
            uid(facts, &format!("slice {k}")),
        ),
        // Who, when and where are empty: there is nobody, and the same seed gives the same bytes.
        (tags::STUDY_DATE, VR::DA, String::new()),
        (tags::STUDY_TIME, VR::TM, String::new()),
        (tags::ACCESSION_NUMBER, VR::SH, String::new()),
        (tags::MODALITY, VR::CS, "CT".to_owned()),
        (tags::MANUFACTURER, VR::LO, "rad3d".to_owned()),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN, String::new()),
        (
            tags::STUDY_DESCRIPTION,
            VR::LO,
            "Synthetic chest CT, not a patient".to_owned(),
        ),
        (
            tags::SERIES_DESCRIPTION,
            VR::LO,
            "Synthetic phantom, not a patient".to_owned(),
        ),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "phantom".to_owned()),
        (
            tags::PATIENT_NAME,
            VR::PN,
            "PHANTOM^NOT A PATIENT".to_owned(),
        ),
        (
            tags::PATIENT_ID,
            VR::LO,
            format!("RAD3D-PHANTOM-{}", facts.seed),
        ),
        (tags::PATIENT_BIRTH_DATE, VR::DA, String::new()),
        (tags::PATIENT_SEX, VR::CS, sex.to_owned()),
        (tags::PATIENT_AGE, VR::AS, format!("{:03}Y", facts.age)),
        (tags::BODY_PART_EXAMINED, VR::CS, "CHEST".to_owned()),
        (tags::SLICE_THICKNESS, VR::DS, decimal(z)),
        (tags::KVP, VR::DS, "120".to_owned()),
        (tags::PATIENT_POSITION, VR::CS, "HFS".to_owned()),
        (tags::STUDY_INSTANCE_UID, VR::UI, uid(facts, "study")),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid(facts, "series")),
        (tags::STUDY_ID, VR::SH, String::new()),
        (tags::SERIES_NUMBER, VR::IS, "1".to_owned()),
        (tags::ACQUISITION_NUMBER, VR::IS, "1".to_owned()),
        (tags::INSTANCE_NUMBER, VR::IS, (k + 1).to_string()),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, uid(facts, "frame")),
        (tags::POSITION_REFERENCE_INDICATOR, VR::LO, String::new()),
        (tags::SLICE_LOCATION, VR::DS, decimal(position)),
        (
            tags::PHOTOMETRIC_INTERPRETATION,
            VR::CS,
            "MONOCHROME2".to_owned(),
        ),
        (tags::WINDOW_CENTER, VR::DS, "-550".to_owned()),
        (tags::WINDOW_WIDTH, VR::DS, "1500".to_owned()),
        (tags::RESCALE_INTERCEPT, VR::DS, INTERCEPT.to_string()),
        (tags::RESCALE_SLOPE, VR::DS, "1".to_owned()),
        (tags::RESCALE_TYPE, VR::LO, "HU".to_owned()),
    ] {
        let value = if text.is_empty() {
            PrimitiveValue::Empty
        } else {
            text.into()
        };
        put(tag, vr, value);
    }
    for (tag, vr, values) in [
        (
            tags::IMAGE_TYPE,
            VR::CS,
            ["ORIGINAL", "PRIMARY", "AXIAL"].map(String::from).to_vec(),
        ),
        (
            tags::IMAGE_POSITION_PATIENT,
            VR::DS,
            [left, back, position].map(decimal).to_vec(),
        ),
        (
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            ["1", "0", "0", "0", "1", "0"].map(String::from).to_vec(),
        ),
        // Between rows first.
        (tags::PIXEL_SPACING, VR::DS, [y, x].map(decimal).to_vec()),
    ] {
        put(tag, vr, several(&values));
    }
    let [columns, rows, _] = scanner.dims_ijk;
    for (tag, number) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, rows),
        (tags::COLUMNS, columns),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        put(
            tag,
            VR::US,
            PrimitiveValue::from(u16::try_from(number).unwrap_or(u16::MAX)),
        );
    }
    let stored = slice
        .iter()
        .map(|&hu| (i32::from(hu) - INTERCEPT).clamp(0, 4095) as u16);
    put(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(stored.collect()),
    );
    object
}
