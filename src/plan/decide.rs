//! The decision: from what is wanted and what is there, the steps between. Pure: no clock, environment,
//! network or terminal, so what `larder plan` prints is what `up` does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::census::Census;
use super::error::Error;
use super::hosts::own_names;
use super::images::Chosen;
use super::names::Names;
use super::observed::{Container, Observed};
use super::offers::{Offer, Push};
use super::one_shots::Since;
use super::step::{Action, BuilderKind, ContainerSource, Plan, Readiness, ServicePlan, StepId};
use crate::fingerprint::{Change, Fingerprinted};
use crate::model::{Condition, Digest, Project, start_order};

/// What a run is asked to reach.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The project.
    pub project: &'a Project,
    /// The services to start, with all that they depend on.
    pub services: &'a BTreeSet<String>,
    /// The fingerprints of those with a `build:`.
    pub fingerprints: &'a BTreeMap<String, Fingerprinted>,
    /// Their config hashes.
    pub configs: &'a BTreeMap<String, Digest>,
    /// What the installed docker compose said: larder's formula for its hash of a service → its hash. Those of [`super::asked_hashes`].
    pub compose_hashes: &'a BTreeMap<Digest, Digest>,
    /// Of those that are run to their end: the digest of what they mount of the machine.
    pub mounted: &'a BTreeMap<String, Digest>,
    /// What changed first since the last image of services whose image is not there, where that is known.
    pub changes: &'a BTreeMap<String, Change>,
    /// What registries have of the images that are not on the engine: key → image. Those of [`super::asked_keys`].
    pub offers: &'a BTreeMap<Digest, Offer>,
    /// Where images are pushed, by service.
    pub pushes: &'a BTreeMap<String, Push>,
    /// Who builds what.
    pub builders: Builders,
    /// Whether images that take in something unpinned were built in this run already, and images that are pulled
    /// each time were pulled. Otherwise they are, whatever is there.
    pub fresh: bool,
    /// Whether containers are wanted, or images only.
    pub containers: bool,
    /// Whether the run ends when every service is ready, or when all are started.
    pub wait: bool,
    /// What the command line asks for beside what the files say.
    pub asked: &'a Asked,
}

/// What a command line asks for beside what the files say.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Asked {
    /// Services whose containers are replaced, whatever they are, each with the option that asks for it.
    pub recreate: BTreeMap<String, &'static str>,
    /// Whether containers that are there stay, whatever they were made from.
    pub keep: bool,
    /// Jobs that are run again although they are done.
    pub rerun: BTreeSet<String>,
    /// Whether new containers get new anonymous volumes.
    pub renew_volumes: bool,
    /// Whether containers that other files made under the project's name are removed.
    pub remove_orphans: bool,
    /// The seconds until a container that is replaced or removed is killed, in place of its own.
    pub grace: Option<u32>,
    /// Whether containers are created and not started.
    pub only_create: bool,
    /// Containers, by ID, that this command made already: they are not replaced once more.
    pub made: BTreeSet<String>,
    /// Containers, by ID, that this command started already: jobs among them are not run once more.
    pub started: BTreeSet<String>,
}

impl Asked {
    /// Notes what was done since the command began to look, by what was there then and is there now: what is asked for goes for
    /// each container once.
    pub fn note_done(&mut self, before: &[Container], now: &[Container]) {
        let before = before.iter().map(|old| (&old.id, old.started));
        let before: HashMap<_, _> = before.collect();
        for own in now {
            let old = before.get(&own.id);
            if old.is_none() {
                self.made.insert(own.id.clone());
            }
            if old != Some(&own.started) {
                self.started.insert(own.id.clone());
            }
        }
    }

    /// The option by which a container of a service is replaced, whatever it is.
    pub(super) fn replaces(&self, container: &Container, service: &str) -> Option<&'static str> {
        let option = self.recreate.get(service).copied();
        option.filter(|_| !self.made.contains(&container.id))
    }

    /// Whether a job is run again although its container is done.
    pub(super) fn reruns(&self, container: &Container, service: &str) -> bool {
        self.rerun.contains(service) && !self.started.contains(&container.id)
    }
}

impl Wanted<'_> {
    /// The services whose images are looked for, or made: with those that make what the containers of the others run or
    /// mount by name.
    pub fn imaged(&self) -> BTreeSet<String> {
        if self.containers {
            self.project.with_makers(self.services)
        } else {
            self.services.clone()
        }
    }
}

/// Who builds what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builders {
    /// Dependency images.
    pub dependencies: BuilderKind,
    /// Everything else.
    pub rest: BuilderKind,
    /// Whether the other builder may take what the chosen one has no input for.
    pub strict: bool,
}

