//! What is asked for each service, counted once, as a project may have thousands: who waits for it, and which of its
//! containers are there.

use std::collections::{HashMap, HashSet};

use super::decide::Wanted;
use super::observed::{Container, Observed};
use super::step::Readiness;
use crate::model::Condition;

/// The services of a run and the containers of its project.
pub(super) struct Census<'a> {
    completed: HashMap<&'a str, &'a String>,
    healthy: HashMap<&'a str, &'a String>,
    containers: HashMap<&'a str, Vec<&'a Container>>,
    names: HashSet<&'a str>,
}

impl<'a> Census<'a> {
    pub(super) fn of(wanted: &Wanted<'a>, observed: &'a Observed) -> Self {
        let mut census = Self {
            completed: HashMap::new(),
            healthy: HashMap::new(),
            containers: HashMap::new(),
            names: HashSet::with_capacity(observed.containers.len()),
        };
        for service in wanted.services {
            for (name, dependency) in &wanted.project.services[service].depends_on {
                let waiting = match dependency.condition {
                    Condition::Started => continue,
                    Condition::Healthy => &mut census.healthy,
                    Condition::Completed => &mut census.completed,
                };
                waiting.entry(name).or_insert(service);
            }
        }
        for container in &observed.containers {
            census.names.insert(&container.name);
            if !container.one_off {
                let own = census.containers.entry(&container.service).or_default();
                own.push(container);
            }
        }
        census
    }

    /// The most that another service of the run waits for, and the first that does.
    pub(super) fn awaited(&self, service: &str) -> Option<(Readiness, &'a String)> {
        let completed = self.completed.get(service);
        let completed = completed.map(|first| (Readiness::Completed, *first));
        let healthy = || {
            let first = self.healthy.get(service)?;
            Some((Readiness::Healthy, *first))
        };
        completed.or_else(healthy)
    }

    /// The containers of a service, those of `run` left out.
    pub(super) fn containers(&self, service: &str) -> &[&'a Container] {
        self.containers.get(service).map_or(&[], Vec::as_slice)
    }

    /// Whether a container has this name.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
