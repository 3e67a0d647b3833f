//! `run.json`: what was done, with what, how long it took. Every run leaves one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use rad3d_volume::write::AtomicFile;
use rad3d_volume::{Result, VolumeError};

/// A machine-readable account of one run.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    program: &'static str,
    version: &'static str,
    verb: &'static str,
    /// Settings as resolved, defaults included.
    pub(crate) settings: Value,
    /// What was read.
    pub(crate) inputs: Vec<HashedInput>,
    /// What was found and decided.
    pub(crate) result: Value,
    /// Where it was computed.
    pub(crate) device: &'static str,
    threads: usize,
    seconds: f64,
    peak_memory_bytes: Option<u64>,
    #[serde(skip)]
    started: Instant,
}

/// An input file and its SHA-256.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct HashedInput {
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
}

impl RunReport {
    /// Starts the clock.
    pub(crate) fn start(verb: &'static str) -> Self {
        Self {
            program: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            verb,
            settings: Value::Null,
            inputs: Vec::new(),
            result: Value::Null,
            device: "cpu",
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            seconds: 0.0,
            peak_memory_bytes: None,
            started: Instant::now(),
        }
    }

    /// Stops the clock and takes the peak memory.
    pub(crate) fn stop(&mut self) {
        self.seconds = self.started.elapsed().as_secs_f64();
        self.peak_memory_bytes = peak_memory_bytes();
    }

    /// Seconds between start and stop.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Writes the report beside `output`: `scan.safetensors` gets `scan.safetensors.run.json`.
    pub(crate) fn write_beside(&self, output: &Path) -> Result<PathBuf> {
        let mut name = output.as_os_str().to_owned();
        name.push(".run.json");
        let path = PathBuf::from(name);
        let mut file = AtomicFile::create(&path)?;
        let written = serde_json::to_writer_pretty(&mut file, self);
        written.map_err(|error| file.fault(error.into()))?;
        // Syncing would wait for the large output beside it to reach the disk too.
        file.commit_unsynced()?;
        Ok(path)
    }
}

/// Several files, hashed.
pub(crate) fn hashes_of(files: &[PathBuf]) -> Result<Vec<HashedInput>> {
    let hashed = files.iter().map(|path| {
        let sha256 = sha256_of(path)?;
        Ok(HashedInput {
            path: path.clone(),
            sha256,
        })
    });
    hashed.collect()
}

/// SHA-256 of a file, as hexadecimal text.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    use sha2::Digest;
    let mut file =
        std::fs::File::open(path).map_err(|error| VolumeError::unreadable(path, error))?;
    let mut hasher = sha2::Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(|error| VolumeError::unreadable(path, error))?;
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The most memory this process has held, from the kernel's account where there is one.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Forgets the peak so far, where the kernel allows it: what follows is measured by itself.
#[cfg(feature = "train")]
pub(crate) fn forget_peak_memory() {
    // 5 resets VmHWM (Linux, proc(5)). Elsewhere the peak is that of the process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
