//! The same decoder on Burn: differentiable with respect to its input, on whatever device.
//!
//! Made from a [`CausalLm`], whose weights it unpacks to 32-bit floats, so that both always agree.

mod export;

use burn::module::{Module, Param};
use burn::tensor::activation::{gelu, gelu_approximate, relu, silu, softmax};
use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::CausalLm;
use super::config::{
    Activation, DecoderConfig, Mlp, Norm, NormPlace, Pairing, Positions, Residual, Rotary,
};
use super::elementwise::NormWeights;
use super::load::{self, Linear};
use super::matrix::Matrix;
use crate::EnginePrecision;

/// Score of a position that a token must not see.
const HIDDEN: f32 = -1.0e9;

/// A causal language model as a Burn module.
///
/// Sequences of a batch are padded on the right: a token sees only what stands before it, so
/// padding reaches no real token, and its own results are to be ignored.
#[derive(Module, Debug)]
pub struct DecoderModule {
    tokens: Param<Tensor<2>>,
    positions: Option<Param<Tensor<2>>>,
    project_in: Option<LinearModule>,
    project_out: Option<LinearModule>,
    blocks: Vec<BlockModule>,
    final_norm: Option<NormModule>,
    head: Option<LinearModule>,
    #[module(skip)]
    config: DecoderConfig,
    #[module(skip)]
    precision: EnginePrecision,
}

#[derive(Module, Debug)]
struct LinearModule {
    /// `[outputs, inputs]`.
    weight: Param<Tensor<2>>,
    bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    precision: EnginePrecision,
}

#[derive(Module, Debug)]
struct NormModule {
    weight: Param<Tensor<1>>,
    bias: Option<Param<Tensor<1>>>,
}

#[derive(Module, Debug)]
struct BlockModule {
    attention_norm: NormModule,
    mlp_norm: NormModule,
    query: LinearModule,
    key: LinearModule,
    value: LinearModule,
    output: LinearModule,
    query_norm: Option<NormModule>,
    key_norm: Option<NormModule>,
    gate: Option<LinearModule>,
    up: LinearModule,
    down: LinearModule,
}

impl DecoderModule {
    /// Copies the weights of `model` to `device`.
    ///
    /// To train through a frozen model, call [`DecoderModule::frozen`] on the result, or leave it on
    /// a device without autodiff; gradients then reach its input and nothing else.
    pub fn from_model(model: &CausalLm, device: &Device) -> Self {
        let weights = &model.weights;
        let optional =
            |map: &Option<Linear>| map.as_ref().map(|map| LinearModule::new(map, device));
        Self {
            tokens: matrix(&weights.tokens, device),
            positions: weights
                .positions
                .as_ref()
                .map(|table| matrix(table, device)),
            project_in: optional(&weights.project_in),
            project_out: optional(&weights.project_out),
            blocks: weights
                .blocks
                .iter()
                .map(|block| BlockModule::new(block, device))
                .collect(),
            final_norm: weights
                .final_norm
                .as_ref()
                .map(|norm| NormModule::new(norm, device)),
            head: optional(&weights.head),
            config: model.config.clone(),
            precision: EnginePrecision::F32,
        }
    }

    /// The same decoder, multiplying matrices in another precision.
    #[must_use]
    pub fn with_precision(mut self, precision: EnginePrecision) -> Self {
        self.precision = precision;
        for linear in self.linears() {
            linear.precision = precision;
        }
        self
    }

    /// The same decoder for good: no gradient of its weights, and matrices kept in the precision
    /// they are multiplied in.
    #[must_use]
    pub fn frozen(self) -> Self {
        let mut frozen = self.no_grad();
        let precision = frozen.precision;
        if precision != EnginePrecision::F32 {
            let keep = |weight: &mut Param<Tensor<2>>| {
                let kept = precision.factor(weight.val());
                *weight = Param::from_tensor(kept).set_require_grad(false);
            };
            keep(&mut frozen.tokens);
            for linear in frozen.linears() {
                keep(&mut linear.weight);
            }
        }
        frozen
    }

