//! What must hold of attributes that an engine reads only when a container is made: it would refuse them half of a stack
//! later. docker compose does not look at them, so a file that is only printed may have what does not hold.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::error::{Error, ErrorKind};
use super::path::TreePath;
use super::place::Places;
use crate::model::{Hook, Owner, Project, Service};

/// Checks services that are to be started.
///
/// # Errors
/// The first thing that does not hold, with its place.
pub fn check_start(project: &Project, services: &BTreeSet<String>) -> Result<(), Error> {
    let definitions = services.iter();
    let mut definitions = definitions.filter_map(|name| project.services.get_key_value(name));
    let checked = definitions.try_for_each(|(name, service)| {
        if service.replicas() == 0 {
            return Ok(());
        }
        names_another(project, name, service)?;
        check(name, service)
    });
    let checked = checked.and_then(|()| names_differ(project, services));
    checked.map_err(|error| Places::in_project(project).locate(error))
}

/// Checks how many containers services have, where that is not as their files say.
///
/// # Errors
/// A service with a `container_name` has more than one, or all have too many.
pub fn check_scale(project: &Project) -> Result<(), Error> {
    let mut places = Places::in_project(project);
    super::check::replicas(project).map_err(|error| places.locate(error))?;
    let many = |service: &&Service| service.container_name.is_some() && service.replicas() > 1;
    let mut services = project.services.iter();
    if let Some((name, service)) = services.find(|(_, own)| many(own)) {
        let text = format!(
            "service `{name}` has a `container_name`, and {} containers are asked for",
            service.replicas()
        );
        let path = TreePath::of(&["services", name, "container_name"]);
        return Err(places.locate(Error::from(ErrorKind::Rule(text)).at(path)));
    }
    Ok(())
}

/// That no two services have one container name. Where only one of them is started, the name is that one's.
fn names_differ(project: &Project, services: &BTreeSet<String>) -> Result<(), Error> {
    let mut taken: HashMap<&str, &str> = HashMap::new();
    for (second, service) in &project.services {
        let name = service.container_name.as_deref();
        let Some(name) = name.filter(|_| services.contains(second) && service.replicas() > 0)
        else {
            continue;
        };
        if let Some(first) = taken.insert(name, second) {
            let path = TreePath::of(&["services", second, "container_name"]);
            let kind = ErrorKind::ContainerName {
                name: name.to_owned(),
                first: first.to_owned(),
                second: second.clone(),
            };
            return Err(Error::from(kind).at(path));
        }
    }
    Ok(())
}

