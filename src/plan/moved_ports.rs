//! Host ports that move from one container to another: who gets one starts once its holder is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::decide::Draft;
use super::observed::{Container, Observed, PublishedPort};
use super::step::{Action, ContainerSource, Plan, StepId};
use crate::model::{Port, PortRange, Service};

/// A host port of a container that the plan removes.
struct Held<'a> {
    removal: StepId,
    service: &'a str,
    port: &'a PublishedPort,
}

impl Draft<'_> {
    /// Puts each start behind the removals that free its host ports. A holder that would go only once the start's service
    /// is up, since it depends on it, goes before. Then keeps what these starts replace until the ports are free, where
    /// that can be: what another service cannot do must not end it.
    pub(super) fn wait_for_ports(&mut self) {
        let held = held(self.observed, &self.plan);
        let mut moved = Vec::new();
        for start in (0..self.plan.steps.len()).map(StepId) {
            let step = &self.plan.steps[start.0];
            let Action::Start { .. } = step.action else {
                continue;
            };
            let Some(service) = step.service.clone() else {
                continue;
            };
            for (removal, holder) in freeing(&held, &self.wanted.project.services[&service]) {
                if self.comes_after(start, removal) {
                    continue;
                }
                self.free(removal, start);
                self.put_behind(start, removal);
                if holder != service {
                    moved.push((service.clone(), start, removal));
                }
            }
        }
        for (service, start, removal) in moved {
            for end in self.ends_of(&service, start) {
                self.put_behind(end, removal);
            }
        }
    }

    /// Has a step wait for another, unless that one waits for it.
    fn put_behind(&mut self, step: StepId, needed: StepId) {
        let apart =
            step != needed && !self.comes_after(step, needed) && !self.comes_after(needed, step);
        if apart {
            self.plan.steps[step.0].after.push(needed);
            self.plan.steps[step.0].after.sort_unstable();
        }
    }

    /// The steps in front of a start that end what its service runs.
    fn ends_of(&self, service: &str, start: StepId) -> Vec<StepId> {
        let steps = self.plan.steps.iter();
        let ends = steps.filter(|step| {
            step.service.as_deref() == Some(service)
                && matches!(step.action, Action::Stop { .. } | Action::Remove { .. })
                && self.comes_after(start, step.id)
        });
        ends.map(|step| step.id).collect()
    }

    /// Has a removal, and the stop before it, wait for no other service that waits for a start: not for their gates, and
    /// not for the new container in place of the old one, where that shares another's network. They wait for what is
    /// started to be there.
    fn free(&mut self, removal: StepId, start: StepId) {
        let new = match self.plan.steps[start.0].action {
            Action::Start {
                container: ContainerSource::Step(created),
            } => Some(created),
            _ => None,
        };
        let mut steps = vec![removal];
        while let Some(id) = steps.pop() {
            let behind = |needed: &StepId| *needed == start || self.comes_after(*needed, start);
            let action = |id: &StepId| &self.plan.steps[id.0].action;
            let all = self.plan.steps[id.0].after.iter().copied();
            let (cut, after): (Vec<StepId>, Vec<StepId>) = all.partition(|needed| {
                let stop = matches!(action(needed), Action::Stop { .. });
                !stop && behind(needed)
            });
            steps.extend(
                after
                    .iter()
                    .filter(|id| matches!(action(id), Action::Stop { .. })),
            );
            let created = |id: &&StepId| matches!(action(id), Action::Create { .. });
            let created: Vec<StepId> = cut.iter().filter(created).copied().collect();
            self.plan.steps[id.0].after = after;
            for created in created {
                self.keep_behind(created);
            }
            if let Some(new) = new.filter(|_| !cut.is_empty()) {
                self.put_behind(id, new);
            }
        }
    }

    /// Has all that is done to a new container wait for it by itself.
    fn keep_behind(&mut self, created: StepId) {
        let own = |container: &ContainerSource| *container == ContainerSource::Step(created);
        for step in &mut self.plan.steps {
            let done = match &step.action {
                Action::Rename { container, .. } | Action::Start { container } => own(container),
                _ => false,
            };
            if done && !step.after.contains(&created) {
                step.after.push(created);
                step.after.sort_unstable();
            }
        }
    }

    /// Whether a step waits for another, be it through others.
    fn comes_after(&self, step: StepId, other: StepId) -> bool {
        let mut open = vec![step];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            let step = &self.plan.steps[id.0];
            for needed in step.after.iter().chain(&step.settled) {
                if *needed == other {
                    return true;
                }
                if seen.insert(*needed) {
                    open.push(*needed);
                }
            }
        }
        false
    }
}

/// The host ports of containers that are removed, by number.
fn held<'a>(observed: &'a Observed, plan: &Plan) -> BTreeMap<u16, Vec<Held<'a>>> {
    let containers = observed.containers.iter();
    let containers: BTreeMap<&String, &Container> = containers.map(|own| (&own.id, own)).collect();
    let mut held: BTreeMap<u16, Vec<Held<'a>>> = BTreeMap::new();
    for step in &plan.steps {
        let Action::Remove { container, .. } = &step.action else {
            continue;
        };
        let Some(holder) = containers.get(container) else {
            continue;
        };
        for port in &holder.ports {
            if let Some(number) = port.published {
                held.entry(number).or_default().push(Held {
                    removal: step.id,
                    service: &holder.service,
                    port,
                });
            }
        }
    }
    held
}

/// The removals that free a host port that a service wants, at an address that may be the same, with whose it is.
fn freeing(held: &BTreeMap<u16, Vec<Held<'_>>>, service: &Service) -> BTreeMap<StepId, String> {
    let mut found = BTreeMap::new();
    for own in &service.ports {
        let published = own.published.as_deref().map(str::parse::<PortRange>);
        let Some(Ok(range)) = published else { continue };
        let holders = held.range(range.first..=range.last);
        let holders = holders.flat_map(|(_, all)| all);
        let same = holders.filter(|held| may_be_one(own, held.port));
        found.extend(same.map(|held| (held.removal, held.service.to_owned())));
    }
    found
}

/// Whether two ports of one number are of one protocol, and of no two addresses.
fn may_be_one(wanted: &Port, held: &PublishedPort) -> bool {
    let protocol = match wanted.protocol.as_str() {
        "" => "tcp",
        protocol => protocol,
    };
    let one = |address: &Option<String>| -> Option<IpAddr> {
        let address: IpAddr = address.as_deref()?.parse().ok()?;
        Some(address).filter(|address| !address.is_unspecified())
    };
    let addresses = (one(&wanted.host_ip), one(&held.host_ip));
    let apart = matches!(addresses, (Some(one), Some(other)) if one != other);
    protocol.eq_ignore_ascii_case(&held.protocol) && !apart
}
