//! The projectors as modules.

use burn::module::{Module, Param};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};

use super::layers::{Affine, Exported, Norm, Parameters};
use crate::EnginePrecision;
use crate::Result;
use crate::projector::{LinearConfig, MapperConfig};
use crate::source::WeightSource;

/// ClipCap's transformer mapper (spec 5).
#[derive(Module, Debug)]
pub struct MapperModule {
    linear: Affine,
    prefix_const: Param<Tensor<2>>,
    layers: Vec<MapperLayer>,
    clip_length: usize,
    heads: usize,
}

#[derive(Module, Debug)]
struct MapperLayer {
    norm1: Norm,
    to_queries: Affine,
    to_keys_values: Affine,
    project: Affine,
    norm2: Norm,
    fc1: Affine,
    fc2: Affine,
}

impl MapperModule {
    /// Takes a mapper's parameters under ClipCap's names;
    /// [`InitialWeights`](super::InitialWeights) starts a new one.
    ///
    /// # Errors
    /// [`Fault::Config`](crate::Fault::Config) for impossible sizes, and whatever `source` reports.
    pub fn load(
        config: &MapperConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        let width = config.width;
        let p = &mut Parameters { source, device };
        let linear = Affine::load(
            p,
            "linear",
            [config.clip_length * width, config.input_dim],
            true,
        )?;
        let prefix_const = p.take("prefix_const", [config.prefix_length, width])?;
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let name = |part: &str| format!("transformer.layers.{layer}.{part}");
            layers.push(MapperLayer {
                norm1: Norm::load(p, &name("norm1"), width)?,
                to_queries: Affine::load(p, &name("attn.to_queries"), [width, width], false)?,
                to_keys_values: Affine::load(
                    p,
                    &name("attn.to_keys_values"),
                    [2 * width, width],
                    false,
                )?,
                project: Affine::load(p, &name("attn.project"), [width, width], true)?,
                norm2: Norm::load(p, &name("norm2"), width)?,
                fc1: Affine::load(p, &name("mlp.fc1"), [2 * width, width], true)?,
                fc2: Affine::load(p, &name("mlp.fc2"), [width, 2 * width], true)?,
            });
        }
        let (clip_length, heads) = (config.clip_length, config.heads);
        Ok(Self {
            linear,
            prefix_const,
            layers,
            clip_length,
            heads,
        })
    }

    /// The same mapper, multiplying matrices in another precision.
    #[must_use]
    pub fn with_precision(mut self, precision: EnginePrecision) -> Self {
        self.linear.precision = precision;
        for layer in &mut self.layers {
            for part in [
                &mut layer.to_queries,
                &mut layer.to_keys_values,
                &mut layer.project,
                &mut layer.fc1,
                &mut layer.fc2,
            ] {
                part.precision = precision;
            }
        }
        self
    }

    /// Inputs `[batch, input_dim]` to prefixes `[batch, prefix_length, width]`.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<3> {
        let [batch, _] = inputs.dims();
        let [prefix_length, width] = self.prefix_const.val().dims();
        let spread = self
            .linear
            .forward(inputs)
            .reshape([batch, self.clip_length, width]);
        let prefix = self.prefix_const.val().unsqueeze::<3>();
        let prefix = prefix.expand([batch, prefix_length, width]);
        let mut x = Tensor::cat(vec![spread, prefix], 1);
        for layer in &self.layers {
            x = x.clone() + layer.attention(layer.norm1.forward(x), self.heads);
            let hidden = relu(layer.fc1.forward(layer.norm2.forward(x.clone())));
            x = x + layer.fc2.forward(hidden);
        }
        x.narrow(1, self.clip_length, prefix_length)
    }

    /// The parameters under ClipCap's names.
    ///
    /// # Errors
    /// [`Fault::Device`](crate::Fault::Device) if they can't be read back.
    pub fn export(&self) -> Result<Vec<Exported>> {
        let mut out = Vec::new();
        self.linear.export("linear", &mut out)?;
        out.push(Exported::read("prefix_const", &self.prefix_const)?);
        for (index, layer) in self.layers.iter().enumerate() {
            let name = |part: &str| format!("transformer.layers.{index}.{part}");
            layer.norm1.export(&name("norm1"), &mut out)?;
            layer
                .to_queries
                .export(&name("attn.to_queries"), &mut out)?;
            layer
                .to_keys_values
                .export(&name("attn.to_keys_values"), &mut out)?;
            layer.project.export(&name("attn.project"), &mut out)?;
            layer.norm2.export(&name("norm2"), &mut out)?;
            layer.fc1.export(&name("mlp.fc1"), &mut out)?;
            layer.fc2.export(&name("mlp.fc2"), &mut out)?;
        }
        Ok(out)
    }
}

