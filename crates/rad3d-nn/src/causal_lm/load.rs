//! From a checkpoint's tensors to the decoder's weights.

use half::{bf16, f16};
use rad3d_weights::{DType, IgnoreRule, Loaded, Loader, TensorView};

use super::blocks::BlockFormat;
use super::config::{DecoderConfig, Mlp, Norm, Positions};
use super::elementwise::NormWeights;
use super::matrix::Matrix;
use super::names::{Names, Qkv, names};
use super::pool::Pool;
use crate::{Fault, NnError, Result};

/// A linear map.
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Vec<f32>>,
}

/// All weights of a decoder.
pub(super) struct Weights {
    /// Token table, `[vocabulary, embedding width]`; also the head if that is tied.
    pub(super) tokens: Matrix,
    /// Learned positions, `[position, width]`.
    pub(super) positions: Option<Matrix>,
    pub(super) project_in: Option<Linear>,
    pub(super) project_out: Option<Linear>,
    pub(super) blocks: Vec<Block>,
    pub(super) final_norm: Option<NormWeights>,
    /// Output head, `[vocabulary, embedding width]`, if it is not the token table.
    pub(super) head: Option<Linear>,
}

/// Weights of one transformer block.
pub(super) struct Block {
    pub(super) attention_norm: NormWeights,
    pub(super) mlp_norm: NormWeights,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
    pub(super) query_norm: Option<NormWeights>,
    pub(super) key_norm: Option<NormWeights>,
    pub(super) gate: Option<Linear>,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

impl Weights {
    /// Takes everything that `config` needs from the loader's checkpoint.
    pub(super) fn load(
        config: &DecoderConfig,
        checkpoint: &rad3d_weights::Checkpoint,
        pool: &Pool,
    ) -> Result<(Self, Loaded)> {
        let names = names(config.family);
        let mut ignores: Vec<IgnoreRule> = names
            .ignored
            .iter()
            .map(|&pattern| IgnoreRule::new(pattern, "carries no weights"))
            .collect();
        if config.tied_head {
            let head = format!("{}.weight", names.head);
            ignores.push(IgnoreRule::new(head, "the output head is the token table"));
        }
        let place = checkpoint.path().display().to_string();
        let root = find_root(names, checkpoint).ok_or_else(|| {
            NnError::new(
                Fault::Weights,
                &place,
                format!("has no token table (…{}.weight)", names.tokens),
                "check that configuration and weights belong together",
            )
        })?;
        let mut source = Source {
            loader: Loader::new(checkpoint, ignores),
            names,
            root,
            config,
            pool,
        };
        let weights = source.weights()?;
        let loaded = source.loader.finish().map_err(|error| {
            NnError::new(
                Fault::Weights,
                place,
                error.what.clone(),
                error.hint.clone(),
            )
            .because(error)
        })?;
        Ok((weights, loaded))
    }
}

/// The prefix under which this checkpoint keeps its tensors.
fn find_root(names: &Names, checkpoint: &rad3d_weights::Checkpoint) -> Option<&'static str> {
    let has_tokens = |root: &&&str| checkpoint.contains(&format!("{root}{}.weight", names.tokens));
    names.roots.iter().find(has_tokens).copied()
}

struct Source<'a> {
    loader: Loader<'a>,
    names: &'static Names,
    root: &'static str,
    config: &'a DecoderConfig,
    pool: &'a Pool,
}

