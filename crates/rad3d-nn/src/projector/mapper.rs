//! ClipCap's transformer mapper (spec 5).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ParameterShape, Projector, check_inputs};
use crate::cpu::{Isa, dot, linear, normalise_row, relu};
use crate::source::{Scope, Weight, WeightSource};
use crate::{Fault, NnError, Result};

/// Sizes of a prefix mapper; [`MapperConfig::default`] is RAD3D-Prefix's with 18 logits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapperConfig {
    /// Features of the input: embedding and logits.
    pub input_dim: usize,
    /// Features of a token: the language model's width.
    pub width: usize,
    /// Learned vectors, whose outputs are the prefix.
    pub prefix_length: usize,
    /// Tokens that the input is spread over.
    pub clip_length: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads; divides the width.
    pub heads: usize,
}

impl Default for MapperConfig {
    fn default() -> Self {
        Self {
            input_dim: 530,
            width: 2048,
            prefix_length: 10,
            clip_length: 10,
            layers: 8,
            heads: 8,
        }
    }
}

impl MapperConfig {
    /// Every parameter under ClipCap's name.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterShape> {
        let width = self.width;
        let mut all = vec![
            ParameterShape::new("linear.weight", &[self.clip_length * width, self.input_dim]),
            ParameterShape::new("linear.bias", &[self.clip_length * width]),
            ParameterShape::new("prefix_const", &[self.prefix_length, width]),
        ];
        for layer in 0..self.layers {
            let parts: [(&str, &[usize]); 12] = [
                ("norm1.weight", &[width]),
                ("norm1.bias", &[width]),
                ("attn.to_queries.weight", &[width, width]),
                ("attn.to_keys_values.weight", &[2 * width, width]),
                ("attn.project.weight", &[width, width]),
                ("attn.project.bias", &[width]),
                ("norm2.weight", &[width]),
                ("norm2.bias", &[width]),
                ("mlp.fc1.weight", &[2 * width, width]),
                ("mlp.fc1.bias", &[2 * width]),
                ("mlp.fc2.weight", &[width, 2 * width]),
                ("mlp.fc2.bias", &[width]),
            ];
            all.extend(parts.map(|(part, shape)| {
                ParameterShape::new(format!("transformer.layers.{layer}.{part}"), shape)
            }));
        }
        all
    }

    /// Checks the sizes against each other.
    ///
    /// # Errors
    /// [`Fault::Config`] if one is 0 or beyond reason, or if the heads don't divide the width.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            self.input_dim,
            self.width,
            self.prefix_length,
            self.clip_length,
            self.heads,
        ];
        let what = if sizes.contains(&0) {
            "a size is 0".to_owned()
        } else if sizes.iter().any(|&size| size > 1 << 20) || self.layers > 1 << 10 {
            "a size is beyond reason".to_owned()
        } else if !self.width.is_multiple_of(self.heads) {
            format!(
                "{} heads don't divide a width of {}",
                self.heads, self.width
            )
        } else {
            return Ok(());
        };
        let hint = "correct the model's manifest";
        Err(NnError::new(Fault::Config, "mapper settings", what, hint))
    }
}

/// Spreads the input over tokens, lets learned vectors attend to them, and hands those out.
#[derive(Debug)]
pub struct PrefixMapper {
    config: MapperConfig,
    isa: Isa,
    spread: Weight,
    spread_bias: Weight,
    prefix: Weight,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    norm1: [Weight; 2],
    queries: Weight,
    keys_values: Weight,
    project: [Weight; 2],
    norm2: [Weight; 2],
    expand: [Weight; 2],
    contract: [Weight; 2],
}

impl PrefixMapper {
    /// Loads a mapper under ClipCap's parameter names; the weights stay where they lie.
    ///
    /// # Errors
    /// [`Fault::Config`] for impossible sizes, and whatever `weights` reports.
    pub fn load(config: &MapperConfig, weights: &mut dyn WeightSource) -> Result<Self> {
        config.check()?;
        let mut shapes = config.parameters().into_iter();
        let mut scope = Scope::new(weights, "");
        // The parameters are listed once, in `parameters`; loading follows that order.
        let mut next = || match shapes.next() {
            Some(ParameterShape { name, shape }) => scope.take(&name, &shape),
            None => Err(NnError::new(
                Fault::Config,
                "mapper",
                "has too few parameters",
                "",
            )),
        };
        let (spread, spread_bias, prefix) = (next()?, next()?, next()?);
        let mut layers = Vec::with_capacity(config.layers);
        for _ in 0..config.layers {
            layers.push(Layer {
                norm1: [next()?, next()?],
                queries: next()?,
                keys_values: next()?,
                project: [next()?, next()?],
                norm2: [next()?, next()?],
                expand: [next()?, next()?],
                contract: [next()?, next()?],
            });
        }
        Ok(Self {
            config: config.clone(),
            isa: Isa::detect(),
            spread,
            spread_bias,
            prefix,
            layers,
        })
    }

