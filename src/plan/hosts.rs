//! Containers that others have something of: a network, memory, processes, volumes, links. Whether a container still has
//! it, and in which order those that go together are stopped.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::adoption::is_foreign;
use super::decide::{Draft, Started, Wanted};
use super::error::Error;
use super::observed::Container;
use super::one_shots::{Since, outrun};
use super::step::{Action, ContainerSource, StepId};
use crate::model::{Owner, Service, Share};

/// A container that a service has something of.
pub(super) struct Host {
    pub(super) share: Share,
    /// `service:NAME` or `container:NAME`.
    pub(super) key: String,
    pub(super) found: Found,
}

/// Of a container that is, or will be, there.
pub(super) struct Found {
    /// The container: of a service's the first.
    pub(super) container: ContainerSource,
    /// The steps behind which they run.
    pub(super) steps: Vec<StepId>,
    /// The IDs, and names, of those that are kept.
    kept: Vec<String>,
    /// Whether one of them starts anew.
    anew: bool,
}

impl Host {
    /// Why a container has it no more.
    pub(super) fn lost_by(&self, container: &Container) -> Option<String> {
        let whose = self.share.whose();
        let found = &self.found;
        let has = |(share, id): &(Share, String)| *share == self.share && found.kept.contains(id);
        // Where docker compose made it, its hash tells, and was looked at.
        let by_hash = self.share == Share::Volumes && is_foreign(container);
        if !by_hash && !container.shares.iter().any(has) {
            Some(format!("the container {whose} is replaced"))
        } else if self.share.ends_with_process() && found.anew && container.state.is_running() {
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
    let named = shares.filter_map(|(_, owner)| owner.container());
    named.map(ToOwned::to_owned).collect()
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
    /// It names one that is not there.
    pub(super) fn hosts(&self, name: &str, service: &Service) -> Result<Vec<Host>, Error> {
        let mut hosts = Vec::new();
        for (share, owner) in service.shares() {
            let found = match owner {
                Owner::Service(other) => self.started.get(other).and_then(|own| Found::among(own)),
                Owner::Container(other) => self.by_name(name, share, other)?,
            };
            let key = owner.to_string();
            hosts.extend(found.map(|found| Host { share, key, found }));
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

    /// Why a container that runs is started once more: one that its service depends on with `restart: true` is replaced, or is
    /// a job that is run again, or was since this one was started.
    pub(super) fn restarted(&self, service: &str, container: &Container) -> Option<String> {
        let depends_on = self.wanted.project.services[service].depends_on.iter();
        let mut restarting = depends_on.filter(|(_, dependency)| dependency.restart);
        restarting.find_map(|(name, dependency)| {
            let started = self.started.get(name)?;
            let renewed = started.iter().find_map(|own| own.renewed);
            let why = renewed.or_else(|| outrun(dependency, started, container))?;
            Some(format!("`{name}`, which it goes with, {why}"))
        })
    }

    /// Puts each stop behind the stops of its guests, so that they end while they still have what they share.
    pub(super) fn stop_guests_first(&mut self, hosts: &[(StepId, Vec<StepId>)]) {
        for (host, guests) in hosts {
            self.free(guests, *host);
            let behind = self.all_behind(*host);
            let first = guests.iter().filter(|guest| !behind[guest.0]);
            let after = &mut self.plan.steps[host.0].after;
            after.extend(first.filter(|guest| *guest != host));
            after.sort_unstable();
            after.dedup();
        }
    }

    /// The stops of containers that others go with, each with the stops of these guests: of those that have its network,
    /// memory or processes, of those that depend on it with `restart: true` (docker/compose `stopDependentContainers`), and of one-shots that work on it.
    /// In the order of the services, so that what a host's stop waits for is known when its guests' stops come to wait for it.
    pub(super) fn stops_of_guests(&self, order: &[String]) -> Vec<(StepId, Vec<StepId>)> {
        let stops = self.stops();
        let mut guests_of: HashMap<StepId, Vec<StepId>> = HashMap::new();
        for service in order {
            let depends_on = self.wanted.project.services[service].depends_on.iter();
            let restarting = depends_on.filter(|(_, dependency)| dependency.restart);
            let restarting = restarting.flat_map(|(name, _)| self.stops_of(name, &stops));
            let restarting: Vec<StepId> = restarting.collect();
            for guest in self.census.containers(service) {
                let Some(stop) = stops.get(guest.id.as_str()) else {
                    continue;
                };
                let hosts = guest.hosts().filter_map(|(_, host)| stops.get(host));
                for host in hosts.chain(&restarting) {
                    guests_of.entry(*host).or_default().push(*stop);
                }
                for host in self.works_on(service, &stops) {
                    guests_of.entry(host).or_default().push(*stop);
                }
            }
        }
        let hosts = order
            .iter()
            .flat_map(|service| self.stops_of(service, &stops).chain(self.starts(service)));
        let hosts = hosts.filter_map(|host| guests_of.remove_entry(&host));
        hosts.collect()
    }

    /// The stops of a service's containers, among all.
    fn stops_of(
        &self,
        service: &str,
        stops: &HashMap<&str, StepId>,
    ) -> impl Iterator<Item = StepId> {
        let own = self.census.containers(service).iter();
        own.filter_map(|own| stops.get(own.id.as_str()).copied())
    }

    /// What a one-shot that is stopped must not live to see: the stops of all that it depends on, directly or not, and the
    /// starts of what is another then.
    fn works_on(&self, service: &str, stops: &HashMap<&str, StepId>) -> Vec<StepId> {
        if !self.one_shots.contains(service) {
            return Vec::new();
        }
        let project = self.wanted.project;
        let all = project.with_dependencies(&[service.to_owned()]);
        let all = all.unwrap_or_default().into_iter();
        let others = all.filter(|name| name != service);
        let hosts = others.flat_map(|name| {
            let own = self.stops_of(&name, stops);
            let started = self.started.get(&name).into_iter().flatten();
            let lost = started.filter(|own| own.lost).filter_map(|own| own.step);
            own.chain(lost).collect::<Vec<StepId>>()
        });
        hosts.collect()
    }

    /// Says which containers lose what they have of one that is stopped or started anew: they are no part of this run.
    pub(super) fn cut_off(&mut self) {
        let stops = self.stops();
        let starts = self
            .plan
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Start {
                    container: ContainerSource::Id(id),
                    ..
                } => Some(id.as_str()),
                _ => None,
            });
        let anew: HashSet<&str> = starts.chain(stops.keys().copied()).collect();
        let observed = self.observed.containers.iter();
        let running = observed.filter(|own| own.state.is_running());
        let left = running.filter(|own| !stops.contains_key(own.id.as_str()));
        let mut warnings = Vec::new();
        for guest in left {
            let mut hosts = guest.hosts().filter(|(_, host)| anew.contains(host));
            let Some((share, id)) = hosts.next() else {
                continue;
            };
            let mut all = self.observed.containers.iter();
            let host = all.find(|own| own.id == id).map_or(id, |own| &own.name);
            let happens = if stops.contains_key(id) {
                "is stopped"
            } else {
                "starts anew"
            };
            let (name, service) = (&guest.name, &guest.service);
            let hint = if guest.one_off {
                String::new()
            } else {
                format!(": `larder up {service}` makes it anew")
            };
            warnings.push(format!(
                "`{name}` {} `{host}`, which {happens}, and is no part of this start{hint}",
                share.verb()
            ));
        }
        self.plan.warnings.extend(warnings);
    }

    /// The containers that are stopped, each with the step that does it.
    fn stops(&self) -> HashMap<&str, StepId> {
        let all = self.plan.steps.iter();
        all.filter_map(|step| match &step.action {
            Action::Stop { container, .. } => Some((container.as_str(), step.id)),
            _ => None,
        })
        .collect()
    }
}
