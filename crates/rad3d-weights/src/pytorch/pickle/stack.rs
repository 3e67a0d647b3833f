//! The stack, the memo, and the containers that grow on top of it.

use super::{MAX_VALUES, Machine};
use crate::error::Result;
use crate::pytorch::value::{Id, Value};

impl<'a> Machine<'a, '_> {
    pub(super) fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.values.len() >= MAX_VALUES {
            return Err(self.broken(format!("its pickle has more than {MAX_VALUES} values")));
        }
        let index = self.values.len() as u32;
        self.values.push(value);
        self.stack.push(Id(index));
        Ok(())
    }

    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(super) fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err(self.broken("its pickle takes from an empty stack")),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let Some(mark) = self.marks.pop() else {
            return Err(self.broken("its pickle looks for a mark that is not there"));
        };
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn remember(&mut self, slot: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    pub(super) fn recall(&mut self, slot: u32) -> Result<()> {
        let Some(&id) = self.memo.get(&slot) else {
            return Err(self.broken(format!("its pickle recalls value {slot}, never stored")));
        };
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn tuple(&mut self, length: usize) -> Result<()> {
        let mut items = vec![Id(0); length];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push(Value::Tuple(items))
    }

    pub(super) fn extend_list(&mut self, items: &[Id]) -> Result<()> {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::List(list) => list.extend_from_slice(items),
            Value::Opaque(_) => {}
            _ => return Err(self.broken("its pickle appends to what is no list")),
        }
        Ok(())
    }

    pub(super) fn extend_dict(&mut self, items: &[Id]) -> Result<()> {
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
}
