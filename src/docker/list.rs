//! What an engine lists for people to look at: containers of one project or of all, images as containers have them,
//! volumes. One call each; a decision needs more (`observe`).

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};

use super::connect::QUICK;
use super::image::platform;
use super::observe::container;
use super::{Docker, Stamp};
use crate::fingerprint::Platform;
use crate::model::{ImageId, labels};
use crate::plan::Container;
use crate::runtime::EngineError;

/// A container as a list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The container.
    pub container: Container,
    /// The project that it belongs to.
    pub project: String,
    /// The engine's word for its state: `running`, `removing`.
    pub state: String,
    /// What it runs.
    pub command: String,
}

/// An image as it was when a container was made from it.
#[derive(Clone, Debug)]
pub struct ImageFacts {
    /// What it is for.
    pub platform: Option<Platform>,
    /// How large it is, in bytes.
    pub size: u64,
    /// When it was made.
    pub created: Option<Stamp>,
    /// When it got one of its names last, seconds since 1970.
    pub named_at: Option<i64>,
}

/// A volume as a list shows it.
#[derive(Clone, Debug)]
pub struct ListedVolume {
    /// Its name.
    pub name: String,
    /// Who keeps it: `local`.
    pub driver: String,
    /// Its key in the Compose file.
    pub key: Option<String>,
}

impl Docker {
    /// The containers of a project, or of all of them; `all` brings those that do not run, too.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn list(&self, project: Option<&str>, all: bool) -> Result<Vec<Listed>, EngineError> {
        let of_one = project.map(|project| format!("{}={project}", labels::PROJECT));
        let mut filter = vec![of_one.as_deref().unwrap_or(labels::PROJECT)];
        if of_one.is_none() {
            // What carries the label of a project alone is none of its services.
            filter.push(labels::CONFIG_HASH);
        }
        let options = ListContainersOptionsBuilder::new()
            .all(all)
            .filters(&HashMap::from([("label", filter)]))
            .build();
        let call = self.client.list_containers(Some(options));
        let found = self.call(QUICK, "listing containers", call).await?;
        Ok(found.into_iter().map(listed).collect())
    }

    /// What an image is; `None` where it is gone.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn image_facts(&self, image: &ImageId) -> Result<Option<ImageFacts>, EngineError> {
        let found = match self.image(&image.0).await {
            Err(EngineError::Refused {
                status: Some(404), ..
            }) => return Ok(None),
            found => found?,
        };
        let named = found.metadata.as_ref().and_then(|own| own.last_tag_time);
        Ok(Some(ImageFacts {
            platform: platform(&found),
            size: found
                .size
                .and_then(|size| size.try_into().ok())
                .unwrap_or(0),
            // Go's zero time is long before.
            named_at: named.and_then(|named| {
                let at = named.unix_timestamp();
                (at > 0).then_some(at)
            }),
            created: found.created.and_then(|created| {
                let at = created.unix_timestamp();
                (at > 0).then(|| Stamp::of_seconds(at))
            }),
        }))
    }

    /// The volumes that carry a project's label.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn list_volumes(&self, project: &str) -> Result<Vec<ListedVolume>, EngineError> {
        let label = format!("{}={project}", labels::PROJECT);
        let options = ListVolumesOptionsBuilder::new()
            .filters(&HashMap::from([("label", vec![label.as_str()])]))
            .build();
        let call = self.client.list_volumes(Some(options));
        let found = self.call(QUICK, "listing volumes", call).await?;
        let volumes = found.volumes.unwrap_or_default().into_iter();
        let mut volumes: Vec<ListedVolume> = volumes
            .map(|mut volume| ListedVolume {
                key: volume.labels.remove(labels::VOLUME),
                name: volume.name,
                driver: volume.driver,
            })
            .collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }
}

fn listed(mut summary: ContainerSummary) -> Listed {
    let state = summary.state.map(|state| state.to_string());
    let command = summary.command.take().unwrap_or_default();
    let container = container(summary);
    Listed {
        project: of(&container.labels, labels::PROJECT),
        state: state.unwrap_or_default(),
        command,
        container,
    }
}

fn of(labels: &BTreeMap<String, String>, key: &str) -> String {
    labels.get(key).cloned().unwrap_or_default()
}
