//! Distances against arithmetic by hand, and files that are no fit.

use rad3d_embeddings::{Familiarity, Fault};

/// Standard normal numbers by Box and Muller, from a fixed generator.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// `count` points with the given standard deviation along each axis, around `centre`.
fn cloud(count: usize, deviations: &[f64], centre: f64, seed: u64) -> Vec<Vec<f32>> {
    let mut normal = Normal(seed);
    (0..count)
        .map(|_| {
            let row = deviations
                .iter()
                .map(|deviation| centre + deviation * normal.next());
            row.map(|x| x as f32).collect()
        })
        .collect()
}

fn slices(rows: &[Vec<f32>]) -> impl Iterator<Item = &[f32]> {
    rows.iter().map(Vec::as_slice)
}

#[test]
fn distances_are_standard_deviations() {
    // Two wide axes hold more than 95 % of the variance; six narrow ones are the residual.
    let deviations = [5.0, 2.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2];
    let fit = Familiarity::fit(slices(&cloud(4000, &deviations, 1.0, 3))).unwrap();
    assert_eq!((fit.width(), fit.components()), (8, 2));
    let at = |axis: usize, steps: f64| {
        let mut point = vec![1.0_f32; 8];
        point[axis] += (steps * deviations[axis]) as f32;
        fit.distance(&point).unwrap()
    };
    assert!(at(0, 0.0) < 0.1, "{}", at(0, 0.0));
    for axis in [0, 1, 2, 7] {
        let three = at(axis, 3.0);
        assert!((three - 3.0).abs() < 0.15, "axis {axis}: {three}");
    }
    // Fresh points of the same cloud lie about √8 away, and their limit leaves one of 100 out.
    let fresh = cloud(1000, &deviations, 1.0, 4);
    let limits = fit.limits(slices(&fresh)).unwrap();
    assert!((limits.typical - 8.0_f64.sqrt()).abs() < 0.2, "{limits:?}");
    let beyond = |point: &Vec<f32>| fit.distance(point).unwrap() > limits.limit;
    assert_eq!(fresh.iter().filter(|point| beyond(point)).count(), 10);
    // One unit along a narrow axis is nothing in size, and five deviations.
    assert!(beyond(&vec![1.0, 1.0, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0]));
}

/// The published tower's width, fewer scans than values: no direction is infinitely tight.
#[test]
fn fewer_scans_than_values_still_fit() {
    let deviations: Vec<f64> = (0..96).map(|axis| 0.9_f64.powi(axis)).collect();
    let fit = Familiarity::fit(slices(&cloud(64, &deviations, 0.0, 5))).unwrap();
    assert_eq!(fit.components(), 8);
    let fresh = cloud(64, &deviations, 0.0, 6);
    assert!(slices(&fresh).all(|row| fit.distance(row).unwrap().is_finite()));
}

#[test]
fn a_fit_survives_its_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("familiarity.safetensors");
    let fit = Familiarity::fit(slices(&cloud(200, &[1.0, 0.5, 0.1], 0.0, 7))).unwrap();
    fit.save(&path).unwrap();
    assert_eq!(Familiarity::load(&path).unwrap(), fit);
    let whole = std::fs::read(&path).unwrap();
    for (content, words) in [
        (whole[..whole.len() - 1].to_vec(), "no safetensors"),
        (b"not a file of tensors".to_vec(), "no safetensors"),
        (
            String::from_utf8_lossy(&whole)
                .replace("mean", "mode")
                .into_bytes(),
            "",
        ),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Familiarity::load(&path).unwrap_err();
        assert_eq!(error.fault, Fault::Content, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        Familiarity::load(&path).unwrap_err().fault,
        Fault::Unreadable
    );
}

#[test]
fn what_makes_no_fit_is_refused() {
    let few = cloud(15, &[1.0, 1.0], 0.0, 8);
    let mut ragged = cloud(20, &[1.0, 1.0], 0.0, 8);
    ragged[7].pop();
    let mut broken = cloud(20, &[1.0, 1.0], 0.0, 8);
    broken[7][0] = f32::NAN;
    let same = vec![vec![1.0_f32; 4]; 20];
    for rows in [few, ragged, broken, same] {
        assert_eq!(
            Familiarity::fit(slices(&rows)).unwrap_err().fault,
            Fault::Content
        );
    }
    let fit = Familiarity::fit(slices(&cloud(20, &[1.0, 1.0], 0.0, 8))).unwrap();
    assert_eq!(fit.distance(&[1.0]).unwrap_err().fault, Fault::Mismatch);
    assert_eq!(
        fit.distance(&[1.0, f32::INFINITY]).unwrap_err().fault,
        Fault::Content
    );
    assert_eq!(
        fit.limits([[0.0_f32, 0.0].as_slice()]).unwrap_err().fault,
        Fault::Content
    );
}