/// That no container has something of itself.
fn names_another(project: &Project, name: &str, service: &Service) -> Result<(), Error> {
    let shares = service.shares().into_iter();
    let named = shares.filter_map(|(share, owner)| Some((share, owner.container()?)));
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return Ok(());
    }
    let numbers = 1..=service.replicas();
    let own: HashSet<String> = numbers
        .map(|number| project.container_name(name, number))
        .collect();
    for (share, owner) in named {
        if own.contains(owner) {
            let path = TreePath::of(&["services", name, share.attribute()]);
            let reason = format!("`{owner}` is its own container");
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    Ok(())
}

fn check(name: &str, service: &Service) -> Result<(), Error> {
    let path = TreePath::of(&["services", name]);
    for (index, entry) in service.volumes_from.iter().enumerate() {
        if let Some(reason) = wrong_volumes(entry) {
            let path = path.clone().and("volumes_from").and_item(index, entry);
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    let modes = [
        ("ipc", &service.ipc),
        ("network_mode", &service.network_mode),
        ("pid", &service.pid),
    ];
    for (attribute, mode) in modes {
        if mode.as_deref() == Some("container:") {
            let (path, reason) = (path.and(attribute), "it names no container".to_owned());
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    can_link(&path, service)?;
    has_own_network(&path, service)?;
    if service.environment.contains_key("") {
        let (path, reason) = (
            path.and("environment"),
            "a variable has no name, here or in a file of `env_file`".to_owned(),
        );
        return Err(ErrorKind::Invalid { path, reason }.into());
    }
    if service.use_api_socket == Some(true) && service.read_only == Some(true) {
        let path = path.and("use_api_socket");
        let reason =
            "its credentials cannot be put into a container that is `read_only`".to_owned();
        return Err(ErrorKind::Invalid { path, reason }.into());
    }
    probes_at_first(&path, service)?;
    for (attribute, hooks) in [
        ("post_start", &service.post_start),
        ("pre_stop", &service.pre_stop),
    ] {
        let empty = |hook: &Hook| hook.command.as_ref().is_none_or(Vec::is_empty);
        if let Some(index) = hooks.iter().position(empty) {
            let path = path.and(attribute).and_index(index);
            let reason = "it has no command to run: a container's own is not its hook's".to_owned();
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    Ok(())
}

/// Probes of the first time are those of a time that is said (docker/compose `ToMobyHealthCheck`, moby issue 48874).
fn probes_at_first(path: &TreePath, service: &Service) -> Result<(), Error> {
    let mut check = service.healthcheck.iter();
    if !check.any(|own| own.start_interval.is_some() && own.start_period.is_none()) {
        return Ok(());
    }
    let path = path.clone().and("healthcheck").and("start_interval");
    let reason = "it is for the time of `start_period`, which is not said".to_owned();
    Err(ErrorKind::Invalid { path, reason }.into())
}

/// Links are between containers with networks of their own (moby `ErrConflictHostNetworkAndLinks` and the like).
fn can_link(path: &TreePath, service: &Service) -> Result<(), Error> {
    let mode = service.network_mode.as_deref().unwrap_or_default();
    if mode != "host" && Owner::of_mode(mode).is_none() {
        return Ok(());
    }
    let attributes = [
        ("links", &service.links),
        ("external_links", &service.external_links),
    ];
    match attributes.into_iter().find(|(_, links)| !links.is_empty()) {
        None => Ok(()),
        Some((attribute, _)) => {
            let path = path.clone().and(attribute);
            let reason = format!(
                "an engine takes no links beside `network_mode: {mode}`: names are looked up in the network that it has"
            );
            Err(ErrorKind::Invalid { path, reason }.into())
        }
    }
}

/// What belongs to a network of its own (moby `validateNetMode`).
fn has_own_network(path: &TreePath, service: &Service) -> Result<(), Error> {
    let mode = service.network_mode.as_deref().unwrap_or_default();
    if Owner::of_mode(mode).is_none() {
        return Ok(());
    }
    let attributes = [
        ("dns", !service.dns.is_empty()),
        ("expose", !service.expose.is_empty()),
        ("extra_hosts", !service.extra_hosts.is_empty()),
        ("hostname", service.hostname.is_some()),
        ("ports", !service.ports.is_empty()),
    ];
    match attributes.into_iter().find(|(_, said)| *said) {
        None => Ok(()),
        Some((attribute, _)) => {
            let reason = format!("with `network_mode: {mode}` it is the other container's to say");
            let path = path.clone().and(attribute);
            Err(ErrorKind::Invalid { path, reason }.into())
        }
    }
}

/// What is wrong with an entry of `volumes_from` (moby `volumemounts.ParseVolumesFrom`). docker compose drops the mode
/// without looking at it.
fn wrong_volumes(entry: &str) -> Option<String> {
    let (owner, mode) = Owner::of_volumes(entry);
    if owner == Owner::Container("") {
        return Some(format!("`{entry}` names no container"));
    }
    let known = |mode: &str| matches!(mode, "ro" | "rw" | "z" | "Z");
    let mode = mode.filter(|mode| !mode.split(',').all(known))?;
    Some(format!("`{mode}` is neither `ro` nor `rw`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_taken_to_read_or_to_write() {
        for entry in ["db", "db:ro", "db:rw,z", "container:x", "container:x:ro"] {
            assert_eq!(wrong_volumes(entry), None, "{entry}");
        }
        for entry in ["db:zz", "db:", "db:ro:rw", "container:", "container:x:y"] {
            assert!(wrong_volumes(entry).is_some(), "{entry}");
        }
    }
}