    /// All its linear maps.
    fn linears(&mut self) -> impl Iterator<Item = &mut LinearModule> {
        let ends = [&mut self.project_in, &mut self.project_out, &mut self.head];
        let blocks = self.blocks.iter_mut().flat_map(|block| {
            [
                &mut block.query,
                &mut block.key,
                &mut block.value,
                &mut block.output,
                &mut block.up,
                &mut block.down,
            ]
            .into_iter()
            .chain(&mut block.gate)
        });
        ends.into_iter().flatten().chain(blocks)
    }

    /// The model's settings.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Embeddings `[batch, tokens, embedding width]` of ids `[batch, tokens]`.
    pub fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [batch, tokens] = ids.dims();
        let rows = self.tokens.val().select(0, ids.reshape([batch * tokens]));
        let rows = self.precision.widened(rows);
        let embeddings = rows.reshape([batch, tokens, self.config.embedding_width]);
        embeddings.mul_scalar(self.config.embedding_scale)
    }

    /// Logits `[batch, tokens, vocabulary]` for embeddings `[batch, tokens, embedding width]`.
    pub fn forward(&self, embeddings: Tensor<3>) -> Tensor<3> {
        self.logits(self.hidden(embeddings))
    }

    /// The residual stream behind the last block, `[batch, tokens, width]`.
    ///
    /// With [`DecoderModule::logits`] for those who need the logits of some tokens only.
    pub fn hidden(&self, embeddings: Tensor<3>) -> Tensor<3> {
        let mut stream = match &self.project_in {
            Some(project) => project.forward(embeddings),
            None => embeddings,
        };
        let [_, tokens, _] = stream.dims();
        let device = stream.device();
        if let (Positions::Learned { offset }, Some(table)) =
            (&self.config.positions, &self.positions)
        {
            let rows = table.val().narrow(0, *offset, tokens);
            stream = stream + rows.unsqueeze::<3>();
        }
        let surroundings = Surroundings::new(&self.config, tokens, &device);
        for block in &self.blocks {
            stream = block.forward(stream, &self.config, &surroundings);
        }
        stream
    }

    /// Logits `[batch, tokens, vocabulary]` of a residual stream `[batch, tokens, width]`.
    pub fn logits(&self, stream: Tensor<3>) -> Tensor<3> {
        let mut stream = match &self.final_norm {
            Some(norm) => norm.forward(stream, self.config.norm),
            None => stream,
        };
        if let Some(project) = &self.project_out {
            stream = project.forward(stream);
        }
        match &self.head {
            Some(head) => head.forward(stream),
            None => self.precision.linear(stream, self.tokens.val(), None),
        }
    }
}

/// What all blocks of one pass share.
struct Surroundings {
    /// 0 where a token sees another, else [`HIDDEN`]: `[1, 1, tokens, tokens]`.
    mask: Tensor<4>,
    /// Cosines and sines, `[1, 1, tokens, pairs]`.
    rotation: Option<(Tensor<4>, Tensor<4>)>,
}

impl Surroundings {
    fn new(config: &DecoderConfig, tokens: usize, device: &Device) -> Self {
        let mask: Vec<f32> = (0..tokens * tokens)
            .map(|pair| {
                if pair % tokens > pair / tokens {
                    HIDDEN
                } else {
                    0.0
                }
            })
            .collect();
        let mask = TensorData::new(mask, [1, 1, tokens, tokens]);
        let rotation = match &config.positions {
            Positions::Rotary(rotary) => {
                let frequencies = rotary.frequencies();
                let angles = |f: fn(f32) -> f32| {
                    let values: Vec<f32> = (0..tokens)
                        .flat_map(|t| frequencies.iter().map(move |turn| f(t as f32 * turn)))
                        .collect();
                    let shape = [1, 1, tokens, frequencies.len()];
                    Tensor::<4>::from_data(TensorData::new(values, shape), device)
                };
                Some((angles(f32::cos), angles(f32::sin)))
            }
            Positions::Learned { .. } => None,
        };
        Self {
            mask: Tensor::from_data(mask, device),
            rotation,
        }
    }

