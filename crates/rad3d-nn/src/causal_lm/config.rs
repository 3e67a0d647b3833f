//! What distinguishes one decoder family from another, as data.

use serde::{Deserialize, Serialize};

use crate::{Fault, NnError, Result};

/// The shape and the choices of a causal language model: everything but its weights.
///
/// Made by [`DecoderConfig::from_hf`] or [`DecoderConfig::from_gguf`]; the forward pass looks at
/// nothing else, so a new family is a new reader of settings and a row of tensor names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Where the family keeps its tensors.
    pub family: Family,
    /// Rows of the token table.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of the token table; differs from `width` only in OPT-350m and its like.
    pub embedding_width: usize,
    /// Number of transformer blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; `heads / kv_heads` query heads share one.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_width: usize,
    /// Width of the hidden layer between the two halves of the MLP.
    pub mlp_width: usize,
    /// Longest sequence that the model was made for, in tokens.
    pub context: usize,
    /// Kind of normalisation, the same everywhere in a model.
    pub norm: Norm,
    /// Whether blocks normalise their input or their output.
    pub norm_place: NormPlace,
    /// Whether the last block is followed by one more normalisation.
    pub final_norm: bool,
    /// Whether each head's query and key are normalised before rotation (Qwen3).
    pub query_key_norm: bool,
    /// How the model learns where a token stands.
    pub positions: Positions,
    /// Shape of the MLP.
    pub mlp: Mlp,
    /// How attention and MLP join the residual stream.
    pub residual: Residual,
    /// Which linear maps have a bias.
    pub biases: Biases,
    /// Factor on token embeddings (BioGPT: the root of the width; else 1).
    pub embedding_scale: f32,
    /// Whether the token table is also the output head.
    pub tied_head: bool,
    /// Token that begins a text, if the model names one.
    pub begin_token: Option<u32>,
    /// Tokens that end a text.
    pub stop_tokens: Vec<u32>,
}

/// Families with a layout of tensors of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// LLaMA 2 and 3, Qwen2, Qwen3, SmolLM2 and others with the same names.
    Llama,
    /// GPT-2: joined query, key and value, weights stored input-major.
    Gpt2,
    /// GPT-NeoX and Pythia: query, key and value interleaved by head.
    GptNeox,
    /// OPT.
    Opt,
    /// BioGPT.
    BioGpt,
    /// LLaMA, Qwen2 or Qwen3 under the names of a GGUF file.
    Gguf,
}

/// Normalisation over the width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Division by the root mean square; a weight, no bias.
    RmsNorm {
        /// Added to the mean square.
        eps: f32,
    },
    /// Subtraction of the mean, division by the deviation; weight and bias.
    LayerNorm {
        /// Added to the variance.
        eps: f32,
    },
}

/// Where a block's normalisation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlace {
    /// `x + f(norm(x))`.
    Before,
    /// `norm(x + f(x))` (OPT-350m).
    After,
}

/// How the model learns where a token stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// Query and key are rotated by an angle that grows with the position.
    Rotary(Rotary),
    /// A table of vectors added to the embeddings; row `position + offset`.
    Learned {
        /// Rows before that of position 0 (OPT and BioGPT: 2).
        offset: usize,
    },
}

/// Rotary position encoding (Su et al., RoFormer, arXiv 2104.09864).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rotary {
    /// Base of the geometric row of wavelengths.
    pub theta: f32,
    /// How many of a head's components are rotated: the first ones; an even number.
    pub dims: usize,
    /// Stretch of wavelengths for contexts longer than trained on.
    pub scaling: RotaryScaling,
    /// Which components form a pair.
    pub pairing: Pairing,
}

/// Stretch of the rotary wavelengths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotaryScaling {
    /// None.
    None,
    /// All frequencies divided by a factor.
    Linear {
        /// The divisor.
        factor: f32,
    },
    /// Llama 3.1: low frequencies divided, high ones kept, those between blended.
    Llama3 {
        /// The divisor of the low frequencies.
        factor: f32,
        /// Wavelengths above `original_context / low` are low frequencies.
        low: f32,
        /// Wavelengths below `original_context / high` are high frequencies.
        high: f32,
        /// Context length of the first training.
        original_context: f32,
    },
    /// One divisor for each pair, as GGUF files carry them (`rope_freqs.weight`).
    Divisors(Vec<f32>),
}

