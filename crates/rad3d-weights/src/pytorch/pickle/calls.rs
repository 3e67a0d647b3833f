//! Globals, what they are called with, and the tensors and storages that come of it.

use super::{MAX_RANK, Machine};
use crate::error::Result;
use crate::pytorch::global::{Global, Meaning};
use crate::pytorch::value::{Id, Storage, Strided, Value};

impl<'a> Machine<'a, '_> {
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<()> {
        match Global::find(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None if Global::is_other_element_type(module, name) => {
                Err(self.unsupported(&format!("it holds tensors of type {module}.{name}")))
            }
            None => Err(self.forbidden(format!("its pickle asks for {module}.{name}"))),
        }
    }

    pub(super) fn call(&mut self, callee: Id, arguments: Id) -> Result<()> {
        let (&Value::Global(global), Value::Tuple(arguments)) =
            (self.get(callee), self.get(arguments))
        else {
            return Err(self.forbidden("its pickle calls what is no known function".to_owned()));
        };
        let arguments = arguments.clone();
        let result = match global.meaning {
            Meaning::Dict => return self.dictionary(&arguments),
            Meaning::Size => match arguments.first() {
                Some(&axes) if matches!(self.get(axes), Value::Tuple(_) | Value::List(_)) => {
                    self.stack.push(axes);
                    return Ok(());
                }
                _ => return Err(self.broken("a torch.Size has no axes")),
            },
            Meaning::RebuildTensor => Value::Tensor(Box::new(self.tensor(&arguments)?)),
            Meaning::RebuildParameter => match arguments.first().map(|&id| (id, self.get(id))) {
                Some((data, Value::Tensor(_) | Value::Opaque(_))) => {
                    self.stack.push(data);
                    return Ok(());
                }
                _ => return Err(self.broken("a parameter holds no tensor")),
            },
            Meaning::Opaque => Value::Opaque(global.name),
            Meaning::Storage(_) | Meaning::UntypedStorage | Meaning::ElementType(_) => {
                let what = format!("its pickle calls {}.{}", global.module, global.name);
                return Err(self.forbidden(what));
            }
        };
        self.push(result)
    }

    /// `OrderedDict()`, or Python 2's `OrderedDict([[key, value], ...])`.
    pub(super) fn dictionary(&mut self, arguments: &[Id]) -> Result<()> {
        let mut pairs = Vec::new();
        if let Some(&first) = arguments.first()
            && let Value::List(items) | Value::Tuple(items) = self.get(first)
        {
            for &item in items {
                match self.get(item) {
                    Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => {
                        pairs.push((pair[0], pair[1]));
                    }
                    _ => return Err(self.broken("a dictionary's item is no pair")),
                }
            }
        }
        self.push(Value::Dict(pairs))
    }

    /// Arguments of `torch._utils._rebuild_tensor_v2`: storage, offset, size, stride, and what
    /// concerns gradients only. `_v3` has an untyped storage, and the element type as seventh.
    pub(super) fn tensor(&self, arguments: &[Id]) -> Result<Strided> {
        let &[storage, offset, shape, strides, ..] = arguments else {
            return Err(self.broken("a tensor has too few parts"));
        };
        let &Value::Storage(Storage { mut dtype, .. }) = self.get(storage) else {
            return Err(self.broken("a tensor has no storage"));
        };
        if let Some(&stated) = arguments.get(6)
            && let &Value::Global(Global {
                meaning: Meaning::ElementType(stated),
                ..
            }) = self.get(stated)
        {
            dtype = stated;
        }
        let shape = self.axes(shape)?;
        let strides = self.axes(strides)?;
        if shape.len() != strides.len() {
            return Err(self.broken("a tensor has more axes than strides"));
        }
        Ok(Strided {
            storage,
            dtype,
            offset: self.size(offset)?,
            shape,
            strides,
        })
    }

    pub(super) fn axes(&self, id: Id) -> Result<Vec<usize>> {
        match self.get(id) {
            Value::Tuple(axes) | Value::List(axes) if axes.len() <= MAX_RANK => {
                axes.iter().map(|&axis| self.size(axis)).collect()
            }
            _ => Err(self.broken("a tensor's shape is no tuple of numbers")),
        }
    }

    pub(super) fn size(&self, id: Id) -> Result<usize> {
        match self.get(id) {
            &Value::Int(size) if size >= 0 => Ok(size as usize),
            _ => Err(self.broken("a tensor's shape, stride or offset is no natural number")),
        }
    }

    /// A persistent id names a storage: `('storage', type, key, device, elements)`, and in the
    /// format before 1.6 a view of another storage after that.
    pub(super) fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Value::Tuple(parts) = self.get(id) else {
            return Err(self.forbidden("its pickle has a persistent id of unknown form".into()));
        };
        let &[kind, class, key, _device, elements, ..] = &parts[..] else {
            return Err(self.broken("a storage has too few parts"));
        };
        let (Value::Text("storage"), &Value::Global(global), &Value::Text(key)) =
            (self.get(kind), self.get(class), self.get(key))
        else {
            return Err(self.forbidden("its pickle has a persistent id of unknown form".into()));
        };
        let dtype = match global.meaning {
            Meaning::Storage(dtype) => dtype,
            Meaning::UntypedStorage => crate::DType::U8,
            _ => return Err(self.broken(format!("{} is no storage type", global.name))),
        };
        if parts
            .get(5)
            .is_some_and(|&view| !matches!(self.get(view), Value::None))
        {
            let what = "a storage is a view of another (PyTorch before 0.4)";
            return Err(self.unsupported(what));
        }
        let elements = self.size(elements)?;
        self.push(Value::Storage(Storage {
            key,
            dtype,
            elements,
        }))
    }

    /// BUILD sets attributes of the value below: `_metadata` of a state dict, and the like.
    /// Nothing reads them, so they are dropped.
    pub(super) fn build(&mut self) -> Result<()> {
        self.pop()?;
        let built = self.top()?;
        match self.get(built) {
            Value::Dict(_) | Value::Opaque(_) | Value::Tensor(_) => Ok(()),
            _ => Err(self.forbidden("its pickle sets attributes of a plain value".into())),
        }
    }
}
