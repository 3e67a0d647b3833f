//! Hands a checkpoint's tensors to a network and accounts for every one.

mod ignore;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub use ignore::{IgnoreRule, ct_clip_ignores};

use crate::error::{Fault, Result, WeightsError};
use crate::{Checkpoint, TensorView, element_count};

/// Takes tensors out of a [`Checkpoint`] by name and expected shape.
///
/// A network's constructor asks for what it needs, one tensor after the other, and calls
/// [`Loader::finish`] before it gives itself away. A fault does not stop it: it gets zeros of the
/// expected shape, and `finish` reports all faults at once.
///
/// ```no_run
/// # use rad3d_weights::{Checkpoint, Loader, Result};
/// # fn build() -> Result<()> {
/// let checkpoint = Checkpoint::open("mapper.safetensors")?;
/// let mut loader = Loader::new(&checkpoint, Vec::new());
/// let weight = loader.f32("linear.weight", &[640, 530]);
/// let bias = loader.f32("linear.bias", &[640]);
/// let loaded = loader.finish()?;
/// # let _ = (weight, bias, loaded);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    ignores: Vec<IgnoreRule>,
    taken: BTreeSet<String>,
    faults: Vec<TensorFault>,
}

/// What is wrong with one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's text says what its fields are")]
pub enum TensorFault {
    /// The network needs it, the file lacks it.
    Missing { name: String, shape: Vec<usize> },
    /// The file has it, the network does not know it.
    Unexpected { name: String, shape: Vec<usize> },
    /// The file has it in another shape.
    Shape {
        name: String,
        expected: Vec<usize>,
        found: Vec<usize>,
    },
    /// It is of a type that stands for no real number.
    ElementType { name: String, found: crate::DType },
    /// An element (by its index in row-major order) is NaN or infinite.
    NonFinite {
        name: String,
        element: usize,
        file: PathBuf,
    },
    /// Its bytes can't be read.
    Unreadable { name: String, what: String },
}

impl std::fmt::Display for TensorFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { name, shape } => write!(f, "missing {name} {shape:?}"),
            Self::Unexpected { name, shape } => write!(f, "unexpected {name} {shape:?}"),
            Self::Shape {
                name,
                expected,
                found,
            } => write!(f, "{name} has shape {found:?}, expected {expected:?}"),
            Self::ElementType { name, found } => {
                write!(f, "{name} has element type {found}, expected real numbers")
            }
            Self::NonFinite {
                name,
                element,
                file,
            } => {
                let file = file.display();
                write!(f, "{name} is NaN or infinite at element {element} ({file})")
            }
            Self::Unreadable { name, what } => write!(f, "{name} cannot be read: {what}"),
        }
    }
}

/// All that is wrong with a checkpoint for a network: the source of the error that
/// [`Loader::finish`] gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Mismatch(pub Vec<TensorFault>);

fn lines(faults: &[TensorFault]) -> String {
    let mut text = String::new();
    for fault in faults {
        text.push_str("\n  ");
        text.push_str(&fault.to_string());
    }
    text
}

/// What a network took from a checkpoint, and what it left.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Names of the tensors taken, sorted.
    pub taken: Vec<String>,
    /// Names left, each with the reason, sorted.
    pub ignored: Vec<(String, String)>,
    /// Elements of the tensors taken.
    pub elements: u64,
    /// Bytes of the tensors taken, as stored.
    pub bytes: u64,
}

impl<'a> Loader<'a> {
    /// Starts taking from `checkpoint`; tensors covered by `ignores` need not be taken.
    #[must_use]
    pub fn new(checkpoint: &'a Checkpoint, ignores: Vec<IgnoreRule>) -> Self {
        Self {
            checkpoint,
            ignores,
            taken: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// The checkpoint, for looking at shapes from which a network's sizes follow.
    #[must_use]
    pub fn checkpoint(&self) -> &'a Checkpoint {
        self.checkpoint
    }

    /// Takes a tensor as stored, quantised or not; `shape` is row-major.
    ///
    /// Zeros of that shape (F32) if it is missing, mis-shaped, of an integer type or not finite;
    /// then [`Loader::finish`] will fail.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> TensorView {
        match self.look(name, shape) {
            Ok(view) => view,
            Err(fault) => {
                self.faults.push(fault);
                zeros(shape)
            }
        }
    }

    /// Takes a tensor if the checkpoint has it; a network that can do without says what it does
    /// then (a tied head, a bias that is not there).
    pub fn take_optional(&mut self, name: &str, shape: &[usize]) -> Option<TensorView> {
        self.checkpoint
            .contains(name)
            .then(|| self.take(name, shape))
    }

    /// Takes a tensor as `f32`, expanded if it is quantised; else as [`Loader::take`].
    pub fn f32(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.take(name, shape).to_f32().unwrap_or_default()
    }

