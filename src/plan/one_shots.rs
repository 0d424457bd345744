//! Services that are run to their end by those that wait for them: whether one that is done stays done.

use std::collections::BTreeSet;

use super::decide::{Draft, Started, Wanted};
use super::observed::{Container, Observed, State};
use super::step::{Action, ContainerSource};

/// The containers of which it matters when they were started, by ID: one-shot services that are done, and all that
/// they depend on. A list of containers does not say it, so these alone are asked.
pub fn asked_starts(wanted: &Wanted<'_>, observed: &Observed) -> BTreeSet<String> {
    let one_shots = wanted.project.one_shots();
    let done = |container: &&Container| {
        !container.one_off
            && container.state == State::Exited(0)
            && wanted.services.contains(&container.service)
            && one_shots.contains(container.service.as_str())
    };
    let done = observed.containers.iter().filter(done);
    let services: BTreeSet<String> = done
        .filter_map(|own| {
            let name = std::slice::from_ref(&own.service);
            wanted.project.with_dependencies(name).ok()
        })
        .flatten()
        .collect();
    let asked = |own: &&Container| !own.one_off && services.contains(&own.service);
    let asked = observed.containers.iter().filter(asked);
    asked.map(|container| container.id.clone()).collect()
}

impl Draft<'_> {
    /// Why a one-shot service that ended well is to be run once more: what it depends on may have lost what it did, since
    /// it is another container, or started anew. Docker compose runs it at each `up`.
    pub(super) fn undone(&self, service: &str, container: &Container) -> Option<String> {
        let name = [service.to_owned()];
        let mut needed = self.wanted.project.with_dependencies(&name).ok()?;
        needed.remove(service);
        let named = needed
            .iter()
            .filter_map(|name| self.started.get_key_value(name));
        let mut all = named.flat_map(|(name, started)| started.iter().map(move |own| (name, own)));
        all.find_map(|(name, own)| {
            if self.is_started(own) {
                return Some(format!("`{name}` starts anew"));
            }
            let ContainerSource::Id(id) = &own.container else {
                return None;
            };
            let there = self
                .observed
                .containers
                .iter()
                .find(|other| other.id == *id)?;
            let before = there.started.is_some() && there.started <= container.started;
            (!before).then(|| format!("`{name}` was started after it"))
        })
    }

    /// Whether a container is started by the plan.
    fn is_started(&self, container: &Started) -> bool {
        let step = container.step.map(|step| &self.plan.steps[step.0].action);
        matches!(step, Some(Action::Start { .. }))
    }
}
