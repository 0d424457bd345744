//! A project's containers by their labels, in the order in which they depend on each other: what commands on
//! running containers work on, with or without a Compose file.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::Failure;
use crate::model::{Condition, Project, UnknownService, labels};
use crate::plan::{Container, State};

/// The containers of the named services, or of all, one-off ones left out.
///
/// # Errors
/// A named service has no container, and `defined` does not know it either.
pub(super) fn of_services<'a>(
    containers: &'a [Container],
    names: &[String],
    defined: &BTreeSet<String>,
) -> Result<Vec<&'a Container>, UnknownService> {
    let own: Vec<&Container> = containers
        .iter()
        .filter(|container| !container.one_off)
        .collect();
    let mut known: BTreeSet<&String> = own.iter().map(|container| &container.service).collect();
    known.extend(defined);
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(UnknownService {
            name: name.clone(),
            known: known.into_iter().cloned().collect(),
        });
    }
    let mut chosen = own;
    chosen.retain(|container| names.is_empty() || names.contains(&container.service));
    chosen.sort_by_key(|container| (&container.service, container.number));
    Ok(chosen)
}

/// Of a service's containers the one with a number, or all of them.
///
/// # Errors
/// None has the number.
pub(super) fn numbered<'a>(
    containers: Vec<&'a Container>,
    service: &str,
    number: Option<u32>,
) -> Result<Vec<&'a Container>, Failure> {
    let Some(number) = number else {
        return Ok(containers);
    };
    let mut meant = containers;
    meant.retain(|container| container.number == number);
    if !meant.is_empty() {
        return Ok(meant);
    }
    Err(Failure::NoIndex {
        service: service.to_owned(),
        index: number,
    })
}

/// Adds the running containers that go with one of them: those that have its network, memory or processes, which end when it
/// does, and those that depend on its service with `restart: true`. Docker compose restarts them, too.
pub(super) fn with_guests<'a>(
    containers: &'a [Container],
    project: Option<&Project>,
    chosen: &mut Vec<&'a Container>,
) {
    loop {
        let ids: BTreeSet<&str> = chosen.iter().map(|own| own.id.as_str()).collect();
        let services: BTreeSet<&str> = chosen.iter().map(|own| own.service.as_str()).collect();
        let goes = |container: &&Container| {
            let mut hosts = restarts_with(container, project).into_iter();
            container.state.is_running()
                && !container.one_off
                && !ids.contains(container.id.as_str())
                && (container.hosts().any(|(_, id)| ids.contains(id))
                    || hosts.any(|name| services.contains(name)))
        };
        let further: Vec<&Container> = containers.iter().filter(goes).collect();
        if further.is_empty() {
            return;
        }
        chosen.extend(further);
    }
}

/// Adds the containers that one of them needs, directly or not: those that it depends on, jobs that are done left out, and those
/// whose network, memory or processes it has. Docker compose starts the former, too.
pub(super) fn with_hosts<'a>(
    containers: &'a [Container],
    project: Option<&Project>,
    chosen: Vec<&'a Container>,
) -> Vec<&'a Container> {
    let own = || containers.iter().filter(|container| !container.one_off);
    let mut of_service: BTreeMap<&str, Vec<&Container>> = BTreeMap::new();
    for container in own() {
        of_service
            .entry(&container.service)
            .or_default()
            .push(container);
    }
    let by_id: BTreeMap<&str, &Container> = own().map(|own| (&*own.id, own)).collect();
    let mut all: BTreeMap<(&str, u32, &str), &Container> = BTreeMap::new();
    let mut open = chosen;
    while let Some(container) = open.pop() {
        let key = (&*container.service, container.number, &*container.id);
        if all.insert(key, container).is_some() {
            continue;
        }
        for (name, until, _) in dependencies(container, project) {
            let own = of_service.get(name).into_iter().flatten();
            // A job that is done stays done.
            let done =
                |own: &Container| until == Condition::Completed && own.state == State::Exited(0);
            open.extend(own.filter(|own| !done(own)));
        }
        open.extend(container.hosts().filter_map(|(_, id)| by_id.get(id)));
    }
    all.into_values().collect()
}