    /// Turns heads `[batch, heads, tokens, head width]` to their positions.
    fn turn(&self, heads: Tensor<4>, rotary: &Rotary) -> Tensor<4> {
        let Some((cosine, sine)) = &self.rotation else {
            return heads;
        };
        let [batch, count, tokens, width] = heads.dims();
        let pairs = rotary.dims / 2;
        let part = |range: std::ops::Range<usize>| {
            heads.clone().slice([0..batch, 0..count, 0..tokens, range])
        };
        let turned = match rotary.pairing {
            Pairing::Halves => {
                let (a, b) = (part(0..pairs), part(pairs..2 * pairs));
                let first = a.clone() * cosine.clone() - b.clone() * sine.clone();
                let second = b * cosine.clone() + a * sine.clone();
                Tensor::cat(vec![first, second], 3)
            }
            Pairing::Neighbours => {
                let pair = part(0..2 * pairs).reshape([batch, count, tokens, pairs, 2]);
                let of = |which: usize| {
                    let range = [0..batch, 0..count, 0..tokens, 0..pairs, which..which + 1];
                    pair.clone()
                        .slice(range)
                        .reshape([batch, count, tokens, pairs])
                };
                let (a, b) = (of(0), of(1));
                let first = a.clone() * cosine.clone() - b.clone() * sine.clone();
                let second = b * cosine.clone() + a * sine.clone();
                let both = Tensor::cat(
                    vec![
                        first.reshape([batch, count, tokens, pairs, 1]),
                        second.reshape([batch, count, tokens, pairs, 1]),
                    ],
                    4,
                );
                both.reshape([batch, count, tokens, 2 * pairs])
            }
        };
        if 2 * pairs == width {
            return turned;
        }
        Tensor::cat(vec![turned, part(2 * pairs..width)], 3)
    }
}

impl BlockModule {
    fn new(block: &load::Block, device: &Device) -> Self {
        let map = |map: &Linear| LinearModule::new(map, device);
        let norm = |norm: &NormWeights| NormModule::new(norm, device);
        Self {
            attention_norm: norm(&block.attention_norm),
            mlp_norm: norm(&block.mlp_norm),
            query: map(&block.query),
            key: map(&block.key),
            value: map(&block.value),
            output: map(&block.output),
            query_norm: block.query_norm.as_ref().map(norm),
            key_norm: block.key_norm.as_ref().map(norm),
            gate: block.gate.as_ref().map(map),
            up: map(&block.up),
            down: map(&block.down),
        }
    }

    fn forward(&self, x: Tensor<3>, config: &DecoderConfig, around: &Surroundings) -> Tensor<3> {
        let attention_norm = |x: Tensor<3>| self.attention_norm.forward(x, config.norm);
        let mlp_norm = |x: Tensor<3>| self.mlp_norm.forward(x, config.norm);
        match (config.norm_place, config.residual) {
            (NormPlace::Before, Residual::Sequential) => {
                let x = x.clone() + self.attention(attention_norm(x), config, around);
                x.clone() + self.mlp(mlp_norm(x), config)
            }
            (NormPlace::Before, Residual::Parallel) => {
                let attention = self.attention(attention_norm(x.clone()), config, around);
                x.clone() + self.mlp(mlp_norm(x), config) + attention
            }
            (NormPlace::After, _) => {
                let x = attention_norm(x.clone() + self.attention(x, config, around));
                mlp_norm(x.clone() + self.mlp(x, config))
            }
        }
    }

