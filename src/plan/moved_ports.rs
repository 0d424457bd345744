//! Host ports that move from one container to another: who gets one starts once its holder is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::decide::Draft;
use super::observed::{Container, PublishedPort};
use super::step::{Action, StepId};
use crate::model::{Port, PortRange, Service};

impl Draft<'_> {
    /// Puts each start behind the removals that free its host ports; the container that it replaces stays until then, too. A
    /// holder that would go only once the start's service is up, since it depends on it, goes before.
    pub(super) fn wait_for_ports(&mut self) {
        let held = self.held();
        for start in (0..self.plan.steps.len()).map(StepId) {
            let step = &self.plan.steps[start.0];
            let Action::Start { .. } = step.action else {
                continue;
            };
            let Some(service) = step.service.clone() else {
                continue;
            };
            for removal in freeing(&held, &self.wanted.project.services[&service]) {
                if self.comes_after(start, removal) {
                    continue;
                }
                self.free(removal, start);
                for step in self.ends_of(&service, start).into_iter().chain([start]) {
                    let apart = step != removal
                        && !self.comes_after(step, removal)
                        && !self.comes_after(removal, step);
                    if apart {
                        self.plan.steps[step.0].after.push(removal);
                        self.plan.steps[step.0].after.sort_unstable();
                    }
                }
            }
        }
    }

    /// The host ports of containers that are removed, by number, with the step that does it.
    fn held(&self) -> BTreeMap<u16, Vec<(StepId, PublishedPort)>> {
        let containers = self.observed.containers.iter();
        let containers: BTreeMap<&String, &Container> =
            containers.map(|own| (&own.id, own)).collect();
        let mut held: BTreeMap<u16, Vec<(StepId, PublishedPort)>> = BTreeMap::new();
        for step in &self.plan.steps {
            let Action::Remove { container, .. } = &step.action else {
                continue;
            };
            let holder = containers.get(container).into_iter();
            for port in holder.flat_map(|holder| &holder.ports) {
                if let Some(number) = port.published {
                    held.entry(number)
                        .or_default()
                        .push((step.id, port.clone()));
                }
            }
        }
        held
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

    /// Has a removal, and the stop before it, wait for no other service that waits for a start.
    fn free(&mut self, removal: StepId, start: StepId) {
        let mut steps = vec![removal];
        while let Some(id) = steps.pop() {
            let mut after = std::mem::take(&mut self.plan.steps[id.0].after);
            after.retain(|needed| {
                let action = &self.plan.steps[needed.0].action;
                let is_gate = matches!(action, Action::Start { .. } | Action::Wait { .. });
                !is_gate || *needed != start && !self.comes_after(*needed, start)
            });
            let is_stop =
                |id: &&StepId| matches!(self.plan.steps[id.0].action, Action::Stop { .. });
            steps.extend(after.iter().filter(is_stop));
            self.plan.steps[id.0].after = after;
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

/// The removals that free a host port that a service wants, at an address that may be the same.
fn freeing(
    held: &BTreeMap<u16, Vec<(StepId, PublishedPort)>>,
    service: &Service,
) -> BTreeSet<StepId> {
    let mut found = BTreeSet::new();
    for own in &service.ports {
        let published = own.published.as_deref().map(str::parse::<PortRange>);
        let Some(Ok(range)) = published else { continue };
        let holders = held
            .range(range.first..=range.last)
            .flat_map(|(_, all)| all);
        let same = holders.filter(|(_, port)| may_be_one(own, port));
        found.extend(same.map(|(removal, _)| *removal));
    }
    found
}

/// Whether two ports of one number are of one protocol, and of no two addresses.
fn may_be_one(wanted: &Port, held: &PublishedPort) -> bool {
    let protocol = match wanted.protocol.as_str() {
        "" => "tcp",
        protocol => protocol,
    };
    let one = wanted.host_ip.as_deref().filter(|ip| is_one(ip));
    let other = held.host_ip.as_deref().filter(|ip| is_one(ip));
    protocol.eq_ignore_ascii_case(&held.protocol)
        && (one.is_none() || other.is_none() || one == other)
}

/// Whether an address of the host is not that of all its interfaces.
fn is_one(address: &str) -> bool {
    let parsed: Result<IpAddr, _> = address.parse();
    parsed.is_ok_and(|address| !address.is_unspecified())
}