/// Of each container those that go with it: they end before it does, and start after it.
pub(super) fn guests<'a>(
    containers: &[&'a Container],
    project: Option<&'a Project>,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut of_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for own in containers {
        of_service.entry(&own.service).or_default().push(&own.id);
    }
    let mut guests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for guest in containers {
        let with = restarts_with(guest, project).into_iter();
        let with = with.filter_map(|name| of_service.get(name)).flatten();
        let shared = guest.hosts().map(|(_, id)| id);
        for host in shared.chain(with.copied()).filter(|id| *id != guest.id) {
            guests.entry(host).or_default().push(&guest.id);
        }
    }
    guests
}

/// The services with which a container is restarted, as the project says, or else its label.
fn restarts_with<'a>(container: &'a Container, project: Option<&'a Project>) -> Vec<&'a str> {
    if let Some(service) = project.and_then(|project| project.services.get(&container.service)) {
        let on = service.depends_on.iter().filter(|(_, on)| on.restart);
        return on.map(|(name, _)| name.as_str()).collect();
    }
    let label = container.labels.get(labels::DEPENDS_ON);
    let entries = label.map(String::as_str).unwrap_or_default().split(',');
    let restarting = entries.filter(|entry| entry.ends_with(":true"));
    restarting
        .filter_map(|entry| entry.split(':').next())
        .collect()
}

/// The containers in waves: those of each wave depend only on those of earlier ones, as the project says, or their labels
/// where it does not have their service. Containers that depend on each other in a circle, which no Compose file can say,
/// come last.
pub(super) fn waves<'a>(
    containers: Vec<&'a Container>,
    project: Option<&'a Project>,
) -> Vec<Vec<&'a Container>> {
    let services: BTreeSet<&str> = containers.iter().map(|c| c.service.as_str()).collect();
    let all = containers.iter();
    let by_id: BTreeMap<&str, &str> = all.map(|own| (&*own.id, &*own.service)).collect();
    let mut waits: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in &containers {
        let on = dependencies(container, project).into_iter();
        let on = on.map(|(name, ..)| name);
        let hosts = container
            .hosts()
            .filter_map(|(_, id)| by_id.get(id).copied());
        let on = on.chain(hosts).filter(|name| services.contains(name));
        let on = on.filter(|name| *name != container.service);
        waits.entry(&container.service).or_default().extend(on);
    }
    let mut waves = Vec::new();
    let mut left = containers;
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while !left.is_empty() {
        let free = |container: &Container| waits[container.service.as_str()].is_subset(&done);
        let (mut wave, mut later): (Vec<_>, Vec<_>) = left.into_iter().partition(|c| free(c));
        if wave.is_empty() {
            wave.append(&mut later);
        }
        done.extend(wave.iter().map(|container| container.service.as_str()));
        waves.push(wave);
        left = later;
    }
    waves
}

