//! The cache on disk, laid out as huggingface_hub keeps it.
//!
//! `models--OWNER--NAME/` holds `blobs/ETAG` (contents), `refs/REVISION` (a commit) and
//! `snapshots/COMMIT/PATH` (symbolic links to blobs), so Python's programs and ours share it.

use std::path::{Component, Path, PathBuf};

use crate::atomic;
use crate::error::{Fault, Result, WeightsError};

/// The folder `hub` of a Hugging Face home.
#[derive(Debug, Clone)]
pub struct HubCache {
    root: PathBuf,
}

impl HubCache {
    /// A cache in `root`, which need not be there yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn repository(&self, repository: &str) -> PathBuf {
        self.root
            .join(format!("models--{}", repository.replace('/', "--")))
    }

    pub(super) fn blob(&self, repository: &str, etag: &str) -> PathBuf {
        self.repository(repository).join("blobs").join(etag)
    }

    /// Links a blob into a snapshot; gives the link.
    pub(super) fn link(
        &self,
        repository: &str,
        commit: &str,
        path: &str,
        etag: &str,
    ) -> Result<PathBuf> {
        let link = self
            .repository(repository)
            .join("snapshots")
            .join(commit)
            .join(path);
        let failed = |source| WeightsError::output(&link, source);
        if let Some(folder) = link.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        if link.symlink_metadata().is_ok() {
            std::fs::remove_file(&link).map_err(failed)?;
        }
        // snapshots/COMMIT/a/b is three folders below the repository's.
        let up = "../".repeat(2 + Path::new(path).components().count() - 1);
        #[cfg(unix)]
        std::os::unix::fs::symlink(format!("{up}blobs/{etag}"), &link).map_err(failed)?;
        #[cfg(not(unix))]
        {
            let _ = up;
            std::fs::copy(self.blob(repository, etag), &link).map_err(failed)?;
        }
        Ok(link)
    }

    pub(super) fn set_revision(
        &self,
        repository: &str,
        revision: &str,
        commit: &str,
    ) -> Result<()> {
        if revision == commit {
            return Ok(());
        }
        let file = self.repository(repository).join("refs").join(revision);
        atomic::write(&file, |out| {
            std::io::Write::write_all(out, commit.as_bytes())
        })
    }

    /// Commit and files of a revision that is here.
    pub(super) fn snapshot(
        &self,
        repository: &str,
        revision: &str,
    ) -> Result<(String, Vec<(String, PathBuf)>)> {
        let base = self.repository(repository);
        let commit = match std::fs::read_to_string(base.join("refs").join(revision)) {
            Ok(commit) => commit.trim().to_owned(),
            Err(_) => revision.to_owned(),
        };
        let root = base.join("snapshots").join(&commit);
        if !is_inside(&commit) || !root.is_dir() {
            let hint = "unset HF_HUB_OFFLINE to fetch it, or copy the cache of a machine that has \
                        it";
            let what = format!("revision {revision} is not in {}", self.root.display());
            return Err(WeightsError::new(Fault::Hub, repository, what, hint));
        }
        let mut files = Vec::new();
        collect(&root, "", &mut files).map_err(|source| WeightsError::unreadable(&root, source))?;
        files.sort();
        Ok((commit, files))
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else if entry.path().is_file() {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

/// Whether a relative path names a file below the folder it is joined to.
pub(super) fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}
