//! Trained parameters on disk.

use std::collections::BTreeMap;
use std::path::Path;

use half::f16;
use rad3d_nn::trainable::Exported;
use rad3d_weights::{Bytes, DType, TensorView, write_safetensors};
use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result, TrainError};

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// As they were trained.
    #[default]
    F32,
    /// Rounded to half floats: half the size.
    F16,
}

/// Writes parameters under their published names.
pub(super) fn save(
    path: &Path,
    parameters: Vec<Exported>,
    storage: Storage,
    about: &str,
) -> Result<()> {
    let mut tensors = BTreeMap::new();
    for Exported {
        name,
        shape,
        values,
    } in parameters
    {
        let view = match storage {
            Storage::F32 => TensorView::from_f32(shape, &values),
            Storage::F16 => {
                let halves = values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes());
                let bytes = Bytes::from(halves.collect::<Vec<u8>>());
                TensorView::new(shape, DType::F16, bytes)
            }
        };
        let view = view.ok_or_else(|| {
            let what = format!("{name} has a shape that is not its length");
            TrainError::new(Fault::Output, path, what, "report this as a bug")
        })?;
        tensors.insert(name, view);
    }
    let metadata = BTreeMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("about".to_owned(), about.to_owned()),
    ]);
    write_safetensors(path, &tensors, &metadata).map_err(|error| {
        let (what, hint) = (error.what.clone(), error.hint.clone());
        TrainError::new(Fault::Output, path, what, hint).because(error)
    })
}
