//! One snapshot of the engine for a project: four lists at the same time, and nothing per service but for those that
//! share another's namespaces, or are called unhealthy.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, ImageSummary, PortSummary};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
};
use futures_util::future::try_join_all;

use super::Docker;
use super::stamp::Stamp;
use crate::model::{ImageId, Owner, Share, labels, shares_in};
use crate::plan::{Container, Health, Image, Observed, PublishedPort, Resource, State};
use crate::runtime::EngineError;

impl Docker {
    pub(super) async fn snapshot(&self, project: &str) -> Result<Observed, EngineError> {
        let client = &self.client;
        let filter = format!("{}={project}", labels::PROJECT);
        let containers = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("label", vec![filter.as_str()])]))
            .build();
        let (containers, images, networks, volumes) = tokio::try_join!(
            self.ask("listing containers", || client
                .list_containers(Some(containers.clone()))),
            self.ask_list("listing images", || client
                .list_images(None::<ListImagesOptions>)),
            self.ask("listing networks", || client
                .list_networks(None::<ListNetworksOptions>)),
            self.ask("listing volumes", || client
                .list_volumes(None::<ListVolumesOptions>)),
        )?;
        Ok(Observed {
            engine: self.known_facts(),
            containers: self.shared(containers).await?,
            images: images.into_iter().map(image).collect(),
            networks: networks
                .into_iter()
                .map(|network| Resource {
                    id: network.id.unwrap_or_default(),
                    name: network.name.unwrap_or_default(),
                    labels: sorted(network.labels),
                })
                .collect(),
            volumes: volumes
                .volumes
                .unwrap_or_default()
                .into_iter()
                .map(|volume| Resource {
                    id: volume.name.clone(),
                    name: volume.name,
                    labels: sorted(Some(volume.labels)),
                })
                .collect(),
            others: BTreeMap::new(),
            attached: BTreeMap::new(),
        })
    }

    /// The containers, with what the list does not say of those that have something of others.
    async fn shared(&self, listed: Vec<ContainerSummary>) -> Result<Vec<Container>, EngineError> {
        let there = listed.into_iter().filter(|own| !is_ghost(own));
        let mut containers: Vec<Container> = there.map(container).collect();
        let running = containers.iter_mut().filter(|own| own.state.is_running());
        try_join_all(running.map(async |own| {
            let ends = |(share, _): &&(Share, String)| share.ends_with_process();
            for (share, host) in own.shares.iter().filter(ends) {
                if self.started_after(host, &own.id).await? {
                    own.cut_off = Some(*share);
                    break;
                }
            }
            Ok(())
        }))
        .await?;
        let health = State::Running(Health::Unhealthy);
        let unhealthy = containers.iter_mut().filter(|own| own.state == health);
        try_join_all(unhealthy.map(async |own| {
            // The list has the word alone.
            match self.condition(&own.id).await {
                Ok(now) if now.health == Some(Health::Starting) => {
                    own.state = State::Running(Health::Starting);
                }
                Ok(_) | Err(EngineError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        }))
        .await?;
        Ok(containers)
    }

    /// Whether a container was started after another: a namespace ends with the process that has it, and the container
    /// that joined it keeps what is left of it. So it is where one of them is gone by now, or does not say.
    async fn started_after(&self, host: &str, guest: &str) -> Result<bool, EngineError> {
        Ok(
            match tokio::try_join!(self.started(host), self.started(guest))? {
                (Some(host), Some(guest)) => host > guest,
                _ => true,
            },
        )
    }

    /// The ID of a container that is named, whoever made it; `None` where there is none.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn container_named(&self, name: &str) -> Result<Option<String>, EngineError> {
        match self.look(name).await {
            Ok(found) => Ok(found.id),
            Err(EngineError::Refused {
                status: Some(404), ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When a container was started last; `None` where it is gone, or does not say.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn started(&self, container: &str) -> Result<Option<Stamp>, EngineError> {
        match self.condition(container).await {
            Ok(found) => Ok(Stamp::parse(&found.started)),
            Err(EngineError::Refused {
                status: Some(404), ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a container is gone, and listed all the same: one whose removal others raced with can stay in the index of an engine
/// of 20.10 until that ends (moby `container/view.go`). Its name is free, and nothing can be done to it.
fn is_ghost(listed: &ContainerSummary) -> bool {
    let nameless = listed.names.as_ref().is_none_or(Vec::is_empty);
    nameless && listed.state == Some(ContainerSummaryStateEnum::REMOVING)
}

fn sorted(labels: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    labels.unwrap_or_default().into_iter().collect()
}

pub(super) fn container(summary: ContainerSummary) -> Container {
    let labels = sorted(summary.labels);
    let label = |key: &str| labels.get(key).map(String::as_str);
    let status = summary.status.unwrap_or_default();
    Container {
        name: own_name(summary.names.unwrap_or_default()),
        service: label(labels::SERVICE).unwrap_or_default().to_owned(),
        number: label(labels::NUMBER)
            .and_then(|number| number.parse().ok())
            .unwrap_or(1),
        one_off: label(labels::ONE_OFF) == Some("True"),
        image: ImageId(summary.image_id.unwrap_or_default()),
        image_name: summary.image.unwrap_or_default(),
        state: state(summary.state, &status),
        status,
        created: summary.created.unwrap_or_default(),
        started: None,
        volumes: summary
            .mounts
            .unwrap_or_default()
            .into_iter()
            .filter(|mount| mount.typ.as_deref() == Some("volume"))
            .filter_map(|mount| Some((mount.destination?, mount.name?)))
            .collect(),
        networks: summary
            .network_settings
            .and_then(|settings| settings.networks)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, network)| (name, network.network_id.unwrap_or_default()))
            .collect(),
        shares: shares(
            summary
                .host_config
                .as_ref()
                .and_then(|config| config.network_mode.as_deref()),
            label(labels::SHARES),
        ),
        // Filled in where it shares one.
        cut_off: None,
        ports: ports(summary.ports.unwrap_or_default()),
        id: summary.id.unwrap_or_default(),
        labels,
    }
}

/// What a container has of others: its network, as the engine lists it, and what its label says.
fn shares(network_mode: Option<&str>, label: Option<&str>) -> BTreeSet<(Share, String)> {
    let network = network_mode.and_then(Owner::of_mode);
    let network = network.and_then(|owner| match owner {
        Owner::Container(id) => Some((Share::Network, id.to_owned())),
        Owner::Service(_) => None,
    });
    let said = shares_in(label.unwrap_or_default());
    said.chain(network).collect()
}

/// A container's own name; the names that links gave it have another container's in front.
fn own_name(names: Vec<String>) -> String {
    names
        .into_iter()
        .map(|name| name.trim_start_matches('/').to_owned())
        .find(|name| !name.contains('/'))
        .unwrap_or_default()
}

/// The list says health and exit code in its status text only: `Up 3 minutes (healthy)`, `Exited (0) 2 hours
/// ago` (moby `container/state.go`, `State.String`).
fn state(state: Option<ContainerSummaryStateEnum>, status: &str) -> State {
    use ContainerSummaryStateEnum as Listed;
    match state {
        Some(Listed::CREATED) => State::Created,
        Some(Listed::RUNNING | Listed::STOPPING) => State::Running(health(status)),
        Some(Listed::PAUSED) => State::Paused,
        Some(Listed::RESTARTING) => State::Restarting,
        Some(Listed::EXITED) => State::Exited(exit_code(status)),
        _ => State::Dead,
    }
}

fn health(status: &str) -> Health {
    let verdict = status.rsplit_once('(').map_or("", |(_, verdict)| verdict);
    match verdict.trim_end_matches(')') {
        "healthy" => Health::Healthy,
        "unhealthy" => Health::Unhealthy,
        "health: starting" => Health::Starting,
        _ => Health::None,
    }
}

/// A code that cannot be read is taken for a failure: what is taken for a success would not be run again.
fn exit_code(status: &str) -> i64 {
    status
        .strip_prefix("Exited (")
        .and_then(|rest| rest.split(')').next())
        .and_then(|code| code.parse().ok())
        .unwrap_or(-1)
}

fn ports(listed: Vec<PortSummary>) -> Vec<PublishedPort> {
    let mut ports: Vec<PublishedPort> = listed
        .into_iter()
        .map(|port| PublishedPort {
            host_ip: port.ip.filter(|ip| !ip.is_empty()),
            published: port.public_port,
            target: port.private_port,
            protocol: port.typ.map(|typ| typ.to_string()).unwrap_or_default(),
        })
        .collect();
    // The engine lists them in the order of a map.
    ports.sort_by(|a, b| {
        let key = |p: &PublishedPort| (p.target, p.published, p.protocol.clone());
        key(a).cmp(&key(b)).then_with(|| a.host_ip.cmp(&b.host_ip))
    });
    ports
}

pub(super) fn image(summary: ImageSummary) -> Image {
    let real = |names: Vec<String>| -> Vec<String> {
        let mut names = names;
        names.retain(|name| !name.starts_with("<none>"));
        names
    };
    Image {
        id: ImageId(summary.id),
        names: real(summary.repo_tags),
        digests: real(summary.repo_digests),
        labels: sorted(Some(summary.labels)),
        // The list does not say.
        platforms: Vec::new(),
        age: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_and_exit_code_are_in_the_status() {
        use ContainerSummaryStateEnum as Listed;
        let cases = [
            (
                Listed::RUNNING,
                "Up 3 minutes (healthy)",
                State::Running(Health::Healthy),
            ),
            (
                Listed::RUNNING,
                "Up 1 second (health: starting)",
                State::Running(Health::Starting),
            ),
            (
                Listed::RUNNING,
                "Up 2 days (unhealthy)",
                State::Running(Health::Unhealthy),
            ),
            (
                Listed::RUNNING,
                "Up About a minute",
                State::Running(Health::None),
            ),
            (
                Listed::PAUSED,
                "Up 3 minutes (healthy) (Paused)",
                State::Paused,
            ),
            (Listed::EXITED, "Exited (0) 2 hours ago", State::Exited(0)),
            (
                Listed::EXITED,
                "Exited (137) 1 second ago",
                State::Exited(137),
            ),
            (Listed::EXITED, "", State::Exited(-1)),
            (
                Listed::RESTARTING,
                "Restarting (1) 1 second ago",
                State::Restarting,
            ),
            (Listed::REMOVING, "Removal In Progress", State::Dead),
        ];
        for (listed, status, expected) in cases {
            assert_eq!(state(Some(listed), status), expected, "{status}");
        }
    }

    #[test]
    fn a_container_that_is_gone_but_listed_is_not_there() {
        let listed = |name: Option<&str>, state| ContainerSummary {
            names: Some(name.map(ToOwned::to_owned).into_iter().collect()),
            state: Some(state),
            ..ContainerSummary::default()
        };
        let removing = ContainerSummaryStateEnum::REMOVING;
        assert!(is_ghost(&listed(None, removing)));
        assert!(!is_ghost(&listed(Some("/p-db-1"), removing)));
        let exited = ContainerSummaryStateEnum::EXITED;
        assert!(!is_ghost(&listed(None, exited)));
    }

    #[test]
    fn a_linked_containers_own_name_is_found() {
        let names = ["/web/db", "/p-db-1"].map(ToOwned::to_owned).to_vec();
        assert_eq!(own_name(names), "p-db-1");
    }
}