/// Which components of a head rotate together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pairing {
    /// `i` with `i + dims / 2`, as in Hugging Face checkpoints.
    Halves,
    /// `2i` with `2i + 1`: LLaMA in GGUF, whose query and key rows are permuted to suit.
    Neighbours,
}

/// Shape of the MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mlp {
    /// `down(activation(gate(x)) * up(x))`.
    Gated(Activation),
    /// `down(activation(up(x)))`.
    Plain(Activation),
}

impl Mlp {
    /// The non-linear function.
    pub fn activation(self) -> Activation {
        match self {
            Self::Gated(activation) | Self::Plain(activation) => activation,
        }
    }
}

/// Non-linear function of the MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * Φ(x)`, by the error function.
    Gelu,
    /// GELU by the hyperbolic tangent (`gelu_new`).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

impl Activation {
    /// From the name in a Hugging Face configuration.
    pub(super) fn from_hf(name: &str, place: &str) -> Result<Self> {
        match name {
            "silu" | "swish" => Ok(Self::Silu),
            "gelu" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            other => Err(NnError::new(
                Fault::Config,
                place,
                format!("activation {other:?} is unknown"),
                "known are silu, gelu, gelu_new, gelu_pytorch_tanh, relu",
            )),
        }
    }
}

/// How attention and MLP join the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Residual {
    /// The MLP sees the sum of input and attention.
    Sequential,
    /// Both see the block's input, and are added to it together (GPT-NeoX).
    Parallel,
}

/// Which linear maps have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Biases {
    /// Query, key and value.
    pub qkv: bool,
    /// Output of attention.
    pub output: bool,
    /// Both or all three maps of the MLP.
    pub mlp: bool,
}

impl Biases {
    /// A bias everywhere, or nowhere.
    pub(super) fn all(present: bool) -> Self {
        Self {
            qkv: present,
            output: present,
            mlp: present,
        }
    }
}

impl DecoderConfig {
    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Width of all key heads together, which is that of all value heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    /// Checks that the numbers fit each other; `place` names the file they came from.
    ///
    /// # Errors
    /// [`Fault::Config`] with the first contradiction met.
    pub fn validate(&self, place: &str) -> Result<()> {
        let fault = |what: String| {
            Err(NnError::new(
                Fault::Config,
                place,
                what,
                "check the model's configuration",
            ))
        };
        let sizes = [
            ("vocabulary", self.vocabulary),
            ("width", self.width),
            ("embedding width", self.embedding_width),
            ("layers", self.layers),
            ("heads", self.heads),
            ("key heads", self.kv_heads),
            ("head width", self.head_width),
            ("MLP width", self.mlp_width),
            ("context", self.context),
        ];
        for (name, size) in sizes {
            // 2^24 is far above any real size and far below an overflow of products.
            if size == 0 || size > 1 << 24 {
                return fault(format!("{name} is {size}"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return fault(format!(
                "{} query heads cannot share {} key heads evenly",
                self.heads, self.kv_heads
            ));
        }
        if let Positions::Rotary(rotary) = &self.positions {
            if rotary.dims % 2 == 1 || rotary.dims > self.head_width || rotary.dims == 0 {
                return fault(format!(
                    "{} rotary dimensions in heads of width {}",
                    rotary.dims, self.head_width
                ));
            }
            if !rotary.theta.is_finite() || rotary.theta <= 0.0 {
                return fault(format!("rotary base is {}", rotary.theta));
            }
            if let RotaryScaling::Divisors(divisors) = &rotary.scaling
                && divisors.len() * 2 != rotary.dims
            {
                return fault(format!(
                    "{} rotary divisors for {} dimensions",
                    divisors.len(),
                    rotary.dims
                ));
            }
        }
        Ok(())
    }
}
