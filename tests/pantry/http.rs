//! A registry asked by the test itself, in plain HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use larder::model::Digest;
use serde_json::Value;

/// The types of manifest that a registry gives as they are.
const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json";

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks once. By HTTP 1.0, so that the answer ends where the connection does.
pub(crate) fn ask(host: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAccept: {ACCEPTED}\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        body: all[end + 4..].to_vec(),
        head,
    }
}

/// A repository in a registry: `HOST/PATH`.
#[derive(Clone)]
pub(crate) struct Shelf {
    host: String,
    path: String,
    /// Headers that each question has.
    headers: String,
}

impl Shelf {
    pub(crate) fn of(repository: &str) -> Self {
        let (host, path) = repository.split_once('/').unwrap();
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
            headers: String::new(),
        }
    }

    pub(crate) fn with(mut self, header: &str) -> Self {
        self.headers.push_str(header);
        self.headers.push_str("\r\n");
        self
    }

    pub(crate) fn tags(&self) -> Vec<String> {
        let found = self.get("tags/list");
        let tags = found.json()["tags"].as_array().cloned();
        let tags = tags.unwrap_or_default();
        let mut tags: Vec<String> = tags.iter().map(|tag| text(tag).to_owned()).collect();
        tags.sort_unstable();
        tags
    }

    /// The tags that begin so, which must be one.
    pub(crate) fn tag(&self, begin: &str) -> String {
        let mut tags = self.tags();
        tags.retain(|tag| tag.starts_with(begin));
        assert_eq!(tags.len(), 1, "{begin}: {:?}", self.tags());
        tags.remove(0)
    }

    /// The manifest under a tag or a digest.
    pub(crate) fn manifest(&self, version: &str) -> Answer {
        let found = self.get(&format!("manifests/{version}"));
        assert_eq!(found.status, 200, "{version}: {}", found.head);
        found
    }

    /// The digest that a tag stands for.
    pub(crate) fn digest(&self, tag: &str) -> String {
        let found = self.manifest(tag);
        found.header("Docker-Content-Digest").unwrap().to_owned()
    }

    /// The configuration of an image.
    pub(crate) fn config(&self, tag: &str) -> Value {
        let manifest = self.manifest(tag).json();
        let digest = text(&manifest["config"]["digest"]);
        self.get(&format!("blobs/{digest}")).json()
    }

    /// Bytes of all layers of an image.
    pub(crate) fn bytes(&self, tag: &str) -> u64 {
        let manifest = self.manifest(tag).json();
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers.map(|layer| layer["size"].as_u64().unwrap()).sum()
    }

    /// Puts bytes there; their digest.
    pub(crate) fn put_blob(&self, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let begun = self.ask("POST", "blobs/uploads/", "", b"");
        let place = begun.header("Location").unwrap().to_owned();
        let place = place.split_once("/v2/").unwrap().1;
        let path = format!("/v2/{place}&digest={digest}");
        let kind = format!("Content-Type: application/octet-stream\r\n{}", self.headers);
        let put = ask(&self.host, "PUT", &path, &kind, bytes);
        assert_eq!(put.status, 201, "{}", put.head);
        digest
    }

    /// Lets a tag stand for a manifest.
    pub(crate) fn put_manifest(&self, tag: &str, manifest: &[u8]) {
        let parsed: Value = serde_json::from_slice(manifest).unwrap();
        let kind = format!("Content-Type: {}\r\n", text(&parsed["mediaType"]));
        let put = self.ask("PUT", &format!("manifests/{tag}"), &kind, manifest);
        assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
    }

    /// Lets a tag stand for the image of another tag with a configuration of its own.
    pub(crate) fn put_changed(&self, tag: &str, of: &str, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.manifest(of).json();
        let mut config = self.config(of);
        change(&mut config);
        let config = config.to_string();
        manifest["config"]["size"] = config.len().into();
        manifest["config"]["digest"] = self.put_blob(config.as_bytes()).into();
        self.put_manifest(tag, manifest.to_string().as_bytes());
    }

    /// Puts another layer on top of an image; its digest.
    pub(crate) fn add_layer(&self, tag: &str, layer: &[u8]) -> String {
        let own = self.put_blob(layer);
        self.put_changed(tag, tag, |config| {
            let layers = config["rootfs"]["diff_ids"].as_array_mut();
            layers.unwrap().push(own.clone().into());
            config["history"] = Value::Null;
        });
        let mut manifest = self.manifest(tag).json();
        let mut more = manifest["layers"][0].clone();
        more["digest"] = own.clone().into();
        more["size"] = layer.len().into();
        manifest["layers"].as_array_mut().unwrap().push(more);
        self.put_manifest(tag, manifest.to_string().as_bytes());
        own
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let path = format!("/v2/{}/{path}", self.path);
        let headers = format!("{headers}{}", self.headers);
        ask(&self.host, method, &path, &headers, body)
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
