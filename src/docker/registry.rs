//! What a registry has under a name now, asked through the engine: it knows which registries it may speak to, and how.

use std::time::Duration;

use super::Docker;
use super::error::status;
use crate::model::ImageRef;
use crate::runtime::EngineError;

/// What a registry says of an image that it does not have, where it says no more (OCI distribution specification,
/// `MANIFEST_UNKNOWN`): engines of 20.10 hand it on as a failure of their own.
const NOT_KNOWN: &str = "manifest unknown";
/// How long an engine may take to hear from a registry.
const ANSWER: Duration = Duration::from_secs(30);

impl Docker {
    /// The digest that a registry has under an image's name: of all its platforms, where it has several. `None` where the
    /// registry does not know it.
    ///
    /// # Errors
    /// The registry is out of reach, or does not tell.
    pub async fn registry_digest(&self, image: &ImageRef) -> Result<Option<String>, EngineError> {
        let name = image.familiar();
        let action = format!("asking its registry for `{name}`");
        let client = self.with_credentials(self.patient(ANSWER), &image.registry);
        let client = client.await;
        let asked = client.inspect_registry_image(&name, None);
        let answer = match tokio::time::timeout(ANSWER, asked).await {
            Ok(answer) => answer.map_err(|error| self.failed(&action, error)),
            Err(_) => Err(self.silent(&action, ANSWER)),
        };
        match answer {
            Ok(found) => Ok(found.descriptor.digest),
            Err(error) if status(&error) == Some(404) || is_not_known(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A client that presents the user's credentials for a registry, where there are any.
    pub(super) async fn with_credentials(
        &self,
        client: bollard::Docker,
        registry: &str,
    ) -> bollard::Docker {
        let Some(credentials) = self.config.credentials(registry).await else {
            return client;
        };
        let header = credentials.header();
        client.with_request_modifier(move |mut request| {
            if let Ok(value) = header.parse() {
                request.headers_mut().insert("x-registry-auth", value);
            }
            request
        })
    }
}

/// Whether a registry says that it does not have an image.
pub fn is_not_known(error: &EngineError) -> bool {
    matches!(error, EngineError::Refused { source, .. } if source.to_string() == NOT_KNOWN)
}
