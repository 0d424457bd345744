//! Containers that others have something of: a network, memory, processes, volumes, links. Whether a container still has
//! it, and in which order those that go together are stopped.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::decide::{Draft, Error, Started, Wanted};
use super::observed::Container;
use super::one_shots::Since;
use super::step::{Action, ContainerSource, StepId};
use crate::model::{Hook, HookTime, Owner, Service, Share};

/// A container that a service has something of.
pub(super) struct Host {
    pub(super) share: Share,
    /// `service:NAME` or `container:NAME`.
    pub(super) key: String,
    /// The container: of a service's the first.
    pub(super) container: ContainerSource,
    /// The IDs, and names, of those that are kept.
    kept: Vec<String>,
    /// The steps behind which they run.
    pub(super) steps: Vec<StepId>,
    /// Whether one of them starts anew.
    anew: bool,
}

impl Host {
    /// Why a container has it no more.
    pub(super) fn lost_by(&self, container: &Container) -> Option<String> {
        let whose = self.share.whose();
        let has = |(share, id): &(Share, String)| *share == self.share && self.kept.contains(id);
        if !container.shares.iter().any(has) {
            Some(format!("the container {whose} is replaced"))
        } else if self.share.ends_with_process() && self.anew && container.state.is_running() {
            Some(format!("the container {whose} starts anew"))
        } else {
            None
        }
    }
}

/// The containers that the services name as whose something is, by name or ID; whoever made them.
pub fn asked_containers(wanted: &Wanted<'_>) -> BTreeSet<String> {
    if !wanted.containers {
        return BTreeSet::new();
    }
    let services = wanted.services.iter();
    let shares = services.flat_map(|name| wanted.project.services[name].shares());
    let named = shares.filter_map(|(_, owner)| match owner {
        Owner::Container(name) => Some(name.to_owned()),
        Owner::Service(_) => None,
    });
    named.collect()
}

/// The services of a run by the names of their containers, where somebody names a container.
pub(super) fn own_names<'a>(wanted: &Wanted<'a>) -> HashMap<String, &'a str> {
    if asked_containers(wanted).is_empty() {
        return HashMap::new();
    }
    let project = wanted.project;
    let names = wanted.services.iter().flat_map(|service| {
        let numbers = 1..=project.services[service].replicas();
        let named = move |number| (project.container_name(service, number), service.as_str());
        numbers.map(named)
    });
    names.collect()
}

/// Of a container that is, or will be, there.
struct Found {
    container: ContainerSource,
    kept: Vec<String>,
    steps: Vec<StepId>,
    anew: bool,
}

impl Found {
    /// Of the containers of a service; `None` where it has none.
    fn among(started: &[Started]) -> Option<Self> {
        let kept = started.iter().filter_map(|own| match &own.container {
            ContainerSource::Id(id) => Some(id.clone()),
            ContainerSource::Step(_) => None,
        });
        Some(Self {
            container: started.first()?.container.clone(),
            kept: kept.collect(),
            steps: started.iter().filter_map(|own| own.step).collect(),
            // What ends with a process is the first one's alone.
            anew: started.first()?.since == Since::Anew,
        })
    }
}

