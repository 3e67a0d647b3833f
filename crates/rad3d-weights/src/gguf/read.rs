//! The reader of GGUF, versions 2 and 3.
//!
//! A file is: magic `GGUF`, version (u32), number of tensors and of metadata entries (u64 each);
//! the metadata (key, type, value); the tensor table (name, axes fastest first, type, offset);
//! padding; the tensors, each aligned. All counts are checked against the bytes left in the file
//! before anything is allocated.

use std::collections::BTreeMap;
use std::path::Path;

use super::value::GgufValue;
use crate::error::{Fault, Result, WeightsError};
use crate::{Bytes, DType};

/// Metadata of a GGUF file by key.
pub type GgufMetadata = BTreeMap<String, GgufValue>;

/// One tensor of the table, with its data.
pub(crate) struct GgufTensor {
    pub(crate) name: String,
    /// Slowest axis first.
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: DType,
    pub(crate) data: Bytes,
}

pub(crate) struct Contents {
    pub(crate) metadata: GgufMetadata,
    pub(crate) tensors: Vec<GgufTensor>,
}

const DEFAULT_ALIGNMENT: u64 = 32;

/// GGML has tensors of at most four axes.
const MAX_AXES: u32 = 4;

/// Arrays of arrays of arrays ... ; real files have one level.
const MAX_NESTING: usize = 4;

pub(crate) fn read(path: &Path, file: &Bytes) -> Result<Contents> {
    let mut reader = Reader { path, file, at: 4 };
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        let big_endian = version.swap_bytes() < 16;
        let what = match big_endian {
            true => "is a big-endian GGUF".to_owned(),
            false => format!("is GGUF version {version}; versions 2 and 3 are read"),
        };
        let hint = "convert the model again with a current llama.cpp";
        return Err(WeightsError::new(Fault::Unsupported, path, what, hint));
    }
    // A tensor takes at least 24 bytes of the table, a metadata entry at least 13.
    let tensor_count = reader.count("tensors", 24)?;
    let entry_count = reader.count("metadata entries", 13)?;
    let mut metadata = BTreeMap::new();
    for _ in 0..entry_count {
        let key = reader.text()?;
        let value = reader.value(&key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(reader.broken(format!("has metadata {key} twice")));
        }
    }
    let table: Vec<Row> = (0..tensor_count)
        .map(|_| reader.row())
        .collect::<Result<_>>()?;
    let alignment = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(value) => match value.as_u64() {
            Some(alignment) if alignment.is_power_of_two() && alignment <= 1 << 20 => alignment,
            _ => return Err(reader.broken(format!("its alignment is {value:?}"))),
        },
    };
    let start = (reader.at as u64).next_multiple_of(alignment);
    let tensors = table
        .into_iter()
        .map(|row| row.locate(path, file, start, alignment))
        .collect::<Result<_>>()?;
    Ok(Contents { metadata, tensors })
}

/// A row of the tensor table.
struct Row {
    name: String,
    shape: Vec<usize>,
    dtype: DType,
    offset: u64,
}

impl Row {
    fn locate(self, path: &Path, file: &Bytes, start: u64, alignment: u64) -> Result<GgufTensor> {
        let Self {
            name,
            shape,
            dtype,
            offset,
        } = self;
        if offset % alignment != 0 {
            let what = format!("its offset {offset} is no multiple of {alignment}");
            return Err(WeightsError::header(path, what).in_tensor(name));
        }
        let Some(length) = dtype.bytes_of(&shape) else {
            let what = format!("shape {shape:?} does not go with type {dtype}");
            return Err(WeightsError::header(path, what).in_tensor(name));
        };
        let begin = usize::try_from(start.saturating_add(offset)).unwrap_or(usize::MAX);
        match file.slice(begin..begin.saturating_add(length)) {
            Some(data) => Ok(GgufTensor {
                name,
                shape,
                dtype,
                data,
            }),
            None => {
                let what = format!(
                    "its {length} bytes from byte {begin} reach beyond the file's {}",
                    file.len()
                );
                Err(WeightsError::truncated(path, what).in_tensor(name))
            }
        }
    }
}

