//! The trained parameters of a module, by their paths in it.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Fault, Result, TrainError};

/// A parameter's values on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedParameter {
    /// Axes, slowest first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// All parameters of `module` that are trained.
#[must_use]
pub fn parameters<M: Module>(module: &M) -> BTreeMap<String, NamedParameter> {
    let mut reader = Reader::default();
    module.visit(&mut reader);
    reader.found
}

/// Puts `values` in the place of the trained parameters of the same names.
///
/// # Errors
/// [`Fault::Checkpoint`] listing what is missing, unexpected or of another shape.
pub fn restore<M: Module>(
    module: M,
    values: &BTreeMap<String, NamedParameter>,
    device: &Device,
) -> Result<M> {
    let own = parameters(&module);
    let missing = own.iter().filter(|(name, own)| {
        let found = values.get(*name);
        found.is_none_or(|found| found.shape != own.shape)
    });
    let unexpected = values.keys().filter(|name| !own.contains_key(*name));
    let faults: Vec<&str> = missing
        .map(|(name, _)| name.as_str())
        .chain(unexpected.map(String::as_str))
        .collect();
    if !faults.is_empty() {
        let what = format!(
            "holds other parameters than the model: {}",
            faults.join(", ")
        );
        let hint = "resume with the settings that the run was started with";
        return Err(TrainError::new(Fault::Checkpoint, "checkpoint", what, hint));
    }
    Ok(module.map(&mut Restorer {
        path: Vec::new(),
        values,
        device,
    }))
}

/// Values of a tensor; a tensor that the device can't hand out counts as not a number, which the
/// trainer notices at once.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let count = tensor.shape().num_elements();
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec::<f32>()
        .unwrap_or_else(|_| vec![f32::NAN; count])
}

/// The one value of a loss.
pub(crate) fn scalar(tensor: Tensor<1>) -> f64 {
    host(tensor).first().copied().map_or(f64::NAN, f64::from)
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    found: BTreeMap<String, NamedParameter>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if tensor.is_require_grad() {
            let shape = tensor.dims().to_vec();
            let values = host(tensor.inner());
            let parameter = NamedParameter { shape, values };
            self.found.insert(self.path.join("."), parameter);
        }
    }
}

struct Restorer<'a> {
    path: Vec<String>,
    values: &'a BTreeMap<String, NamedParameter>,
    device: &'a Device,
}

impl ModuleMapper for Restorer<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.values.get(&self.path.join(".")) {
            Some(found) if param.val().is_require_grad() => {
                let data = TensorData::new(found.values.clone(), param.val().dims());
                replaced(param, |_| {
                    Tensor::from_data(data, &self.device.clone().inner())
                })
            }
            _ => param,
        }
    }
}

/// A parameter with another value, trained as before. `value` works on plain tensors.
pub(super) fn replaced<const D: usize>(
    param: Param<Tensor<D>>,
    value: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Param<Tensor<D>> {
    let (id, tensor, mapper) = param.consume();
    let trained = tensor.is_require_grad();
    let mut tensor = Tensor::from_inner(value(tensor.inner()));
    if trained {
        tensor = tensor.require_grad();
    }
    Param::from_mapped_value(id, tensor, mapper)
}