    /// [`Loader::take_optional`] as `f32`.
    pub fn f32_optional(&mut self, name: &str, shape: &[usize]) -> Option<Vec<f32>> {
        self.checkpoint
            .contains(name)
            .then(|| self.f32(name, shape))
    }

    fn look(&mut self, name: &str, shape: &[usize]) -> Result<TensorView, TensorFault> {
        let named = || name.to_owned();
        let Some(info) = self.checkpoint.info(name) else {
            return Err(TensorFault::Missing {
                name: named(),
                shape: shape.to_vec(),
            });
        };
        self.taken.insert(named());
        if info.shape != shape {
            return Err(TensorFault::Shape {
                name: named(),
                expected: shape.to_vec(),
                found: info.shape,
            });
        }
        if !info.dtype.is_real() {
            return Err(TensorFault::ElementType {
                name: named(),
                found: info.dtype,
            });
        }
        let view = self
            .checkpoint
            .tensor(name)
            .map_err(|error| TensorFault::Unreadable {
                name: named(),
                what: error.to_string(),
            })?;
        match view.first_non_finite() {
            None => Ok(view),
            Some(element) => Err(TensorFault::NonFinite {
                name: named(),
                element,
                file: self
                    .checkpoint
                    .file_of(name)
                    .unwrap_or(self.checkpoint.path())
                    .to_owned(),
            }),
        }
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// One error that lists every missing, unexpected, mis-shaped, unreadable and non-finite
    /// tensor ([`Mismatch`] is its source); also if nothing was taken at all.
    /// [`Fault::NonFinite`] if that is all that is wrong, else [`Fault::TensorMismatch`].
    pub fn finish(self) -> Result<Loaded> {
        let Self {
            checkpoint,
            ignores,
            taken,
            mut faults,
        } = self;
        let mut loaded = Loaded::default();
        for name in checkpoint.names() {
            let Some(info) = checkpoint.info(name) else {
                continue;
            };
            if taken.contains(name) {
                loaded.elements += info.elements() as u64;
                loaded.bytes += info.bytes as u64;
            } else if let Some(rule) = ignores.iter().find(|rule| rule.matches(name)) {
                loaded
                    .ignored
                    .push((name.to_owned(), rule.reason.to_string()));
            } else {
                faults.push(TensorFault::Unexpected {
                    name: name.to_owned(),
                    shape: info.shape,
                });
            }
        }
        if !faults.is_empty() {
            return Err(mismatch(checkpoint, faults));
        }
        if taken.is_empty() {
            let hint = "the file is for another network; list it with rad3d model inspect";
            let what = "gives the network no tensor at all";
            let path = checkpoint.path();
            return Err(WeightsError::new(Fault::TensorMismatch, path, what, hint));
        }
        loaded.taken = taken.into_iter().collect();
        Ok(loaded)
    }
}

fn zeros(shape: &[usize]) -> TensorView {
    let bytes = element_count(shape)
        .and_then(|count| count.checked_mul(4))
        .unwrap_or(0);
    let zeros = TensorView::new(shape.to_vec(), crate::DType::F32, vec![0; bytes].into());
    // Only a shape whose size overflows gets here, and no code could use it as it stands.
    zeros.unwrap_or_else(TensorView::empty)
}

fn mismatch(checkpoint: &Checkpoint, faults: Vec<TensorFault>) -> WeightsError {
    let count = |is: fn(&TensorFault) -> bool| faults.iter().filter(|&fault| is(fault)).count();
    let non_finite = count(|fault| matches!(fault, TensorFault::NonFinite { .. }));
    let (fault, hint) = match non_finite == faults.len() {
        true => (
            Fault::NonFinite,
            "the training run that wrote the file diverged, or the file is damaged",
        ),
        false => (
            Fault::TensorMismatch,
            "the file is for another network or another size of it; compare with rad3d model \
             inspect",
        ),
    };
    let what = format!(
        "does not fit the network: {} missing, {} unexpected, {} mis-shaped, {} otherwise faulty",
        count(|fault| matches!(fault, TensorFault::Missing { .. })),
        count(|fault| matches!(fault, TensorFault::Unexpected { .. })),
        count(|fault| matches!(fault, TensorFault::Shape { .. })),
        count(|fault| {
            matches!(
                fault,
                TensorFault::NonFinite { .. }
                    | TensorFault::ElementType { .. }
                    | TensorFault::Unreadable { .. }
            )
        }),
    );
    let single = match &faults[..] {
        [TensorFault::NonFinite { name, .. } | TensorFault::ElementType { name, .. }] => Some(name),
        _ => None,
    };
    let tensor = single.cloned();
    let list = lines(&faults);
    let mut error = WeightsError::new(fault, checkpoint.path(), format!("{what}{list}"), hint);
    error.tensor = tensor;
    error.source = Some(Box::new(Mismatch(faults)));
    error
}
