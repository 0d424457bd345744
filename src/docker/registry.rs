//! What a registry has under a name now, asked through the engine: it knows which registries it may speak to, and how.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::FutureExt;

use super::Docker;
use super::error::status;
use crate::model::ImageRef;
use crate::runtime::EngineError;

/// What a registry says of an image that it does not have, where it says no more (OCI distribution specification,
/// `MANIFEST_UNKNOWN`): engines of 20.10 hand it on as a failure of their own.
const NOT_KNOWN: &str = "manifest unknown";
/// How long an engine may take to hear from a registry.
const ANSWER: Duration = Duration::from_secs(30);

/// How often a registry is asked in all, and how long it is left alone in between. Engines do not hand on what it says of that
/// itself (`Retry-After`).
const TRIES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Asks a registry through the engine, and asks again where it may answer yet; `tell` says so.
pub(super) async fn patiently<T, F>(
    action: &str,
    tell: impl Fn(String),
    ask: impl Fn() -> F,
) -> Result<T, EngineError>
where
    F: Future<Output = Result<T, EngineError>>,
{
    let pauses = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(TRIES - 1);
    let tries = AtomicUsize::new(1);
    let asked = ask.retry(pauses);
    let asked = asked.when(|error| error.passes().is_some());
    let told = asked.notify(|error, pause| {
        let number = tries.fetch_add(1, Ordering::Relaxed) + 1;
        tell(format!(
            "{action}: {}; again in {:.1} s ({number} of {TRIES})",
            error.passes().unwrap_or_default(),
            pause.as_secs_f32()
        ));
    });
    told.await
}

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
        let ask = || {
            let asked = client.inspect_registry_image(&name, None);
            let asked = tokio::time::timeout(ANSWER, asked);
            asked.map(|answer| match answer {
                Ok(answer) => answer.map_err(|error| self.failed(&action, error)),
                Err(_) => Err(self.silent(&action, ANSWER)),
            })
        };
        match patiently(&action, |line| tracing::warn!("{line}"), ask).await {
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
