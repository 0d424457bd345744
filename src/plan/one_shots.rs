//! Services that are run to their end by those that wait for them: whether one that is done stays done.

use std::collections::BTreeSet;

use super::containers::RUN_AGAIN;
use super::decide::{Draft, Started, Wanted};
use super::observed::{Container, Observed, State};
use crate::model::{Condition, Dependency};

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

/// The containers of which it matters when they were started, by ID: one-shot services that are done, and all that they
/// depend on; and who runs and starts anew with a one-shot, with that one. A list of containers does not say it, so these
/// alone are asked.
pub fn asked_starts(wanted: &Wanted<'_>, observed: &Observed) -> BTreeSet<String> {
    if !wanted.containers {
        return BTreeSet::new();
    }
    let project = wanted.project;
    let one_shots = project.one_shots();
    let (mut done, mut services, mut asked) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let all = || observed.containers.iter().filter(|own| !own.one_off);
    for own in all().filter(|own| wanted.services.contains(&own.service)) {
        if own.state == State::Exited(0) && one_shots.contains(own.service.as_str()) {
            done.push(own.service.clone());
        }
        let depends_on = project.services[&own.service].depends_on.iter();
        let behind = depends_on.filter(|(_, dependency)| is_behind_job(dependency));
        for (job, _) in behind.filter(|_| own.state.is_running()) {
            asked.insert(own.id.clone());
            services.insert(job.clone());
        }
    }
    // No name would stand for all services.
    if !done.is_empty() {
        services.extend(project.with_dependencies(&done).unwrap_or_default());
    }
    let further = all().filter(|own| services.contains(&own.service));
    asked.extend(further.map(|own| own.id.clone()));
    asked
}

/// Whether a service goes with a job that it starts behind. One that goes on without it does not: where the job fails at each
/// start, it would be cut off each time.
fn is_behind_job(dependency: &Dependency) -> bool {
    dependency.restart && dependency.required && dependency.condition == Condition::Completed
}

/// Why a container starts anew with a job that its service depends on: that one starts, or was started after it.
pub(super) fn outrun(
    dependency: &Dependency,
    job: &[Started],
    container: &Container,
) -> Option<&'static str> {
    let mut job = job.iter().filter(|_| is_behind_job(dependency));
    job.find_map(|job| match (job.since, container.started) {
        (Since::Anew, _) => Some(RUN_AGAIN),
        (Since::At(job), Some(own)) if job > own => Some("was started after it"),
        _ => None,
    })
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