/// The services that a container depends on, until when it waits for each, and whether it needs that one: as the project
/// says, or else its label, `service:condition:restart`, joined by commas.
pub(super) fn dependencies<'a>(
    container: &'a Container,
    project: Option<&'a Project>,
) -> Vec<(&'a str, Condition, bool)> {
    if let Some(service) = project.and_then(|project| project.services.get(&container.service)) {
        let on = service.depends_on.iter();
        let on = on.map(|(name, on)| (name.as_str(), on.condition, on.required));
        return on.collect();
    }
    let label = container.labels.get(labels::DEPENDS_ON);
    let entries = label.map(String::as_str).unwrap_or_default().split(',');
    let entries = entries.map(|entry| {
        let mut words = entry.split(':');
        let name = words.next().unwrap_or_default();
        let until = match words.next() {
            Some("service_healthy") => Condition::Healthy,
            Some("service_completed_successfully") => Condition::Completed,
            _ => Condition::Started,
        };
        (name, until, true)
    });
    entries.filter(|(name, ..)| !name.is_empty()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{ImageId, Service};
    use crate::plan::Health;

    pub(crate) fn container(service: &str, depends_on: &str) -> Container {
        let label = (labels::DEPENDS_ON.to_owned(), depends_on.to_owned());
        Container {
            id: format!("id-{service}"),
            name: format!("hub-{service}-1"),
            service: service.to_owned(),
            number: 1,
            one_off: false,
            image: ImageId(String::new()),
            image_name: String::new(),
            state: State::Running(Health::None),
            status: String::new(),
            created: 0,
            started: None,
            labels: BTreeMap::from([label]),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            shares: BTreeSet::new(),
            cut_off: None,
            ports: Vec::new(),
        }
    }

    fn names(waves: &[Vec<&Container>]) -> Vec<Vec<String>> {
        let names = |wave: &Vec<&Container>| wave.iter().map(|c| c.service.clone()).collect();
        waves.iter().map(names).collect()
    }

    #[test]
    fn dependencies_stand_in_earlier_waves() {
        let all = [
            container("web", "api:service_healthy:false"),
            container("api", "db:service_healthy:true,cache:service_started:false"),
            container("cache", ""),
            container("db", "gone:service_started:false"),
        ];
        let waves = waves(all.iter().collect(), None);
        assert_eq!(
            names(&waves),
            [vec!["cache", "db"], vec!["api"], vec!["web"]]
        );
    }

    #[test]
    fn a_compose_file_knows_better_than_labels() {
        let all = [
            container("a", "b:x:y"),
            container("b", ""),
            container("old", "a:x:y"),
        ];
        let b = Service {
            depends_on: BTreeMap::from([(
                "a".to_owned(),
                serde_json::from_value(serde_json::json!({"condition": "service_started"}))
                    .unwrap(),
            )]),
            ..Service::default()
        };
        let services = [("a".to_owned(), Service::default()), ("b".to_owned(), b)];
        let project = Project {
            services: services.into_iter().collect(),
            ..Project::default()
        };
        let waves = waves(all.iter().collect(), Some(&project));
        assert_eq!(names(&waves), [vec!["a"], vec!["b", "old"]]);
    }

    #[test]
    fn what_a_container_needs_is_started_with_it() {
        let mut all = [
            container("web", "api:service_healthy:false"),
            container("api", "migrate:service_completed_successfully:true"),
            container("migrate", ""),
            container("vpn", ""),
            container("other", "web:service_started:false"),
        ];
        all[1].shares = [(crate::model::Share::Network, "id-vpn".to_owned())].into();
        let chosen = with_hosts(&all, None, vec![&all[0]]);
        let names = |chosen: Vec<&Container>| -> Vec<String> {
            chosen.into_iter().map(|own| own.service.clone()).collect()
        };
        assert_eq!(names(chosen), ["api", "migrate", "vpn", "web"]);
        all[2].state = State::Exited(0);
        let chosen = with_hosts(&all, None, vec![&all[0]]);
        assert_eq!(names(chosen), ["api", "vpn", "web"]);
    }

    #[test]
    fn a_circle_ends() {
        let all = [container("a", "b:x:y"), container("b", "a:x:y")];
        assert_eq!(names(&waves(all.iter().collect(), None)), [vec!["a", "b"]]);
    }

    #[test]
    fn a_service_without_container_is_fine_where_a_file_defines_it() {
        let all = [container("db", "")];
        let names = ["api".to_owned()];
        assert!(of_services(&all, &names, &BTreeSet::from(names.clone())).is_ok());
        let error = of_services(&all, &names, &BTreeSet::new()).unwrap_err();
        assert_eq!(error.to_string(), "no service is named `api`");
    }
}
