//! Containers that docker compose made: whether one is what larder would make, by what docker compose says of it and what
//! the engine shows. Where neither can tell, it is made anew, and the cause says what is not known.

use std::collections::{BTreeMap, HashMap};

use super::decide::{Draft, Wanted};
use super::hosts::Host;
use super::images::Chosen;
use super::observed::{Container, Observed};
use super::stale::Slot;
use super::step::{ContainerSource, ImageSource};
use crate::model::{Digest, MountKind, Owner, Service, Share, clean, labels};

/// What containers of docker compose's are held against.
pub(super) struct Claims {
    /// The hashes of the service as it is: larder's formula for docker compose's, and what the installed one says.
    hashes: Vec<String>,
    /// What the service has that docker compose takes no note of.
    unrecorded: Option<&'static str>,
    /// Whether its image is built here.
    built: bool,
    /// The named volumes that it mounts: target, and the engine's name.
    volumes: Vec<(String, String)>,
}

impl Draft<'_> {
    /// What the containers of a service are held against that larder did not make; `None` where there are none.
    pub(super) fn claims(&self, name: &str, service: &Service, hosts: &[Host]) -> Option<Claims> {
        let mut there = self.census.containers(name).iter();
        there.find(|container| is_foreign(container))?;
        let kept = hosts.iter().filter_map(|host| match &host.found.container {
            ContainerSource::Id(id) => Some((host.key.clone(), id.clone())),
            ContainerSource::Step(_) => None,
        });
        let ours = service.container_hash(&kept.collect());
        let theirs = self.wanted.compose_hashes.get(&ours);
        let volumes = service.volumes.iter();
        let volumes = volumes.filter(|mount| mount.kind == MountKind::Volume);
        let named = volumes.filter_map(|mount| {
            let name = self.wanted.project.volume_name(mount.source.as_ref()?);
            Some((clean(&mount.target), name))
        });
        Some(Claims {
            hashes: [Some(&ours), theirs]
                .into_iter()
                .flatten()
                .map(Digest::to_string)
                .collect(),
            unrecorded: unrecorded(service),
            built: service.build.is_some(),
            volumes: named.collect(),
        })
    }
}

/// What docker compose makes a container of without a note of what it was.
fn unrecorded(service: &Service) -> Option<&'static str> {
    let has = [
        (!service.configs.is_empty(), "configs"),
        (!service.secrets.is_empty(), "secrets"),
        (
            service.seccomp_profiles().next().is_some(),
            "seccomp profiles",
        ),
    ];
    let mut has = has.into_iter().filter(|(has, _)| *has);
    has.next().map(|(_, what)| what)
}

/// Whether larder did not make a container.
pub(super) fn is_foreign(container: &Container) -> bool {
    !container.labels.contains_key(labels::CONFIG)
}

/// Why a container that larder did not make is not what is wanted; `None` when it is, as far as larder's labels would say.
pub(super) fn refused(container: &Container, slot: &Slot<'_>) -> Option<String> {
    let (Some(claims), Some(hash)) = (slot.claims, container.labels.get(labels::CONFIG_HASH))
    else {
        return Some("larder did not make it, so what it was made from is not known".to_owned());
    };
    let unknown = |what: &str| Some(format!("docker compose made it, and {what}"));
    if let Some(cause) = image(container, slot.image, claims.built) {
        return Some(cause);
    }
    for host in slot.hosts {
        // The hash has the ID of the container whose volumes it mounts, and the engine lists that of its network.
        if matches!(host.share, Share::Memory | Share::Processes) {
            return unknown(&format!("{} is not known", host.share.whose()));
        }
        if matches!(host.found.container, ContainerSource::Step(_)) {
            return Some(format!("the container {} is replaced", host.share.whose()));
        }
    }
    if !claims.hashes.contains(hash) {
        return Some("its configuration changed".to_owned());
    }
    if let Some(what) = claims.unrecorded {
        return unknown(&format!("nobody recorded what its {what} held"));
    }
    if !slot.mounted_images.is_empty() {
        return unknown("which images it mounts is not known");
    }
    let mounts = |(target, name): &&(String, String)| container.volumes.get(target) == Some(name);
    let missing = claims.volumes.iter().find(|volume| !mounts(volume))?;
    Some(format!("it does not mount volume `{}`", missing.1))
}

/// Labels prove nothing here: a container has those of its image, and that those of its base.
fn image(container: &Container, image: &Chosen, built: bool) -> Option<String> {
    if image.source == ImageSource::Id(container.image.clone()) {
        return None;
    }
    Some(if built {
        "docker compose made it, and nobody recorded what its image was made of".to_owned()
    } else {
        "its image changed".to_owned()
    })
}

/// The services with containers that larder did not make and that its own formula for docker compose's hash does not
/// explain: the installed docker compose may, with these containers for what they have of others.
pub fn asked_hashes(
    wanted: &Wanted<'_>,
    observed: &Observed,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut asked = BTreeMap::new();
    if !wanted.containers {
        return asked;
    }
    let mut there: HashMap<&str, Vec<&Container>> = HashMap::new();
    for container in observed.containers.iter().filter(|own| !own.one_off) {
        let own = there.entry(&container.service).or_default();
        own.push(container);
    }
    for (name, containers) in &there {
        let foreign = || containers.iter().filter(|own| is_foreign(own));
        if !wanted.services.contains(*name) || foreign().next().is_none() {
            continue;
        }
        let service = &wanted.project.services[*name];
        let shares = shares(service, &there);
        let ours = service.container_hash(&shares).to_string();
        let mut hashes = foreign().filter_map(|own| own.labels.get(labels::CONFIG_HASH));
        if hashes.any(|hash| *hash != ours) {
            asked.insert((*name).to_owned(), shares);
        }
    }
    asked
}

/// The containers that a service has something of, as far as they are there.
fn shares(service: &Service, there: &HashMap<&str, Vec<&Container>>) -> BTreeMap<String, String> {
    let owners = service.shares().into_iter().map(|(_, owner)| owner);
    let found = owners.filter_map(|owner| {
        let Owner::Service(name) = owner else {
            return None;
        };
        let first = there.get(name)?.iter().min_by_key(|own| own.number)?;
        Some((owner.to_string(), first.id.clone()))
    });
    found.collect()
}
