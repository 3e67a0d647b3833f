//! The hub's HTTP interface.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;
use ureq::http::Response;
use ureq::{Body, ResponseExt};

use super::cache::is_inside;
use super::{Hub, Progress};
use crate::error::{Fault, Result, WeightsError};
use crate::sha256_of_file;

/// Times that a broken transfer is taken up again before giving up.
const ATTEMPTS: usize = 5;

/// A listing of files is a few megabytes at most.
const MAX_LISTING: u64 = 64 << 20;

pub(super) struct Client<'h> {
    hub: &'h Hub,
    agent: Agent,
}

/// The files of a repository at a commit.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<RemoteFile>,
}

#[derive(Debug, Clone)]
pub(super) struct RemoteFile {
    pub(super) path: String,
    /// Names the blob: SHA-256 of an LFS file, git's hash of any other.
    pub(super) etag: String,
    pub(super) bytes: u64,
    pub(super) sha256: Option<String>,
}

#[derive(Deserialize)]
struct ModelInfo {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl<'h> Client<'h> {
    pub(super) fn new(hub: &'h Hub) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .user_agent(concat!("rad3d/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            hub,
            agent: agent.into(),
        }
    }

    fn get(&self, url: &str, from: u64) -> Result<Response<Body>> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.hub.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        request.call().map_err(|source| {
            let hint = "check the network and HF_ENDPOINT; with HF_HUB_OFFLINE=1 only the cache is \
                        used";
            WeightsError::new(Fault::Hub, url, "cannot be reached", hint).because(source)
        })
    }

    /// The files of a repository, by one question.
    pub(super) fn list(&self, repository: &str, revision: &str) -> Result<Listing> {
        let endpoint = &self.hub.endpoint;
        let revision = revision.replace('/', "%2F");
        let url = format!("{endpoint}/api/models/{repository}/revision/{revision}?blobs=true");
        let mut response = self.get(&url, 0)?;
        self.check_status(&url, response.status().as_u16())?;
        let strange = |what: &str| {
            let hint = "check that HF_ENDPOINT is a Hugging Face hub or a mirror of one";
            WeightsError::new(Fault::Hub, &url, what, hint)
        };
        let reader = response.body_mut().as_reader().take(MAX_LISTING);
        let info: ModelInfo = serde_json::from_reader(reader)
            .map_err(|source| strange("gives no list of files").because(source))?;
        if !is_inside(&info.sha) || info.sha.contains('/') {
            return Err(strange("gives an absurd commit"));
        }
        let files = info.siblings.into_iter().map(|sibling| {
            let path = sibling.rfilename;
            let (etag, bytes, sha256) = match (sibling.lfs, sibling.blob_id, sibling.size) {
                (Some(lfs), ..) => (lfs.sha256.clone(), lfs.size, Some(lfs.sha256)),
                (None, Some(blob), Some(size)) => (blob, size, None),
                _ => return Err(strange(&format!("tells no size or hash of {path}"))),
            };
            let is_hash = etag.len() >= 40 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_inside(&path) || !is_hash {
                return Err(strange(&format!("names an absurd file {path:?}")));
            }
            Ok(RemoteFile {
                path,
                etag,
                bytes,
                sha256,
            })
        });
        Ok(Listing {
            commit: info.sha,
            files: files.collect::<Result<_>>()?,
        })
    }

    /// Fetches a file into `blob`. What comes is kept in `blob.incomplete` and taken up from there,
    /// in this call or a later one.
    pub(super) fn fetch(
        &self,
        repository: &str,
        commit: &str,
        file: &RemoteFile,
        blob: &Path,
        progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<()> {
        let path: Vec<String> = file.path.split('/').map(encode).collect();
        let url = format!(
            "{}/{repository}/resolve/{commit}/{}",
            self.hub.endpoint,
            path.join("/")
        );
        let part = PathBuf::from(format!("{}.incomplete", blob.display()));
        let failed = |source| WeightsError::output(&part, source);
        if let Some(folder) = part.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let held = std::fs::metadata(&part).map_or(0, |part| part.len());
        progress(Progress::Begin {
            file: &file.path,
            bytes: file.bytes,
            held: held.min(file.bytes),
        });
        let mut broken = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(200 << attempt));
            }
            match self.transfer(&url, &part, file.bytes, progress)? {
                None => {
                    broken = None;
                    break;
                }
                reason => broken = reason,
            }
        }
        if let Some(reason) = broken {
            let hint = "run the command again: it goes on where it stopped";
            let what = format!("broke off {ATTEMPTS} times: {reason}");
            return Err(WeightsError::new(Fault::Hub, &url, what, hint));
        }
        if let Some(sha256) = &file.sha256 {
            let found = sha256_of_file(&part, |_| {})?;
            if found != *sha256 {
                // What came is wrong from some byte on; a resumed transfer could not mend it.
                std::fs::remove_file(&part).map_err(failed)?;
                let hint = "run the command again; if it happens twice, the mirror is at fault";
                let what = format!("came with SHA-256 {found}, {sha256} was promised");
                return Err(WeightsError::new(Fault::Hash, &url, what, hint));
            }
        }
        std::fs::rename(&part, blob).map_err(failed)
    }

    /// One go at the rest of a file; gives the reason if it broke off.
    fn transfer(
        &self,
        url: &str,
        part: &Path,
        bytes: u64,
        progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<Option<String>> {
        let failed = |source| WeightsError::output(part, source);
        let open = |fresh: bool| -> Result<File> {
            let mut options = OpenOptions::new();
            options.create(true);
            match fresh {
                true => options.write(true).truncate(true),
                false => options.append(true),
            };
            options.open(part).map_err(failed)
        };
        let mut held = std::fs::metadata(part).map_or(0, |part| part.len());
        if held > bytes {
            open(true)?;
            held = 0;
        }
        if held == bytes {
            open(false)?;
            return Ok(None);
        }
        let mut response = match self.get(url, held) {
            Ok(response) => response,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let status = response.status().as_u16();
        match status {
            500..=599 | 429 => return Ok(Some(format!("status {status}"))),
            _ => self.check_status(&response.get_uri().to_string(), status)?,
        }
        // A server that does not know ranges sends the whole file again.
        let fresh = status != 206;
        if fresh {
            held = 0;
        }
        let mut out = open(fresh)?;
        let mut body = response.body_mut().as_reader();
        let mut chunk = vec![0; 1 << 17];
        while held < bytes {
            let room = chunk
                .len()
                .min(usize::try_from(bytes - held).unwrap_or(usize::MAX));
            match body.read(&mut chunk[..room]) {
                Ok(0) => return Ok(Some(format!("ended after {held} of {bytes} bytes"))),
                Ok(read) => {
                    out.write_all(&chunk[..read]).map_err(failed)?;
                    held += read as u64;
                    progress(Progress::Bytes(read as u64));
                }
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        out.sync_all().map_err(failed)?;
        Ok(None)
    }

    fn check_status(&self, url: &str, status: u16) -> Result<()> {
        let (what, hint) = match (status, &self.hub.token) {
            (200..=299, _) => return Ok(()),
            (401 | 403, None) => (
                "wants a login",
                "accept the terms on the repository's page and set HF_TOKEN to an access token",
            ),
            (401 | 403, Some(_)) => (
                "refuses the access token",
                "accept the terms on the repository's page with the account that HF_TOKEN belongs \
                 to",
            ),
            (404, _) => (
                "is not there",
                "check the repository's name, the revision and the file; a private one needs \
                 HF_TOKEN",
            ),
            _ => (
                "cannot be fetched",
                "try again later, or through another HF_ENDPOINT",
            ),
        };
        let what = format!("{what} (status {status})");
        Err(WeightsError::new(Fault::Hub, url, what, hint))
    }
}

/// Percent-encodes one part of a path.
fn encode(part: &str) -> String {
    use std::fmt::Write;
    part.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(byte.into());
            }
            // Writing to a String cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}
