//! SHA-256 of files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Result, WeightsError};

/// SHA-256 of a file, in lower-case hexadecimal; `progress` hears the bytes hashed since it was
/// last called.
///
/// # Errors
/// [`Fault::Unreadable`](crate::Fault::Unreadable) if the file can't be read to its end.
pub fn sha256_of_file(path: impl AsRef<Path>, progress: impl Fn(u64)) -> Result<String> {
    let path = path.as_ref();
    let unreadable = |source| WeightsError::unreadable(path, source);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut chunk).map_err(unreadable)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&chunk[..read]);
        progress(read as u64);
    }
}

/// SHA-256 of `bytes`, in lower-case hexadecimal.
pub(crate) fn sha256_of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