/// What is said of containers whose service no file defines, and how they go without taking others along.
pub fn stranger_warning(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "no compose file defines the service of {}; to remove: `docker rm -f {}`",
        quoted.join(", "),
        names.join(" ")
    )
}

/// Decides.
///
/// # Errors
/// What is wanted cannot be reached from what is there.
pub fn decide(wanted: &Wanted<'_>, observed: &Observed) -> Result<Plan, Error> {
    let mut draft = Draft::new(wanted, observed);
    let order = order(wanted, &draft.own_names)?;
    let imaged = wanted.imaged();
    let makers = imaged.difference(wanted.services);
    // Built images first: another service may use one by its name.
    let (mut built, named): (Vec<&String>, Vec<&String>) = makers
        .chain(&order)
        .partition(|service| wanted.project.services[*service].build.is_some());
    // Those that start from the image of another one behind that one.
    built.sort_by_key(|service| {
        let fingerprinted = wanted.fingerprints.get(*service);
        matches!(fingerprinted, Some(Fingerprinted::Missing(_)))
    });
    for service in built.into_iter().chain(named) {
        let image = draft.image(service)?;
        draft.chosen.insert(service.clone(), image);
        draft.push(service);
    }
    if wanted.containers {
        // What runs goes only once there are images: a service that cannot be built takes nobody else down.
        let last = draft.unneeded();
        draft.strangers(&last);
        draft.renew_networks(&order, &last);
    }
    for service in &order {
        let config = wanted.configs.get(service).copied();
        let chosen = draft.chosen.get(service);
        if let Some(image) = chosen.filter(|_| wanted.containers).cloned() {
            draft.containers(service, &image, config)?;
        }
    }
    if wanted.containers {
        let guests = draft.stops_of_guests(&order);
        draft.stop_guests_first(&guests);
        draft.wait_for_ports();
        draft.cut_off();
    }
    Ok(draft.plan)
}

/// The services, every one behind those it waits for, and those whose containers it names.
fn order(wanted: &Wanted<'_>, own_names: &HashMap<String, &str>) -> Result<Vec<String>, Error> {
    let needs = |name: &String| {
        let service = &wanted.project.services[name];
        let mut needs: Vec<String> = service.depends_on.keys().cloned().collect();
        let shares = service.shares().into_iter();
        let named = shares.filter_map(|(_, owner)| own_names.get(owner.container()?));
        needs.extend(named.map(|name| (*name).to_owned()));
        needs
    };
    let services = wanted.services.iter();
    let graph = services.map(|name| (name.clone(), needs(name))).collect();
    start_order(&graph).map_err(Error::Cycle)
}

