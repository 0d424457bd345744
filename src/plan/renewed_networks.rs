//! Networks that were made from another definition than the files have now: made anew, behind the stops of the containers that
//! are on them, as docker compose does it (compose `removeDivergedNetwork`). One that others are on, too, stays.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Draft, Wanted};
use super::observed::{Container, Observed, Resource};
use super::resources::{differs, is_made_for};
use super::step::{Action, StepId};

/// Why one is made anew.
pub(super) const CHANGED: &str = "it was made from another definition";

/// The networks, by name, of which it matters who is on them: those that would be made anew.
pub fn asked_networks(wanted: &Wanted<'_>, observed: &Observed) -> Vec<String> {
    let changed = changed(wanted, observed);
    changed.into_iter().map(|own| own.name.clone()).collect()
}

/// The networks of this run that were made for the project, from another definition. `run` starts what its container needs
/// and no more, so it leaves them.
fn changed<'a>(wanted: &Wanted<'_>, observed: &'a Observed) -> Vec<&'a Resource> {
    let project = wanted.project;
    let services = wanted.services.iter().map(|name| &project.services[name]);
    let runs = services.clone().any(|own| own.one_off.is_some());
    if !wanted.containers || wanted.asked.keep || runs {
        return Vec::new();
    }
    let keys: BTreeSet<&String> = services.flat_map(|own| own.networks.keys()).collect();
    let found = keys.into_iter().filter_map(|key| {
        let definition = project.networks.get(key).filter(|own| !own.external)?;
        let name = project.network_name(key);
        let found = observed.networks.iter().find(|own| own.name == name)?;
        let hashes = (definition.config(), project.network_hash(key));
        (is_made_for(project, found) && differs(found, hashes)).then_some(found)
    });
    found.collect()
}

impl Draft<'_> {
    /// Stops who is on such networks, behind the `before`, and removes these, where nobody is on them but services of this run
    /// and who goes. Services stop behind those that depend on them; they stand in `order`.
    pub(super) fn renew_networks(&mut self, order: &[String], before: &[StepId]) {
        let gone = self.gone.iter().map(|(own, step)| (own.id.clone(), *step));
        let gone: BTreeMap<String, StepId> = gone.collect();
        for network in changed(self.wanted, self.observed) {
            let Some(there) = self.observed.attached.get(&network.name) else {
                continue;
            };
            if self.renewed.contains_key(&network.name) || !self.is_alone(there, &gone) {
                continue;
            }
            let leave = gone.iter().filter(|(own, _)| there.contains(*own));
            let mut left: Vec<StepId> = leave.map(|(_, removed)| *removed).collect();
            left.extend(self.clear(network, there, order, before));
            let action = Action::RemoveNetwork {
                network: network.id.clone(),
                name: network.name.clone(),
            };
            let removed = self.step(None, action, CHANGED, left);
            self.renewed.insert(network.name.clone(), removed);
        }
    }

    /// Whether the containers on a network, by their IDs, are of services of this run, or go.
    fn is_alone(&self, there: &BTreeSet<String>, gone: &BTreeMap<String, StepId>) -> bool {
        let services = self.wanted.services.iter();
        let own = services.flat_map(|service| self.census.containers(service));
        let own = own.map(|own| &own.id).chain(gone.keys());
        there.is_subset(&own.cloned().collect())
    }

    /// The stops of the containers on a network.
    fn clear(
        &mut self,
        network: &Resource,
        there: &BTreeSet<String>,
        order: &[String],
        before: &[StepId],
    ) -> Vec<StepId> {
        let mut dependents: BTreeMap<&String, Vec<StepId>> = BTreeMap::new();
        let mut all = Vec::new();
        for service in order.iter().rev() {
            let first = dependents.remove(service).unwrap_or_default();
            let own = self.census.containers(service).to_vec();
            let own = own.into_iter().filter(|own| there.contains(&own.id));
            let mut stops = Vec::new();
            for container in own {
                stops.push(self.stop_early(container, network, before.iter().chain(&first)));
            }
            for name in self.wanted.project.services[service].depends_on.keys() {
                let first = dependents.entry(name).or_default();
                first.extend(&stops);
            }
            all.extend(stops);
        }
        all
    }

    /// The stop of a container whose network is made anew; one for all its networks.
    fn stop_early<'a>(
        &mut self,
        container: &Container,
        network: &Resource,
        before: impl Iterator<Item = &'a StepId>,
    ) -> StepId {
        if let Some(stop) = self.stopped.get(&container.id) {
            return *stop;
        }
        let cause = format!("network `{}` is made anew", network.name);
        let stop = self.stop(&container.service, container, cause, before.copied());
        self.stopped.insert(container.id.clone(), stop);
        stop
    }

    /// The networks that are made anew, and that a container of a service is on.
    pub(super) fn renewed_under(&self, service: &str) -> Vec<String> {
        let own = self.census.containers(service).iter();
        let on = |name: &&String| own.clone().any(|own| own.networks.contains_key(*name));
        self.renewed.keys().filter(on).cloned().collect()
    }
}
