//! The hub's client against a small server with the hub's layout: redirects, ranges, broken
//! transfers, refusals, and the cache as huggingface_hub keeps it.

#![expect(clippy::unwrap_used, reason = "a test helper may fail loudly")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rad3d_weights::{Fault, Hub, HubCache, Progress};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const BLOB: &str = "89abcdef0123456789abcdef0123456789abcdef";
const CONFIG: &[u8] = b"{\"model_type\": \"tiny\"}";

/// What the server does, and what it was asked.
#[derive(Default)]
struct State {
    /// Break off after so many bytes of the weights, as many times as there are entries.
    breaks: Vec<usize>,
    /// Send other bytes than promised.
    corrupt: bool,
    /// Ignore ranges.
    without_ranges: bool,
    /// Path, range and whether a token came, of each request.
    asked: Vec<(String, Option<String>, bool)>,
}

struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

fn weights() -> Vec<u8> {
    (0..50_000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

/// SHA-256 of [`weights`], by the crate's own function, which the model tests check otherwise.
fn weights_sha256() -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), weights()).unwrap();
    rad3d_weights::sha256_of_file(file.path(), |_| {}).unwrap()
}

impl Server {
    fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that hangs up in the middle is part of the test.
                let _ = answer(stream.unwrap(), &shared);
            }
        });
        Self { address, state }
    }

    fn hub(&self, cache: &Path) -> Hub {
        Hub {
            endpoint: self.address.clone(),
            token: None,
            offline: false,
            cache: HubCache::new(cache),
        }
    }

    fn asked(&self, part: &str) -> Vec<Option<String>> {
        let state = self.state.lock().unwrap();
        let matching = state.asked.iter().filter(|(path, ..)| path.contains(part));
        matching.map(|(_, range, _)| range.clone()).collect()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let path = lines.next().unwrap()?.split(' ').nth(1).unwrap().to_owned();
    let (mut range, mut token) = (None, false);
    for line in lines {
        let line = line?.to_lowercase();
        match line.split_once(": ") {
            Some(("range", value)) => range = Some(value.to_owned()),
            Some(("authorization", value)) => token = value == "bearer secret",
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut state = state.lock().unwrap();
    state.asked.push((path.clone(), range.clone(), token));
    let mut send = |status: &str, header: &str, body: &[u8], length: usize| {
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{header}\r\n"
        )?;
        stream.write_all(body)
    };
    if path.starts_with("/api/models/org/gated") && !token {
        return send("401 Unauthorized", "", b"", 0);
    }
    if path.starts_with("/api/models/org/") && path.contains("/revision/main") {
        let (config, sha256) = (CONFIG.len(), weights_sha256());
        let listing = format!(
            r#"{{"sha": "{COMMIT}", "siblings": [
                {{"rfilename": "config.json", "size": {config}, "blobId": "{BLOB}"}},
                {{"rfilename": "onnx/model.safetensors", "size": 50000, "blobId": "{BLOB}",
                  "lfs": {{"sha256": "{sha256}", "size": 50000, "pointerSize": 130}}}}]}}"#
        );
        return send("200 OK", "", listing.as_bytes(), listing.len());
    }
    let content = match path.rsplit('/').next().unwrap() {
        "config.json" => CONFIG.to_vec(),
        // As on the hub, large files lie elsewhere.
        "model.safetensors" if path.contains("/resolve/") => {
            let header = "location: /storage/model.safetensors\r\n";
            return send("302 Found", header, b"", 0);
        }
        "model.safetensors" => weights(),
        _ => return send("404 Not Found", "", b"", 0),
    };
    let from = match &range {
        Some(range) if !state.without_ranges => {
            let from = range
                .strip_prefix("bytes=")
                .and_then(|range| range.strip_suffix('-'));
            from.unwrap().parse().unwrap()
        }
        _ => 0,
    };
    let mut rest = content[from..].to_vec();
    if state.corrupt {
        rest[0] ^= 1;
    }
    let is_large = path.starts_with("/storage");
    let sent = match is_large.then(|| state.breaks.pop()).flatten() {
        Some(limit) => limit.min(rest.len()),
        None => rest.len(),
    };
    let status = if from > 0 {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    send(status, "", &rest[..sent], rest.len())
}

