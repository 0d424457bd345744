//! Host ports that move from one container to another: who gets one starts once its holder is gone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::decide::Draft;
use super::observed::{Container, PublishedPort};
use super::step::{Action, StepId};
use crate::model::{PortRange, Service};

impl Draft<'_> {
    /// Puts each start behind the removals that free its host ports; the container that it replaces stays until then, too. A
    /// holder that would go only once the start's service is up, since it depends on it, goes before.
    pub(super) fn wait_for_ports(&mut self) {
        let observed = self.observed;
        let removals: Vec<(StepId, &Container)> = self
            .plan
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Remove { container, .. } => {
                    let holder = observed.containers.iter().find(|c| c.id == *container)?;
                    Some((step.id, holder))
                }
                _ => None,
            })
            .collect();
        for start in (0..self.plan.steps.len()).map(StepId) {
            let step = &self.plan.steps[start.0];
            let Action::Start { .. } = step.action else {
                continue;
            };
            let Some(service) = step.service.clone() else {
                continue;
            };
            let wants = &self.wanted.project.services[&service];
            for (removal, holder) in &removals {
                if !publishes_of(wants, holder) || self.comes_after(start, *removal) {
                    continue;
                }
                self.free(*removal, start);
                for step in self.ends_of(&service, start).into_iter().chain([start]) {
                    let apart = step != *removal
                        && !self.comes_after(step, *removal)
                        && !self.comes_after(*removal, step);
                    if apart {
                        self.plan.steps[step.0].after.push(*removal);
                        self.plan.steps[step.0].after.sort_unstable();
                    }
                }
            }
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

/// Whether a service wants a host port that a container has, at an address that may be the same.
fn publishes_of(service: &Service, holder: &Container) -> bool {
    let held = |port: &PublishedPort| {
        let Some(number) = port.published else {
            return false;
        };
        service.ports.iter().any(|own| {
            let protocol = match own.protocol.as_str() {
                "" => "tcp",
                protocol => protocol,
            };
            let published = own.published.as_deref().map(str::parse::<PortRange>);
            let one = own.host_ip.as_deref().filter(|ip| is_one(ip));
            let other = port.host_ip.as_deref().filter(|ip| is_one(ip));
            protocol.eq_ignore_ascii_case(&port.protocol)
                && matches!(published, Some(Ok(range)) if (range.first..=range.last).contains(&number))
                && (one.is_none() || other.is_none() || one == other)
        })
    };
    holder.ports.iter().any(held)
}

/// Whether an address of the host is not that of all its interfaces.
fn is_one(address: &str) -> bool {
    let parsed: Result<IpAddr, _> = address.parse();
    parsed.is_ok_and(|address| !address.is_unspecified())
}
