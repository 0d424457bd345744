//! What an image was made of, beside it in its registry: an artifact that refers to it (OCI distribution specification, "Listing
//! Referrers"), found by the tag of its digest where the registry has no such list ("Referrers Tag Schema").

use oci_client::Reference;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use serde_json::{Value, json};

use super::client::{At, Registries};
use super::error::RegistryError;
use super::fetch::LARGEST_MANIFEST;
use super::image::{Descriptor, RemoteImage};
use crate::model::{Digest, ImageRef};

/// The type of the artifact, and of what it holds.
const RECORD: &str = "application/vnd.larder.inputs.v1";
/// The configuration of an artifact that has none (OCI image specification, "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// The largest record that is read, in bytes.
const LARGEST: u64 = 128 << 20;
/// So many records of one image are looked at.
const MOST: usize = 16;

impl Registries {
    /// Puts a record beside an image. One that is there already stays, and another is put beside it.
    ///
    /// # Errors
    /// The registry does not take it.
    pub async fn put_record(&self, of: &RemoteImage, record: Vec<u8>) -> Result<(), RegistryError> {
        let at = self.at(&of.image).await?;
        let config = at.push(EMPTY.to_vec(), EMPTY_TYPE).await?;
        let layer = at.push(record, RECORD).await?;
        let subject = described(&of.manifest);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "artifactType": RECORD,
            "config": described(&config),
            "layers": [described(&layer)],
            "subject": subject,
        });
        let bytes = manifest.to_string().into_bytes();
        let own = Descriptor {
            media_type: OCI_IMAGE_MEDIA_TYPE.to_owned(),
            digest: sha256(&bytes),
            size: bytes.len() as u64,
        };
        let place = at.reference.clone_with_digest(own.digest.clone());
        at.put(&place, bytes, OCI_IMAGE_MEDIA_TYPE).await?;
        let all = at.referrers(&of.manifest.digest).await?;
        if all.iter().any(|one| one["digest"] == own.digest.as_str()) {
            return Ok(());
        }
        // A registry that does not list referrers: their list is an index under the tag of the digest.
        let mut all: Vec<Value> = all;
        let mut entry = described(&own);
        entry["artifactType"] = RECORD.into();
        all.push(entry);
        let index = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE,
            "manifests": all,
        });
        let place = Reference::with_tag(
            at.reference.registry().to_owned(),
            at.reference.repository().to_owned(),
            of.manifest.digest.replace(':', "-"),
        );
        let bytes = index.to_string().into_bytes();
        at.put(&place, bytes, OCI_IMAGE_INDEX_MEDIA_TYPE).await
    }

    /// The newest record beside the image with a manifest's digest that can be read.
    ///
    /// # Errors
    /// The registry does not answer, or has garbage there.
    pub async fn record<T>(
        &self,
        image: &ImageRef,
        manifest: &str,
        read: impl Fn(Vec<u8>) -> Option<T>,
    ) -> Result<Option<T>, RegistryError> {
        let at = self.at(image).await?;
        let all = at.referrers(manifest).await?;
        let records = all.iter().filter(|one| one["artifactType"] == RECORD);
        for one in records.rev().take(MOST) {
            let Some(digest) = one["digest"].as_str() else {
                continue;
            };
            let (bytes, _) = at.manifest_bytes(digest, &[OCI_IMAGE_MEDIA_TYPE]).await?;
            let artifact: Artifact = serde_json::from_slice(&bytes)
                .map_err(|error| at.garbage(format!("no manifest: {error}")))?;
            let layers = artifact.layers.iter();
            let layer = layers.clone().find(|own| own.media_type == RECORD);
            if let Some(layer) = layer.filter(|own| own.size <= LARGEST)
                && let Some(found) = read(at.blob(layer, LARGEST).await?)
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

#[derive(serde::Deserialize)]
struct Artifact {
    layers: Vec<Descriptor>,
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn described(own: &Descriptor) -> Value {
    json!({"mediaType": own.media_type, "digest": own.digest, "size": own.size})
}

impl At<'_> {
    async fn push(&self, bytes: Vec<u8>, media_type: &str) -> Result<Descriptor, RegistryError> {
        let own = Descriptor {
            media_type: media_type.to_owned(),
            digest: sha256(&bytes),
            size: bytes.len() as u64,
        };
        let pushed = self.client.push_blob(&self.reference, bytes, &own.digest);
        pushed.await.map_err(|error| self.failed(error))?;
        Ok(own)
    }

    async fn put(
        &self,
        place: &Reference,
        bytes: Vec<u8>,
        media_type: &'static str,
    ) -> Result<(), RegistryError> {
        let kind = hyper::header::HeaderValue::from_static(media_type);
        let put = self.client.push_manifest_raw(place, bytes, kind);
        put.await.map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// The descriptors of all that refers to a manifest, from the registry's own list or from the tag in its place.
    async fn referrers(&self, manifest: &str) -> Result<Vec<Value>, RegistryError> {
        let index = [OCI_IMAGE_INDEX_MEDIA_TYPE];
        let path = format!("referrers/{manifest}");
        let bytes = match self.get(&path, &index, LARGEST_MANIFEST).await {
            Err(error) if error.is_absent() => {
                let tag = manifest.replace(':', "-");
                match self.manifest_bytes(&tag, &index).await {
                    Err(error) if error.is_absent() => return Ok(Vec::new()),
                    found => found?.0,
                }
            }
            found => found?,
        };
        let index: Index = serde_json::from_slice(&bytes)
            .map_err(|error| self.garbage(format!("no list of referrers: {error}")))?;
        Ok(index.manifests)
    }
}

#[derive(serde::Deserialize)]
struct Index {
    manifests: Vec<Value>,
}
