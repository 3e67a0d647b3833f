//! The zip container that PyTorch writes since 1.6.
//!
//! One folder holds `data.pkl`, `byteorder` and the storages as `data/KEY`. Members are usually
//! stored uncompressed, so that a storage is a slice of the mapped file.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::storage::StorageData;
use crate::Bytes;
use crate::error::{Fault, Result, WeightsError};

pub(crate) struct Archive {
    /// Members by name, without the leading folder.
    members: HashMap<String, Arc<StorageData>>,
}

impl Archive {
    pub(crate) fn open(path: &Arc<Path>, file: &Bytes) -> Result<Self> {
        let broken = |source| {
            WeightsError::truncated(path, "is no whole zip archive: its directory can't be read")
                .because(source)
        };
        let mut zip = ZipArchive::new(Cursor::new(&**file)).map_err(broken)?;
        let mut members = HashMap::new();
        for index in 0..zip.len() {
            let member = zip.by_index_raw(index).map_err(broken)?;
            let name = member.name().map_err(broken)?.into_owned();
            let lies_outside = || {
                let what = format!("member {name} lies beyond the end of the file");
                WeightsError::truncated(path, what)
            };
            let start = member.data_start().map(|at| at as usize);
            let stored = member.compressed_size() as usize;
            let bytes = start
                .and_then(|start| file.slice(start..start.checked_add(stored)?))
                .ok_or_else(lies_outside)?;
            let data = match member.compression() {
                _ if member.encrypted() => return Err(unsupported(path, &name, "encrypted")),
                CompressionMethod::Stored => StorageData::stored(path.clone(), bytes),
                CompressionMethod::Deflated => {
                    StorageData::deflated(path.clone(), bytes, member.size() as usize)?
                }
                method => return Err(unsupported(path, &name, &format!("packed as {method}"))),
            };
            let short = name.split_once('/').map_or(name.as_str(), |(_, rest)| rest);
            members.insert(short.to_owned(), Arc::new(data));
        }
        Ok(Self { members })
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Arc<StorageData>> {
        self.members.get(name)
    }
}

fn unsupported(path: &Path, member: &str, how: &str) -> WeightsError {
    let hint = "load the file in PyTorch and save its state_dict() again";
    let what = format!("member {member} is {how}");
    WeightsError::new(Fault::Unsupported, path, what, hint)
}
