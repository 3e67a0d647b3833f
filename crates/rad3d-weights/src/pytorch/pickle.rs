//! A machine that reads pickles and never runs them.
//!
//! Pickle is a program for a stack machine (Python's `pickletools` documents each opcode). This
//! one knows the opcodes that protocols 2 to 5 write, builds plain data, and gives the few
//! globals of [`Global`] a fixed meaning. Any other global or opcode is an error, so a file can
//! ask for `os.system` but nothing here could call it.
//!
//! Values live in one arena and refer to each other by index: deep nesting needs no recursion,
//! cycles leak nothing, and each opcode makes at most one value, so memory is bounded by a
//! constant times the length of the pickle.

use std::collections::HashMap;
use std::path::Path;

use super::global::{Global, Meaning};
use super::value::{Id, Storage, Strided, Value};
use crate::error::{Fault, Result, WeightsError};

/// Axes that a tensor may have; PyTorch's own limit is 64.
const MAX_RANK: usize = 64;

/// Values that a pickle may have. A tensor takes about twenty, so this is room for 400,000; it
/// keeps a pickle of one-byte opcodes from asking for forty times its size.
const MAX_VALUES: usize = 1 << 23;

/// The values of one pickle, and the one it stands for.
pub(crate) struct Pickle<'a> {
    pub(crate) values: Vec<Value<'a>>,
    pub(crate) root: Id,
    /// Bytes up to and with the STOP opcode.
    pub(crate) length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `data`; `path` is for messages.
    ///
    /// # Errors
    /// [`Fault::ForbiddenPickle`] for a global or opcode that weights have no business with,
    /// [`Fault::Truncated`] or [`Fault::Header`] for a broken pickle.
    pub(crate) fn read(path: &Path, data: &'a [u8]) -> Result<Self> {
        let mut machine = Machine {
            path,
            data,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = machine.run()?;
        Ok(Self {
            values: machine.values,
            root,
            length: machine.at,
        })
    }

    pub(crate) fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(crate) fn root(&self) -> &Value<'a> {
        self.get(self.root)
    }
}