    fn attention(&self, x: Tensor<3>, config: &DecoderConfig, around: &Surroundings) -> Tensor<3> {
        let [batch, tokens, _] = x.dims();
        let width = config.head_width;
        let heads =
            |x: Tensor<3>, count: usize| x.reshape([batch, tokens, count, width]).swap_dims(1, 2);
        let prepared = |x: Tensor<4>, norm: &Option<NormModule>| {
            let x = match norm {
                Some(norm) => norm.forward(x, config.norm),
                None => x,
            };
            match &config.positions {
                Positions::Rotary(rotary) => around.turn(x, rotary),
                Positions::Learned { .. } => x,
            }
        };
        let query = prepared(
            heads(self.query.forward(x.clone()), config.heads),
            &self.query_norm,
        );
        let key = prepared(
            heads(self.key.forward(x.clone()), config.kv_heads),
            &self.key_norm,
        );
        let value = heads(self.value.forward(x), config.kv_heads);
        let sharing = config.heads / config.kv_heads;
        let shared = |x: Tensor<4>| {
            if sharing == 1 {
                return x;
            }
            x.reshape([batch, config.kv_heads, 1, tokens, width])
                .repeat_dim(2, sharing)
                .reshape([batch, config.heads, tokens, width])
        };
        let scale = 1.0 / (width as f32).sqrt();
        let precision = self.output.precision;
        let scores = precision.matmul(query.mul_scalar(scale), shared(key).swap_dims(2, 3));
        let weights = softmax(scores + around.mask.clone(), 3);
        let mixed = precision.matmul(weights, shared(value)).swap_dims(1, 2);
        self.output
            .forward(mixed.reshape([batch, tokens, config.heads * width]))
    }

    fn mlp(&self, x: Tensor<3>, config: &DecoderConfig) -> Tensor<3> {
        let activate = |x: Tensor<3>| match config.mlp.activation() {
            Activation::Silu => silu(x),
            Activation::Gelu => gelu(x),
            Activation::GeluTanh => gelu_approximate(x),
            Activation::Relu => relu(x),
        };
        let inner = match (&self.gate, config.mlp) {
            (Some(gate), Mlp::Gated(_)) => activate(gate.forward(x.clone())) * self.up.forward(x),
            _ => activate(self.up.forward(x)),
        };
        self.down.forward(inner)
    }
}

impl LinearModule {
    fn new(map: &Linear, device: &Device) -> Self {
        Self {
            weight: matrix(&map.matrix, device),
            bias: map.bias.as_ref().map(|bias| vector(bias, device)),
            precision: EnginePrecision::F32,
        }
    }

    fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        self.precision.linear(x, self.weight.val(), bias)
    }
}

impl NormModule {
    fn new(norm: &NormWeights, device: &Device) -> Self {
        Self {
            weight: vector(&norm.weight, device),
            bias: norm.bias.as_ref().map(|bias| vector(bias, device)),
        }
    }

    fn forward<const D: usize>(&self, x: Tensor<D>, norm: Norm) -> Tensor<D> {
        match norm {
            Norm::LayerNorm { eps } => {
                let bias = self.bias.as_ref().map(Param::val);
                layer_norm(x, self.weight.val(), bias, f64::from(eps))
            }
            Norm::RmsNorm { eps } => {
                let mean_square = x.clone().square().mean_dim(D - 1);
                let factor = mean_square.add_scalar(eps).sqrt().recip();
                x * factor * self.weight.val().unsqueeze::<D>()
            }
        }
    }
}

fn matrix(matrix: &Matrix, device: &Device) -> Param<Tensor<2>> {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let mut values = vec![0.0; rows * columns];
    for (index, row) in values.chunks_exact_mut(columns).enumerate() {
        matrix.row(index, row);
    }
    Param::from_data(TensorData::new(values, [rows, columns]), device)
}

fn vector(values: &[f32], device: &Device) -> Param<Tensor<1>> {
    Param::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}
