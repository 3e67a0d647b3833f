//! The image tower as a module (spec 2).

use burn::module::{Module, Param};
use burn::tensor::activation::{gelu, leaky_relu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::layers::{Affine, Exported, Norm, Parameters, unit_length};
use crate::EnginePrecision;
use crate::Result;
use crate::ct_vit::{CtVitConfig, Stack, TokenGrid};
use crate::source::WeightSource;

/// Tokens that are compared with the codebook at a time, so that the similarity matrix stays small.
const CODEBOOK_CHUNK: usize = 1024;
/// The constant that multiplies q̂·k̂.
const SCORE_SCALE: f32 = 8.0;

/// The image tower.
#[derive(Module, Debug)]
pub struct CtVitModule {
    voxel_norm: Norm,
    patch_linear: Affine,
    patch_norm: Norm,
    bias_layers: Vec<Affine>,
    spatial: StackModule,
    temporal: StackModule,
    codebook: Option<Param<Tensor<3>>>,
    projection: Affine,
    volume: [usize; 3],
    patch: [usize; 3],
}

/// What the tower makes of a batch.
#[derive(Debug, Clone)]
pub struct CtVitOutput {
    /// Tokens `[batch, t·h·w, dim]` before the codebook.
    pub codebook_in: Tensor<3>,
    /// Tokens `[batch, t·h·w, dim]` behind it.
    pub encoded: Tensor<3>,
    /// Embeddings `[batch, latent]` of unit length.
    pub latent: Tensor<2>,
}

impl CtVitModule {
    /// Takes a tower's parameters under CT-CLIP's names.
    ///
    /// # Errors
    /// [`Fault::Config`](crate::Fault::Config) for impossible sizes, and whatever `source` reports.
    pub fn load(
        config: &CtVitConfig,
        source: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        let p = &mut Parameters { source, device };
        let (dim, voxels) = (config.dim, config.patch_voxels());
        let tower = |part: &str| format!("visual_transformer.{part}");
        let bias = |part: &str| tower(&format!("spatial_rel_pos_bias.net.{part}"));
        Ok(Self {
            voxel_norm: Norm::load(p, &tower("to_patch_emb.1"), voxels)?,
            patch_linear: Affine::load(p, &tower("to_patch_emb.2"), [dim, voxels], true)?,
            patch_norm: Norm::load(p, &tower("to_patch_emb.3"), dim)?,
            bias_layers: vec![
                Affine::load(p, &bias("0.0"), [dim, 2], true)?,
                Affine::load(p, &bias("1.0"), [dim, dim], true)?,
                Affine::load(p, &bias("2"), [config.heads, dim], true)?,
            ],
            spatial: StackModule::load(p, config, Stack::Spatial)?,
            temporal: StackModule::load(p, config, Stack::Temporal)?,
            codebook: match config.codebook {
                Some(codes) => {
                    Some(p.take_constant(&tower("vq._codebook.embed"), [1, codes, dim])?)
                }
                None => None,
            },
            projection: Affine::load(
                p,
                "to_visual_latent",
                [config.latent, config.latent_inputs()],
                false,
            )?,
            volume: config.volume_dhw,
            patch: config.patch_dhw,
        })
    }

    /// The parameters under CT-CLIP's names.
    ///
    /// # Errors
    /// [`Fault::Device`](crate::Fault::Device) if they can't be read back.
    pub fn export(&self) -> Result<Vec<Exported>> {
        let out = &mut Vec::new();
        let tower = |part: &str| format!("visual_transformer.{part}");
        self.voxel_norm.export(&tower("to_patch_emb.1"), out)?;
        self.patch_linear.export(&tower("to_patch_emb.2"), out)?;
        self.patch_norm.export(&tower("to_patch_emb.3"), out)?;
        for (layer, name) in self.bias_layers.iter().zip(["0.0", "1.0", "2"]) {
            layer.export(&tower(&format!("spatial_rel_pos_bias.net.{name}")), out)?;
        }
        for (stack, name) in [
            (&self.spatial, Stack::Spatial),
            (&self.temporal, Stack::Temporal),
        ] {
            stack.export(&tower(&format!("enc_{name}_transformer")), out)?;
        }
        if let Some(codebook) = &self.codebook {
            out.push(Exported::read(tower("vq._codebook.embed"), codebook)?);
        }
        self.projection.export("to_visual_latent", out)?;
        Ok(std::mem::take(out))
    }

    /// The same tower, multiplying matrices in another precision; the search in the codebook, and
    /// the network of the bias, stay in 32 bits.
    #[must_use]
    pub fn with_precision(mut self, precision: EnginePrecision) -> Self {
        self.patch_linear.precision = precision;
        self.projection.precision = precision;
        for layer in self
            .spatial
            .layers
            .iter_mut()
            .chain(&mut self.temporal.layers)
        {
            for part in [
                &mut layer.to_q,
                &mut layer.to_kv,
                &mut layer.to_out,
                &mut layer.expand,
                &mut layer.contract,
            ] {
                part.precision = precision;
            }
        }
        self
    }

    fn grid(&self) -> TokenGrid {
        let [t, h, w] = std::array::from_fn(|axis| self.volume[axis] / self.patch[axis]);
        TokenGrid { t, h, w }
    }

    /// Volumes `[batch, 1, D, H, W]` to embeddings and tokens.
    pub fn forward(&self, volumes: Tensor<5>) -> CtVitOutput {
        let grid = self.grid();
        let x = self.embed_patches(volumes);
        let [batch, _, dim] = x.dims();

        let x = x.reshape([batch * grid.t, grid.slab(), dim]);
        let x = self.spatial.forward(
            x,
            grid,
            Some(self.spatial_bias(&x_device(&self.projection))),
        );
        let x = x.reshape([batch, grid.t, grid.slab(), dim]).swap_dims(1, 2);
        let x = x.reshape([batch * grid.slab(), grid.t, dim]);
        let x = self.temporal.forward(x, grid, None);
        let x = x.reshape([batch, grid.slab(), grid.t, dim]).swap_dims(1, 2);
        let codebook_in = x.reshape([batch, grid.tokens(), dim]);

        let encoded = self.quantise(codebook_in.clone());
        let latent = unit_length(self.projection.forward(self.pool(encoded.clone())));
        CtVitOutput {
            codebook_in,
            encoded,
            latent,
        }
    }

    /// What the projection to the latent sees of volumes `[batch, 1, D, H, W]`: the mean over
    /// slabs, `[batch, h·w·dim]`.
    pub fn pooled(&self, volumes: Tensor<5>) -> Tensor<2> {
        self.pool(self.forward(volumes).encoded)
    }

    fn pool(&self, encoded: Tensor<3>) -> Tensor<2> {
        let ([batch, _, dim], grid) = (encoded.dims(), self.grid());
        let inputs = grid.slab() * dim;
        encoded
            .reshape([batch, grid.t, inputs])
            .mean_dim(1)
            .reshape([batch, inputs])
    }

    /// The same tower with another projection, `[latent, h·w·dim]`.
    ///
    /// # Errors
    /// [`Fault::Shape`](crate::Fault::Shape) for another number of values.
    pub fn with_projection(mut self, values: Vec<f32>) -> Result<Self> {
        let old = self.projection.weight.val();
        let shape = old.dims();
        if values.len() != shape[0] * shape[1] {
            return Err(crate::NnError::shape("projection", &[values.len()], &shape));
        }
        let data = TensorData::new(values, shape);
        self.projection.weight = Param::from_data(data, &old.device());
        Ok(self)
    }

    /// Volumes `[batch, 1, D, H, W]` to tokens `[batch, t·h·w, dim]`.
    pub fn embed_patches(&self, volumes: Tensor<5>) -> Tensor<3> {
        let [batch, ..] = volumes.dims();
        let TokenGrid { t, h, w } = self.grid();
        let [pt, ph, pw] = self.patch;
        let x = volumes
            .reshape([batch, t, pt, h, ph, w, pw])
            .permute([0, 1, 3, 5, 2, 4, 6]);
        let x = x.reshape([batch, t * h * w, pt * ph * pw]);
        self.patch_norm
            .forward(self.patch_linear.forward(self.voxel_norm.forward(x)))
    }

    /// The bias `[heads, h·w, h·w]`, from one evaluation of the network for each offset.
    pub fn spatial_bias(&self, device: &Device) -> Tensor<3> {
        let TokenGrid { h, w, .. } = self.grid();
        let (rows, columns, slab) = (2 * h - 1, 2 * w - 1, h * w);
        let log = |index: usize, size: usize| {
            let offset = index as f32 - (size - 1) as f32;
            offset.signum() * (offset.abs() + 1.0).ln()
        };
        let offsets: Vec<f32> = (0..rows * columns)
            .flat_map(|o| [log(o / columns, h), log(o % columns, w)])
            .collect();
        let mut x = Tensor::<2>::from_data(TensorData::new(offsets, [rows * columns, 2]), device);
        for (index, layer) in self.bias_layers.iter().enumerate() {
            x = layer.forward(x);
            if index + 1 < self.bias_layers.len() {
                x = leaky_relu(x, 0.1);
            }
        }
        let places: Vec<i32> = (0..slab * slab)
            .map(|pair| {
                let (query, key) = (pair / slab, pair % slab);
                let dy = query / w + h - 1 - key / w;
                let dx = query % w + w - 1 - key % w;
                (dy * columns + dx) as i32
            })
            .collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [slab * slab]), device);
        let [_, heads] = x.dims();
        x.select(0, places)
            .reshape([slab, slab, heads])
            .permute([2, 0, 1])
    }

    /// Replaces tokens `[batch, tokens, dim]` by the raw rows of their codes; the gradient passes
    /// straight through to the tokens.
    pub fn quantise(&self, x: Tensor<3>) -> Tensor<3> {
        let Some(codebook) = &self.codebook else {
            return x;
        };
        let [batch, tokens, dim] = x.dims();
        let rows = codebook.val().squeeze_dim::<2>(0);
        let unit_rows = unit_length(rows.clone()).transpose();
        let unit = unit_length(x.clone().detach()).reshape([batch * tokens, dim]);
        let chunks = unit.split(CODEBOOK_CHUNK, 0).into_iter();
        let codes = chunks
            .map(|unit| unit.matmul(unit_rows.clone()).argmax(1).squeeze_dim::<1>(1))
            .collect();
        let found = rows
            .select(0, Tensor::cat(codes, 0))
            .reshape([batch, tokens, dim]);
        x.clone() + (found - x).detach()
    }
}

