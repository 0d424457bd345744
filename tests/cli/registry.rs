//! A registry of one test's own, on this machine, with images of a few hundred bytes whose one program waits for ever.
//! Engines take registries on 127.0.0.0/8 without TLS.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use larder::model::Digest;
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// How registries say that they do not have something (OCI distribution specification, error codes).
const UNKNOWN: &[u8] = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;

/// A registry; the engine forgets its images when it goes.
pub(crate) struct Registry {
    host: String,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    /// The registry that it belongs to. Its images say so: no other test's image has the same ID and goes with them.
    host: String,
    /// What is at a path: its type and content.
    things: BTreeMap<String, (&'static str, Vec<u8>)>,
    /// The tags that were asked for.
    asked: Vec<String>,
    /// The IDs that engines give these images.
    images: Vec<String>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shelf = Arc::new(Mutex::new(Shelf {
            host: host.clone(),
            ..Shelf::default()
        }));
        let own = Arc::clone(&shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&own);
                std::thread::spawn(move || serve(stream, &shelf));
            }
        });
        Self { host, shelf }
    }

    /// The full name of one of its images.
    pub(crate) fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.host)
    }

    /// Lets a name (`app:1`) mean an image that says what it is, of the engine's own platform.
    pub(crate) fn push(&self, image: &str, what: &str) {
        let manifest = self.things().manifest(image, what, "linux", host_arch());
        self.things().tag(image, MANIFEST, &manifest);
    }

    /// Lets a name mean one image per platform; each says which it is. The program is the engine's in all of them.
    pub(crate) fn push_index(&self, image: &str, what: &str, arches: &[&str]) {
        let mut things = self.things();
        let manifests: Vec<Value> = arches
            .iter()
            .map(|arch| {
                let what = format!("{what} for {arch}");
                let manifest = things.manifest(image, &what, "linux", arch);
                let platform = json!({"os": "linux", "architecture": arch});
                json!({"mediaType": MANIFEST, "size": manifest.len(), "digest": digest(&manifest),
                    "platform": platform})
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        things.tag(image, INDEX, index.to_string().as_bytes());
    }

    /// How often a name was asked for since the last time.
    pub(crate) fn asked(&self, image: &str) -> usize {
        let (repository, tag) = image.split_once(':').unwrap();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let mut things = self.things();
        let before = things.asked.len();
        things.asked.retain(|asked| *asked != path);
        before - things.asked.len()
    }

    fn things(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let images = self.things().images.clone();
        let _ = Command::new("docker")
            .args(["rmi", "-f"])
            .args(images)
            .output();
    }
}

impl Shelf {
    /// Puts an image's configuration, layer and manifest there; the manifest.
    fn manifest(&mut self, image: &str, what: &str, os: &str, arch: &str) -> Vec<u8> {
        let repository = image.split_once(':').unwrap().0;
        let layer = layer(what);
        let config = json!({
            "os": os, "architecture": arch,
            "config": {"Cmd": ["/wait"], "StopSignal": "SIGKILL", "Env": [format!("WHAT={what}")],
                "Labels": {"dev.larder.test": self.host}},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let part = |kind, bytes: &[u8]| json!({"mediaType": kind, "size": bytes.len(), "digest": digest(bytes)});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": part(CONFIG, &config), "layers": [part(LAYER, &layer)]});
        let manifest = manifest.to_string().into_bytes();
        self.images.push(digest(&config));
        for (kind, bytes) in [(CONFIG, config), (LAYER, layer)] {
            let path = format!("/v2/{repository}/blobs/{}", digest(&bytes));
            self.things.insert(path, (kind, bytes));
        }
        let path = format!("/v2/{repository}/manifests/{}", digest(&manifest));
        self.things.insert(path, (MANIFEST, manifest.clone()));
        manifest
    }

    fn tag(&mut self, image: &str, kind: &'static str, manifest: &[u8]) {
        let (repository, tag) = image.split_once(':').unwrap();
        for version in [tag.to_owned(), digest(manifest)] {
            let path = format!("/v2/{repository}/manifests/{version}");
            self.things.insert(path, (kind, manifest.to_vec()));
        }
    }
}

/// Answers requests until the other side goes.
fn serve(mut stream: TcpStream, shelf: &Mutex<Shelf>) {
    /// How a TLS connection begins (RFC 8446, section 5.1: a record of type handshake).
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0];
    if stream.peek(&mut first).is_ok() && first[0] == HANDSHAKE {
        // By this a client knows that plain HTTP is spoken here.
        let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        return;
    }
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(request)) = lines.next() {
        let mut words = request.split_whitespace();
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (method, path) = (method.to_owned(), path.to_owned());
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let found = {
            let mut shelf = shelf.lock().unwrap();
            shelf.asked.push(path.clone());
            shelf.things.get(&path).cloned()
        };
        let (code, kind, body) = match found {
            Some((kind, body)) => ("200 OK", kind, body),
            None if path == "/v2/" => ("200 OK", "application/json", b"{}".to_vec()),
            None => ("404 Not Found", "application/json", UNKNOWN.to_vec()),
        };
        let head = format!(
            "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\r\n",
            body.len(),
            digest(&body)
        );
        let body = if method == "HEAD" { Vec::new() } else { body };
        if stream
            .write_all(&[head.into_bytes(), body].concat())
            .is_err()
        {
            return;
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex = Digest::of(bytes);
    format!("sha256:{hex}")
}

/// Go's name for this machine's kind of processor.
pub(crate) fn host_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A file that says what the image is, and a program that waits for ever.
fn layer(what: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content, mode) in [
        ("what", what.as_bytes(), 0o644),
        ("wait", &program()[..], 0o755),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        archive.append_data(&mut header, path, content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The smallest Linux program that waits for ever: `pause` in a loop, or `ppoll` for nothing where that is missing.
fn program() -> Vec<u8> {
    let (machine, code): (u16, Vec<u8>) = match std::env::consts::ARCH {
        "aarch64" => {
            // mov x0..x4, 0; mov x8, 73; svc 0; b -28
            let words: [u32; 8] = [
                0xd280_0000,
                0xd280_0001,
                0xd280_0002,
                0xd280_0003,
                0xd280_0004,
                0xd280_0928,
                0xd400_0001,
                0x17ff_fff9,
            ];
            (
                183,
                words.iter().flat_map(|word| word.to_le_bytes()).collect(),
            )
        }
        // mov eax, 34; syscall; jmp -9
        _ => (62, vec![0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]),
    };
    let (base, heads) = (0x40_0000_u64, 120_u64);
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    elf.extend([2_u16, machine].iter().flat_map(|half| half.to_le_bytes()));
    elf.extend(1_u32.to_le_bytes());
    elf.extend(
        [base + heads, 64, 0]
            .iter()
            .flat_map(|long| long.to_le_bytes()),
    );
    elf.extend(0_u32.to_le_bytes());
    elf.extend(
        [64_u16, 56, 1, 0, 0, 0]
            .iter()
            .flat_map(|half| half.to_le_bytes()),
    );
    // One segment: all of it, readable and executable.
    elf.extend([1_u32, 5].iter().flat_map(|word| word.to_le_bytes()));
    let size = heads + code.len() as u64;
    elf.extend(
        [0, base, base, size, size, 4096]
            .iter()
            .flat_map(|long| long.to_le_bytes()),
    );
    elf.extend(code);
    elf
}
