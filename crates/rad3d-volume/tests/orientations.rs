//! The same scan, turned and mirrored in all 48 ways and kept in four formats, makes one tensor.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use proptest::prelude::*;
use rad3d_volume::{
    Format, Geometry, HuMode, Input, Orientation, PrepareOptions, Recipe, Rescale, ScanFacts, Vec3,
    Volume, Voxels, prepare,
};
use support::{Folder, Nifti, attached};

/// Largest difference allowed between tensors of the same scan.
const TOLERANCE: f32 = 1e-5;
const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// The scan, with axes left, posterior, superior; no two sizes or spacings are alike, and pixels
/// are not square.
const DIMS: [usize; 3] = [33, 29, 21];
const SPACING_MM: Vec3 = [0.8, 1.1, 2.5];
const ORIGIN_LPS_MM: Vec3 = [-12.0, -31.5, 40.0];

/// A recipe that crops along H, pads along D and W.
const RECIPE: &str = r#"
name = "small"
tensor-axes = "SLP"
spacing-mm = [2.0, 1.0, 0.9]
size = [30, 20, 40]
clip-hu = [-1000.0, 1000.0]
clip = "before-resampling"
scale = { add = 0.0, divide = 1000.0 }
pad-hu = -1000.0
"#;

fn recipe() -> Recipe {
    Recipe::from_toml(RECIPE, "small.toml").unwrap()
}

/// A value for each place that no turn or mirror image repeats.
fn value_at([i, j, k]: [usize; 3]) -> i16 {
    let mixed = (i * 73 + j * 151 + k * 389 + i * j * 7 + j * k * 5) % 1900;
    mixed as i16 - 900
}

/// The scan with its axes as `orientation` says: size, spacing, origin, values (`i` fastest).
struct Turned {
    orientation: Orientation,
    dims: [usize; 3],
    spacing_mm: Vec3,
    origin_lps_mm: Vec3,
    values: Vec<i16>,
}