/// The device that a layer's parameters lie on.
fn x_device(layer: &Affine) -> Device {
    layer.weight.val().device()
}

#[derive(Module, Debug)]
struct StackModule {
    layers: Vec<LayerModule>,
    norm_out: Norm,
}

#[derive(Module, Debug)]
struct LayerModule {
    peg_weight: Param<Tensor<5>>,
    peg_bias: Param<Tensor<1>>,
    attention_norm: Norm,
    to_q: Affine,
    to_kv: Affine,
    q_scale: Param<Tensor<1>>,
    k_scale: Param<Tensor<1>>,
    to_out: Affine,
    feed_forward_norm: Norm,
    expand: Affine,
    contract: Affine,
}

impl StackModule {
    fn load(p: &mut Parameters<'_>, config: &CtVitConfig, stack: Stack) -> Result<Self> {
        let depth = match stack {
            Stack::Spatial => config.spatial_depth,
            Stack::Temporal => config.temporal_depth,
        };
        let stack = format!("visual_transformer.enc_{stack}_transformer");
        let (dim, inner, head_dim) = (config.dim, config.inner(), config.head_dim);
        let hidden = config.feed_forward_inner();
        let mut layers = Vec::with_capacity(depth);
        for layer in 0..depth {
            let name = |part: &str| format!("{stack}.layers.{layer}.{part}");
            layers.push(LayerModule {
                peg_weight: p.take(&name("0.dsconv.weight"), [dim, 1, 3, 3, 3])?,
                peg_bias: p.take(&name("0.dsconv.bias"), [dim])?,
                attention_norm: Norm::load_gamma(p, &name("1.norm"), dim)?,
                to_q: Affine::load(p, &name("1.to_q"), [inner, dim], false)?,
                to_kv: Affine::load(p, &name("1.to_kv"), [2 * inner, dim], false)?,
                q_scale: p.take(&name("1.q_scale"), [head_dim])?,
                k_scale: p.take(&name("1.k_scale"), [head_dim])?,
                to_out: Affine::load(p, &name("1.to_out"), [dim, inner], false)?,
                feed_forward_norm: Norm::load(p, &name("3.0"), dim)?,
                expand: Affine::load(p, &name("3.1"), [2 * hidden, dim], false)?,
                contract: Affine::load(p, &name("3.4"), [dim, hidden], false)?,
            });
        }
        Ok(Self {
            layers,
            norm_out: Norm::load_gamma(p, &format!("{stack}.norm_out"), dim)?,
        })
    }