struct Machine<'a, 'p> {
    path: &'p Path,
    data: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at the open MARKs.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a, '_> {
    fn run(&mut self) -> Result<Id> {
        loop {
            let opcode = self.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // PROTO, FRAME: nothing depends on them.
            0x80 => self.protocol(),
            0x95 => self.take(8).map(drop),
            // MARK, POP, POP_MARK, DUP
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                    return Ok(());
                }
                self.pop().map(drop)
            }
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))
            }
            b'K' => {
                let value = self.byte()?;
                self.push(Value::Int(value.into()))
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))
            }
            0x8a => {
                let length = self.byte()?.into();
                self.long(length)
            }
            0x8b => {
                let length = self.length4()?;
                self.long(length)
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Opaque("float"))
            }
            // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
            0x8c => {
                let length = self.byte()?.into();
                self.text(length)
            }
            b'X' => {
                let length = self.length4()?;
                self.text(length)
            }
            0x8d => {
                let length = self.length8()?;
                self.text(length)
            }
            // SHORT_BINSTRING, SHORT_BINBYTES, BINSTRING, BINBYTES, BINBYTES8, BYTEARRAY8
            b'U' | b'C' => {
                let length = self.byte()?.into();
                self.blob(length)
            }
            b'T' | b'B' => {
                let length = self.length4()?;
                self.blob(length)
            }
            0x8e | 0x96 => {
                let length = self.length8()?;
                self.blob(length)
            }
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85 => self.tuple(1),
            0x86 => self.tuple(2),
            0x87 => self.tuple(3),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))
            }
            // EMPTY_LIST, LIST, APPEND, APPENDS
            b']' => self.push(Value::List(Vec::new())),
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(&[item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_list(&items)
            }
            // EMPTY_DICT, DICT, SETITEM, SETITEMS
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.extend_dict(&items)
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(&[key, value])
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(&items)
            }
            // EMPTY_SET, ADDITEMS, FROZENSET: nothing reads a set's members.
            0x8f => self.push(Value::Opaque("set")),
            0x90 => self.pop_to_mark().map(drop),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Opaque("frozenset"))
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                match (self.get(module), self.get(name)) {
                    (&Value::Text(module), &Value::Text(name)) => self.global(module, name),
                    _ => Err(self.broken("a global's name is no text")),
                }
            }
            // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let callee = self.pop()?;
                self.call(callee, arguments)
            }
            0x92 => {
                let _keywords = self.pop()?;
                let arguments = self.pop()?;
                let callee = self.pop()?;
                self.call(callee, arguments)
            }
            b'b' => self.build(),
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let slot = self.byte()?.into();
                self.remember(slot)
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot)
            }
            0x94 => {
                // Cannot overflow: each entry of the memo took at least one byte of the pickle.
                let slot = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                self.remember(slot)
            }
            b'h' => {
                let slot = self.byte()?.into();
                self.recall(slot)
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)
            }
            // BINPERSID
            b'Q' => self.persistent(),
            _ => {
                let at = self.at - 1;
                Err(self.forbidden(format!("its pickle has opcode 0x{opcode:02x} at byte {at}")))
            }
        }
    }

    fn protocol(&mut self) -> Result<()> {
        match self.byte()? {
            0..=5 => Ok(()),
            version => Err(self.broken(format!("pickle protocol {version} is not known"))),
        }
    }

    // ---- reading

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.data[self.at..];
        let Some(taken) = rest.get(..length) else {
            let what = format!("its pickle ends at byte {} within a value", self.data.len());
            return Err(WeightsError::truncated(self.path, what));
        };
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn length4(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn length8(&mut self) -> Result<usize> {
        Ok(usize::try_from(u64::from_le_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.data[self.at..];
        let end = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(rest.len());
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| self.broken("a global's name is not UTF-8"))
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(Value::Text(text)),
            // Python may write lone surrogates; no name of a tensor or storage has one.
            Err(_) => self.push(Value::Opaque("text that is not UTF-8")),
        }
    }

    /// Byte strings; Python 2 wrote names this way.
    fn blob(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(Value::Text(text)),
            Err(_) => self.push(Value::Opaque("bytes")),
        }
    }

    /// Two's complement of `length` bytes, lowest first.
    fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        if length > 8 {
            return self.push(match bytes {
                super::LEGACY_MAGIC => Value::Opaque("magic number"),
                _ => Value::Opaque("integer beyond 64 bits"),
            });
        }
        let sign = if bytes.last().is_some_and(|top| top & 0x80 != 0) {
            0xff
        } else {
            0
        };
        let mut wide = [sign; 8];
        wide[..length].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    // ---- the stack and the memo

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.values.len() >= MAX_VALUES {
            return Err(self.broken(format!("its pickle has more than {MAX_VALUES} values")));
        }
        let index = self.values.len() as u32;
        self.values.push(value);
        self.stack.push(Id(index));
        Ok(())
    }

    fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err(self.broken("its pickle takes from an empty stack")),
        }
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let Some(mark) = self.marks.pop() else {
            return Err(self.broken("its pickle looks for a mark that is not there"));
        };
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, slot: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<()> {
        let Some(&id) = self.memo.get(&slot) else {
            return Err(self.broken(format!("its pickle recalls value {slot}, never stored")));
        };
        self.stack.push(id);
        Ok(())
    }

    // ---- containers

    fn tuple(&mut self, length: usize) -> Result<()> {
        let mut items = vec![Id(0); length];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push(Value::Tuple(items))
    }

    fn extend_list(&mut self, items: &[Id]) -> Result<()> {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::List(list) => list.extend_from_slice(items),
            Value::Opaque(_) => {}
            _ => return Err(self.broken("its pickle appends to what is no list")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<()> {
        let dict = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.values[dict.0 as usize] {
            Value::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            Value::Opaque(_) => {}
            _ => return Err(self.broken("its pickle sets an item of what is no dictionary")),
        }
        Ok(())
    }

    // ---- globals and what they are called with

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        match Global::find(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None if Global::is_other_element_type(module, name) => {
                Err(self.unsupported(&format!("it holds tensors of type {module}.{name}")))
            }
            None => Err(self.forbidden(format!("its pickle asks for {module}.{name}"))),
        }
    }

    fn call(&mut self, callee: Id, arguments: Id) -> Result<()> {
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
    fn dictionary(&mut self, arguments: &[Id]) -> Result<()> {
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
    fn tensor(&self, arguments: &[Id]) -> Result<Strided> {
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

    fn axes(&self, id: Id) -> Result<Vec<usize>> {
        match self.get(id) {
            Value::Tuple(axes) | Value::List(axes) if axes.len() <= MAX_RANK => {
                axes.iter().map(|&axis| self.size(axis)).collect()
            }
            _ => Err(self.broken("a tensor's shape is no tuple of numbers")),
        }
    }

    fn size(&self, id: Id) -> Result<usize> {
        match self.get(id) {
            &Value::Int(size) if size >= 0 => Ok(size as usize),
            _ => Err(self.broken("a tensor's shape, stride or offset is no natural number")),
        }
    }

    /// A persistent id names a storage: `('storage', type, key, device, elements)`, and in the
    /// format before 1.6 a view of another storage after that.
    fn persistent(&mut self) -> Result<()> {
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
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        let built = self.top()?;
        match self.get(built) {
            Value::Dict(_) | Value::Opaque(_) | Value::Tensor(_) => Ok(()),
            _ => Err(self.forbidden("its pickle sets attributes of a plain value".into())),
        }
    }

    // ---- errors

    fn broken(&self, what: impl Into<String>) -> WeightsError {
        WeightsError::header(self.path, format!("{} (byte {})", what.into(), self.at))
    }

    fn unsupported(&self, what: &str) -> WeightsError {
        let hint = "load the file in PyTorch and save its state_dict() again";
        WeightsError::new(Fault::Unsupported, self.path, what, hint)
    }

    fn forbidden(&self, what: String) -> WeightsError {
        let what = format!("{what}, which weights have no business with; nothing was run");
        let hint = "don't open this file in Python if you don't trust its source; if you do, load \
                    it there and save only model.state_dict(), best as safetensors";
        WeightsError::new(Fault::ForbiddenPickle, self.path, what, hint)
    }
}