impl Source<'_> {
    fn weights(&mut self) -> Result<Weights> {
        let (config, names, root) = (self.config, self.names, self.root);
        let name = |part: &str| format!("{root}{part}");
        let (width, embedding_width) = (config.width, config.embedding_width);
        let positions = match config.positions {
            Positions::Learned { offset } => {
                let rows = config.context + offset;
                let table = format!("{}.weight", name(names.positions));
                Some(self.matrix(&table, rows, width, false)?)
            }
            Positions::Rotary(_) => None,
        };
        let projected = embedding_width != width;
        let project = |this: &mut Self, part: &str, rows, columns| {
            projected
                .then(|| this.linear(&name(part), rows, columns, false))
                .transpose()
        };
        let weights = Weights {
            tokens: self.matrix(
                &format!("{}.weight", name(names.tokens)),
                config.vocabulary,
                embedding_width,
                false,
            )?,
            positions,
            project_in: project(self, names.project_in, width, embedding_width)?,
            project_out: project(self, names.project_out, embedding_width, width)?,
            blocks: (0..config.layers)
                .map(|index| self.block(&format!("{root}{}{index}.", names.block)))
                .collect::<Result<_>>()?,
            final_norm: config
                .final_norm
                .then(|| self.norm(&name(names.final_norm), width)),
            head: if config.tied_head {
                None
            } else {
                let weight = format!("{}.weight", names.head);
                let matrix = self.matrix(&weight, config.vocabulary, embedding_width, false)?;
                Some(Linear { matrix, bias: None })
            },
        };
        Ok(weights)
    }

    fn block(&mut self, prefix: &str) -> Result<Block> {
        let (config, names) = (self.config, self.names);
        let (width, hidden) = (config.width, config.mlp_width);
        let name = |part: &str| format!("{prefix}{part}");
        let [query, key, value] = self.qkv(prefix)?;
        let head_norm = |this: &mut Self, part: &str| {
            config
                .query_key_norm
                .then(|| this.norm(&name(part), config.head_width))
        };
        let mlp_bias = config.biases.mlp;
        Ok(Block {
            attention_norm: self.norm(&name(names.attention_norm), width),
            mlp_norm: self.norm(&name(names.mlp_norm), width),
            query,
            key,
            value,
            output: self.linear(
                &name(names.output),
                width,
                config.query_width(),
                config.biases.output,
            )?,
            query_norm: head_norm(self, names.query_norm),
            key_norm: head_norm(self, names.key_norm),
            gate: match config.mlp {
                Mlp::Gated(_) => Some(self.linear(&name(names.gate), hidden, width, mlp_bias)?),
                Mlp::Plain(_) => None,
            },
            up: self.linear(&name(names.up), hidden, width, mlp_bias)?,
            down: self.linear(&name(names.down), width, hidden, mlp_bias)?,
        })
    }

    fn qkv(&mut self, prefix: &str) -> Result<[Linear; 3]> {
        let config = self.config;
        let (width, bias) = (config.width, config.biases.qkv);
        let heights = [config.query_width(), config.kv_width(), config.kv_width()];
        let joined = match self.names.qkv {
            Qkv::Separate(parts) => {
                let mut linear = |index: usize| {
                    let name = format!("{prefix}{}", parts[index]);
                    self.linear(&name, heights[index], width, bias)
                };
                return Ok([linear(0)?, linear(1)?, linear(2)?]);
            }
            Qkv::Stacked(name) | Qkv::ByHead(name) => format!("{prefix}{name}"),
        };
        let by_head = matches!(self.names.qkv, Qkv::ByHead(_));
        let rows = heights.iter().sum();
        let name = format!("{joined}.weight");
        let weights = self.floats(&name, rows, width, self.names.input_major);
        let biases = bias.then(|| self.loader.f32(&format!("{joined}.bias"), &[rows]));
        let part = |index: usize| {
            let from_row = |row: usize| {
                if by_head {
                    let (head, component) = (row / config.head_width, row % config.head_width);
                    (3 * head + index) * config.head_width + component
                } else {
                    heights[..index].iter().sum::<usize>() + row
                }
            };
            let origin = (0..heights[index]).map(from_row);
            let mut picked = Vec::with_capacity(heights[index] * width);
            for row in origin.clone() {
                picked.extend_from_slice(&weights[row * width..][..width]);
            }
            Linear {
                matrix: Matrix::from_f32(heights[index], width, &picked),
                bias: biases
                    .as_ref()
                    .map(|biases| origin.map(|row| biases[row]).collect()),
            }
        };
        Ok([part(0), part(1), part(2)])
    }

    fn norm(&mut self, name: &str, width: usize) -> NormWeights {
        NormWeights {
            weight: self.loader.f32(&format!("{name}.weight"), &[width]),
            bias: match self.config.norm {
                Norm::LayerNorm { .. } => Some(self.loader.f32(&format!("{name}.bias"), &[width])),
                Norm::RmsNorm { .. } => None,
            },
        }
    }

    fn linear(&mut self, name: &str, rows: usize, columns: usize, bias: bool) -> Result<Linear> {
        let input_major = self.names.input_major;
        Ok(Linear {
            matrix: self.matrix(&format!("{name}.weight"), rows, columns, input_major)?,
            bias: bias.then(|| self.loader.f32(&format!("{name}.bias"), &[rows])),
        })
    }

    /// A matrix `[rows, columns]` in the precision of the file.
    fn matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
        input_major: bool,
    ) -> Result<Matrix> {
        if input_major {
            let weights = self.floats(name, rows, columns, true);
            return Ok(Matrix::from_f32(rows, columns, &weights));
        }
        let view = self.loader.take(name, &[rows, columns]);
        let data: &[u8] = view.data();
        if let Some(format) = block_format(view.dtype()) {
            return Ok(Matrix::from_blocks(format, rows, columns, data, self.pool));
        }
        Ok(match view.dtype() {
            DType::BF16 => {
                let weights: Vec<bf16> = halves(data).map(bf16::from_bits).collect();
                Matrix::from_bf16(rows, columns, &weights)
            }
            DType::F16 => {
                let weights: Vec<f16> = halves(data).map(f16::from_bits).collect();
                Matrix::from_f16(rows, columns, &weights)
            }
            _ => match view.as_f32() {
                Some(weights) => Matrix::from_f32(rows, columns, &weights),
                // The loader has noted the fault and will report it.
                None => Matrix::from_f32(rows, columns, &vec![0.0; rows * columns]),
            },
        })
    }

    /// Weights as floats `[rows, columns]`, transposed if they are stored `[columns, rows]`.
    fn floats(&mut self, name: &str, rows: usize, columns: usize, input_major: bool) -> Vec<f32> {
        if !input_major {
            return self.loader.f32(name, &[rows, columns]);
        }
        let stored: TensorView = self.loader.take(name, &[columns, rows]);
        let stored = stored.to_f32().unwrap_or_else(|| vec![0.0; rows * columns]);
        let mut weights = Vec::with_capacity(stored.len());
        for row in 0..rows {
            weights.extend((0..columns).map(|column| stored[column * rows + row]));
        }
        weights
    }
}

fn halves(data: &[u8]) -> impl Iterator<Item = u16> + '_ {
    data.chunks_exact(2)
        .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn block_format(dtype: DType) -> Option<BlockFormat> {
    Some(match dtype {
        DType::Q4_0 => BlockFormat::Q4_0,
        DType::Q4_1 => BlockFormat::Q4_1,
        DType::Q5_0 => BlockFormat::Q5_0,
        DType::Q5_1 => BlockFormat::Q5_1,
        DType::Q8_0 => BlockFormat::Q8_0,
        DType::Q4K => BlockFormat::Q4K,
        DType::Q5K => BlockFormat::Q5K,
        DType::Q6K => BlockFormat::Q6K,
        _ => return None,
    })
}