struct Reader<'a> {
    path: &'a Path,
    file: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn broken(&self, what: impl Into<String>) -> WeightsError {
        WeightsError::header(self.path, what)
    }

    fn take(&mut self, length: usize) -> Result<&[u8]> {
        let at = self.at;
        let end = at.saturating_add(length);
        match self.file.get(at..end) {
            Some(taken) => {
                self.at = end;
                Ok(taken)
            }
            None => Err(WeightsError::truncated(
                self.path,
                format!("ends within its header (byte {})", self.file.len()),
            )),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of things of at least `least` bytes each, all still to come.
    fn count(&mut self, things: &str, least: usize) -> Result<usize> {
        let count = self.u64()?;
        let left = self.file.len() - self.at;
        if count > (left / least) as u64 {
            let what = format!("claims {count} {things} where only {left} bytes follow");
            return Err(self.broken(what));
        }
        Ok(count as usize)
    }

    fn text(&mut self) -> Result<String> {
        let length = self.count("bytes of text", 1)?;
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| {
            self.broken(format!(
                "has text that is not UTF-8 before byte {}",
                self.at
            ))
        })
    }

    fn row(&mut self) -> Result<Row> {
        let name = self.text()?;
        let axes = self.u32()?;
        if axes > MAX_AXES {
            let what = format!("has {axes} axes; {MAX_AXES} are the most");
            return Err(self.broken(what).in_tensor(name));
        }
        let mut shape = Vec::with_capacity(axes as usize);
        for _ in 0..axes {
            shape.push(usize::try_from(self.u64()?).unwrap_or(usize::MAX));
        }
        shape.reverse();
        let code = self.u32()?;
        let Some(dtype) = dtype_of(code) else {
            let hint = "use a file quantised as Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K";
            let what = format!("has GGML type {}", type_name(code));
            return Err(
                WeightsError::new(Fault::ElementType, self.path, what, hint).in_tensor(name)
            );
        };
        let offset = self.u64()?;
        Ok(Row {
            name,
            shape,
            dtype,
            offset,
        })
    }

    fn value(&mut self, key: &str) -> Result<GgufValue> {
        let kind = self.u32()?;
        self.value_of(key, kind, 0)
    }

    fn value_of(&mut self, key: &str, kind: u32, depth: usize) -> Result<GgufValue> {
        Ok(match kind {
            0..=5 | 7 | 10 | 11 => {
                let value = self.integer(kind)?;
                match kind {
                    7 => GgufValue::Bool(value != 0),
                    1 | 3 | 5 | 11 => GgufValue::Signed(value),
                    _ => GgufValue::Unsigned(value.cast_unsigned()),
                }
            }
            6 => GgufValue::Float(f32::from_le_bytes(self.array()?).into()),
            12 => GgufValue::Float(f64::from_le_bytes(self.array()?)),
            8 => GgufValue::Text(self.text()?),
            9 => self.array_of(key, depth)?,
            _ => return Err(self.broken(format!("metadata {key} has unknown type {kind}"))),
        })
    }

    fn integer(&mut self, kind: u32) -> Result<i64> {
        Ok(match kind {
            0 | 7 => u8::from_le_bytes(self.array()?).into(),
            1 => i8::from_le_bytes(self.array()?).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => self.u32()?.into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            _ => i64::from_le_bytes(self.array()?),
        })
    }

    fn array_of(&mut self, key: &str, depth: usize) -> Result<GgufValue> {
        let kind = self.u32()?;
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            // An array within: element type and length.
            9 => 12,
            _ => return Err(self.broken(format!("metadata {key} has unknown type {kind}"))),
        };
        let count = self.count(&format!("elements of {key}"), least)?;
        Ok(match kind {
            8 => GgufValue::Texts((0..count).map(|_| self.text()).collect::<Result<_>>()?),
            6 => GgufValue::Floats(
                (0..count)
                    .map(|_| self.array().map(f32::from_le_bytes))
                    .collect::<Result<_>>()?,
            ),
            12 => GgufValue::Floats(
                (0..count)
                    .map(|_| self.array().map(|bytes| f64::from_le_bytes(bytes) as f32))
                    .collect::<Result<_>>()?,
            ),
            9 if depth < MAX_NESTING => GgufValue::Arrays(
                (0..count)
                    .map(|_| self.array_of(key, depth + 1))
                    .collect::<Result<_>>()?,
            ),
            9 => return Err(self.broken(format!("metadata {key} nests arrays too deeply"))),
            _ => GgufValue::Integers(
                (0..count)
                    .map(|_| self.integer(kind))
                    .collect::<Result<_>>()?,
            ),
        })
    }
}

fn dtype_of(code: u32) -> Option<DType> {
    Some(match code {
        0 => DType::F32,
        1 => DType::F16,
        2 => DType::Q4_0,
        3 => DType::Q4_1,
        6 => DType::Q5_0,
        7 => DType::Q5_1,
        8 => DType::Q8_0,
        12 => DType::Q4K,
        13 => DType::Q5K,
        14 => DType::Q6K,
        24 => DType::I8,
        25 => DType::I16,
        26 => DType::I32,
        27 => DType::I64,
        28 => DType::F64,
        30 => DType::BF16,
        _ => return None,
    })
}

/// Names of the types that are not read, so that a user knows what the file has.
fn type_name(code: u32) -> String {
    let name = match code {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return format!("number {code}"),
    };
    name.to_owned()
}
