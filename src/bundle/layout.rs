//! What lies where in an OCI image layout (OCI image specification, `image-layout.md`), and what of it is larder's own.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Digest, ImageRef, labels};

pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const LAYOUT_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
pub(super) const INDEX: &str = "index.json";
pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// What an image is called (OCI image specification, `annotations.md`).
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";
/// On the index: what images start from that are not in it, as JSON. Their fingerprints can be taken without them.
pub(super) const BASES: &str = "dev.larder.bases";

/// Where a blob lies, of its `sha256:…`.
pub(super) fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// A bundle is not what it should be, or cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read or written.
    #[error("it cannot be read or written")]
    Io(#[from] io::Error),
    /// What a digest stands for is something else.
    #[error("the file is damaged: `{0}` is not what its digest says")]
    Damaged(String),
    /// It is none.
    #[error("it is no bundle: {0}")]
    Broken(String),
}

pub(super) fn broken(what: impl Into<String>) -> BundleError {
    BundleError::Broken(what.into())
}

/// What an image in a bundle is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// By its full fingerprint.
    Image(Digest),
    /// The dependency image with this key.
    Dependencies(Digest),
    /// As services name it.
    Name(ImageRef),
}

impl Named {
    /// What it is called on an engine.
    pub fn on_engine(&self) -> String {
        match self {
            Self::Image(full) => labels::image_name(full),
            Self::Dependencies(key) => labels::dependencies_name(key),
            Self::Name(name) => name.familiar(),
        }
    }

    /// As it is called in the file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let key = |prefix: &str| text.strip_prefix(prefix)?.parse().ok();
        if let Some(full) = key("fp-") {
            return Some(Self::Image(full));
        }
        if let Some(key) = key("dep-") {
            return Some(Self::Dependencies(key));
        }
        let name: ImageRef = text.parse().ok()?;
        // What larder itself names is proven by its key, or not at all.
        (!labels::is_name(&name.familiar())).then_some(Self::Name(name))
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(full) => write!(f, "fp-{full}"),
            Self::Dependencies(key) => write!(f, "dep-{key}"),
            Self::Name(name) => f.write_str(&name.familiar()),
        }
    }
}

/// Something in the file by its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub(super) os: String,
    #[serde(default)]
    pub(super) architecture: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) variant: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub(super) schema_version: u32,
    pub(super) media_type: String,
    pub(super) manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    pub(super) media_type: String,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// An image in what `docker save` writes and `docker load` reads (moby `image/tarexport/tarexport.go`).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Saved {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    pub(super) layers: Vec<String>,
}

/// What of an image's configuration counts here (OCI image specification, `config.md`).
#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    #[serde(flatten)]
    pub(super) platform: Platform,
    #[serde(default)]
    pub(super) config: Option<Process>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Process {
    #[serde(default)]
    pub(super) labels: Option<BTreeMap<String, String>>,
}

/// What is read, hashed on the way.
pub(super) struct Hashed<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(from: R) -> Self {
        let hash = Sha256::new();
        Self { from, hash }
    }

    /// `sha256:…` of what was read.
    pub(super) fn digest(self) -> String {
        format!("sha256:{}", Digest::from_bytes(self.hash.finalize().into()))
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
