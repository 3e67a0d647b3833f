//! Fetches models from the Hugging Face hub, or a mirror of it, into huggingface_hub's cache.
//!
//! Only this module touches the network, and only when called.

mod cache;
mod fetch;

use std::path::{Path, PathBuf};

pub use cache::HubCache;
use fetch::{Client, RemoteFile};

use crate::error::{Fault, Result, WeightsError};

/// Where the hub is, who asks, and whether it may be asked at all.
#[derive(Clone)]
pub struct Hub {
    /// Address of the hub (`HF_ENDPOINT`).
    pub endpoint: String,
    /// Access token (`HF_TOKEN`, or the file `token` in `HF_HOME`).
    pub token: Option<String>,
    /// Use only what the cache has (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// The cache (`HF_HUB_CACHE`, or `hub` in `HF_HOME`).
    pub cache: HubCache,
}

/// The token stays out of logs.
impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "set"))
            .field("offline", &self.offline)
            .field("cache", &self.cache)
            .finish()
    }
}

/// What is heard of a fetch while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A file is begun: its name, its size, what the cache has of it already.
    Begin {
        /// Path in the repository.
        file: &'a str,
        /// Whole size in bytes.
        bytes: u64,
        /// Bytes that need not be fetched.
        held: u64,
    },
    /// So many bytes more have come.
    Bytes(u64),
}

/// A fetched revision.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The commit.
    pub commit: String,
    /// The files fetched: path in the repository, place in the cache.
    pub files: Vec<(String, PathBuf)>,
}

impl Hub {
    /// The hub as the environment describes it, by huggingface_hub's variables; `variable` reads
    /// one (`std::env::var_os` for a program).
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let text = |name: &str| {
            let value = variable(name)?.into_string().ok()?;
            (!value.is_empty()).then_some(value)
        };
        let path = |name: &str| text(name).map(PathBuf::from);
        let home = path("HF_HOME").unwrap_or_else(|| {
            let cache = path("XDG_CACHE_HOME")
                .or_else(|| path("HOME").map(|home| home.join(".cache")))
                .unwrap_or_else(|| PathBuf::from(".cache"));
            cache.join("huggingface")
        });
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let stored = || {
            let token = std::fs::read_to_string(home.join("token")).ok()?;
            Some(token.trim().to_owned()).filter(|token| !token.is_empty())
        };
        let offline = text("HF_HUB_OFFLINE").unwrap_or_default().to_lowercase();
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: text("HF_TOKEN").or_else(stored),
            offline: matches!(offline.as_str(), "1" | "on" | "yes" | "true"),
            cache: HubCache::new(path("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub"))),
        }
    }

    /// Fetches a repository's files at a revision into the cache; what the cache has is not
    /// fetched again, what was begun is resumed.
    ///
    /// `repository` is `owner/name`, `revision` a branch, tag or commit; `patterns` choose files
    /// (`*` stands for anything; none means all).
    ///
    /// # Errors
    /// [`Fault::Hub`] if the hub can't be reached, refuses, or has no such file;
    /// [`Fault::Hash`] if what came is not what was promised.
    pub fn pull(
        &self,
        repository: &str,
        revision: &str,
        patterns: &[String],
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<Snapshot> {
        check_repository(repository)?;
        if self.offline {
            return self.held(repository, revision, patterns);
        }
        let client = Client::new(self);
        let listing = client.list(repository, revision)?;
        let chosen: Vec<&RemoteFile> = listing
            .files
            .iter()
            .filter(|file| is_chosen(patterns, &file.path))
            .collect();
        if chosen.is_empty() {
            return Err(none_chosen(repository, patterns));
        }
        let mut files = Vec::new();
        for file in chosen {
            let blob = self.cache.blob(repository, &file.etag);
            if !blob.is_file() {
                client.fetch(repository, &listing.commit, file, &blob, &mut progress)?;
            }
            let place = self
                .cache
                .link(repository, &listing.commit, &file.path, &file.etag)?;
            files.push((file.path.clone(), place));
        }
        self.cache
            .set_revision(repository, revision, &listing.commit)?;
        Ok(Snapshot {
            commit: listing.commit,
            files,
        })
    }

    fn held(&self, repository: &str, revision: &str, patterns: &[String]) -> Result<Snapshot> {
        let (commit, mut files) = self.cache.snapshot(repository, revision)?;
        files.retain(|(path, _)| is_chosen(patterns, path));
        if files.is_empty() {
            return Err(none_chosen(repository, patterns));
        }
        Ok(Snapshot { commit, files })
    }
}

impl Snapshot {
    /// Puts the files into a folder of their own: hard links where the file system can, else
    /// copies.
    ///
    /// # Errors
    /// [`Fault::Output`] if the folder can't be written.
    pub fn place_in(&self, folder: impl AsRef<Path>) -> Result<()> {
        for (path, cached) in &self.files {
            let target = folder.as_ref().join(path);
            let failed = |source| WeightsError::output(&target, source);
            // A link to the blob itself, not to the snapshot's symbolic link.
            let blob = cached.canonicalize().map_err(failed)?;
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent).map_err(failed)?;
            }
            if target.exists() {
                std::fs::remove_file(&target).map_err(failed)?;
            }
            if std::fs::hard_link(&blob, &target).is_err() {
                std::fs::copy(&blob, &target).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn is_chosen(patterns: &[String], path: &str) -> bool {
    patterns.is_empty()
        || patterns
            .iter()
            .any(|pattern| crate::IgnoreRule::new(pattern.clone(), "").matches(path))
}

fn none_chosen(repository: &str, patterns: &[String]) -> WeightsError {
    let hint = "look at the file list on the repository's page";
    let what = format!("has no file that matches {}", patterns.join(", "));
    WeightsError::new(Fault::Hub, repository, what, hint)
}

fn check_repository(repository: &str) -> Result<()> {
    let is_name = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && part.chars().all(allowed) && !part.starts_with('.')
    };
    let parts: Vec<&str> = repository.split('/').collect();
    if matches!(parts.len(), 1 | 2) && parts.iter().all(|part| is_name(part)) {
        return Ok(());
    }
    let what = "is no name of a repository";
    Err(WeightsError::new(
        Fault::Hub,
        repository,
        what,
        "give OWNER/NAME",
    ))
}
