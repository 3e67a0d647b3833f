//! Fuzzer input as a file, since the readers take paths: what users run is what is tested.

use std::path::PathBuf;
use std::sync::OnceLock;

/// Writes `bytes` to this process's one file, in memory where the system offers that.
pub fn holding(bytes: &[u8], extension: &str) -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .expect("a folder")
    });
    let path = folder.path().join("input").with_extension(extension);
    std::fs::write(&path, bytes).expect("a file");
    path
}
