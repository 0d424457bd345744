//! Networks that were made from another definition than the files have now: made anew, behind the stops of the containers that
//! are on them, as docker compose does it (compose `removeDivergedNetwork`). One that others are on, too, stays.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Draft, Wanted};
use super::observed::{Container, Observed, Resource};
use super::step::{Action, StepId};
use crate::model::labels;

/// Why one is made anew.
pub(super) const CHANGED: &str = "it was made from another definition";

/// The networks, by ID, of which it matters who is on them: those that would be made anew.
pub fn asked_networks(wanted: &Wanted<'_>, observed: &Observed) -> Vec<String> {
    let changed = changed(wanted, observed);
    changed.into_iter().map(|own| own.id.clone()).collect()
}

/// The networks of this run that were made for the project, from another definition.
fn changed<'a>(wanted: &Wanted<'_>, observed: &'a Observed) -> Vec<&'a Resource> {
    if !wanted.containers || wanted.asked.keep {
        return Vec::new();
    }
    let project = wanted.project;
    let services = wanted.services.iter().map(|name| &project.services[name]);
    let keys: BTreeSet<&String> = services.flat_map(|own| own.networks.keys()).collect();
    let found = keys.into_iter().filter_map(|key| {
        let definition = project.networks.get(key).filter(|own| !own.external)?;
        let config = definition.config().to_string();
        let name = project.network_name(key);
        let found = observed.networks.iter().find(|own| own.name == name)?;
        let label = |key| found.labels.get(key);
        let own = label(labels::PROJECT) == Some(&project.name);
        let differs = label(labels::CONFIG).is_some_and(|before| *before != config);
        (own && differs).then_some(found)
    });
    found.collect()
}

impl Draft<'_> {
    /// Stops who is on such networks and removes these, where nobody is on them but services of this run and who goes.
    pub(super) fn renew_networks(&mut self) {
        let gone = self.gone.iter().map(|(own, step)| (own.id.clone(), *step));
        let gone: BTreeMap<String, StepId> = gone.collect();
        for network in changed(self.wanted, self.observed) {
            let Some(there) = self.observed.attached.get(&network.id) else {
                continue;
            };
            let on_it = |own: &&Container| there.contains(&own.id);
            let all: Vec<&Container> = self.observed.containers.iter().filter(on_it).collect();
            let services = self.wanted.services;
            let ours = |own: &&Container| {
                gone.contains_key(&own.id) || !own.one_off && services.contains(&own.service)
            };
            let stays = all.len() < there.len() || !all.iter().all(ours);
            if stays || self.renewed.contains_key(&network.name) {
                continue;
            }
            let mut left = Vec::new();
            for container in all {
                let before = gone.get(&container.id).or(self.stopped.get(&container.id));
                let step = before.copied().unwrap_or_else(|| {
                    let cause = format!("network `{}` is made anew", network.name);
                    let stop = self.stop(&container.service, container, cause, []);
                    self.stopped.insert(container.id.clone(), stop);
                    stop
                });
                left.push(step);
            }
            let action = Action::RemoveNetwork {
                network: network.id.clone(),
                name: network.name.clone(),
            };
            let removed = self.step(None, action, CHANGED, left);
            self.renewed.insert(network.name.clone(), removed);
        }
    }
}
