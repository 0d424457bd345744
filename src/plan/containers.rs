//! What happens to each service's containers: kept, started, replaced, renamed or removed.

use std::collections::BTreeMap;

use super::adoption::is_foreign;
use super::decide::{Draft, Started};
use super::error::Error;
use super::images::Chosen;
use super::observed::{Container, Health, State};
use super::one_shots::Since;
use super::stale::{Slot, networks_of, stale};
use super::step::{Action, ContainerSource, Creation, Readiness, StepId};
use crate::model::{Digest, MountKind, RestartPolicy, Service, labels};

/// What is said of a container in whose place another one comes.
const REPLACED: &str = "is replaced";
/// What is said of a job that is started once more.
pub(super) const RUN_AGAIN: &str = "is run again";

impl Draft<'_> {
    /// Decides about all containers of a service.
    pub(super) fn containers(
        &mut self,
        service: &str,
        image: &Chosen,
        config: Option<Digest>,
    ) -> Result<(), Error> {
        let definition = &self.wanted.project.services[service];
        let Some(config) = config else { return Ok(()) };
        let mut resources = self.resources_of(definition)?;
        let gates = self.gates(service);
        let hosts = self.hosts(service, definition)?;
        resources.extend(
            hosts
                .iter()
                .flat_map(|host| host.found.steps.iter().copied()),
        );
        let mounted_images = self.mounted_images(service, definition)?;
        let networks = networks_of(self.wanted.project, self.observed, definition);
        let renewed = self.renewed_under(service);
        let claims = self.claims(service, definition, &hosts);
        let one_shot = self.one_shots.contains(service);
        let slot = |number| Slot {
            service,
            number,
            image,
            config,
            asked: self.wanted.asked,
            claims: claims.as_ref(),
            mounted: self.wanted.mounted.get(service).copied(),
            mounted_images: &mounted_images,
            one_shot,
            resources: &resources,
            networks: &networks,
            renewed: &renewed,
            hosts: &hosts,
            gates: &gates,
        };
        if definition.one_off.is_some() {
            // docker compose does not number them.
            self.one_off(&slot(0));
            return Ok(());
        }
        let numbers = 1..=definition.replicas();
        let started = numbers.map(|number| self.container(&slot(number)));
        let started: Vec<Started> = started.collect();
        self.surplus(service, definition.replicas());
        self.note_newest(service, &started);
        self.started.insert(service.to_owned(), started);
        if self.wanted.wait {
            self.final_wait(service);
        }
        Ok(())
    }

    /// The steps that make the networks and volumes of a service.
    fn resources_of(&mut self, service: &Service) -> Result<Vec<StepId>, Error> {
        let mut steps = Vec::new();
        for key in service.networks.keys() {
            steps.extend(self.network(key)?);
        }
        for mount in &service.volumes {
            if let (MountKind::Volume, Some(key)) = (mount.kind, &mount.source) {
                steps.extend(self.volume(key)?);
            }
        }
        Ok(steps)
    }

    fn container(&mut self, slot: &Slot<'_>) -> Started {
        let name = self
            .wanted
            .project
            .container_name(slot.service, slot.number);
        if let Some(plan) = self.plan.services.get_mut(slot.service) {
            plan.containers.push(name.clone());
        }
        let there = self.census.containers(slot.service).iter().copied();
        let mut there: Vec<&Container> = there.filter(|c| c.number == slot.number).collect();
        // The one that is as wanted is kept; of several, the running and rightly named one.
        there.sort_by_key(|c| {
            (
                stale(c, slot).is_some(),
                !c.state.is_running(),
                c.name != name,
            )
        });
        let (kept, rest) = match there.split_first() {
            None => return self.create(slot, &name, None, "it is not there".to_owned(), &[]),
            Some((first, rest)) => (*first, rest),
        };
        // It does not run yet, and is to take the place of one that does.
        let serves = |other: &&Container| other.state.is_running();
        let replaces = !kept.state.is_running() && rest.iter().any(serves);
        let cleared: Vec<StepId> = rest
            .iter()
            .map(|other| {
                let cause = format!("`{name}` must be there once");
                let gates = self.ends_behind(slot, other).filter(|_| replaces);
                let gates: Vec<StepId> = gates.collect();
                self.remove(slot.service, other, cause, gates)
            })
            .collect();
        match stale(kept, slot) {
            None => {
                let mut started = self.keep(slot, &name, kept, &cleared);
                if replaces && started.since == Since::Anew {
                    started.renewed = Some(REPLACED);
                }
                started
            }
            Some(cause) => self.create(slot, &name, Some(kept), cause, &cleared),
        }
    }

    /// What must have succeeded before a container ends whose place another one takes: what that one waits for.
    fn ends_behind<'s>(
        &self,
        slot: &'s Slot<'_>,
        old: &Container,
    ) -> impl Iterator<Item = StepId> + use<'s> {
        // One that does not run serves nobody until the new one may start.
        let runs = old.state.is_running() && !self.stopped.contains_key(&old.id);
        slot.gates.0.iter().copied().filter(move |_| runs)
    }

    /// A container that is as wanted: started where it does not run, renamed where a crash left it misnamed.
    /// What stands in its way is removed by the steps in `cleared`.
    fn keep(
        &mut self,
        slot: &Slot<'_>,
        name: &str,
        container: &Container,
        cleared: &[StepId],
    ) -> Started {
        let source = ContainerSource::Id(container.id.clone());
        let mut before = cleared.to_vec();
        if container.name != name {
            let action = Action::Rename {
                container: source.clone(),
                name: name.to_owned(),
            };
            let cause = format!("it is called `{}`", container.name);
            before = vec![self.step(Some(slot.service), action, cause, before)];
        }
        let mut holds = Vec::new();
        let starts = !self.wanted.asked.only_create;
        let restarted = || self.restarted(slot.service, container);
        let restarted = starts.then(restarted).flatten();
        let cut_short = || self.cut_short(slot.service);
        let cut_short = (slot.one_shot && starts).then(cut_short).flatten();
        let mut reruns = cut_short.is_some() || self.wanted.asked.reruns(container, slot.service);
        let again = match container.state {
            State::Running(_) => restarted.or(cut_short),
            _ => restarted,
        };
        let step = match container.state {
            State::Running(_) | State::Restarting | State::Paused if again.is_some() => {
                let cause = again.unwrap_or_default();
                let gates = slot.gates.0.iter().copied().chain(before.clone());
                let gates: Vec<StepId> = gates.collect();
                let stop = self.stop(slot.service, container, cause.clone(), gates);
                self.start(slot, source.clone(), cause, [stop])
            }
            State::Running(health) => {
                let may_fall = container.is_young() && self.starts_again(slot.service);
                if health == Health::Healthy || health == Health::None && !may_fall {
                    holds.push(Readiness::Ready);
                }
                if health == Health::Healthy {
                    holds.push(Readiness::Healthy);
                }
                None
            }
            State::Paused if starts => {
                let action = Action::Unpause {
                    container: container.id.clone(),
                };
                Some(self.step(Some(slot.service), action, "it is paused", before.clone()))
            }
            State::Restarting => None,
            State::Exited(0) if slot.one_shot => {
                let rerun = self.wanted.asked.reruns(container, slot.service);
                let rerun = rerun.then(|| "asked for: `--rerun`".to_owned());
                let undone = rerun.or_else(|| self.undone(slot.service, container));
                reruns = undone.is_some();
                if undone.is_none() {
                    holds.extend([Readiness::Ready, Readiness::Completed]);
                }
                undone.and_then(|cause| self.start(slot, source.clone(), cause, before.clone()))
            }
            state => {
                let cause = match state {
                    State::Exited(code) => format!("it ended with code {code}"),
                    _ => "it does not run".to_owned(),
                };
                self.start(slot, source.clone(), cause, before.clone())
            }
        };
        let starts = |step: StepId| matches!(self.plan.steps[step.0].action, Action::Start { .. });
        let since = match step {
            Some(step) if starts(step) => Since::Anew,
            _ => Since::of(container),
        };
        Started {
            container: source,
            step: step.or(before.first().copied()),
            holds,
            since,
            renewed: (reruns && since == Since::Anew).then_some(RUN_AGAIN),
            lost: since == Since::Anew && !(slot.one_shot && container.state == State::Exited(0)),
        }
    }

    /// Whether the engine starts a service's containers again when they end.
    fn starts_again(&self, service: &str) -> bool {
        let policy = self.wanted.project.services[service].restarts();
        policy.is_some_and(|policy| policy != RestartPolicy::No)
    }

    /// A new container, in place of an old one where there is one: made beside it, then the old one goes. What a
    /// crash left over, and may have the new one's name, is removed by the steps in `cleared`.
    fn create(
        &mut self,
        slot: &Slot<'_>,
        name: &str,
        old: Option<&Container>,
        cause: String,
        cleared: &[StepId],
    ) -> Started {
        let service = slot.service;
        let taken = self.census.is_taken(name);
        // docker compose's name for a container on its way in, so that its commands know it too.
        let first_name = match old {
            Some(old) if taken => format!("{}_{name}", &old.id[..old.id.len().min(12)]),
            _ => name.to_owned(),
        };
        let shares = slot.hosts.iter();
        let shares = shares.map(|host| (host.key.clone(), host.found.container.clone()));
        let creation = Creation {
            number: slot.number,
            name: first_name.clone(),
            image: slot.image.source.clone(),
            config: slot.config,
            stands_in: slot.image.stands_in,
            mounted: slot.mounted,
            inherits: old.map(|old| self.inherited(slot, old)).unwrap_or_default(),
            image_mounts: slot.mounted_images.images.clone(),
            shares: shares.collect(),
        };
        let action = Action::Create(Box::new(creation));
        let images = slot.image.after.iter().chain(&slot.mounted_images.after);
        let after = images.chain(slot.resources).chain(cleared);
        let mut after: Vec<StepId> = after.copied().collect();
        after.extend(self.in_the_way(name));
        let created = self.step(Some(service), action, cause.clone(), after);
        let container = ContainerSource::Step(created);

        let mut last = created;
        if let Some(old) = old {
            let gates = self.ends_behind(slot, old);
            let before: Vec<StepId> = [created].into_iter().chain(gates).collect();
            last = self.remove(service, old, cause.clone(), before);
            if first_name != name {
                let action = Action::Rename {
                    container: container.clone(),
                    name: name.to_owned(),
                };
                last = self.step(Some(service), action, cause.clone(), [last]);
            }
        }
        let step = self.start(slot, container.clone(), cause, [last]);
        Started {
            container,
            step: step.or(Some(last)),
            holds: Vec::new(),
            since: Since::Anew,
            renewed: old.is_some().then_some(REPLACED),
            lost: old.is_some() || slot.number == 1,
        }
    }

    /// The step that starts a container, where containers are started.
    fn start(
        &mut self,
        slot: &Slot<'_>,
        container: ContainerSource,
        cause: String,
        before: impl IntoIterator<Item = StepId>,
    ) -> Option<StepId> {
        if self.wanted.asked.only_create {
            return None;
        }
        let after: Vec<StepId> = before
            .into_iter()
            .chain(slot.gates.0.iter().copied())
            .collect();
        let hooks = self.wanted.project.services[slot.service].post_start.len();
        let step = self.step(
            Some(slot.service),
            Action::Start { container, hooks },
            cause,
            after,
        );
        self.plan.steps[step.0].settled.clone_from(&slot.gates.1);
        Some(step)
    }

    /// Stops a container if it runs, and removes it; its last step.
    pub(super) fn remove(
        &mut self,
        service: &str,
        container: &Container,
        cause: String,
        after: impl IntoIterator<Item = StepId>,
    ) -> StepId {
        let mut after: Vec<StepId> = after.into_iter().collect();
        match self.stopped.get(&container.id) {
            Some(stopped) => after.push(*stopped),
            None if container.state.is_running() => {
                after = vec![self.stop(service, container, cause.clone(), after)];
            }
            None => {}
        }
        let action = Action::Remove {
            container: container.id.clone(),
            volumes: false,
        };
        self.step(Some(service), action, cause, after)
    }

    pub(super) fn stop(
        &mut self,
        service: &str,
        container: &Container,
        cause: String,
        after: impl IntoIterator<Item = StepId>,
    ) -> StepId {
        let definition = self.wanted.project.services.get(service);
        let hooks = definition.map_or(0, |own| own.pre_stop.len());
        let action = Action::Stop {
            container: container.id.clone(),
            hooks,
            regardless: hooks > 0,
            grace: self.wanted.asked.grace,
        };
        self.step(Some(service), action, cause, after)
    }

    /// Containers with a number beyond the service's replicas.
    fn surplus(&mut self, service: &str, replicas: u32) {
        let all = self.census.containers(service).iter().copied();
        let beyond: Vec<&Container> = all.filter(|c| c.number > replicas).collect();
        for container in beyond {
            self.remove(
                service,
                container,
                format!("`{service}` has {replicas} replicas now"),
                [],
            );
        }
    }

    /// The anonymous volumes that a new container takes over from the old one. Data that the image declares
    /// is kept; a volume that the Compose file declares without a source (`/app/node_modules`) holds what the
    /// image brought, and is renewed with its dependencies.
    fn inherited(&mut self, slot: &Slot<'_>, old: &Container) -> BTreeMap<String, String> {
        let definition = &self.wanted.project.services[slot.service];
        let declared = |target: &str| {
            definition
                .volumes
                .iter()
                .find(|mount| mount.target == target)
        };
        if self.wanted.asked.renew_volumes {
            return BTreeMap::new();
        }
        let before = old.labels.get(labels::DEPENDENCIES);
        let renewed = match (before, slot.image.dependencies) {
            (Some(before), Some(now)) => {
                let changed = !before.is_empty() && *before != now.to_string();
                changed.then_some("its dependencies changed")
            }
            // docker compose built its image.
            (None, Some(_)) => {
                is_foreign(old).then_some("whether its dependencies changed is not known")
            }
            _ => None,
        };
        let mut inherits = BTreeMap::new();
        for (target, volume) in old.anonymous_volumes() {
            match (declared(target), renewed) {
                (Some(mount), _) if mount.source.is_some() || mount.kind != MountKind::Volume => {}
                (Some(_), Some(why)) => self.plan.warnings.push(format!(
                    "`{}` gets a new anonymous volume at `{target}`: {why} (the old one is kept: `{volume}`)",
                    slot.service
                )),
                _ => {
                    inherits.insert(target.clone(), volume.clone());
                }
            }
        }
        inherits
    }
}
