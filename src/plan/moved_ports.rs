//! Host ports that move from one container to another: who gets one starts once its holder has stopped.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::decide::Draft;
use super::observed::{Container, Observed, PublishedPort};
use super::step::{Action, ContainerSource, Plan, StepId};
use crate::model::{Port, PortRange, Service};

/// A host port of a container that the plan stops.
struct Held<'a> {
    stop: StepId,
    service: &'a str,
    port: &'a PublishedPort,
}

impl Draft<'_> {
    /// Puts each start behind the stops that free its host ports. A holder that would stop only once the start's service is
    /// up, since it depends on it, stops before. Then keeps what these starts replace until the ports are free, where
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
            for (stop, holder) in freeing(&held, &self.wanted.project.services[&service]) {
                if self.needs(start, stop) {
                    continue;
                }
                self.free(&[stop], start);
                self.put_behind(start, stop);
                if holder != service {
                    moved.push((service.clone(), start, stop));
                }
            }
        }
        for (service, start, stop) in moved {
            for end in self.ends_of(&service, start) {
                self.put_behind(end, stop);
            }
        }
    }

    /// Has a step wait for another, unless that one waits for it.
    fn put_behind(&mut self, step: StepId, needed: StepId) {
        let unordered =
            step != needed && !self.needs(step, needed) && !self.comes_after(needed, step);
        if unordered {
            self.plan.steps[step.0].after.push(needed);
            self.plan.steps[step.0].after.sort_unstable();
        }
    }

    /// The stops in front of a start that end what its service runs.
    fn ends_of(&self, service: &str, start: StepId) -> Vec<StepId> {
        let steps = self.plan.steps.iter();
        let ends = steps.filter(|step| {
            step.service.as_deref() == Some(service)
                && matches!(step.action, Action::Stop { .. })
                && self.comes_after(start, step.id)
        });
        ends.map(|step| step.id).collect()
    }

    /// Has stops wait for nothing that waits for a start: not for what their services depend on, and not for the new
    /// containers in their place, where those share another's network. In their place they wait for all that the start needs.
    /// The stops of their guests, which come first, are freed with them.
    pub(super) fn free(&mut self, stops: &[StepId], start: StepId) {
        let behind = self.all_behind(start);
        let mut freed = vec![false; self.plan.steps.len()];
        let mut open = stops.to_vec();
        while let Some(stop) = open.pop() {
            if std::mem::replace(&mut freed[stop.0], true) {
                continue;
            }
            let all = self.plan.steps[stop.0].after.iter().copied();
            let (held, after): (Vec<StepId>, Vec<StepId>) =
                all.partition(|needed| *needed == start || behind[needed.0]);
            let (guests, cut): (Vec<StepId>, Vec<StepId>) =
                held.into_iter().partition(|id| self.is_stop(*id));
            if !cut.is_empty() {
                self.plan.steps[stop.0].after = after.into_iter().chain(guests.clone()).collect();
                self.replace(stop, start, &cut);
            }
            open.extend(guests);
        }
    }

    fn is_stop(&self, step: StepId) -> bool {
        matches!(self.plan.steps[step.0].action, Action::Stop { .. })
    }

    /// Has a stop wait for what a start needs in place of what was `cut`.
    fn replace(&mut self, stop: StepId, start: StepId, cut: &[StepId]) {
        for needed in self.plan.steps[start.0].after.clone() {
            let action = &self.plan.steps[needed.0].action;
            // Not for what ends the one that is replaced: that is to stay as long as it can.
            if !matches!(
                action,
                Action::Stop { .. } | Action::Remove { .. } | Action::Rename { .. }
            ) {
                self.put_behind(stop, needed);
            }
        }
        if let Action::Start {
            container: ContainerSource::Step(new),
            ..
        } = self.plan.steps[start.0].action
        {
            self.put_behind(stop, new);
        }
        // The old container goes only when there is a new one, which may take over its volumes.
        let is_created = |id: &&StepId| matches!(self.plan.steps[id.0].action, Action::Create(_));
        let created: Vec<StepId> = cut.iter().filter(is_created).copied().collect();
        let removals = self.plan.steps.iter().filter(|step| {
            matches!(step.action, Action::Remove { .. }) && step.after.contains(&stop)
        });
        let removals: Vec<StepId> = removals.map(|step| step.id).collect();
        for removal in removals {
            for created in &created {
                self.put_behind(removal, *created);
            }
        }
    }

    /// Of each step whether it waits for `other`, be it through others, and whatever comes of it. Looks at each once.
    pub(super) fn all_behind(&self, other: StepId) -> Vec<bool> {
        let steps = &self.plan.steps;
        let mut waiting: Vec<Vec<StepId>> = vec![Vec::new(); steps.len()];
        for step in steps {
            for needed in step.after.iter().chain(&step.settled) {
                waiting[needed.0].push(step.id);
            }
        }
        let mut behind = vec![false; steps.len()];
        let mut open = vec![other];
        while let Some(id) = open.pop() {
            for waits in &waiting[id.0] {
                if !behind[waits.0] {
                    behind[waits.0] = true;
                    open.push(*waits);
                }
            }
        }
        behind
    }

    /// Whether a step is done only if another is, be it through others.
    fn needs(&self, step: StepId, other: StepId) -> bool {
        self.reaches(step, other, false)
    }

    /// Whether a step waits for another, be it through others, and whatever comes of it.
    fn comes_after(&self, step: StepId, other: StepId) -> bool {
        self.reaches(step, other, true)
    }

    fn reaches(&self, step: StepId, other: StepId, settled: bool) -> bool {
        let mut open = vec![step];
        let mut seen = vec![false; self.plan.steps.len()];
        while let Some(id) = open.pop() {
            let step = &self.plan.steps[id.0];
            let settled = step.settled.iter().filter(|_| settled);
            for needed in step.after.iter().chain(settled) {
                if *needed == other {
                    return true;
                }
                if !std::mem::replace(&mut seen[needed.0], true) {
                    open.push(*needed);
                }
            }
        }
        false
    }
}

/// The host ports of containers that are stopped, by number: one that does not run has none.
fn held<'a>(observed: &'a Observed, plan: &Plan) -> BTreeMap<u16, Vec<Held<'a>>> {
    let containers = observed.containers.iter();
    let containers: BTreeMap<&String, &Container> = containers.map(|own| (&own.id, own)).collect();
    let mut held: BTreeMap<u16, Vec<Held<'a>>> = BTreeMap::new();
    for step in &plan.steps {
        let Action::Stop { container, .. } = &step.action else {
            continue;
        };
        let Some(holder) = containers.get(container) else {
            continue;
        };
        for port in &holder.ports {
            if let Some(number) = port.published {
                held.entry(number).or_default().push(Held {
                    stop: step.id,
                    service: &holder.service,
                    port,
                });
            }
        }
    }
    held
}

/// The stops that free a host port that a service wants, at an address that may be the same, with whose it is.
fn freeing(held: &BTreeMap<u16, Vec<Held<'_>>>, service: &Service) -> BTreeMap<StepId, String> {
    let mut found = BTreeMap::new();
    for own in &service.ports {
        let published = own.published.as_deref().map(str::parse::<PortRange>);
        let Some(Ok(range)) = published else { continue };
        let holders = held.range(range.first..=range.last);
        let holders = holders.flat_map(|(_, all)| all);
        let same = holders.filter(|held| may_be_one(own, held.port));
        found.extend(same.map(|held| (held.stop, held.service.to_owned())));
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