impl MapperLayer {
    /// Self-attention over `[batch, tokens, width]`, already normalised; no mask.
    fn attention(&self, x: Tensor<3>, heads: usize) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let head_dim = width / heads;
        let split = |x: Tensor<3>| x.reshape([batch, tokens, heads, head_dim]).swap_dims(1, 2);
        let keys_values = self.to_keys_values.forward(x.clone());
        let queries = split(self.to_queries.forward(x));
        let keys = split(keys_values.clone().narrow(2, 0, width));
        let values = split(keys_values.narrow(2, width, width));
        let precision = self.project.precision;
        let scores = precision
            .matmul(queries, keys.swap_dims(2, 3))
            .mul_scalar((head_dim as f64).powf(-0.5));
        let merged = precision.matmul(softmax(scores, 3), values).swap_dims(1, 2);
        self.project.forward(merged.reshape([batch, tokens, width]))
    }
}

/// The R2GenGPT projector; without its norm, the linear one.
#[derive(Module, Debug)]
pub struct R2GenGptModule {
    linear: Affine,
    norm: Option<Norm>,
    prefix_length: usize,
}

impl R2GenGptModule {
    /// R2GenGPT's: `llama_proj` and `layer_norm`.
    ///
    /// # Errors
    /// [`Fault::Config`](crate::Fault::Config) for impossible sizes, and whatever `source` reports.
    pub fn load(
        config: &LinearConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        Self::load_parts(config, "llama_proj", true, source, device)
    }

    /// The linear projector: `linear` alone.
    ///
    /// # Errors
    /// As [`R2GenGptModule::load`].
    pub fn load_linear(
        config: &LinearConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        Self::load_parts(config, "linear", false, source, device)
    }

    fn load_parts(
        config: &LinearConfig,
        name: &str,
        norm: bool,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        let p = &mut Parameters { source, device };
        let shape = [config.prefix_length * config.width, config.input_dim];
        Ok(Self {
            linear: Affine::load(p, name, shape, true)?,
            norm: if norm {
                Some(Norm::load(p, "layer_norm", config.width)?)
            } else {
                None
            },
            prefix_length: config.prefix_length,
        })
    }

    /// The same projector, multiplying matrices in another precision.
    #[must_use]
    pub fn with_precision(mut self, precision: EnginePrecision) -> Self {
        self.linear.precision = precision;
        self
    }

    /// Inputs `[batch, input_dim]` to prefixes `[batch, prefix_length, width]`.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<3> {
        let projected = self.linear.forward(inputs);
        let [batch, outputs] = projected.dims();
        let length = self.prefix_length;
        let prefix = projected.reshape([batch, length, outputs / length]);
        match &self.norm {
            Some(norm) => norm.forward(prefix),
            None => prefix,
        }
    }

    /// The parameters under the names they were loaded from.
    ///
    /// # Errors
    /// [`Fault::Device`](crate::Fault::Device) if they can't be read back.
    pub fn export(&self) -> Result<Vec<Exported>> {
        let mut out = Vec::new();
        let name = if self.norm.is_some() {
            "llama_proj"
        } else {
            "linear"
        };
        self.linear.export(name, &mut out)?;
        if let Some(norm) = &self.norm {
            norm.export("layer_norm", &mut out)?;
        }
        Ok(out)
    }
}
