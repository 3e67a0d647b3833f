//! Reading what follows an opcode.

use super::Machine;
use crate::error::{Result, WeightsError};
use crate::pytorch::LEGACY_MAGIC;
use crate::pytorch::value::Value;

impl<'a> Machine<'a, '_> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.data[self.at..];
        let Some(taken) = rest.get(..length) else {
            let what = format!("its pickle ends at byte {} within a value", self.data.len());
            return Err(WeightsError::truncated(self.path, what));
        };
        self.at += length;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub(super) fn length4(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    pub(super) fn length8(&mut self) -> Result<usize> {
        Ok(usize::try_from(u64::from_le_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    pub(super) fn line(&mut self) -> Result<&'a str> {
        let rest = &self.data[self.at..];
        let end = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(rest.len());
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| self.broken("a global's name is not UTF-8"))
    }

    pub(super) fn text(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(Value::Text(text)),
            // Python may write lone surrogates; no name of a tensor or storage has one.
            Err(_) => self.push(Value::Opaque("text that is not UTF-8")),
        }
    }

    /// Byte strings; Python 2 wrote names this way.
    pub(super) fn blob(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(Value::Text(text)),
            Err(_) => self.push(Value::Opaque("bytes")),
        }
    }

    /// Two's complement of `length` bytes, lowest first.
    pub(super) fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        if length > 8 {
            return self.push(match bytes {
                LEGACY_MAGIC => Value::Opaque("magic number"),
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
}
