//! Host ports that move from one container to another: who gets one starts once its holder is gone.

use std::collections::BTreeSet;

use super::decide::Draft;
use super::observed::Container;
use super::step::{Action, StepId};
use crate::model::{PortRange, Service};

impl Draft<'_> {
    /// Puts each start behind the removals that free its host ports. A holder that would go only once the start's
    /// service is up, since it depends on it, goes before.
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
            let Some(service) = &step.service else {
                continue;
            };
            let service = &self.wanted.project.services[service];
            for (removal, holder) in &removals {
                if !publishes_of(service, holder) || self.comes_after(start, *removal) {
                    continue;
                }
                self.free(*removal, start);
                if !self.comes_after(*removal, start) {
                    self.plan.steps[start.0].after.push(*removal);
                }
            }
            self.plan.steps[start.0].after.sort_unstable();
        }
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

/// Whether a service wants a host port that a container has. The host's address does not count: to wait for nothing costs
/// a moment, and a start that finds its port taken fails.
fn publishes_of(service: &Service, holder: &Container) -> bool {
    let wants = |number: u16, protocol: &str| {
        service.ports.iter().any(|port| {
            let own = match port.protocol.as_str() {
                "" => "tcp",
                own => own,
            };
            let published = port.published.as_deref().map(str::parse::<PortRange>);
            own.eq_ignore_ascii_case(protocol)
                && matches!(published, Some(Ok(range)) if (range.first..=range.last).contains(&number))
        })
    };
    let mut held = holder.ports.iter();
    held.any(|port| {
        port.published
            .is_some_and(|number| wants(number, &port.protocol))
    })
}
