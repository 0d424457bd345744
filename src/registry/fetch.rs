//! What a registry answers to a question, read as far as it may be long: an answer without an end takes neither memory nor time.

use std::time::{Duration, Instant};

use oci_client::RegistryOperation;
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use reqwest::header::ACCEPT;

use super::client::{At, PATIENCE};
use super::error::RegistryError;
use super::image::Descriptor;
use crate::model::Digest;

/// The largest manifest, in bytes (OCI distribution specification, "Pushing Manifests").
pub(super) const LARGEST_MANIFEST: u64 = 4 << 20;
/// How much of a refusal is read.
const LARGEST_REFUSAL: u64 = 64 << 10;
/// How long a token is used. None is given for less than a minute (distribution `docs/spec/auth/token.md`).
const TOKEN: Duration = Duration::from_secs(50);

/// A repository's token, since when it is there; none where its registry asks for none.
pub(super) type Token = Option<(Instant, Option<String>)>;

impl At<'_> {
    /// The manifest under a tag or a digest, which it is compared with; and its own digest.
    pub(super) async fn manifest_bytes(
        &self,
        version: &str,
        accepted: &[&str],
    ) -> Result<(Vec<u8>, String), RegistryError> {
        let path = format!("manifests/{version}");
        let bytes = self.get(&path, accepted, LARGEST_MANIFEST).await?;
        let digest = format!("sha256:{}", Digest::of(&bytes));
        if version.contains(':') && version != digest {
            return Err(self.garbage(format!("what is under `{version}` is another manifest")));
        }
        Ok((bytes, digest))
    }

    /// What lies under a digest, compared with it, and no more than so many bytes of it.
    pub(super) async fn blob(
        &self,
        blob: &Descriptor,
        most: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let path = format!("blobs/{}", blob.digest);
        let bytes = self.get(&path, &[], most).await?;
        if blob.digest != format!("sha256:{}", Digest::of(&bytes)) {
            return Err(self.garbage(format!("what is under `{}` is something else", blob.digest)));
        }
        Ok(bytes)
    }

    /// What is at a path of the repository, of so many bytes at most.
    pub(super) async fn get(
        &self,
        path: &str,
        accepted: &[&str],
        most: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let token = self.token().await?;
        let url = format!("{}/{path}", self.address);
        let mut request = self.reader.get(url);
        if !accepted.is_empty() {
            request = request.header(ACCEPT, accepted.join(", "));
        }
        request = match (token, &self.auth) {
            (Some(token), _) => request.bearer_auth(token),
            (None, RegistryAuth::Basic(user, password)) => request.basic_auth(user, Some(password)),
            (None, _) => request,
        };
        let failed = |error| self.failed(OciDistributionError::RequestError(error));
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let most = if status.is_success() {
            most
        } else {
            LARGEST_REFUSAL
        };
        let mut bytes = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(failed)? {
            if (bytes.len() + more.len()) as u64 > most {
                if !status.is_success() {
                    break;
                }
                return Err(self.garbage(format!("it has more than {most} bytes")));
            }
            bytes.extend_from_slice(&more);
        }
        if status.is_success() {
            Ok(bytes)
        } else {
            Err(RegistryError::of_answer(
                &self.host,
                status.as_u16(),
                &bytes,
            ))
        }
    }

    /// The token by which the repository is read. Who asks at the same time waits for the one that is asked for.
    async fn token(&self) -> Result<Option<String>, RegistryError> {
        let mut kept = self.token.lock().await;
        if let Some((since, token)) = &*kept
            && since.elapsed() < TOKEN
        {
            return Ok(token.clone());
        }
        let asked = self
            .client
            .auth(&self.reference, &self.auth, RegistryOperation::Pull);
        let host = self.host.clone();
        let token = tokio::time::timeout(PATIENCE, asked).await;
        let token = token.map_err(|_| RegistryError::Silent { host })?;
        let token = token.map_err(|error| self.failed(error))?;
        *kept = Some((Instant::now(), token.clone()));
        Ok(token)
    }

    pub(super) fn failed(&self, error: OciDistributionError) -> RegistryError {
        RegistryError::of(&self.host, error)
    }

    pub(super) fn garbage(&self, why: impl Into<String>) -> RegistryError {
        RegistryError::garbage(&self.host, why)
    }
}