    fn export(&self, name: &str, out: &mut Vec<Exported>) -> Result<()> {
        for (index, layer) in self.layers.iter().enumerate() {
            let name = |part: &str| format!("{name}.layers.{index}.{part}");
            let vectors = [
                ("0.dsconv.bias", &layer.peg_bias),
                ("1.q_scale", &layer.q_scale),
                ("1.k_scale", &layer.k_scale),
            ];
            out.push(Exported::read(name("0.dsconv.weight"), &layer.peg_weight)?);
            for (part, vector) in vectors {
                out.push(Exported::read(name(part), vector)?);
            }
            layer.attention_norm.export_gamma(&name("1.norm"), out)?;
            layer.to_q.export(&name("1.to_q"), out)?;
            layer.to_kv.export(&name("1.to_kv"), out)?;
            layer.to_out.export(&name("1.to_out"), out)?;
            layer.feed_forward_norm.export(&name("3.0"), out)?;
            layer.expand.export(&name("3.1"), out)?;
            layer.contract.export(&name("3.4"), out)?;
        }
        self.norm_out.export_gamma(&format!("{name}.norm_out"), out)
    }

    /// Rows `[rows, tokens, dim]` to the same shape.
    fn forward(&self, mut x: Tensor<3>, grid: TokenGrid, bias: Option<Tensor<3>>) -> Tensor<3> {
        for layer in &self.layers {
            x = x.clone() + layer.peg(x, grid);
            x = x.clone() + layer.attention(x, bias.clone());
            x = x.clone() + layer.feed_forward(x);
        }
        self.norm_out.forward(x)
    }
}

