//! Scans are the same for the same seed, and show what the facts say where they say it.

use rad3d_phantom::{FactSheet, Marker, Scanner, Scene};
use rad3d_report::CT_RATE_LABELS;

/// Mean Hounsfield units of the voxels within a marker; the nearest voxel if it is smaller.
fn mean_hu(scanner: &Scanner, voxels: &[i16], marker: &Marker) -> f32 {
    let index: [f64; 3] = std::array::from_fn(|axis| {
        let from_origin = f64::from(marker.center_lps_mm[axis]) - scanner.origin_lps_mm[axis];
        from_origin / scanner.spacing_mm[axis]
    });
    let dims = scanner.dims_ijk;
    let reach: [f64; 3] =
        std::array::from_fn(|axis| f64::from(marker.radius_mm) / scanner.spacing_mm[axis]);
    let (mut sum, mut count) = (0.0, 0.0);
    let range = |axis: usize| {
        let low = (index[axis] - reach[axis]).round().max(0.0) as usize;
        low..((index[axis] + reach[axis]).round().max(0.0) as usize + 1).min(dims[axis])
    };
    for k in range(2) {
        for j in range(1) {
            for i in range(0) {
                sum += f32::from(voxels[i + dims[0] * (j + dims[1] * k)]);
                count += 1.0;
            }
        }
    }
    assert!(count > 0.0, "marker {marker:?} lies outside the scan");
    sum / count
}

/// A slab of the scan of full resolution around a height.
fn slab(facts: &FactSheet, z_mm: f32) -> Scanner {
    let mut scanner = Scanner {
        noise_hu: 0.0,
        blur_mm: 0.5,
        ..Scanner::coarse(facts, 0.9)
    };
    scanner.dims_ijk[2] = 3;
    scanner.origin_lps_mm[2] = f64::from(z_mm) - 0.9;
    scanner
}

#[test]
fn every_abnormality_shows_where_it_says() {
    // Least change of the mean within the markers, Hounsfield units; negative where it darkens.
    let change: [f32; 18] = [
        800.0, 150.0, 300.0, 40.0, 150.0, 80.0, 60.0, -60.0, 300.0, 200.0, 150.0, 250.0, 300.0,
        15.0, 150.0, 400.0, -40.0, 150.0,
    ];
    let mut hidden = Vec::new();
    for (label, least) in change.into_iter().enumerate() {
        let seed = 40 + label as u64;
        let with = FactSheet::with_labels(seed, &[label]);
        let without = FactSheet {
            findings: Vec::new(),
            ..with.clone()
        };
        let (sick, well) = (Scene::new(&with), Scene::new(&without));
        let markers = sick.markers();
        assert!(
            !markers.is_empty(),
            "{} is marked nowhere",
            CT_RATE_LABELS[label]
        );
        let few: Vec<&Marker> = markers.iter().step_by(markers.len().div_ceil(4)).collect();
        let mut total = 0.0;
        for marker in &few {
            assert_eq!(marker.label, label);
            let scanner = slab(&with, marker.center_lps_mm[2]);
            let hu = |scene: &Scene| mean_hu(&scanner, &scene.scan(&scanner), marker);
            let difference = hu(&sick) - hu(&well);
            // A mosaic is dark and light: its contrast counts, not its direction.
            total += if label == 13 {
                difference.abs()
            } else {
                difference
            };
        }
        let mean = total / few.len() as f32;
        println!(
            "{:38} {mean:7.0} HU in {} places",
            CT_RATE_LABELS[label],
            few.len()
        );
        let shows = if least < 0.0 {
            mean < least
        } else {
            mean > least
        };
        if !shows {
            hidden.push(format!(
                "{}: {mean} HU, asked for {least}",
                CT_RATE_LABELS[label]
            ));
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
}

#[test]
fn calcium_and_metal_are_bright() {
    for (label, least) in [(1, 300.0), (4, 300.0), (0, 1500.0)] {
        let facts = FactSheet {
            contrast: false,
            ..FactSheet::with_labels(3, &[label])
        };
        let scene = Scene::new(&facts);
        let brightest = scene.markers().iter().take(6).map(|marker| {
            let scanner = slab(&facts, marker.center_lps_mm[2]);
            mean_hu(&scanner, &scene.scan(&scanner), marker)
        });
        let brightest = brightest.fold(f32::MIN, f32::max);
        assert!(
            brightest > least,
            "{}: {brightest} HU",
            CT_RATE_LABELS[label]
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_voxels_on_any_number_of_cores() {
    let scan = |seed: u64, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let facts = FactSheet::sample(seed);
            Scene::new(&facts).scan(&Scanner::coarse(&facts, 4.0))
        })
    };
    let first = scan(7, 1);
    assert_eq!(first, scan(7, 3));
    assert_ne!(first, scan(8, 1));
    // Air, lung, fat and soft tissue, all in their places on the scale.
    let share = |low: i16, high: i16| {
        first.iter().filter(|hu| (low..high).contains(hu)).count() as f32 / first.len() as f32
    };
    for (tissue, low, high, least) in [
        ("air", -1024, -950, 0.2),
        ("lung", -930, -780, 0.04),
        ("fat", -140, -70, 0.02),
        ("soft", 10, 90, 0.08),
    ] {
        let found = share(low, high);
        assert!(found > least, "{tissue}: {found}");
    }
}

#[test]
fn scanners_vary_within_their_limits() {
    let mut sizes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let scanner = Scanner::sample(&FactSheet::sample(seed));
        let [x, y, z] = scanner.spacing_mm;
        assert!(
            (0.6..=0.9).contains(&x) && x == y && (1.0..=5.0).contains(&z),
            "{scanner:?}"
        );
        assert!((384..=512).contains(&scanner.dims_ijk[0]), "{scanner:?}");
        assert!((45..=300).contains(&scanner.dims_ijk[2]), "{scanner:?}");
        scanner.geometry().unwrap();
        sizes.insert(scanner.dims_ijk);
    }
    assert!(sizes.len() > 30);
}
