//! Pulling an image, with its progress over all layers.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::Docker;
use super::error::Words;
use super::registry::patiently;
use crate::fingerprint::Platform;
use crate::model::{ImageId, ImageRef, short_name};
use crate::runtime::{EngineError, Progress};

/// How long a pull may stand still.
const STILL: Duration = Duration::from_mins(3);
/// The same where what is pulled can be had in another way.
const STILL_AT_HAND: Duration = Duration::from_secs(20);

impl Docker {
    pub(super) async fn pull_image(
        &self,
        image: &str,
        platform: Option<&str>,
        has_other_way: bool,
        progress: &Progress,
    ) -> Result<ImageId, EngineError> {
        let action = match platform {
            Some(platform) => format!("pulling `{image}` for {platform}"),
            None => format!("pulling `{image}`"),
        };
        let parsed: ImageRef = image.parse().map_err(|error| EngineError::Refused {
            action: action.clone(),
            status: None,
            source: Box::new(error),
        })?;
        let still = if has_other_way { STILL_AT_HAND } else { STILL };
        let client = self.with_credentials(self.patient(still), &parsed.registry);
        let client = client.await;
        let pull = || self.pull_once(&client, &parsed, (platform, still), &action, progress);
        if has_other_way {
            pull().await?;
        } else {
            patiently(&action, |line| progress.note(line), pull).await?;
        }
        if let Some(asked) = platform {
            self.came_for(&action, image, asked).await?;
        }
        match self.image_id(image).await {
            Err(EngineError::Refused {
                status: Some(404), ..
            }) => Err(EngineError::Refused {
                action,
                status: None,
                source: Box::new(Words(
                    "the pull ended without an error, and the image is not there".to_owned(),
                )),
            }),
            other => other,
        }
    }

    /// One pull, to its end.
    async fn pull_once(
        &self,
        client: &bollard::Docker,
        parsed: &ImageRef,
        (platform, still): (Option<&str>, Duration),
        action: &str,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        let image = parsed.familiar();
        let mut messages = client.create_image(Some(options(parsed, platform)), None, None);
        let mut layers = Layers::default();
        let mut moved = Instant::now();
        loop {
            let message = match timeout_at(moved + still, messages.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return Err(self.failed(action, error)),
                Ok(None) => return Ok(()),
                Err(_) => return Err(self.silent(action, still)),
            };
            if !message.status.as_deref().is_some_and(is_retry) {
                moved = Instant::now();
            }
            layers.take(message);
            let (done, of) = layers.amount();
            if of == 0 {
                progress.doing(format!("pulling `{}`", short_name(&image)));
            } else {
                progress.amount(layers.doing(&image), done, of);
            }
        }
    }

    /// That an image is for a platform: where a registry has it for one only, the engine takes that, whatever was
    /// asked for (moby `daemon/images/image_pull.go`).
    async fn came_for(&self, action: &str, image: &str, asked: &str) -> Result<(), EngineError> {
        let all = self.platforms(image).await?;
        let asked = Platform::parse(asked);
        if all.is_empty() || all.iter().any(|own| asked.takes(own)) {
            return Ok(());
        }
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        Err(EngineError::Refused {
            action: action.to_owned(),
            status: None,
            source: Box::new(Words(format!(
                "the registry has it for {} only",
                all.join(", ")
            ))),
        })
    }
}

/// Without a tag the engine would pull every one there is.
fn options(image: &ImageRef, platform: Option<&str>) -> CreateImageOptions {
    let version = image.digest.as_deref().or(image.tag.as_deref());
    CreateImageOptionsBuilder::new()
        .from_image(&image.familiar_name())
        .tag(version.unwrap_or("latest"))
        .platform(platform.unwrap_or_default())
        .build()
}

/// Whether the engine says that a layer did not come and that it waits before it asks again, which it does for more than a
/// minute in all (moby `distribution/xfer/download.go`).
pub(super) fn is_retry(status: &str) -> bool {
    status.starts_with("Retrying in ")
}

/// How far each layer's download is.
#[derive(Default)]
struct Layers(BTreeMap<String, (u64, u64)>);

impl Layers {
    fn take(&mut self, message: CreateImageInfo) {
        let (Some(id), Some(status)) = (message.id, message.status) else {
            return;
        };
        let bytes = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        match status.as_str() {
            "Downloading" => {
                let detail = message.progress_detail.unwrap_or_default();
                let (done, of) = (bytes(detail.current), bytes(detail.total));
                self.0.insert(id, (done, of.max(done)));
            }
            "Download complete" | "Pull complete" => {
                if let Some((done, of)) = self.0.get_mut(&id) {
                    *done = *of;
                }
            }
            _ => {}
        }
    }

    /// Bytes here, and bytes known to come.
    fn amount(&self) -> (u64, u64) {
        let sum = |(done, of): (u64, u64), layer: &(u64, u64)| (done + layer.0, of + layer.1);
        self.0.values().fold((0, 0), sum)
    }

    fn doing(&self, image: &str) -> String {
        let (done, of) = self.amount();
        if done == of {
            format!("extracting `{}`", short_name(image))
        } else {
            format!("pulling `{}`", short_name(image))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    fn message(id: &str, status: &str, at: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: at.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn progress_is_the_sum_over_layers_and_never_runs_backwards() {
        let mut layers = Layers::default();
        layers.take(message("a", "Downloading", Some((5, 10))));
        layers.take(message("b", "Downloading", Some((1, 30))));
        layers.take(message("c", "Already exists", None));
        assert_eq!(layers.amount(), (6, 40));
        layers.take(message("a", "Download complete", None));
        layers.take(message("a", "Extracting", Some((1, 10))));
        assert_eq!(layers.amount(), (11, 40));
        assert_eq!(layers.doing("x"), "pulling `x`");
        layers.take(message("b", "Pull complete", None));
        assert_eq!(layers.doing("x"), "extracting `x`");
    }

    #[test]
    fn a_name_without_a_tag_means_one_image() {
        let options = |name: &str| options(&name.parse().unwrap(), None);
        assert_eq!(options("redis").tag.as_deref(), Some("latest"));
        let digest = format!("sha256:{}", "a".repeat(64));
        let pinned = options(&format!("redis:7@{digest}"));
        assert_eq!(pinned.from_image.as_deref(), Some("redis"));
        assert_eq!(pinned.tag, Some(digest));
    }
}
