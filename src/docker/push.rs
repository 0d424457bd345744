//! Pushing an image, with its progress over all layers.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::PushImageInfo;
use bollard::query_parameters::PushImageOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::Docker;
use super::credentials::Credentials;
use super::error::Words;
use super::pull::is_retry;
use super::registry::patiently;
use crate::model::{ImageId, ImageRef, short_name};
use crate::runtime::{EngineError, Progress};

/// How long a push may stand still, that the engine asks again and again included.
const STILL: Duration = Duration::from_mins(1);

impl Docker {
    /// Pushes an image. The engine knows what it pushes by its name, so the image has that meanwhile.
    pub(super) async fn push_image(
        &self,
        image: &ImageId,
        name: &str,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        let action = format!("pushing `{}`", short_name(name));
        let parsed: ImageRef = name.parse().map_err(|error| EngineError::Refused {
            action: action.clone(),
            status: None,
            source: Box::new(error),
        })?;
        let named = self.image_id(name).await.is_ok_and(|own| own == *image);
        let push = async || {
            self.tag_image(image, name).await?;
            self.push_once(&parsed, &action, progress).await
        };
        let pushed = async || match push().await {
            // Another push of the same was done, and took the name away.
            Err(error) if is_nameless(&error) => push().await,
            pushed => pushed,
        };
        let pushed = patiently(&action, |line| progress.note(line), pushed).await;
        // Only the name goes, where nobody had given it before: the image has another one.
        if !named && let Err(error) = self.remove_image(name).await {
            tracing::debug!(%error, "a name stays that was given for a push");
        }
        pushed
    }

    async fn push_once(
        &self,
        name: &ImageRef,
        action: &str,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        // An engine takes no push without a header for credentials, be there any or not.
        let credentials = self.config.credentials(&name.registry).await;
        let header = credentials.unwrap_or_else(Credentials::default).header();
        let client = self
            .patient(STILL)
            .with_request_modifier(move |mut request| {
                if let Ok(value) = header.parse() {
                    request.headers_mut().insert("x-registry-auth", value);
                }
                request
            });
        let options = PushImageOptionsBuilder::new();
        let options = options.tag(name.tag.as_deref().unwrap_or("latest")).build();
        let repository = name.familiar_name();
        let mut messages = client.push_image(&repository, Some(options), None);
        let mut layers = Layers::default();
        let mut moved = Instant::now();
        loop {
            let message = match timeout_at(moved + STILL, messages.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return Err(self.failed(action, error)),
                Ok(None) => return Ok(()),
                Err(_) => return Err(self.silent(action, STILL)),
            };
            if let Some(error) = message
                .error_detail
                .as_ref()
                .and_then(|own| own.message.clone())
            {
                return Err(EngineError::Refused {
                    action: action.to_owned(),
                    status: None,
                    source: Box::new(Words(error)),
                });
            }
            if !message.status.as_deref().is_some_and(is_retry) {
                moved = Instant::now();
            }
            layers.take(&message);
            let (done, of) = layers.amount();
            let doing = format!("pushing `{}`", short_name(&name.familiar()));
            if of == 0 {
                progress.doing(doing);
            } else {
                progress.amount(doing, done, of);
            }
        }
    }
}

/// Whether the engine does not know the name that is pushed (moby `daemon/images/image_push.go`).
fn is_nameless(error: &EngineError) -> bool {
    let EngineError::Refused { source, .. } = error else {
        return false;
    };
    let words = source.to_string();
    words.contains("does not exist") || words.contains("No such image")
}

/// How far each layer's upload is. Engines do not name the layer in what they tell here: those under way are told apart by
/// their size.
#[derive(Default)]
struct Layers(BTreeMap<u64, u64>);

impl Layers {
    fn take(&mut self, message: &PushImageInfo) {
        let bytes = |number: Option<i64>| number.and_then(|own| u64::try_from(own).ok());
        let Some(detail) = &message.progress_detail else {
            return;
        };
        if let (Some(done), Some(of)) = (bytes(detail.current), bytes(detail.total))
            && of > 0
        {
            let seen = self.0.entry(of).or_default();
            // The engine counts the headers of its archive, too.
            *seen = (*seen).max(done.min(of));
        }
    }

    fn amount(&self) -> (u64, u64) {
        let sum = |(done, all): (u64, u64), (of, own): (&u64, &u64)| (done + own, all + of);
        self.0.iter().fold((0, 0), sum)
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn progress_is_the_sum_over_layers() {
        let mut layers = Layers::default();
        let message = |current, total| PushImageInfo {
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..PushImageInfo::default()
        };
        layers.take(&message(5, 10));
        layers.take(&message(1, 30));
        layers.take(&message(12, 10));
        layers.take(&PushImageInfo::default());
        assert_eq!(layers.amount(), (11, 40));
    }
}
