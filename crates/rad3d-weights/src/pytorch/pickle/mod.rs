//! A machine that reads pickles and never runs them.
//!
//! Pickle is a program for a stack machine (Python's `pickletools` documents each opcode). This
//! one knows the opcodes that protocols 2 to 5 write, builds plain data, and gives the few
//! globals of [`Global`](super::global::Global) a fixed meaning. Any other global or opcode is an error, so a file can
//! ask for `os.system` but nothing here could call it.
//!
//! Values live in one arena and refer to each other by index: deep nesting needs no recursion,
//! cycles leak nothing, and each opcode makes at most one value, so memory is bounded by a
//! constant times the length of the pickle.

mod calls;
mod faults;
mod opcodes;
mod reading;
mod stack;

use std::collections::HashMap;
use std::path::Path;

use super::value::{Id, Value};
use crate::error::Result;

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
    /// `Fault::ForbiddenPickle` for a global or opcode that weights have no business with,
    /// `Fault::Truncated` or `Fault::Header` for a broken pickle.
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
}