impl Turned {
    fn new(orientation: Orientation) -> Self {
        let codes = orientation.codes();
        let dims = codes.map(|code| DIMS[code.patient_axis()]);
        let spacing_mm = codes.map(|code| SPACING_MM[code.patient_axis()]);
        let mut origin_lps_mm = ORIGIN_LPS_MM;
        for code in codes.into_iter().filter(|code| !code.is_positive()) {
            let axis = code.patient_axis();
            origin_lps_mm[axis] += (DIMS[axis] - 1) as f64 * SPACING_MM[axis];
        }
        let place = |index: [usize; 3]| {
            let mut lps = [0; 3];
            for (code, index) in codes.into_iter().zip(index) {
                let axis = code.patient_axis();
                lps[axis] = if code.is_positive() {
                    index
                } else {
                    DIMS[axis] - 1 - index
                };
            }
            value_at(lps)
        };
        let [ni, nj, nk] = dims;
        let values = (0..nk)
            .flat_map(|k| (0..nj).flat_map(move |j| (0..ni).map(move |i| [i, j, k])))
            .map(place)
            .collect();
        Self {
            orientation,
            dims,
            spacing_mm,
            origin_lps_mm,
            values,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    fn volume(&self) -> Volume {
        let directions = self.orientation.directions_lps();
        Volume {
            path: PathBuf::from("memory"),
            format: Format::Nifti,
            voxels: Voxels::I16(self.values.clone()),
            geometry: Geometry::new(self.dims, self.spacing_mm, directions, self.origin_lps_mm)
                .unwrap(),
            geometry_declared: true,
            rescale: Rescale::IDENTITY,
            padding: None,
            facts: ScanFacts::default(),
            warnings: Vec::new(),
        }
    }

    fn write_nifti(&self, folder: &Folder) -> PathBuf {
        let [i, j, k] = self.dims.map(|n| n as i64);
        let nifti = Nifti {
            dim: [3, i, j, k, 1, 1, 1, 1],
            ..Nifti::default()
        };
        let nifti = nifti.placed(self.orientation, self.spacing_mm, self.origin_lps_mm);
        folder.put("scan.nii", &nifti.file(&self.bytes()))
    }

    fn write_metaimage(&self, folder: &Folder) -> PathBuf {
        let mut matrix = String::new();
        for direction in self.orientation.directions_lps() {
            write!(matrix, "{} ", spaced(direction)).unwrap();
        }
        let header = format!(
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
             TransformMatrix = {matrix}\nOffset = {}\nElementSpacing = {}\nDimSize = {}\n\
             ElementType = MET_SHORT\nElementDataFile = LOCAL\n",
            spaced(self.origin_lps_mm),
            spaced(self.spacing_mm),
            spaced(self.dims),
        );
        folder.put(
            "scan.mha",
            &attached(header.into_bytes(), b"", &self.bytes()),
        )
    }

    fn write_nrrd(&self, folder: &Folder) -> PathBuf {
        let directions = self.orientation.directions_lps();
        let columns: Vec<String> = (0..3)
            .map(|axis| {
                let [x, y, z] = directions[axis].map(|d| d * self.spacing_mm[axis]);
                format!("({x},{y},{z})")
            })
            .collect();
        let [x, y, z] = self.origin_lps_mm;
        let header = format!(
            "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {}\n\
             space directions: {}\nencoding: raw\nendian: little\nspace origin: ({x},{y},{z})\n\n",
            spaced(self.dims),
            columns.join(" "),
        );
        folder.put(
            "scan.nrrd",
            &attached(header.into_bytes(), b"", &self.bytes()),
        )
    }

    fn write_dicom(&self, folder: &Folder) -> PathBuf {
        let [ni, nj, nk] = self.dims;
        let [di, dj, dk] = self.orientation.directions_lps();
        let root = folder.path().join("dicom");
        std::fs::create_dir(&root).unwrap();
        for k in 0..nk {
            let position: Vec3 = std::array::from_fn(|axis| {
                self.origin_lps_mm[axis] + k as f64 * self.spacing_mm[2] * dk[axis]
            });
            let slice = &self.values[k * ni * nj..(k + 1) * ni * nj];
            let mut object = InMemDicomObject::new_empty();
            let mut text = |tag: Tag, vr: VR, value: &str| {
                object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
            };
            text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2");
            text(tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{}", k + 1));
            text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3");
            text(tags::MODALITY, VR::CS, "CT");
            text(
                tags::IMAGE_POSITION_PATIENT,
                VR::DS,
                &backslashed(&position),
            );
            let row_and_column = [di, dj].concat();
            text(
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                &backslashed(&row_and_column),
            );
            let between_rows_then_columns = [self.spacing_mm[1], self.spacing_mm[0]];
            text(
                tags::PIXEL_SPACING,
                VR::DS,
                &backslashed(&between_rows_then_columns),
            );
            text(tags::RESCALE_SLOPE, VR::DS, "1");
            text(tags::RESCALE_INTERCEPT, VR::DS, "-1024");
            let shorts = [
                (tags::SAMPLES_PER_PIXEL, 1),
                (tags::ROWS, nj),
                (tags::COLUMNS, ni),
                (tags::BITS_ALLOCATED, 16),
                (tags::BITS_STORED, 16),
                (tags::HIGH_BIT, 15),
                (tags::PIXEL_REPRESENTATION, 0),
            ];
            for (tag, value) in shorts {
                object.put(DataElement::new(
                    tag,
                    VR::US,
                    PrimitiveValue::from(value as u16),
                ));
            }
            let stored: Vec<u16> = slice.iter().map(|value| (value + 1024) as u16).collect();
            object.put(DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::U16(stored.into()),
            ));
            let meta = FileMetaTableBuilder::new().transfer_syntax(EXPLICIT_LITTLE_ENDIAN);
            // Neither names nor numbers run with positions.
            let name = format!("{:03}.dcm", (k * 8) % nk);
            object
                .with_meta(meta)
                .unwrap()
                .write_to_file(root.join(name))
                .unwrap();
        }
        root
    }
}

fn spaced<T: std::fmt::Display>(values: [T; 3]) -> String {
    let [a, b, c] = values;
    format!("{a} {b} {c}")
}

fn backslashed(values: &[f64]) -> String {
    values
        .iter()
        .map(f64::to_string)
        .collect::<Vec<_>>()
        .join("\\")
}

fn tensor(volume: Volume) -> Vec<f32> {
    let options = PrepareOptions {
        hu: HuMode::Raw,
        force: true,
        ..PrepareOptions::default()
    };
    let prepared = prepare(volume, &recipe(), &options).unwrap();
    prepared.plan.tensor(&prepared.volume)
}

fn read(path: &Path) -> Volume {
    let input = Input::open(path).unwrap();
    input
        .read(input.choose(None, false).unwrap(), false)
        .unwrap()
}

fn assert_same(what: &str, ours: &[f32], expected: &[f32]) {
    let worst = ours
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{what}: max |difference| {worst:e}");
}

/// What the recipe asks for, from first principles: every element by its place in the patient.
///
/// The scan's axes are left, posterior, superior, so D comes from `k`, H from `i`, W from `j`.
fn expected() -> Vec<f32> {
    let recipe = recipe();
    let source_axis = [2, 0, 1];
    let mut tensor = Vec::new();
    let places: [Vec<Option<f64>>; 3] = std::array::from_fn(|axis| {
        let n = DIMS[source_axis[axis]];
        let m = (n as f64 * (SPACING_MM[source_axis[axis]] / recipe.spacing_mm[axis])) as i64;
        let target = recipe.size[axis] as i64;
        let shift = if m > target {
            (m - target) / 2
        } else {
            -((target - m) / 2)
        };
        (0..target)
            .map(|element| element + shift)
            .map(|element| (0..m).contains(&element).then_some(element))
            .map(|element| {
                element.map(|o| ((o as f64 + 0.5) * (n as f64 / m as f64) - 0.5).max(0.0))
            })
            .collect()
    });
    for z in &places[0] {
        for x in &places[1] {
            for y in &places[2] {
                let value = match (x, y, z) {
                    (Some(x), Some(y), Some(z)) => trilinear([*x, *y, *z]),
                    _ => -1000.0,
                };
                tensor.push((value / 1000.0) as f32);
            }
        }
    }
    tensor
}

fn trilinear(place: Vec3) -> f64 {
    let mut sum = 0.0;
    for corner in 0..8_usize {
        let mut weight = 1.0;
        let mut index = [0; 3];
        for axis in 0..3 {
            let low = place[axis] as usize;
            let fraction = place[axis] - low as f64;
            let high = corner >> axis & 1 == 1;
            weight *= if high { fraction } else { 1.0 - fraction };
            index[axis] = (low + usize::from(high)).min(DIMS[axis] - 1);
        }
        sum += weight * f64::from(value_at(index));
    }
    sum
}

#[test]
fn a_scan_as_it_is_makes_the_tensor_of_the_specification() {
    assert_same(
        "LPS",
        &tensor(Turned::new(Orientation::LPS).volume()),
        &expected(),
    );
}

#[test]
fn all_48_orientations_make_one_tensor_in_memory() {
    let expected = expected();
    let mut seen = 0;
    for orientation in Orientation::all() {
        let turned = tensor(Turned::new(orientation).volume());
        assert_same(&orientation.to_string(), &turned, &expected);
        seen += 1;
    }
    assert_eq!(seen, 48);
}

fn assert_all_48(write: impl Fn(&Turned, &Folder) -> PathBuf, format: Format) {
    let expected = expected();
    for orientation in Orientation::all() {
        let folder = Folder::new();
        let volume = read(&write(&Turned::new(orientation), &folder));
        assert_eq!(volume.format, format);
        assert_same(
            &format!("{orientation} as {format}"),
            &tensor(volume),
            &expected,
        );
    }
}

#[test]
fn all_48_orientations_make_one_tensor_as_nifti() {
    assert_all_48(Turned::write_nifti, Format::Nifti);
}

#[test]
fn all_48_orientations_make_one_tensor_as_metaimage() {
    assert_all_48(Turned::write_metaimage, Format::MetaImage);
}

#[test]
fn all_48_orientations_make_one_tensor_as_nrrd() {
    assert_all_48(Turned::write_nrrd, Format::Nrrd);
}

#[test]
fn all_48_orientations_make_one_tensor_as_dicom() {
    assert_all_48(Turned::write_dicom, Format::Dicom);
}

#[test]
fn the_tensor_lies_where_the_scan_does() {
    for orientation in Orientation::all() {
        let volume = Turned::new(orientation).volume();
        let options = PrepareOptions {
            hu: HuMode::Raw,
            force: true,
            ..PrepareOptions::default()
        };
        let prepared = prepare(volume, &recipe(), &options).unwrap();
        let grid = &prepared.plan.tensor_geometry;
        assert_eq!(
            grid.orientation().to_string(),
            "PLS",
            "W, H, D of {orientation}"
        );
        // The middle of a crop or padding stays the middle of the scan, to half a voxel.
        let [w, h, d] = grid.dims_ijk().map(|n| (n - 1) as f64 / 2.0);
        let middle = grid.position_lps_mm([w, h, d]);
        for axis in 0..3 {
            let scan = ORIGIN_LPS_MM[axis] + (DIMS[axis] - 1) as f64 / 2.0 * SPACING_MM[axis];
            assert!(
                (middle[axis] - scan).abs() <= 1.0,
                "{orientation}: {middle:?}"
            );
        }
    }
}

proptest! {
    /// Whatever the grid, an orientation's map undoes the turn that it describes.
    #[test]
    fn maps_turn_every_orientation_into_every_other(from in 0_usize..48, to in 0_usize..48) {
        let (from, to) = (Orientation::all().nth(from).unwrap(), Orientation::all().nth(to).unwrap());
        let map = from.map_to(to);
        for (axis, wanted) in to.codes().into_iter().enumerate() {
            let have = from.codes()[map.source_axis[axis]];
            prop_assert_eq!(have.patient_axis(), wanted.patient_axis());
            prop_assert_eq!(map.flipped[axis], have != wanted);
        }
    }

    /// A grid turned by any angle below 40° keeps the name of its axes.
    #[test]
    fn small_turns_do_not_change_an_orientation(index in 0_usize..48, degrees in -40.0_f64..40.0) {
        let orientation = Orientation::all().nth(index).unwrap();
        let (sin, cos) = degrees.to_radians().sin_cos();
        let turned = orientation
            .directions_lps()
            .map(|[x, y, z]| [x, cos * y - sin * z, sin * y + cos * z]);
        let grid = Geometry::new([2, 2, 2], [1.0; 3], turned, [0.0; 3]).unwrap();
        prop_assert_eq!(grid.orientation(), orientation);
        prop_assert!((grid.obliquity_deg() - degrees.abs()).abs() < 1e-6);
    }

    /// Spacings keep their decimals through 32-bit floats.
    #[test]
    fn spacings_survive_32_bit_floats(thousandths in 1_u32..20_000) {
        let mm = f64::from(thousandths) / 1000.0;
        prop_assert_eq!(rad3d_volume::clean_mm(f64::from(mm as f32)), mm);
        prop_assert_eq!(rad3d_volume::clean_mm(mm), mm);
    }

    /// No grid is made of numbers that make none.
    #[test]
    fn grids_are_sound_or_refused(
        spacing in prop::array::uniform3(prop_oneof![Just(0.0), Just(f64::NAN), -2.0_f64..5.0]),
        directions in prop::array::uniform3(prop::array::uniform3(-1.0_f64..1.0)),
    ) {
        if let Ok(grid) = Geometry::new([3, 4, 5], spacing, directions, [0.0; 3]) {
            prop_assert!(grid.spacing_mm().iter().all(|mm| *mm > 0.0));
            let last = grid.position_lps_mm([2.0, 3.0, 4.0]);
            prop_assert!(last.iter().all(|x| x.is_finite()));
        }
    }
}
