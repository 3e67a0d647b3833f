//! A fit on disk: safetensors with `mean`, `whitening` and `residual`.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::Familiarity;
use crate::error::{EmbeddingsError, Fault, Result};

impl Familiarity {
    /// Writes the fit as safetensors: `mean` `[latent]`, `whitening` `[components, latent]` and
    /// `residual` `[1]`, the variance outside of the components; beside its place, then renamed.
    ///
    /// # Errors
    /// [`Fault::Output`] if it can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let unwritable = |error: std::io::Error| EmbeddingsError::unwritable(path, error);
        let parts = [
            ("mean", vec![self.width()], &self.mean),
            (
                "whitening",
                vec![self.components(), self.width()],
                &self.whitening,
            ),
            ("residual", vec![1], &vec![self.residual]),
        ];
        let bytes = parts.map(|(name, shape, values)| {
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, shape, bytes)
        });
        let mut tensors = Vec::with_capacity(bytes.len());
        for (name, shape, bytes) in &bytes {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
                .map_err(|error| EmbeddingsError::unwritable(path, error))?;
            tensors.push((*name, view));
        }
        let about = "Gaussian of training embeddings; see rad3d-embeddings, familiarity";
        let metadata = HashMap::from([("about".to_owned(), about.to_owned())]);
        let content = serialize(tensors, Some(metadata))
            .map_err(|error| EmbeddingsError::unwritable(path, error))?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
        file.write_all(&content).map_err(unwritable)?;
        file.as_file().sync_all().map_err(unwritable)?;
        file.persist(path)
            .map_err(|error| EmbeddingsError::unwritable(path, error.error))?;
        Ok(())
    }

    /// Reads what [`Familiarity::save`] wrote.
    ///
    /// # Errors
    /// [`Fault::Unreadable`]; [`Fault::Content`] for a file that is no fit: tensors missing, of
    /// other types or shapes, values that are not finite, no variance.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let content =
            std::fs::read(path).map_err(|error| EmbeddingsError::unreadable(path, error))?;
        let fault = |what: String| {
            let hint = "fetch or fit the model's familiarity part again";
            EmbeddingsError::new(Fault::Content, path, what, hint)
        };
        let tensors = SafeTensors::deserialize(&content)
            .map_err(|error| fault(format!("is no safetensors file ({error})")))?;
        let take = |name: &str| {
            let tensor = tensors
                .tensor(name)
                .map_err(|_| fault(format!("has no tensor {name}")))?;
            let values: Vec<f32> = tensor
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect();
            let is_sound = tensor.dtype() == Dtype::F32 && values.iter().all(|x| x.is_finite());
            match is_sound {
                true => Ok((tensor.shape().to_vec(), values)),
                false => Err(fault(format!("{name} is no tensor of finite f32"))),
            }
        };
        let (mean_shape, mean) = take("mean")?;
        let (whitening_shape, whitening) = take("whitening")?;
        let (residual_shape, residual) = take("residual")?;
        let fits = match (&mean_shape[..], &whitening_shape[..]) {
            ([width], [_, columns]) => width == columns && *width > 0,
            _ => false,
        };
        if !fits || residual_shape != [1] {
            return Err(fault(format!(
                "mean {mean_shape:?}, whitening {whitening_shape:?} and residual \
                 {residual_shape:?} do not fit together"
            )));
        }
        let is_flat = |row: &[f32]| row.iter().all(|&x| x == 0.0);
        if residual[0] <= 0.0 || whitening.chunks_exact(mean.len()).any(is_flat) {
            return Err(fault("has a direction without variance".into()));
        }
        Ok(Self {
            mean,
            whitening,
            residual: residual[0],
        })
    }
}