impl LayerModule {
    /// The positional convolution of memory that is taken as `[batch, t, h, w, dim]`, whatever the
    /// stack's order is: the published weights were trained so.
    fn peg(&self, x: Tensor<3>, grid: TokenGrid) -> Tensor<3> {
        let shape @ [rows, tokens, dim] = x.dims();
        let batch = rows * tokens / grid.tokens();
        let TokenGrid { t, h, w } = grid;
        let x = x.reshape([batch, t, h, w, dim]);
        // Written as 27 shifted products: a depthwise convolution is several times slower here.
        let padded = Tensor::zeros([batch, t + 2, h + 2, w + 2, dim], &x.device());
        let inside = [0..batch, 2..t + 2, 1..h + 1, 1..w + 1, 0..dim];
        let padded = padded.slice_assign(inside, x);
        let taps = self.peg_weight.val().reshape([dim, 27]).transpose();
        let mut out = self.peg_bias.val().reshape([1, 1, 1, 1, dim]);
        for tap in 0..27 {
            let (a, b, c) = (tap / 9, tap / 3 % 3, tap % 3);
            let part = padded
                .clone()
                .slice([0..batch, a..a + t, b..b + h, c..c + w, 0..dim]);
            let weight = taps.clone().slice([tap..tap + 1, 0..dim]);
            out = out + part * weight.reshape([1, 1, 1, 1, dim]);
        }
        out.reshape(shape)
    }

    fn attention(&self, x: Tensor<3>, bias: Option<Tensor<3>>) -> Tensor<3> {
        let [rows, tokens, _] = x.dims();
        let [head_dim] = self.q_scale.val().dims();
        let [inner, _] = self.to_q.weight.val().dims();
        let heads = inner / head_dim;
        let split = |x: Tensor<3>| x.reshape([rows, tokens, heads, head_dim]).swap_dims(1, 2);
        let scaled = |x, scale: &Param<Tensor<1>>| {
            unit_length(split(x)) * scale.val().reshape([1, 1, 1, head_dim])
        };
        let queries = self.to_q.forward(self.attention_norm.forward(x.clone()));
        let keys_values = self.to_kv.forward(x);
        let queries = scaled(queries, &self.q_scale);
        let keys = scaled(keys_values.clone().narrow(2, 0, inner), &self.k_scale);
        let values = split(keys_values.narrow(2, inner, inner));
        let precision = self.to_out.precision;
        let scores = precision.matmul(queries, keys.swap_dims(2, 3));
        let mut scores = scores.mul_scalar(SCORE_SCALE);
        if let Some(bias) = bias {
            scores = scores + bias.unsqueeze::<4>();
        }
        let merged = precision.matmul(softmax(scores, 3), values).swap_dims(1, 2);
        self.to_out.forward(merged.reshape([rows, tokens, inner]))
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = self.expand.forward(self.feed_forward_norm.forward(x));
        let [_, _, both] = hidden.dims();
        let value = hidden.clone().narrow(2, 0, both / 2);
        let gate = hidden.narrow(2, both / 2, both / 2);
        self.contract.forward(value * gelu(gate))
    }
}
