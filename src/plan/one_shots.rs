//! Services that are run to their end by those that wait for them: whether one that is done stays done.

use std::collections::BTreeSet;

use super::decide::{Draft, Started, Wanted};
use super::observed::{Container, Observed, State};

/// Since when a container runs, as far as is known: the later the greater, and what is not known may be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Since {
    /// Seconds and nanoseconds since 1970.
    At((i64, u32)),
    Unknown,
    /// The plan starts it.
    Anew,
}

impl Since {
    pub(super) fn of(container: &Container) -> Self {
        container.started.map_or(Self::Unknown, Self::At)
    }
}

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
    let done: Vec<String> = done.map(|container| container.service.clone()).collect();
    // No name would stand for all services.
    if done.is_empty() || !wanted.containers {
        return BTreeSet::new();
    }
    let services = wanted.project.with_dependencies(&done).unwrap_or_default();
    let asked = |own: &&Container| !own.one_off && services.contains(&own.service);
    let asked = observed.containers.iter().filter(asked);
    asked.map(|container| container.id.clone()).collect()
}

impl Draft<'_> {
    /// Why a one-shot service that ended well is to be run once more: what it depends on may have lost what it did, since
    /// it is another container, or started anew. Docker compose runs it at each `up`.
    pub(super) fn undone(&self, service: &str, container: &Container) -> Option<String> {
        let (since, name) = self.newest_below(service)?;
        match since {
            Since::Anew => Some(format!("`{name}` starts anew")),
            since => {
                let before = container.started.is_some_and(|own| since <= Since::At(own));
                (!before).then(|| format!("`{name}` was started after it"))
            }
        }
    }

    /// Why a one-shot service that runs is to be run from its beginning: what it works on was away, or is replaced.
    pub(super) fn cut_short(&self, service: &str) -> Option<String> {
        let depends_on = self.wanted.project.services[service].depends_on.keys();
        let mut lost = depends_on.filter_map(|name| self.lost.get(name));
        Some(format!("`{}` starts anew", lost.next()?))
    }

    /// Notes since when a service runs, or the newest of those that it depends on; those were noted before.
    pub(super) fn note_newest(&mut self, service: &str, started: &[Started]) {
        let own = started.iter().map(|own| (own.since, service.to_owned()));
        let newest = own.chain(self.newest_below(service)).max();
        self.newest
            .extend(newest.map(|newest| (service.to_owned(), newest)));
        let own = started.iter().any(|own| own.lost);
        let own = own.then(|| service.to_owned());
        let depends_on = self.wanted.project.services[service].depends_on.keys();
        let mut below = depends_on.filter_map(|name| self.lost.get(name));
        let lost = own.or_else(|| below.next().cloned());
        self.lost
            .extend(lost.map(|lost| (service.to_owned(), lost)));
    }

    /// The newest of those that a service depends on, directly or not.
    fn newest_below(&self, service: &str) -> Option<(Since, String)> {
        let depends_on = &self.wanted.project.services[service].depends_on;
        let below = depends_on.keys().filter_map(|name| self.newest.get(name));
        below.max().cloned()
    }
}
