//! What a pickle of weights may hold.

use super::global::Global;
use crate::DType;

/// Index of a value in its pickle's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) u32);

#[derive(Debug)]
pub(crate) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    /// Something known to be harmless that nobody needs; the name is for messages.
    Opaque(&'static str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Box<Strided>),
}

/// A run of elements, stored outside the pickle under `key`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storage<'a> {
    pub(crate) key: &'a str,
    pub(crate) dtype: DType,
    pub(crate) elements: usize,
}

/// A tensor as PyTorch keeps it: a strided view of a storage, in elements.
#[derive(Debug, Clone)]
pub(crate) struct Strided {
    pub(crate) storage: Id,
    pub(crate) dtype: DType,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}
