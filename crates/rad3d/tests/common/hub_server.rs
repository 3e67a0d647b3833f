//! A server on this machine with the hub's layout and one repository, `org/model`.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const BLOB: &str = "89abcdef0123456789abcdef0123456789abcdef";
const CONFIG: &[u8] = b"{\"model_type\": \"tiny\"}";

/// What `model.safetensors` holds there.
pub(crate) fn weights() -> Vec<u8> {
    (0..5_000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

pub(crate) struct Server {
    pub address: String,
    downloads: Arc<AtomicUsize>,
}

impl Server {
    /// Listens until the test ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let downloads = Arc::new(AtomicUsize::new(0));
        let counter = downloads.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that hangs up early does no harm.
                let _ = answer(stream.unwrap(), &counter);
            }
        });
        Self { address, downloads }
    }

    /// Files asked for so far.
    pub(crate) fn downloads(&self) -> usize {
        self.downloads.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, downloads: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let path = lines.next().unwrap()?.split(' ').nth(1).unwrap().to_owned();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (status, body) = if path.starts_with("/api/models/org/model/revision/main") {
        let (config, size) = (CONFIG.len(), weights().len());
        let sha256: String = Sha256::digest(weights())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let listing = format!(
            r#"{{"sha": "{COMMIT}", "siblings": [
                {{"rfilename": "config.json", "size": {config}, "blobId": "{BLOB}"}},
                {{"rfilename": "model.safetensors", "size": {size}, "blobId": "{BLOB}",
                  "lfs": {{"sha256": "{sha256}", "size": {size}, "pointerSize": 130}}}}]}}"#
        );
        ("200 OK", listing.into_bytes())
    } else if path.ends_with("/config.json") {
        downloads.fetch_add(1, Ordering::SeqCst);
        ("200 OK", CONFIG.to_vec())
    } else if path.ends_with("/model.safetensors") {
        downloads.fetch_add(1, Ordering::SeqCst);
        ("200 OK", weights())
    } else {
        ("404 Not Found", Vec::new())
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}
