//! Parameters by name, and the two layers that everything is made of.

use burn::module::{Module, Param};
use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor, TensorData};

use crate::EnginePrecision;
use crate::source::{Weight, WeightSource};
use crate::{Fault, NnError, Result};

/// Epsilon of every LayerNorm (spec 2.1 and 5).
const EPSILON: f64 = 1e-5;

/// Takes parameters from a source and puts them on a device.
pub(super) struct Parameters<'a> {
    pub(super) source: &'a mut dyn WeightSource,
    pub(super) device: &'a Device,
}

impl Parameters<'_> {
    /// The parameter `name`.
    pub(super) fn take<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Param<Tensor<D>>> {
        let weight = self.source.take(name, &shape)?;
        let data = TensorData::new(weight.to_vec(), shape);
        Ok(Param::from_data(data, self.device))
    }

    /// A tensor that is saved with the module and never trained.
    pub(super) fn take_constant<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Param<Tensor<D>>> {
        Ok(self.take(name, shape)?.set_require_grad(false))
    }
}

/// One exported parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// Its name in the published files.
    pub name: String,
    /// Its axes, slowest first.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

impl Exported {
    /// Reads a parameter back from its device.
    ///
    /// # Errors
    /// [`Fault::Device`] if the values can't be read as f32.
    pub(crate) fn read<const D: usize>(
        name: impl Into<String>,
        parameter: &Param<Tensor<D>>,
    ) -> Result<Self> {
        let name = name.into();
        let tensor = parameter.val();
        let shape = tensor.dims().to_vec();
        match tensor.into_data().convert::<f32>().try_to_vec::<f32>() {
            Ok(values) => Ok(Self {
                name,
                shape,
                values,
            }),
            Err(error) => {
                let hint = "try another device";
                let what = format!("cannot be read back from the device ({error:?})");
                Err(NnError::new(Fault::Device, name, what, hint))
            }
        }
    }
}

/// A linear layer; the weight is `[outputs, inputs]`, as PyTorch stores it.
#[derive(Module, Debug)]
pub struct Affine {
    /// `[outputs, inputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    pub(super) precision: EnginePrecision,
}

impl Affine {
    pub(super) fn load(
        parameters: &mut Parameters<'_>,
        name: &str,
        [outputs, inputs]: [usize; 2],
        bias: bool,
    ) -> Result<Self> {
        let weight = parameters.take(&format!("{name}.weight"), [outputs, inputs])?;
        let bias = match bias {
            true => Some(parameters.take(&format!("{name}.bias"), [outputs])?),
            false => None,
        };
        let precision = EnginePrecision::F32;
        Ok(Self {
            weight,
            bias,
            precision,
        })
    }

    /// `[..., inputs]` to `[..., outputs]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        self.precision.linear(x, self.weight.val(), bias)
    }

    pub(super) fn export(&self, name: &str, out: &mut Vec<Exported>) -> Result<()> {
        out.push(Exported::read(format!("{name}.weight"), &self.weight)?);
        if let Some(bias) = &self.bias {
            out.push(Exported::read(format!("{name}.bias"), bias)?);
        }
        Ok(())
    }
}

/// LayerNorm over the last axis.
#[derive(Module, Debug)]
pub struct Norm {
    /// `[features]`.
    pub gain: Param<Tensor<1>>,
    /// `[features]`.
    pub shift: Param<Tensor<1>>,
}

impl Norm {
    /// A norm whose parameters are `weight` and `bias`, both trained.
    pub(super) fn load(
        parameters: &mut Parameters<'_>,
        name: &str,
        features: usize,
    ) -> Result<Self> {
        Ok(Self {
            gain: parameters.take(&format!("{name}.weight"), [features])?,
            shift: parameters.take(&format!("{name}.bias"), [features])?,
        })
    }

    /// A norm of a parameter `gamma` and a constant `beta` (spec 2.3).
    pub(super) fn load_gamma(
        parameters: &mut Parameters<'_>,
        name: &str,
        features: usize,
    ) -> Result<Self> {
        Ok(Self {
            gain: parameters.take(&format!("{name}.gamma"), [features])?,
            shift: parameters.take_constant(&format!("{name}.beta"), [features])?,
        })
    }

    /// The gain as `gamma` and the constant shift as `beta`.
    pub(super) fn export_gamma(&self, name: &str, out: &mut Vec<Exported>) -> Result<()> {
        out.push(Exported::read(format!("{name}.gamma"), &self.gain)?);
        out.push(Exported::read(format!("{name}.beta"), &self.shift)?);
        Ok(())
    }

    /// `[..., features]` to the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.gain.val(), Some(self.shift.val()), EPSILON)
    }

    pub(super) fn export(&self, name: &str, out: &mut Vec<Exported>) -> Result<()> {
        out.push(Exported::read(format!("{name}.weight"), &self.gain)?);
        out.push(Exported::read(format!("{name}.bias"), &self.shift)?);
        Ok(())
    }
}

/// Divides by the Euclidean length over the last axis, at least 1e-12.
pub(super) fn unit_length<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let length = x.clone().square().sum_dim(D - 1).sqrt().clamp_min(1e-12);
    x / length
}

/// Initial weights from a seed, as PyTorch's layers draw theirs: matrices and their biases uniform
/// within ±1/√inputs, norms 1 and 0, `prefix_const` and codebook rows standard normal.
///
/// The values are not PyTorch's for the same seed, only their distribution is.
#[derive(Debug, Clone)]
pub struct InitialWeights {
    state: u64,
    /// Inputs of the last matrix: its bias follows it and is drawn within the same bounds.
    inputs: usize,
}

impl InitialWeights {
    /// Starts the draw; the same seed gives the same weights.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            inputs: 1,
        }
    }

    /// Uniform within 0 and 1 (SplitMix64).
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

impl WeightSource for InitialWeights {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Weight> {
        let count: usize = shape.iter().product();
        let part = name.rsplit('.').next().unwrap_or(name);
        let is_norm = name.contains("norm") || name.contains("to_patch_emb.1") || {
            name.contains("to_patch_emb.3")
                || name.ends_with("3.0.weight")
                || name.ends_with("3.0.bias")
        };
        let values: Vec<f32> = match part {
            "prefix_const" | "embed" => (0..count).map(|_| self.normal() as f32).collect(),
            "gamma" | "q_scale" | "k_scale" => vec![1.0; count],
            "beta" => vec![0.0; count],
            "weight" if is_norm => vec![1.0; count],
            "bias" if is_norm => vec![0.0; count],
            _ => {
                if part == "weight" {
                    self.inputs = shape.iter().skip(1).product::<usize>().max(1);
                }
                let bound = (self.inputs as f64).powf(-0.5);
                (0..count)
                    .map(|_| ((2.0 * self.uniform() - 1.0) * bound) as f32)
                    .collect()
            }
        };
        Ok(Weight::new(values))
    }
}
