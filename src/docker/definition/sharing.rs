//! What a container has of others, in the engine's words: namespaces, volumes, links (docker/compose
//! `resolveServiceReferences`, `getLinks`).

use std::collections::BTreeSet;

use crate::docker::error::Words;
use crate::model::{Owner, Service, Share, external_link, link};
use crate::runtime::{ContainerSpec, EngineError};

/// What a container has of others, each of them by its ID.
#[derive(Debug, Default)]
pub(in crate::docker) struct Sharing {
    /// `HostConfig.NetworkMode`, where the service says one.
    pub(super) network_mode: Option<String>,
    /// `HostConfig.IpcMode`.
    pub(super) ipc_mode: Option<String>,
    /// `HostConfig.PidMode`.
    pub(super) pid_mode: Option<String>,
    /// `HostConfig.VolumesFrom`.
    pub(in crate::docker) volumes_from: Vec<String>,
    /// `HostConfig.Links`, and those of each network.
    pub(super) links: Vec<String>,
    /// All of it, for the label.
    pub(super) shares: BTreeSet<(Share, String)>,
}

/// Puts what a service has of others into the engine's words.
///
/// # Errors
/// A service whose something it has is without a container.
pub(in crate::docker) fn sharing(
    spec: &ContainerSpec<'_>,
    service: &Service,
) -> Result<Sharing, EngineError> {
    let mode = |mode: &Option<String>| {
        let Some(mode) = mode.as_deref() else {
            return Ok(None);
        };
        match Owner::of_mode(mode) {
            // By the name that the file has, which docker compose leaves to the engine.
            None | Some(Owner::Container(_)) => Ok(Some(mode.to_owned())),
            Some(owner) => Ok(Some(format!("container:{}", id(spec, owner, mode)?))),
        }
    };
    let volumes = service.volumes_from.iter().map(|entry| {
        let (owner, mode) = Owner::of_volumes(entry);
        let id = id(spec, owner, entry)?;
        // docker compose forgets the mode, and so mounts `NAME:ro` for writing.
        Ok(mode.map_or_else(|| id.clone(), |mode| format!("{id}:{mode}")))
    });
    let shares = service.shares().into_iter();
    let shares = shares.map(|(share, owner)| Ok((share, id(spec, owner, share.attribute())?)));
    Ok(Sharing {
        network_mode: mode(&service.network_mode)?,
        ipc_mode: mode(&service.ipc)?,
        pid_mode: mode(&service.pid)?,
        volumes_from: volumes.collect::<Result<_, EngineError>>()?,
        links: links(spec, service),
        shares: shares.collect::<Result<_, EngineError>>()?,
    })
}

/// The ID of a container; the name where the plan says no more of it.
fn id(spec: &ContainerSpec<'_>, owner: Owner<'_>, asked: &str) -> Result<String, EngineError> {
    match (spec.shares.get(&owner.to_string()), owner) {
        (Some(id), _) => Ok(id.clone()),
        (None, Owner::Container(name)) => Ok(name.to_owned()),
        (None, Owner::Service(name)) => Err(EngineError::Refused {
            action: format!("creating container `{}`", spec.name),
            status: None,
            source: Box::new(Words(format!(
                "it asks for `{asked}`, and service `{name}` has no container"
            ))),
        }),
    }
}

/// `CONTAINER:ALIAS`. A service's containers have three aliases each; the number in them is that of the container that links,
/// as with docker compose. They go by the names that they have in the end.
fn links(spec: &ContainerSpec<'_>, service: &Service) -> Vec<String> {
    let project = spec.project;
    let mut links = Vec::new();
    for entry in &service.links {
        let (name, alias) = link(entry);
        let replicas = project.services.get(name).map_or(1, Service::replicas);
        for number in 1..=replicas {
            let container = project.container_name(name, number);
            let own = spec.number;
            links.push(format!("{container}:{alias}"));
            links.push(format!("{container}:{name}-{own}"));
            links.push(format!("{container}:{}-{name}-{own}", project.name));
        }
    }
    for entry in &service.external_links {
        let (name, alias) = external_link(entry);
        links.push(format!("{name}:{alias}"));
    }
    links
}