/// A plan in the making, with what later services need to know of earlier ones.
pub(super) struct Draft<'a> {
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) observed: &'a Observed,
    pub(super) names: Names<'a>,
    pub(super) census: Census<'a>,
    pub(super) plan: Plan,
    /// Dependency images in the making: key → step.
    pub(super) dependency_images: BTreeMap<Digest, StepId>,
    /// Full images in the making: fingerprint → step.
    pub(super) images: BTreeMap<Digest, StepId>,
    /// Pushes: the name in the registry → step.
    pub(super) pushed: BTreeMap<String, StepId>,
    /// Every service's image.
    pub(super) chosen: BTreeMap<String, Chosen>,
    /// Pulls: image name and platform → step.
    pub(super) pulls: BTreeMap<(String, Option<String>), StepId>,
    /// Networks and volumes that were looked at: the engine's name → its step, when it must be made.
    pub(super) resources: BTreeMap<(&'static str, String), Option<StepId>>,
    /// Networks that are made anew: name → the step that removes them.
    pub(super) renewed: BTreeMap<String, StepId>,
    /// Containers that are stopped before their services' turn: ID → the step.
    pub(super) stopped: BTreeMap<String, StepId>,
    /// What starts each service's containers, and what its containers are called.
    pub(super) started: BTreeMap<String, Vec<Started>>,
    /// Of each service the newest among it and those that it depends on: since when, and which.
    pub(super) newest: BTreeMap<String, (Since, String)>,
    /// Of each service one, among it and those that it depends on, that is another now.
    pub(super) lost: BTreeMap<String, String>,
    /// Containers that go since no file defines their services, with the steps that remove them.
    pub(super) gone: Vec<(&'a Container, StepId)>,
    /// The services by the names of their containers, where that matters.
    pub(super) own_names: HashMap<String, &'a str>,
    /// The services that are run to their end.
    pub(super) one_shots: BTreeSet<&'a str>,
    /// Waits, made once however many wait for the same.
    waits: BTreeMap<(String, Readiness), Vec<StepId>>,
}

/// A container that is, or will be, running.
pub(super) struct Started {
    pub(super) container: ContainerSource,
    /// The step that starts it, when one does.
    pub(super) step: Option<StepId>,
    /// What holds of it already.
    pub(super) holds: Vec<Readiness>,
    /// Since when it runs.
    pub(super) since: Since,
    /// Why those that depend on it with `restart: true` start anew: it takes the place of another one, or is a job that is
    /// run again.
    pub(super) renewed: Option<&'static str>,
    /// Whether it comes where none ran, or in place of another one: who worked with that worked in vain.
    pub(super) lost: bool,
}

impl<'a> Draft<'a> {
    fn new(wanted: &'a Wanted<'a>, observed: &'a Observed) -> Self {
        Self {
            wanted,
            observed,
            names: Names::of(wanted),
            census: Census::of(wanted, observed),
            plan: Plan::default(),
            dependency_images: BTreeMap::new(),
            images: BTreeMap::new(),
            pushed: BTreeMap::new(),
            chosen: BTreeMap::new(),
            pulls: BTreeMap::new(),
            resources: BTreeMap::new(),
            renewed: BTreeMap::new(),
            stopped: BTreeMap::new(),
            started: BTreeMap::new(),
            newest: BTreeMap::new(),
            lost: BTreeMap::new(),
            gone: Vec::new(),
            own_names: own_names(wanted),
            one_shots: wanted.project.one_shots(),
            waits: BTreeMap::new(),
        }
    }

    /// Adds a step.
    pub(super) fn step(
        &mut self,
        service: Option<&str>,
        action: Action,
        cause: impl Into<String>,
        after: impl IntoIterator<Item = StepId>,
    ) -> StepId {
        self.plan.add(service, action, cause, after)
    }

    /// The steps that no other one needs.
    fn unneeded(&self) -> Vec<StepId> {
        let steps = &self.plan.steps;
        let needed = steps
            .iter()
            .flat_map(|step| step.after.iter().chain(&step.settled));
        let needed: BTreeSet<StepId> = needed.copied().collect();
        let ids = steps.iter().map(|step| step.id);
        ids.filter(|id| !needed.contains(id)).collect()
    }

    /// Notes what was decided about a service.
    pub(super) fn service(&mut self, name: &str, decided: ServicePlan) {
        self.plan.services.insert(name.to_owned(), decided);
    }

    /// The steps behind which a service's containers may start: those that must succeed, and those that
    /// must only have ended.
    pub(super) fn gates(&mut self, service: &str) -> (Vec<StepId>, Vec<StepId>) {
        let (mut after, mut settled) = (Vec::new(), Vec::new());
        if self.wanted.asked.only_create {
            return (after, settled);
        }
        // What goes may have the same files, address or devices, while it runs.
        let gone = self.gone.iter().filter(|(own, _)| own.state.is_running());
        after.extend(gone.map(|(_, removed)| *removed));
        let depends_on = &self.wanted.project.services[service].depends_on;
        for (name, dependency) in depends_on {
            let steps = match dependency.condition {
                Condition::Started => self.starts(name),
                Condition::Healthy => self.wait(name, Readiness::Healthy, service),
                Condition::Completed => self.wait(name, Readiness::Completed, service),
            };
            if dependency.required {
                &mut after
            } else {
                &mut settled
            }
            .extend(steps);
        }
        (after, settled)
    }

    /// The steps that start a service's containers.
    pub(super) fn starts(&self, service: &str) -> Vec<StepId> {
        self.started
            .get(service)
            .into_iter()
            .flatten()
            .filter_map(|started| started.step)
            .collect()
    }

    /// The steps that wait for a service's containers, made when they are not there yet.
    fn wait(&mut self, service: &str, until: Readiness, dependent: &str) -> Vec<StepId> {
        let cause = format!("`{dependent}` waits for it");
        self.wait_because(service, until, &cause)
    }

    fn wait_because(&mut self, service: &str, until: Readiness, cause: &str) -> Vec<StepId> {
        let key = (service.to_owned(), until);
        if let Some(steps) = self.waits.get(&key) {
            return steps.clone();
        }
        let open: Vec<(ContainerSource, Option<StepId>)> = self
            .started
            .get(service)
            .into_iter()
            .flatten()
            .filter(|started| !started.holds.contains(&until))
            .map(|started| (started.container.clone(), started.step))
            .collect();
        let steps: Vec<StepId> = open
            .into_iter()
            .map(|(container, after)| {
                self.step(
                    Some(service),
                    Action::Wait { container, until },
                    cause,
                    after,
                )
            })
            .collect();
        self.waits.insert(key, steps.clone());
        steps
    }

    /// The wait that `up` itself does for a service, unless a dependent's wait already says as much.
    pub(super) fn final_wait(&mut self, service: &str) {
        match self.census.awaited(service) {
            Some((until, dependent)) => self.wait(service, until, dependent),
            None => self.wait_because(service, Readiness::Ready, "`up` ends when it is"),
        };
    }
}
