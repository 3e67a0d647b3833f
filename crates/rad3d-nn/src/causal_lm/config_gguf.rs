//! Decoder settings from the metadata of a GGUF file.

use rad3d_weights::Checkpoint;

use super::config::{
    Activation, Biases, DecoderConfig, Family, Mlp, Norm, NormPlace, Pairing, Positions, Residual,
    Rotary, RotaryScaling,
};
use crate::{Fault, NnError, Result};

impl DecoderConfig {
    /// Reads the settings of a GGUF file of the architectures `llama`, `qwen2` and `qwen3`.
    ///
    /// # Errors
    /// [`Fault::Config`] if a setting is missing or asks for what is not supported.
    pub fn from_gguf(checkpoint: &Checkpoint) -> Result<Self> {
        let gguf = Gguf {
            checkpoint,
            place: checkpoint.path().display().to_string(),
        };
        let architecture = gguf.text("general.architecture")?;
        let (query_key_norm, pairing) = match architecture {
            "llama" => (false, Pairing::Neighbours),
            "qwen2" => (false, Pairing::Halves),
            "qwen3" => (true, Pairing::Halves),
            other => {
                return Err(gguf.fault(
                    format!("architecture {other:?} is not supported"),
                    "supported in GGUF are llama, qwen2 and qwen3",
                ));
            }
        };
        let key = |part: &str| format!("{architecture}.{part}");
        let width = gguf.size(&key("embedding_length"))?;
        let heads = gguf.size(&key("attention.head_count"))?;
        let shared_width = width.checked_div(heads).unwrap_or(0);
        let head_width = gguf.size_or(&key("attention.key_length"), shared_width)?;
        let tokens = "token_embd.weight";
        let vocabulary = match checkpoint.info(tokens).as_deref_shape() {
            Some([rows, _]) => *rows,
            _ => {
                return Err(gguf.fault(
                    format!("has no token table {tokens}"),
                    "this is no language model, or a part of one",
                ));
            }
        };
        let has = |name: &str| checkpoint.contains(name);
        let config = Self {
            family: Family::Gguf,
            vocabulary,
            width,
            embedding_width: width,
            layers: gguf.size(&key("block_count"))?,
            heads,
            kv_heads: gguf.size_or(&key("attention.head_count_kv"), heads)?,
            head_width,
            mlp_width: gguf.size(&key("feed_forward_length"))?,
            context: gguf.size(&key("context_length"))?,
            norm: Norm::RmsNorm {
                eps: gguf.number(&key("attention.layer_norm_rms_epsilon"))?,
            },
            norm_place: NormPlace::Before,
            final_norm: true,
            query_key_norm,
            positions: Positions::Rotary(Rotary {
                theta: gguf.number_or(&key("rope.freq_base"), 10_000.0)?,
                dims: gguf.size_or(&key("rope.dimension_count"), head_width)?,
                scaling: gguf.rotary_scaling(&key("rope.scaling"))?,
                pairing,
            }),
            mlp: Mlp::Gated(Activation::Silu),
            residual: Residual::Sequential,
            biases: Biases {
                qkv: has("blk.0.attn_q.bias"),
                output: has("blk.0.attn_output.bias"),
                mlp: has("blk.0.ffn_up.bias"),
            },
            embedding_scale: 1.0,
            tied_head: !has("output.weight"),
            begin_token: gguf.token("tokenizer.ggml.bos_token_id"),
            stop_tokens: gguf
                .token("tokenizer.ggml.eos_token_id")
                .into_iter()
                .collect(),
        };
        config.validate(&gguf.place)?;
        Ok(config)
    }
}

/// Only the shape of what a checkpoint says of a tensor.
trait ShapeOf {
    fn as_deref_shape(&self) -> Option<&[usize]>;
}

impl ShapeOf for Option<rad3d_weights::TensorInfo> {
    fn as_deref_shape(&self) -> Option<&[usize]> {
        self.as_ref().map(|info| info.shape.as_slice())
    }
}

struct Gguf<'a> {
    checkpoint: &'a Checkpoint,
    place: String,
}

impl Gguf<'_> {
    fn fault(&self, what: impl Into<String>, hint: &str) -> NnError {
        NnError::new(Fault::Config, &self.place, what, hint)
    }

    fn missing(&self, key: &str, needed: &str) -> NnError {
        self.fault(
            format!("metadata `{key}` is missing or not {needed}"),
            "the file is damaged or not a language model",
        )
    }

    fn text(&self, key: &str) -> Result<&str> {
        let value = self.checkpoint.gguf().get(key);
        value
            .and_then(|value| value.as_str())
            .ok_or_else(|| self.missing(key, "a text"))
    }

    fn size(&self, key: &str) -> Result<usize> {
        let value = self
            .checkpoint
            .gguf()
            .get(key)
            .and_then(|value| value.as_u64());
        value
            .and_then(|size| usize::try_from(size).ok())
            .ok_or_else(|| self.missing(key, "a whole number"))
    }

    fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        if self.checkpoint.gguf().contains_key(key) {
            self.size(key)
        } else {
            Ok(default)
        }
    }

    fn number(&self, key: &str) -> Result<f32> {
        let value = self
            .checkpoint
            .gguf()
            .get(key)
            .and_then(|value| value.as_f64());
        value
            .map(|number| number as f32)
            .ok_or_else(|| self.missing(key, "a number"))
    }

    fn number_or(&self, key: &str, default: f32) -> Result<f32> {
        if self.checkpoint.gguf().contains_key(key) {
            self.number(key)
        } else {
            Ok(default)
        }
    }

    fn token(&self, key: &str) -> Option<u32> {
        let value = self.checkpoint.gguf().get(key)?.as_u64()?;
        u32::try_from(value).ok()
    }

    /// Llama 3's stretch comes as a tensor of divisors, others as a kind and a factor.
    fn rotary_scaling(&self, key: &str) -> Result<RotaryScaling> {
        const DIVISORS: &str = "rope_freqs.weight";
        if self.checkpoint.contains(DIVISORS) {
            let divisors = self.checkpoint.to_f32(DIVISORS).map_err(|error| {
                let hint = error.hint.clone();
                let what = format!("{DIVISORS} cannot be read");
                NnError::new(Fault::Weights, &self.place, what, hint).because(error)
            })?;
            return Ok(RotaryScaling::Divisors(divisors));
        }
        let kind = format!("{key}.type");
        if !self.checkpoint.gguf().contains_key(&kind) {
            return Ok(RotaryScaling::None);
        }
        match self.text(&kind)? {
            "none" => Ok(RotaryScaling::None),
            "linear" => Ok(RotaryScaling::Linear {
                factor: self.number(&format!("{key}.factor"))?,
            }),
            other => Err(self.fault(
                format!("rotary scaling {other:?} is not supported"),
                "supported are none, linear and rope_freqs.weight",
            )),
        }
    }
}
