//! Reference values from safetensors files, and how far ours are from them.
#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that is amiss ends the test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rad3d_nn::{Fault, NnError, Weight, WeightSource};
use safetensors::{Dtype, SafeTensors};

/// Tensors of one file by name; f32 and ids only.
#[derive(Debug, Clone)]
pub(crate) struct Tensors {
    pub(crate) values: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub(crate) ids: BTreeMap<String, Vec<i64>>,
    pub(crate) taken: Vec<String>,
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(name)
}

impl Tensors {
    pub(crate) fn read(name: &str) -> Self {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (mut values, mut ids) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    let numbers = view.data().as_chunks::<4>().0;
                    let numbers = numbers
                        .iter()
                        .map(|&bytes| f32::from_le_bytes(bytes))
                        .collect();
                    values.insert(name, (view.shape().to_vec(), numbers));
                }
                Dtype::I64 => {
                    let numbers = view.data().as_chunks::<8>().0;
                    ids.insert(
                        name,
                        numbers.iter().map(|&b| i64::from_le_bytes(b)).collect(),
                    );
                }
                other => panic!("{name} is {other:?}"),
            }
        }
        Self {
            values,
            ids,
            taken: Vec::new(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> &[f32] {
        &self
            .values
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"))
            .1
    }
}

impl WeightSource for Tensors {
    fn take(&mut self, name: &str, shape: &[usize]) -> rad3d_nn::Result<Weight> {
        let Some((found, values)) = self.values.get(name) else {
            return Err(NnError::new(Fault::Weights, name, "is missing", "none"));
        };
        if found != shape {
            return Err(NnError::shape(name, found, shape));
        }
        self.taken.push(name.to_owned());
        Ok(Weight::new(values.clone()))
    }
}

/// Largest absolute difference; NaN counts as infinitely far.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |worst, (a, b)| {
        let difference = (a - b).abs();
        if difference.is_nan() {
            f32::INFINITY
        } else {
            worst.max(difference)
        }
    })
}

#[track_caller]
pub(crate) fn assert_close(what: &str, ours: &[f32], reference: &[f32], tolerance: f32) {
    let distance = distance(ours, reference);
    assert!(
        distance <= tolerance,
        "{what} is off by {distance:e}, allowed {tolerance:e}"
    );
}
