//! Where a network gets its weights from.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use rad3d_weights::{Loader, TensorView};

use crate::{Fault, NnError, Result};

/// The f32 values of one tensor, row-major; clones share them.
#[derive(Clone)]
pub struct Weight(Arc<dyn AsRef<[f32]> + Send + Sync>);

impl Weight {
    /// Wraps values, whoever holds them: a `Vec<f32>`, or a view of a mapped file.
    pub fn new(values: impl AsRef<[f32]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(values))
    }
}

impl Deref for Weight {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        (*self.0).as_ref()
    }
}

impl std::fmt::Debug for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} weights", self.len())
    }
}

/// Hands out tensors by name.
pub trait WeightSource {
    /// The tensor `name` as f32 values of exactly the given shape.
    ///
    /// # Errors
    /// If there is none of that name, or if it has another shape or no real numbers.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Weight>;
}

impl<S: WeightSource + ?Sized> WeightSource for &mut S {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Weight> {
        (**self).take(name, shape)
    }
}

/// Puts a prefix before every name: the part of a checkpoint that belongs to one module.
pub(crate) struct Scope<'a> {
    source: &'a mut dyn WeightSource,
    prefix: String,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(source: &'a mut dyn WeightSource, prefix: impl Into<String>) -> Self {
        Self {
            source,
            prefix: prefix.into(),
        }
    }

    /// A narrower scope; `name` ends before the dot.
    pub(crate) fn scope(&mut self, name: &str) -> Scope<'_> {
        Scope {
            prefix: format!("{}{name}.", self.prefix),
            source: &mut *self.source,
        }
    }

    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Weight> {
        let name = format!("{}{name}", self.prefix);
        let weight = self.source.take(&name, shape)?;
        let expected: usize = shape.iter().product();
        if weight.len() != expected {
            return Err(NnError::shape(name, &[weight.len()], shape));
        }
        Ok(weight)
    }
}

/// A tensor that is f32 and aligned as it lies in its file.
struct Mapped(TensorView);

impl AsRef<[f32]> for Mapped {
    fn as_ref(&self) -> &[f32] {
        match self.0.as_f32() {
            Some(Cow::Borrowed(values)) => values,
            // Checked before wrapping.
            _ => &[],
        }
    }
}

/// A fault does not stop the taking: the loader hands out zeros and reports every fault at once
/// in [`Loader::finish`].
impl WeightSource for Loader<'_> {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Weight> {
        let view = Loader::take(self, name, shape);
        let owned = match view.as_f32() {
            Some(Cow::Borrowed(_)) => None,
            Some(Cow::Owned(values)) => Some(values),
            None => {
                return Err(NnError::new(
                    Fault::Weights,
                    name,
                    "holds no real numbers",
                    "",
                ));
            }
        };
        Ok(match owned {
            Some(values) => Weight::new(values),
            None => Weight::new(Mapped(view)),
        })
    }
}
