//! What happens to a project's containers, as the engine tells it: for people and programs to look at.

use std::collections::{BTreeMap, HashMap};

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt};

use super::error::failed;
use super::{Docker, Stamp};
use crate::model::labels;
use crate::runtime::EngineError;

/// Something that happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// When.
    pub at: Stamp,
    /// The engine's word for it: `start`, `health_status: healthy`.
    pub action: String,
    /// The container's ID.
    pub container: String,
    /// The service that it belongs to.
    pub service: String,
    /// Whether it is one of `run`.
    pub one_off: bool,
    /// What else the engine says: its name, its image, its labels without docker compose's own.
    pub attributes: BTreeMap<String, String>,
}

impl Docker {
    /// What happens to a project's containers, from one moment to another, each in seconds and nanoseconds since 1970. Without
    /// an end it goes on for ever.
    pub fn container_events(
        &self,
        project: &str,
        since: Option<(i64, u32)>,
        until: Option<(i64, u32)>,
    ) -> impl Stream<Item = Result<ContainerEvent, EngineError>> + Send + 'static {
        let label = format!("{}={project}", labels::PROJECT);
        let filters = HashMap::from([("type", vec!["container"]), ("label", vec![&label])]);
        let mut options = EventsOptionsBuilder::new().filters(&filters);
        if let Some((seconds, rest)) = since {
            options = options.since(&format!("{seconds}.{rest:09}"));
        }
        if let Some((seconds, rest)) = until {
            options = options.until(&format!("{seconds}.{rest:09}"));
        }
        let address = self.address.text.clone();
        let events = self.client.events(Some(options.build()));
        events.filter_map(move |event| {
            let event = match event {
                Ok(event) => read(event).map(Ok),
                Err(error) => Some(Err(failed(&address, "listening to the engine", error))),
            };
            std::future::ready(event)
        })
    }
}

fn read(event: EventMessage) -> Option<ContainerEvent> {
    let actor = event.actor.unwrap_or_default();
    let mut attributes: BTreeMap<String, String> =
        actor.attributes.unwrap_or_default().into_iter().collect();
    let mut take = |key: &str| attributes.remove(key).unwrap_or_default();
    let (service, one_off) = (take(labels::SERVICE), take(labels::ONE_OFF));
    attributes.retain(|key, _| !key.starts_with("com.docker.compose."));
    let nanoseconds = event.time_nano.unwrap_or_default();
    Some(ContainerEvent {
        at: Stamp::of_nanoseconds(nanoseconds),
        action: event.action?,
        container: actor.id?,
        service,
        one_off: one_off == "True",
        attributes,
    })
}