    /// The sizes it was loaded with.
    #[must_use]
    pub fn config(&self) -> &MapperConfig {
        &self.config
    }

    fn normalise(&self, x: &[f32], [gain, shift]: &[Weight; 2]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        let width = self.config.width;
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            normalise_row(self.isa, x, gain, shift, out);
        }
        out
    }

    /// Self-attention over `x` `[batch, tokens, width]`, already normalised; no mask.
    fn attention(&self, layer: &Layer, x: &[f32]) -> Vec<f32> {
        let (isa, width) = (self.isa, self.config.width);
        let tokens = self.config.clip_length + self.config.prefix_length;
        let head_dim = width / self.config.heads;
        let scale = (head_dim as f32).powf(-0.5);
        let queries = linear(isa, x, width, &layer.queries, None);
        let keys_values = linear(isa, x, width, &layer.keys_values, None);

        let mut merged = vec![0.0; x.len()];
        merged
            .par_chunks_mut(width)
            .enumerate()
            .for_each(|(row, merged)| {
                let first = row / tokens * tokens;
                let key_value = |token: usize, part: usize, head: usize| {
                    let start = (first + token) * 2 * width + part * width + head * head_dim;
                    &keys_values[start..start + head_dim]
                };
                for (head, out) in merged.chunks_exact_mut(head_dim).enumerate() {
                    let query = &queries[row * width + head * head_dim..][..head_dim];
                    let scores =
                        (0..tokens).map(|key| dot(isa, query, key_value(key, 0, head)) * scale);
                    let weights = softmax(scores.collect());
                    for (token, weight) in weights.into_iter().enumerate() {
                        for (out, value) in out.iter_mut().zip(key_value(token, 1, head)) {
                            *out += weight * value;
                        }
                    }
                }
            });
        let [weight, bias] = &layer.project;
        linear(isa, &merged, width, weight, Some(bias))
    }

    fn feed_forward(&self, layer: &Layer, x: &[f32]) -> Vec<f32> {
        let (isa, width) = (self.isa, self.config.width);
        let ([expand, expand_bias], [contract, contract_bias]) = (&layer.expand, &layer.contract);
        let mut hidden = linear(isa, x, width, expand, Some(expand_bias));
        relu(isa, &mut hidden);
        linear(isa, &hidden, 2 * width, contract, Some(contract_bias))
    }
}

impl Projector for PrefixMapper {
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
        let MapperConfig {
            input_dim,
            width,
            clip_length,
            ..
        } = self.config;
        let spread = linear(
            self.isa,
            inputs,
            input_dim,
            &self.spread,
            Some(&self.spread_bias),
        );
        let mut x = Vec::with_capacity(spread.len() + inputs.len() / input_dim * self.prefix.len());
        for item in spread.chunks_exact(clip_length * width) {
            x.extend_from_slice(item);
            x.extend_from_slice(&self.prefix);
        }
        for layer in &self.layers {
            let attended = self.attention(layer, &self.normalise(&x, &layer.norm1));
            add(&mut x, &attended);
            let fed = self.feed_forward(layer, &self.normalise(&x, &layer.norm2));
            add(&mut x, &fed);
        }
        let item = clip_length * width + self.prefix.len();
        Ok(x.chunks_exact(item)
            .flat_map(|item| &item[clip_length * width..])
            .copied()
            .collect())
    }
}

fn add(x: &mut [f32], other: &[f32]) {
    for (x, other) in x.iter_mut().zip(other) {
        *x += other;
    }
}

fn softmax(mut scores: Vec<f32>) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in &mut scores {
        *score = (*score - largest).exp();
    }
    let total: f32 = scores.iter().sum();
    for score in &mut scores {
        *score /= total;
    }
    scores
}
