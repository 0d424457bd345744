//! An image as its manifest and its configuration have it. Both are known by their digests, so that what is pulled by the
//! manifest's is what was looked at here, and nothing else.

use std::collections::BTreeMap;

use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};
use serde::Deserialize;

use super::client::{At, Registries};
use super::error::RegistryError;
use crate::fingerprint::{Base, Platform};
use crate::model::{ImageId, ImageRef};

/// The kinds of manifest that are understood.
const ACCEPTED: [&str; 4] = [
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];
/// The largest configuration that is read, in bytes (moby `distribution/pull_v2.go` takes no more).
const LARGEST: u64 = 8 << 20;

/// An image that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteImage {
    /// The name that was asked for.
    pub name: ImageRef,
    /// Its name with the digest that it was found under: of all platforms, where the name has several.
    pub image: ImageRef,
    /// The digests of its own manifest, of its configuration, and of whatever the name stands for: an engine takes one of them
    /// for the image's ID.
    pub ids: Vec<ImageId>,
    /// Its own manifest.
    pub manifest: Descriptor,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is for, as it says itself.
    pub platform: Option<Platform>,
    /// Bytes to be pulled by who has none of it: its layers, compressed.
    pub bytes: u64,
    /// What a build that starts from it gets; keyed by the digest that it was found under.
    pub base: Base,
}

/// Something in a registry by its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its type.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:…`.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<OfPlatform>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct OfPlatform {
    #[serde(flatten)]
    own: Descriptor,
    #[serde(default)]
    platform: Option<SaidPlatform>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SaidPlatform {
    os: String,
    architecture: String,
    variant: String,
}

impl SaidPlatform {
    fn platform(&self) -> Option<Platform> {
        Platform::of_image(&self.os, &self.architecture, &self.variant)
    }
}

/// OCI image specification, `config.md`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    #[serde(flatten)]
    platform: SaidPlatform,
    config: Option<Process>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Process {
    labels: Option<BTreeMap<String, String>>,
    env: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
    working_dir: Option<String>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
}

impl Registries {
    /// The image under a name, for a platform where the name stands for several; `None` where the registry does not have it.
    ///
    /// # Errors
    /// The registry does not answer, or what it has is no image.
    pub async fn image(
        &self,
        image: &ImageRef,
        platform: &Platform,
    ) -> Result<Option<RemoteImage>, RegistryError> {
        let at = self.at(image).await?;
        match at.image(image, platform).await {
            Err(error) if error.is_absent() => Ok(None),
            found => found,
        }
    }
}

impl At<'_> {
    async fn image(
        &self,
        image: &ImageRef,
        platform: &Platform,
    ) -> Result<Option<RemoteImage>, RegistryError> {
        let (mut manifest, found) = self.manifest(None).await?;
        let mut own = found.clone();
        if let Some(several) = &manifest.manifests {
            let for_it =
                |said: &SaidPlatform| said.platform().is_some_and(|of| platform.takes(&of));
            let fitting = several
                .iter()
                .filter(|one| one.platform.as_ref().is_some_and(for_it));
            // The same, else the newest of the older variants (containerd/platforms `Only`).
            let chosen = fitting.max_by_key(|one| {
                let own = one.platform.as_ref().and_then(SaidPlatform::platform);
                (own.as_ref() == Some(platform), own)
            });
            let Some(chosen) = chosen else {
                return Ok(None);
            };
            (manifest, own) = self.manifest(Some(&chosen.own.digest)).await?;
        }
        let Some(config) = &manifest.config else {
            return Err(self.garbage("a manifest without a configuration"));
        };
        if config.size > LARGEST {
            return Err(self.garbage("a configuration of too many bytes"));
        }
        let text = self.blob(config, LARGEST).await?;
        let said: Configuration = serde_json::from_slice(&text).map_err(|error| {
            self.garbage(format!("`{}` is no configuration: {error}", config.digest))
        })?;
        let process = said.config.unwrap_or_default();
        let ids = [&own.digest, &config.digest, &found.digest];
        Ok(Some(RemoteImage {
            name: image.clone(),
            image: ImageRef {
                tag: None,
                digest: Some(found.digest.clone()),
                ..image.clone()
            },
            ids: ids.map(|id| ImageId(id.clone())).to_vec(),
            manifest: own,
            platform: said.platform.platform(),
            bytes: manifest.layers.iter().map(|layer| layer.size).sum(),
            labels: process.labels.unwrap_or_default(),
            base: Base {
                identity: found.digest,
                onbuild: process.on_build.unwrap_or_default(),
                env: process.env.unwrap_or_default(),
                working_dir: process.working_dir.unwrap_or_default(),
                volumes: process.volumes.unwrap_or_default().into_keys().collect(),
            },
        }))
    }

    /// The manifest under the name, or under a digest beside it.
    async fn manifest(
        &self,
        digest: Option<&str>,
    ) -> Result<(Manifest, Descriptor), RegistryError> {
        let version = digest.map_or_else(|| self.version(), str::to_owned);
        let (bytes, digest) = self.manifest_bytes(&version, &ACCEPTED).await?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| self.garbage(format!("no manifest: {error}")))?;
        let descriptor = Descriptor {
            media_type: manifest.media_type.clone().unwrap_or_default(),
            digest,
            size: bytes.len() as u64,
        };
        Ok((manifest, descriptor))
    }
}