#[test]
fn a_pull_fills_the_cache_as_huggingface_hub_lays_it_out() {
    let server = Server::start(State::default());
    let folder = tempfile::tempdir().unwrap();
    let hub = server.hub(folder.path());
    let mut told = Vec::new();
    let snapshot = hub
        .pull("org/model", "main", &[], |progress| {
            if let Progress::Begin { file, bytes, held } = progress {
                told.push((file.to_owned(), bytes, held));
            }
        })
        .unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1], ("onnx/model.safetensors".to_owned(), 50_000, 0));
    let base = folder.path().join("models--org--model");
    assert_eq!(
        std::fs::read_to_string(base.join("refs/main")).unwrap(),
        COMMIT
    );
    let link = base
        .join("snapshots")
        .join(COMMIT)
        .join("onnx/model.safetensors");
    let target = std::fs::read_link(&link).unwrap();
    let sha256 = weights_sha256();
    assert_eq!(target, Path::new("../../../blobs").join(&sha256));
    assert_eq!(std::fs::read(&link).unwrap(), weights());
    assert_eq!(
        std::fs::read(base.join("blobs").join(BLOB)).unwrap(),
        CONFIG
    );

    // All is there: nothing but the listing is asked for again.
    let before = server.state.lock().unwrap().asked.len();
    hub.pull("org/model", "main", &[], |_| {}).unwrap();
    assert_eq!(server.state.lock().unwrap().asked.len(), before + 1);

    let out = tempfile::tempdir().unwrap();
    snapshot.place_in(out.path()).unwrap();
    assert_eq!(
        std::fs::read(out.path().join("onnx/model.safetensors")).unwrap(),
        weights()
    );

    // Without network.
    let offline = Hub {
        endpoint: "http://127.0.0.1:1".into(),
        offline: true,
        ..hub
    };
    let held = offline.pull("org/model", "main", &[], |_| {}).unwrap();
    assert_eq!((held.files.len(), held.commit.as_str()), (2, COMMIT));
    let error = offline.pull("org/other", "main", &[], |_| {}).unwrap_err();
    assert!(error.hint.contains("HF_HUB_OFFLINE"), "{error}");
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let server = Server::start(State {
        breaks: vec![15_000, 20_000],
        ..State::default()
    });
    let folder = tempfile::tempdir().unwrap();
    server
        .hub(folder.path())
        .pull("org/model", "main", &[], |_| {})
        .unwrap();
    let ranges = server.asked("/storage");
    let range = |from: &str| Some(format!("bytes={from}-"));
    assert_eq!(ranges, [None, range("20000"), range("35000")]);
}

#[test]
fn a_later_pull_goes_on_where_an_earlier_one_stopped() {
    let server = Server::start(State::default());
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("models--org--model/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let part = blobs.join(format!("{}.incomplete", weights_sha256()));
    std::fs::write(&part, &weights()[..12_345]).unwrap();
    let mut held = 0;
    let only = ["*.safetensors".to_owned()];
    server
        .hub(folder.path())
        .pull("org/model", "main", &only, |progress| {
            if let Progress::Begin { held: begun, .. } = progress {
                held = begun;
            }
        })
        .unwrap();
    assert_eq!(held, 12_345);
    assert_eq!(server.asked("/storage"), [Some("bytes=12345-".to_owned())]);
    assert!(server.asked("config.json").is_empty());
    assert!(!part.exists());
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let server = Server::start(State {
        breaks: vec![20_000],
        without_ranges: true,
        ..State::default()
    });
    let folder = tempfile::tempdir().unwrap();
    server
        .hub(folder.path())
        .pull("org/model", "main", &[], |_| {})
        .unwrap();
    assert_eq!(server.asked("/storage").len(), 2);
}

#[test]
fn other_bytes_than_promised_are_refused_and_not_kept() {
    let server = Server::start(State {
        corrupt: true,
        ..State::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let only = ["onnx/*".to_owned()];
    let error = server
        .hub(folder.path())
        .pull("org/model", "main", &only, |_| {})
        .unwrap_err();
    assert_eq!(error.fault, Fault::Hash, "{error}");
    let blobs = folder.path().join("models--org--model/blobs");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
}

#[test]
fn refusals_say_what_to_do() {
    let server = Server::start(State::default());
    let folder = tempfile::tempdir().unwrap();
    let mut hub = server.hub(folder.path());
    let error = hub.pull("org/gated", "main", &[], |_| {}).unwrap_err();
    assert_eq!(error.fault, Fault::Hub);
    assert!(
        error.to_string().contains("401") && error.hint.contains("HF_TOKEN"),
        "{error}"
    );
    hub.token = Some("secret".into());
    assert!(!format!("{hub:?}").contains("secret"));
    hub.pull("org/gated", "main", &[], |_| {}).unwrap();
    let error = hub.pull("org/model", "v9", &[], |_| {}).unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    let none = ["*.bin".to_owned()];
    let error = hub.pull("org/model", "main", &none, |_| {}).unwrap_err();
    assert!(error.to_string().contains("*.bin"), "{error}");
    for name in ["../x", "a/b/c", "", "a/.b", "a b"] {
        assert_eq!(
            hub.pull(name, "main", &[], |_| {}).unwrap_err().fault,
            Fault::Hub
        );
    }
    hub.endpoint = "http://127.0.0.1:1".into();
    let error = hub.pull("org/model", "main", &[], |_| {}).unwrap_err();
    assert!(error.hint.contains("HF_ENDPOINT"), "{error}");
}

#[test]
fn the_environment_is_read_as_huggingface_hub_reads_it() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), "from-file\n").unwrap();
    let base = home.path().to_str().unwrap().to_owned();
    let with = |extra: &[(&str, &str)]| {
        let extra: Vec<(String, String)> = extra
            .iter()
            .map(|&(key, value)| (key.into(), value.into()))
            .collect();
        let base = base.clone();
        Hub::from_environment(move |name| match name {
            "HF_HOME" => Some(base.clone().into()),
            _ => extra
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into()),
        })
    };
    let plain = with(&[]);
    assert_eq!(plain.endpoint, "https://huggingface.co");
    assert_eq!(
        (plain.token.as_deref(), plain.offline),
        (Some("from-file"), false)
    );
    assert!(format!("{:?}", plain.cache).contains(&format!("{base}/hub")));
    let set = with(&[
        ("HF_ENDPOINT", "http://mirror/"),
        ("HF_TOKEN", "t"),
        ("HF_HUB_OFFLINE", "1"),
    ]);
    assert_eq!(
        (set.endpoint.as_str(), set.token.as_deref()),
        ("http://mirror", Some("t"))
    );
    assert!(set.offline);
}
