//! The plainest projector: one linear layer from the input to the whole prefix.

use serde::{Deserialize, Serialize};

use super::{ParameterShape, Projector, check_inputs};
use crate::cpu::{Isa, linear};
use crate::source::{Weight, WeightSource};
use crate::{Fault, NnError, Result};

/// Sizes of a linear projector, and of the R2GenGPT one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Features of the input: embedding and logits.
    pub input_dim: usize,
    /// Features of a prefix vector: the language model's width.
    pub width: usize,
    /// Prefix vectors.
    pub prefix_length: usize,
}

impl LinearConfig {
    /// `weight` `[prefix_length · width, input_dim]` and `bias`.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterShape> {
        let outputs = self.prefix_length * self.width;
        vec![
            ParameterShape::new("linear.weight", &[outputs, self.input_dim]),
            ParameterShape::new("linear.bias", &[outputs]),
        ]
    }

    /// # Errors
    /// [`Fault::Config`] if a size is 0 or beyond reason.
    pub(crate) fn check(&self) -> Result<()> {
        let sizes = [self.input_dim, self.width, self.prefix_length];
        if sizes.iter().all(|size| (1..=1 << 20).contains(size)) {
            return Ok(());
        }
        let (what, hint) = (
            "a size is 0 or beyond reason",
            "correct the model's manifest",
        );
        Err(NnError::new(
            Fault::Config,
            "projector settings",
            what,
            hint,
        ))
    }
}

/// One linear layer with bias.
#[derive(Debug)]
pub struct LinearProjector {
    pub(super) config: LinearConfig,
    weight: Weight,
    bias: Weight,
}

impl LinearProjector {
    /// Loads `linear.weight` and `linear.bias`.
    ///
    /// # Errors
    /// [`Fault::Config`] for impossible sizes, and whatever `weights` reports.
    pub fn load(config: &LinearConfig, weights: &mut dyn WeightSource) -> Result<Self> {
        Self::load_named("linear", config, weights)
    }

    pub(super) fn load_named(
        name: &str,
        config: &LinearConfig,
        weights: &mut dyn WeightSource,
    ) -> Result<Self> {
        config.check()?;
        let outputs = config.prefix_length * config.width;
        Ok(Self {
            config: config.clone(),
            weight: weights.take(&format!("{name}.weight"), &[outputs, config.input_dim])?,
            bias: weights.take(&format!("{name}.bias"), &[outputs])?,
        })
    }
}

impl Projector for LinearProjector {
    fn input_dim(&self) -> usize {
        self.config.input_dim
    }

    fn prefix_length(&self) -> usize {
        self.config.prefix_length
    }

    fn width(&self) -> usize {
        self.config.width
    }

    fn project(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        check_inputs(inputs, self.config.input_dim)?;
        Ok(linear(
            Isa::detect(),
            inputs,
            self.config.input_dim,
            &self.weight,
            Some(&self.bias),
        ))
    }
}
