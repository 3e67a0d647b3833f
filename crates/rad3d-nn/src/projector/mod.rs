//! From an embedding and logits to the vectors that a language model reads before its text.

mod linear;
mod mapper;
mod parameters;
mod r2gengpt;

pub use linear::{LinearConfig, LinearProjector};
pub use mapper::{MapperConfig, PrefixMapper};
pub use parameters::{ParameterShape, parameter_count};
pub use r2gengpt::{ImagePrompt, R2GenGpt};

use crate::{NnError, Result};

/// Makes a language model's prefix from what the image gave.
pub trait Projector: Send + Sync {
    /// Features of one input: the embedding, and the logits behind it if they are used.
    fn input_dim(&self) -> usize;

    /// Vectors of one prefix.
    fn prefix_length(&self) -> usize;

    /// Features of each vector: the language model's width.
    fn width(&self) -> usize;

    /// Projects inputs `[batch, input_dim]` to prefixes `[batch, prefix_length, width]`.
    ///
    /// # Errors
    /// [`Fault::Shape`](crate::Fault::Shape) if the values are no whole number of inputs.
    fn project(&self, inputs: &[f32]) -> Result<Vec<f32>>;
}

/// Puts logits `[batch, labels]` behind embeddings `[batch, embedding]`, item by item.
///
/// # Errors
/// [`Fault::Shape`](crate::Fault::Shape) if the two are not of one batch.
pub fn join_priors(embeddings: &[f32], logits: &[f32], batch: usize) -> Result<Vec<f32>> {
    for (what, values) in [("embeddings", embeddings), ("logits", logits)] {
        if batch == 0 || !values.len().is_multiple_of(batch) {
            return Err(NnError::shape(what, &[values.len()], &[batch]));
        }
    }
    let (embedding, labels) = (embeddings.len() / batch, logits.len() / batch);
    let mut joined = Vec::with_capacity(embeddings.len() + logits.len());
    for item in 0..batch {
        joined.extend_from_slice(&embeddings[item * embedding..][..embedding]);
        joined.extend_from_slice(&logits[item * labels..][..labels]);
    }
    Ok(joined)
}

fn check_inputs(inputs: &[f32], input_dim: usize) -> Result<()> {
    if inputs.len().is_multiple_of(input_dim) {
        return Ok(());
    }
    Err(NnError::shape(
        "projector input",
        &[inputs.len()],
        &[1, input_dim],
    ))
}
