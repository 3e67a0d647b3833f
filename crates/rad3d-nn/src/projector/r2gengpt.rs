//! The R2GenGPT baseline: linear layer and LayerNorm, with a prompt around the image.

use super::{LinearConfig, LinearProjector, ParameterShape, Projector};
use crate::cpu::{Isa, normalise_row};
use crate::source::{Weight, WeightSource};
use crate::{Fault, NnError, Result};

/// A linear layer to the language model's width, then LayerNorm of each vector.
#[derive(Debug)]
pub struct R2GenGpt {
    linear: LinearProjector,
    gain: Weight,
    shift: Weight,
}

impl R2GenGpt {
    /// Every parameter under R2GenGPT's name.
    #[must_use]
    pub fn parameters(config: &LinearConfig) -> Vec<ParameterShape> {
        let outputs = config.prefix_length * config.width;
        vec![
            ParameterShape::new("llama_proj.weight", &[outputs, config.input_dim]),
            ParameterShape::new("llama_proj.bias", &[outputs]),
            ParameterShape::new("layer_norm.weight", &[config.width]),
            ParameterShape::new("layer_norm.bias", &[config.width]),
        ]
    }

    /// Loads `llama_proj` and `layer_norm`, R2GenGPT's parameter names.
    ///
    /// # Errors
    /// [`Fault::Config`] for impossible sizes, and whatever `weights` reports.
    pub fn load(config: &LinearConfig, weights: &mut dyn WeightSource) -> Result<Self> {
        let linear = LinearProjector::load_named("llama_proj", config, &mut *weights)?;
        Ok(Self {
            linear,
            gain: weights.take("layer_norm.weight", &[config.width])?,
            shift: weights.take("layer_norm.bias", &[config.width])?,
        })
    }
}

impl Projector for R2GenGpt {
    fn input_dim(&self) -> usize {
        self.linear.input_dim()
    }

    fn prefix_length(&self) -> usize {
        self.linear.prefix_length()
    }

    fn width(&self) -> usize {
        self.linear.width()
    }

    fn project(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        let projected = self.linear.project(inputs)?;
        let mut prefix = vec![0.0; projected.len()];
        let rows = projected.chunks_exact(self.width());
        for (row, out) in rows.zip(prefix.chunks_exact_mut(self.width())) {
            normalise_row(Isa::detect(), row, &self.gain, &self.shift, out);
        }
        Ok(prefix)
    }
}

/// The text around the image, cut at the place where the prefix goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePrompt {
    /// Text before the image.
    pub before: String,
    /// Text after it.
    pub after: String,
}

impl ImagePrompt {
    /// Stands for the image in a prompt.
    pub const IMAGE: &str = "<ImageHere>";

    /// Cuts `prompt` at [`ImagePrompt::IMAGE`].
    ///
    /// # Errors
    /// [`Fault::Config`] unless the prompt names the image exactly once.
    pub fn new(prompt: &str) -> Result<Self> {
        match prompt.split_once(Self::IMAGE) {
            Some((before, after)) if !after.contains(Self::IMAGE) => Ok(Self {
                before: before.to_owned(),
                after: after.to_owned(),
            }),
            _ => Err(NnError::new(
                Fault::Config,
                format!("prompt {prompt:?}"),
                format!("does not hold {} exactly once", Self::IMAGE),
                "put it where the image belongs",
            )),
        }
    }

    /// Puts the prefixes `[batch, prefix, width]` between the embedded texts `before` and `after`
    /// (`[tokens, width]` each): `[batch, before + prefix + after, width]`.
    ///
    /// # Errors
    /// [`Fault::Shape`] if a part is no whole number of vectors.
    pub fn wrap(
        before: &[f32],
        prefixes: &[f32],
        after: &[f32],
        prefix_length: usize,
        width: usize,
    ) -> Result<Vec<f32>> {
        let item = prefix_length * width;
        for (what, values, unit) in [
            ("text before the image", before, width),
            ("prefixes", prefixes, item),
            ("text after the image", after, width),
        ] {
            if unit == 0 || !values.len().is_multiple_of(unit) {
                return Err(NnError::shape(what, &[values.len()], &[1, unit]));
            }
        }
        Ok(prefixes
            .chunks_exact(item)
            .flat_map(|item| [before, item, after].concat())
            .collect())
    }
}
