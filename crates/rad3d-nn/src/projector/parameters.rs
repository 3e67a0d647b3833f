//! What parameters a projector has, before any exists.

use serde::Serialize;

/// Name and shape of one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterShape {
    /// The name under which it is loaded and exported.
    pub name: String,
    /// Its axes, slowest first.
    pub shape: Vec<usize>,
}

impl ParameterShape {
    pub(crate) fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
        }
    }
}

/// Number of values in all of `parameters`.
#[must_use]
pub fn parameter_count(parameters: &[ParameterShape]) -> usize {
    parameters
        .iter()
        .map(|parameter| parameter.shape.iter().product::<usize>())
        .sum()
}
