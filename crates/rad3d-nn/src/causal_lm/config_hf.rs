//! Decoder settings from a Hugging Face `config.json`.

use std::path::Path;

use serde_json::{Map, Value};

use super::config::{
    Activation, Biases, DecoderConfig, Family, Mlp, Norm, NormPlace, Pairing, Positions, Residual,
    Rotary, RotaryScaling,
};
use crate::{Fault, NnError, Result};

impl DecoderConfig {
    /// Reads the text of a `config.json`; `path` only names it in errors.
    ///
    /// Knows the model types `llama`, `qwen2`, `qwen3`, `gpt2`, `gpt_neox`, `opt` and `biogpt`, as
    /// written by `transformers` 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`).
    ///
    /// # Errors
    /// [`Fault::Config`] if a setting is missing, contradictory, or asks for what is not supported
    /// (sliding windows, rotary scalings other than `linear` and `llama3`).
    pub fn from_hf(path: impl AsRef<Path>, text: &str) -> Result<Self> {
        let place = path.as_ref().display().to_string();
        let parsed: Value = serde_json::from_str(text).map_err(|error| {
            let hint = "download the file again";
            NnError::new(Fault::Config, &place, "is not valid JSON", hint).because(error)
        })?;
        let Value::Object(fields) = parsed else {
            let hint = "this is not the configuration of a model";
            return Err(NnError::new(
                Fault::Config,
                &place,
                "is no JSON object",
                hint,
            ));
        };
        let hf = Hf { place, fields };
        let config = match hf.text("model_type")? {
            "llama" | "mistral" | "qwen2" | "qwen3" => hf.llama_like()?,
            "gpt2" => hf.gpt2()?,
            "gpt_neox" => hf.gpt_neox()?,
            "opt" => hf.opt()?,
            "biogpt" => hf.biogpt()?,
            other => {
                return Err(hf.fault(
                    format!("model type {other:?} is not supported"),
                    "supported are llama, mistral, qwen2, qwen3, gpt2, gpt_neox, opt, biogpt",
                ));
            }
        };
        config.validate(&hf.place)?;
        Ok(config)
    }
}

/// The fields of one `config.json`. A field that is `null` counts as absent.
struct Hf {
    place: String,
    fields: Map<String, Value>,
}

impl Hf {
    fn fault(&self, what: impl Into<String>, hint: &str) -> NnError {
        NnError::new(Fault::Config, &self.place, what, hint)
    }

    fn wrong(&self, key: &str, needed: &str) -> NnError {
        let met = self.fields.get(key).unwrap_or(&Value::Null);
        self.fault(
            format!("`{key}` is {met}, needed {needed}"),
            "take the config.json that came with the weights",
        )
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Result<&str> {
        self.get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| self.wrong(key, "a text"))
    }

    fn size(&self, key: &str) -> Result<usize> {
        self.get(key)
            .and_then(Value::as_u64)
            .and_then(|size| usize::try_from(size).ok())
            .ok_or_else(|| self.wrong(key, "a whole number"))
    }

    fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        self.get(key).map_or(Ok(default), |_| self.size(key))
    }

    fn number(&self, key: &str) -> Result<f32> {
        self.get(key)
            .and_then(Value::as_f64)
            .map(|number| number as f32)
            .ok_or_else(|| self.wrong(key, "a number"))
    }

    fn number_or(&self, key: &str, default: f32) -> Result<f32> {
        self.get(key).map_or(Ok(default), |_| self.number(key))
    }

    fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |value| {
            value
                .as_bool()
                .ok_or_else(|| self.wrong(key, "true or false"))
        })
    }

    fn activation(&self, key: &str, default: &str) -> Result<Activation> {
        let name = self.get(key).map_or(Ok(default), |_| self.text(key))?;
        Activation::from_hf(name, &self.place)
    }

    fn begin_token(&self) -> Option<u32> {
        self.get("bos_token_id").and_then(token)
    }

    /// One stop token or a list of them.
    fn stop_tokens(&self) -> Vec<u32> {
        match self.get("eos_token_id") {
            Some(Value::Array(several)) => several.iter().filter_map(token).collect(),
            Some(one) => token(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The rotary settings, wherever this version of `transformers` put them.
    fn rotary_fields(&self) -> Self {
        let mut fields = Map::new();
        for key in ["rope_scaling", "rope_parameters"] {
            if let Some(Value::Object(found)) = self.get(key) {
                fields.extend(found.clone());
            }
        }
        Self {
            place: self.place.clone(),
            fields,
        }
    }

    fn rotary(&self, head_width: usize, theta_key: &str, portion: f32) -> Result<Positions> {
        let nested = self.rotary_fields();
        let theta = match nested.get("rope_theta") {
            Some(_) => nested.number("rope_theta")?,
            None => self.number_or(theta_key, 10_000.0)?,
        };
        let portion = nested.number_or("partial_rotary_factor", portion)?;
        let kind_key = if nested.get("rope_type").is_some() {
            "rope_type"
        } else {
            "type"
        };
        let kind = nested
            .get(kind_key)
            .map_or(Ok("default"), |_| nested.text(kind_key))?;
        let scaling = match kind {
            "default" => RotaryScaling::None,
            "linear" => RotaryScaling::Linear {
                factor: nested.number("factor")?,
            },
            "llama3" => RotaryScaling::Llama3 {
                factor: nested.number("factor")?,
                low: nested.number("low_freq_factor")?,
                high: nested.number("high_freq_factor")?,
                original_context: nested.number("original_max_position_embeddings")?,
            },
            other => {
                return Err(self.fault(
                    format!("rotary scaling {other:?} is not supported"),
                    "supported are default, linear and llama3",
                ));
            }
        };
        Ok(Positions::Rotary(Rotary {
            theta,
            dims: (head_width as f32 * portion) as usize,
            scaling,
            pairing: Pairing::Halves,
        }))
    }

    fn llama_like(&self) -> Result<DecoderConfig> {
        let kind = self.text("model_type")?;
        let slides = match kind {
            "qwen2" | "qwen3" => self.flag_or("use_sliding_window", false)?,
            _ => self.get("sliding_window").is_some(),
        };
        if slides {
            return Err(self.fault(
                "attention with a sliding window is not supported",
                "use a checkpoint with full attention",
            ));
        }
        let width = self.size("hidden_size")?;
        let heads = self.size("num_attention_heads")?;
        let head_width = self.size_or("head_dim", width / heads.max(1))?;
        // Qwen2 has the bias by construction; the others say so.
        let attention_bias = self.flag_or("attention_bias", false)?;
        Ok(DecoderConfig {
            family: Family::Llama,
            vocabulary: self.size("vocab_size")?,
            width,
            embedding_width: width,
            layers: self.size("num_hidden_layers")?,
            heads,
            kv_heads: self.size_or("num_key_value_heads", heads)?,
            head_width,
            mlp_width: self.size("intermediate_size")?,
            context: self.size("max_position_embeddings")?,
            norm: Norm::RmsNorm {
                eps: self.number_or("rms_norm_eps", 1e-6)?,
            },
            norm_place: NormPlace::Before,
            final_norm: true,
            query_key_norm: kind == "qwen3",
            positions: self.rotary(head_width, "rope_theta", 1.0)?,
            mlp: Mlp::Gated(self.activation("hidden_act", "silu")?),
            residual: Residual::Sequential,
            biases: Biases {
                qkv: attention_bias || kind == "qwen2",
                output: attention_bias && kind != "qwen2",
                mlp: self.flag_or("mlp_bias", false)?,
            },
            embedding_scale: 1.0,
            tied_head: self.flag_or("tie_word_embeddings", false)?,
            begin_token: self.begin_token(),
            stop_tokens: self.stop_tokens(),
        })
    }

    fn gpt2(&self) -> Result<DecoderConfig> {
        for (key, expected) in [
            ("scale_attn_weights", true),
            ("scale_attn_by_inverse_layer_idx", false),
        ] {
            if self.flag_or(key, expected)? != expected {
                return Err(self.fault(
                    format!("`{key}` is {}, which is not supported", !expected),
                    "use a checkpoint with GPT-2's own attention",
                ));
            }
        }
        let width = self.size("n_embd")?;
        let heads = self.size("n_head")?;
        Ok(DecoderConfig {
            family: Family::Gpt2,
            vocabulary: self.size("vocab_size")?,
            width,
            embedding_width: width,
            layers: self.size("n_layer")?,
            heads,
            kv_heads: heads,
            head_width: self.head_width(width, heads)?,
            mlp_width: self.size_or("n_inner", 4 * width)?,
            context: self.size("n_positions")?,
            norm: Norm::LayerNorm {
                eps: self.number_or("layer_norm_epsilon", 1e-5)?,
            },
            norm_place: NormPlace::Before,
            final_norm: true,
            query_key_norm: false,
            positions: Positions::Learned { offset: 0 },
            mlp: Mlp::Plain(self.activation("activation_function", "gelu_new")?),
            residual: Residual::Sequential,
            biases: Biases::all(true),
            embedding_scale: 1.0,
            tied_head: self.flag_or("tie_word_embeddings", true)?,
            begin_token: self.begin_token(),
            stop_tokens: self.stop_tokens(),
        })
    }

    fn gpt_neox(&self) -> Result<DecoderConfig> {
        let width = self.size("hidden_size")?;
        let heads = self.size("num_attention_heads")?;
        let head_width = self.head_width(width, heads)?;
        let attention_bias = self.flag_or("attention_bias", true)?;
        let portion = self.number_or("rotary_pct", 0.25)?;
        Ok(DecoderConfig {
            family: Family::GptNeox,
            vocabulary: self.size("vocab_size")?,
            width,
            embedding_width: width,
            layers: self.size("num_hidden_layers")?,
            heads,
            kv_heads: heads,
            head_width,
            mlp_width: self.size("intermediate_size")?,
            context: self.size("max_position_embeddings")?,
            norm: Norm::LayerNorm {
                eps: self.number_or("layer_norm_eps", 1e-5)?,
            },
            norm_place: NormPlace::Before,
            final_norm: true,
            query_key_norm: false,
            positions: self.rotary(head_width, "rotary_emb_base", portion)?,
            mlp: Mlp::Plain(self.activation("hidden_act", "gelu")?),
            residual: if self.flag_or("use_parallel_residual", true)? {
                Residual::Parallel
            } else {
                Residual::Sequential
            },
            biases: Biases {
                qkv: attention_bias,
                output: attention_bias,
                mlp: true,
            },
            embedding_scale: 1.0,
            tied_head: self.flag_or("tie_word_embeddings", false)?,
            begin_token: self.begin_token(),
            stop_tokens: self.stop_tokens(),
        })
    }

    fn opt(&self) -> Result<DecoderConfig> {
        if !self.flag_or("layer_norm_elementwise_affine", true)? {
            return Err(self.fault(
                "layer norms without weight and bias are not supported",
                "use another OPT checkpoint",
            ));
        }
        let width = self.size("hidden_size")?;
        let heads = self.size("num_attention_heads")?;
        let before = self.flag_or("do_layer_norm_before", true)?;
        Ok(DecoderConfig {
            family: Family::Opt,
            vocabulary: self.size("vocab_size")?,
            width,
            embedding_width: self.size_or("word_embed_proj_dim", width)?,
            layers: self.size("num_hidden_layers")?,
            heads,
            kv_heads: heads,
            head_width: self.head_width(width, heads)?,
            mlp_width: self.size("ffn_dim")?,
            context: self.size("max_position_embeddings")?,
            norm: Norm::LayerNorm { eps: 1e-5 },
            norm_place: if before {
                NormPlace::Before
            } else {
                NormPlace::After
            },
            final_norm: before && !self.flag_or("_remove_final_layer_norm", false)?,
            query_key_norm: false,
            positions: Positions::Learned { offset: 2 },
            mlp: Mlp::Plain(self.activation("activation_function", "relu")?),
            residual: Residual::Sequential,
            biases: Biases::all(self.flag_or("enable_bias", true)?),
            embedding_scale: 1.0,
            tied_head: self.flag_or("tie_word_embeddings", true)?,
            begin_token: self.begin_token(),
            stop_tokens: self.stop_tokens(),
        })
    }

    fn biogpt(&self) -> Result<DecoderConfig> {
        let width = self.size("hidden_size")?;
        let heads = self.size("num_attention_heads")?;
        let scaled = self.flag_or("scale_embedding", true)?;
        Ok(DecoderConfig {
            family: Family::BioGpt,
            vocabulary: self.size("vocab_size")?,
            width,
            embedding_width: width,
            layers: self.size("num_hidden_layers")?,
            heads,
            kv_heads: heads,
            head_width: self.head_width(width, heads)?,
            mlp_width: self.size("intermediate_size")?,
            context: self.size("max_position_embeddings")?,
            // `layer_norm_eps` of the file is not what `transformers` uses: its layers take
            // PyTorch's default.
            norm: Norm::LayerNorm { eps: 1e-5 },
            norm_place: NormPlace::Before,
            final_norm: true,
            query_key_norm: false,
            positions: Positions::Learned { offset: 2 },
            mlp: Mlp::Plain(self.activation("hidden_act", "gelu")?),
            residual: Residual::Sequential,
            biases: Biases::all(true),
            embedding_scale: if scaled { (width as f32).sqrt() } else { 1.0 },
            tied_head: self.flag_or("tie_word_embeddings", true)?,
            begin_token: self.begin_token(),
            stop_tokens: self.stop_tokens(),
        })
    }

    fn head_width(&self, width: usize, heads: usize) -> Result<usize> {
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(self.fault(
                format!("width {width} does not divide into {heads} heads"),
                "take the config.json that came with the weights",
            ));
        }
        Ok(width / heads)
    }
}

fn token(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|token| u32::try_from(token).ok())
}