impl Draft<'_> {
    /// The containers that a service has something of.
    ///
    /// # Errors
    /// It names one that is not there, or that it cannot link to, or has a hook that runs nothing.
    pub(super) fn hosts(&self, name: &str, service: &Service) -> Result<Vec<Host>, Error> {
        can_link(name, service)?;
        has_commands(name, service)?;
        let mut hosts = Vec::new();
        for (share, owner) in service.shares() {
            let found = match owner {
                Owner::Service(other) => self.started.get(other).and_then(|own| Found::among(own)),
                Owner::Container(other) => self.by_name(name, share, other)?,
            };
            hosts.extend(found.map(|found| Host {
                share,
                key: owner.to_string(),
                container: found.container,
                kept: found.kept,
                steps: found.steps,
                anew: found.anew,
            }));
        }
        Ok(hosts)
    }

    /// A container by its name: that of a service of this run, or one that somebody else made.
    fn by_name(&self, service: &str, share: Share, name: &str) -> Result<Option<Found>, Error> {
        if let Some(other) = self.own_names.get(name) {
            let started = self.started.get(*other);
            return Ok(started.and_then(|own| Found::among(own)));
        }
        match self.observed.others.get(name) {
            None => Ok(None),
            Some(None) => Err(Error::NoContainer {
                service: service.to_owned(),
                share,
                name: name.to_owned(),
            }),
            Some(Some(id)) => Ok(Some(Found {
                container: ContainerSource::Id(id.clone()),
                kept: vec![id.clone(), name.to_owned()],
                steps: Vec::new(),
                anew: false,
            })),
        }
    }

    /// Why a container that runs is started once more: one that its service depends on with `restart: true` is replaced.
    pub(super) fn restarted(&self, service: &str) -> Option<String> {
        let depends_on = self.wanted.project.services[service].depends_on.iter();
        let mut restarting = depends_on.filter(|(_, dependency)| dependency.restart);
        let replaced = |name: &String| {
            let started = self.started.get(name).into_iter().flatten();
            started.into_iter().any(|own| own.replaces)
        };
        let (name, _) = restarting.find(|(name, _)| replaced(name))?;
        Some(format!("`{name}`, which it goes with, is replaced"))
    }

    /// Puts each stop behind the stops of containers that go with the one that is stopped, so that they end while they still
    /// have what they share.
    pub(super) fn stop_guests_first(&mut self, pairs: &[(StepId, StepId)]) {
        for (guest, host) in pairs {
            self.free(*guest, *host);
            self.put_behind(*host, *guest);
        }
    }

    /// The stops of containers that go together, each guest's with its host's: of those that have its network, memory or
    /// processes, and of those that depend on it with `restart: true` (docker/compose `stopDependentContainers`).
    pub(super) fn stops_of_guests(&self) -> Vec<(StepId, StepId)> {
        let observed = self.observed.containers.iter();
        let by_id: BTreeMap<&str, &Container> =
            observed.map(|own| (own.id.as_str(), own)).collect();
        let mut stops: BTreeMap<&str, Vec<(&Container, StepId)>> = BTreeMap::new();
        for step in &self.plan.steps {
            if let Action::Stop { container, .. } = &step.action
                && let Some(own) = by_id.get(container.as_str())
            {
                stops.entry(&own.service).or_default().push((own, step.id));
            }
        }
        let mut pairs = Vec::new();
        for (service, guests) in &stops {
            let Some(definition) = self.wanted.project.services.get(*service) else {
                continue;
            };
            for (name, dependency) in &definition.depends_on {
                for (host, host_stop) in stops.get(name.as_str()).into_iter().flatten() {
                    let goes = |guest: &Container| dependency.restart || has_of(guest, &host.id);
                    let going = guests.iter().filter(|(guest, _)| goes(guest));
                    pairs.extend(going.map(|(_, stop)| (*stop, *host_stop)));
                }
            }
        }
        pairs
    }

    /// The same once more, where a port that moves let a stop come earlier than what it stood behind.
    pub(super) fn keep_guests_first(&mut self, pairs: &[(StepId, StepId)]) {
        for (guest, host) in pairs {
            self.put_behind(*host, *guest);
        }
    }
}

/// Whether a container has something of another that ends with that one's process.
fn has_of(guest: &Container, host: &str) -> bool {
    let mut shares = guest.shares.iter();
    shares.any(|(share, id)| share.ends_with_process() && id == host)
}

/// Links are between containers with networks of their own (moby `ErrConflictHostNetworkAndLinks` and the like).
fn can_link(name: &str, service: &Service) -> Result<(), Error> {
    let links = !service.links.is_empty() || !service.external_links.is_empty();
    let mode = service.network_mode.as_deref().unwrap_or_default();
    if links && (mode == "host" || Owner::of_mode(mode).is_some()) {
        let (service, mode) = (name.to_owned(), mode.to_owned());
        return Err(Error::Links { service, mode });
    }
    Ok(())
}

/// docker compose accepts a hook without a command, and the engine does not.
fn has_commands(name: &str, service: &Service) -> Result<(), Error> {
    for (time, hooks) in [
        (HookTime::PostStart, &service.post_start),
        (HookTime::PreStop, &service.pre_stop),
    ] {
        let empty = |hook: &Hook| hook.command.as_ref().is_none_or(Vec::is_empty);
        if let Some(index) = hooks.iter().position(empty) {
            return Err(Error::NoCommand {
                service: name.to_owned(),
                time,
                number: index + 1,
            });
        }
    }
    Ok(())
}
