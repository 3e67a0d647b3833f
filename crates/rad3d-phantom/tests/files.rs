//! Files: layout, round trip through the readers, the same bytes for the same seed, faults.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rad3d_phantom::{FactSheet, Layout, NOTICE, Order, Phrasing, Scanner, ScannerKind, Scene};
use rad3d_report::{LabelSet, ReportTable};
use rad3d_volume::{ChestCheck, Input, MetadataRow, Volume};

fn files_under(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn read(path: &Path) -> Volume {
    let input = Input::open(path).unwrap();
    input
        .read(input.choose(None, false).unwrap(), false)
        .unwrap()
}

fn order(layout: Layout) -> Order {
    // A seed with thick slices keeps the test short.
    let thick = |seed: &u64| {
        let scanner = Scanner::sample(&FactSheet::sample(*seed));
        scanner.spacing_mm[2] == 5.0 && scanner.dims_ijk[0] <= 400
    };
    let seed = (1..).find(thick).unwrap();
    Order {
        count: 1,
        seed,
        layout,
        sparse_mm: None,
        phrasing: Phrasing::All,
        scanner: ScannerKind::Usual,
    }
}

#[test]
fn ct_rate_layout_round_trip_and_same_bytes() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let order = order(Layout::CtRate);
    for folder in &folders {
        order.write(folder.path(), false, |_| {}).unwrap();
    }
    let [first, second] = folders.each_ref().map(|folder| files_under(folder.path()));
    assert!(first == second, "the same order gives the same bytes");
    let out = folders[0].path();
    let scan = out.join("train/train_1/train_1_a/train_1_a_1.nii.gz");
    let volume = read(&scan);
    let facts = FactSheet::sample(order.seed);
    let scanner = Scanner::sample(&facts);
    assert_eq!(volume.geometry.dims_ijk(), scanner.dims_ijk);
    assert_eq!(volume.geometry.spacing_mm(), scanner.spacing_mm);
    assert_eq!(volume.geometry.orientation().to_string(), "LPS");
    let voxels = Scene::new(&facts).scan(&scanner);
    assert_eq!(volume.voxels, rad3d_volume::Voxels::I16(voxels));
    let row = MetadataRow::find(&out.join("train_metadata.csv"), &scan).unwrap();
    assert_eq!((row.rescale.slope, row.rescale.intercept), (1.0, 0.0));
    assert_eq!(row.spacing_mm(), scanner.spacing_mm);
    let reports = ReportTable::open(out.join("train_reports.csv"), &LabelSet::ct_rate()).unwrap();
    let rows: Vec<_> = reports.map(Result::unwrap).collect();
    assert_eq!(rows[0].id, "train_1_a_1.nii.gz");
    assert_eq!(rows[0].report, facts.report());
    let manifest = String::from_utf8(first[Path::new("manifest.json")].clone()).unwrap();
    assert!(manifest.contains(NOTICE));
    let labels = String::from_utf8(first[Path::new("train_labels.csv")].clone()).unwrap();
    let cells: Vec<bool> = labels
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .skip(1)
        .map(|cell| cell == "1")
        .collect();
    assert_eq!(cells, facts.labels().values());
}

#[test]
fn dicom_series_is_a_usable_chest() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(Layout::Dicom);
    let written = order.write(folder.path(), false, |_| {}).unwrap();
    let volume = read(&written[0].path);
    let scanner = Scanner::sample(&FactSheet::sample(order.seed));
    assert_eq!(volume.geometry.dims_ijk(), scanner.dims_ijk);
    let description = volume.facts.series_description.clone().unwrap();
    assert!(description.contains("phantom"), "{description}");
    let check = ChestCheck::of(&volume, volume.rescale);
    assert!(check.objections.is_empty(), "{:?}", check.objections);
    assert!(check.lung_ml > 1_500.0, "{} ml", check.lung_ml);
    let (hu, stored) = (
        Scene::new(&FactSheet::sample(order.seed)).scan(&scanner),
        volume.voxels,
    );
    for index in (0..hu.len()).step_by(977) {
        assert_eq!(stored.get(index) - 1024.0, f64::from(hu[index]));
    }
}

#[test]
fn turned_volumes_keep_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(Layout::Turned);
    let written = order.write(folder.path(), false, |_| {}).unwrap();
    let volume = read(&written[0].path);
    let check = ChestCheck::of(&volume, volume.rescale);
    assert!(check.objections.is_empty(), "{:?}", check.objections);
    assert!(!folder.path().join("train_metadata.csv").exists());
}

#[test]
fn faults_have_names_and_remedies() {
    let folder = tempfile::tempdir().unwrap();
    let none = Order {
        count: 0,
        ..order(Layout::CtRate)
    };
    let error = none.write(folder.path(), false, |_| {}).unwrap_err();
    assert!(error.what.contains("no phantom") && !error.hint.is_empty());
    std::fs::write(folder.path().join("mine.txt"), "keep").unwrap();
    let error = order(Layout::CtRate)
        .write(folder.path(), false, |_| {})
        .unwrap_err();
    assert!(
        error.what.contains("is not empty") && error.hint.contains("--force"),
        "{error}"
    );
    let file = folder.path().join("mine.txt");
    let error = order(Layout::CtRate)
        .write(&file, true, |_| {})
        .unwrap_err();
    assert!(error.what.contains("cannot be written"), "{error}");
}

#[test]
fn another_scanner_lies_outside_the_usual_ranges() {
    for seed in 1..=200 {
        let facts = FactSheet::sample(seed);
        let (usual, other) = (
            ScannerKind::Usual.sample(&facts),
            ScannerKind::Other.sample(&facts),
        );
        assert!((0.6..=0.9).contains(&usual.spacing_mm[0]), "{usual:?}");
        assert!(other.spacing_mm[0] > 0.9, "{other:?}");
        assert!(usual.slice_mm <= 5.0 && other.slice_mm > 5.0);
        assert!((0.45..=0.8).contains(&usual.blur_mm));
        assert!(!(0.45..=0.8).contains(&other.blur_mm));
        assert!(usual.noise_hu <= 26.0 * 1.4 && other.noise_hu > 26.0 * 1.4);
        assert!(other.geometry().is_ok());
    }
}

#[test]
fn the_usual_scanner_is_not_named_in_the_manifest() {
    // So that folders of before keep their bytes.
    let usual = order(Layout::Tables);
    let other = Order {
        scanner: ScannerKind::Other,
        ..usual.clone()
    };
    let manifest = |order: &Order| {
        let folder = tempfile::tempdir().unwrap();
        order.write(folder.path(), false, |_| {}).unwrap();
        std::fs::read_to_string(folder.path().join("manifest.json")).unwrap()
    };
    assert!(!manifest(&usual).contains("scanner"));
    assert!(manifest(&other).contains("\"scanner\": \"other\""));
}
