//! The line that `up`, `plan`, `fingerprint`, `build` and `why` share: fingerprint and observe side by side, look up
//! the bases, decide.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::timeout_at;

use super::bases::Bases;
use super::carry_out::carry_out;
use super::compose_hashes::Oracle;
use super::decide::BY_DOCKER;
use super::hold::Way;
use super::invocation::Invocation;
use super::offers::Pantry;
use super::proofs;
use super::records;
use super::stops::wait_for_stops;
use crate::compose;
use crate::docker::{self, Docker};
use crate::failure::Failure;
use crate::fingerprint::{self, Base, BaseRef, Change, Fingerprinted, Platform, StatCache, Survey};
use crate::model::{Digest, Project, familiar};
use crate::plan::{self, Asked, ChosenPort, Observed, Push};
use crate::runtime::{Engine, EngineError, Leg};
use crate::settings::Settings;
use crate::term::Waiting;

/// How long after the start the error of an engine is kept back while files are read: what is wrong with them is told
/// first, as it is so whatever the engine says.
const KEPT_BACK: Duration = Duration::from_secs(1);
/// What a person is told while files are read.
const READING: &str = "reading the build contexts";

/// What a command wants to reach.
#[derive(Clone, Copy, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(super) struct Goal {
    /// Containers, or images only.
    pub(super) containers: bool,
    /// Whether what the named services depend on is wanted, too.
    pub(super) dependencies: bool,
    /// Whether the run ends when every service is ready.
    pub(super) wait: bool,
    /// Whether images may be built.
    pub(super) builds: bool,
    /// Whether the command changes anything: pulls the base images that are not there, wakes Dagger.
    pub(super) acts: bool,
    /// Whether it starts containers.
    pub(super) starts: bool,
}

impl Goal {
    /// What images are made of, and nothing done about it.
    pub(super) const FINGERPRINTS: Self = Self {
        containers: false,
        dependencies: true,
        wait: false,
        builds: true,
        acts: false,
        starts: false,
    };
}

/// Everything that is known before a decision.
pub(super) struct Prepared {
    pub(super) project: Project,
    pub(super) settings: Settings,
    /// The services that were asked for by name.
    pub(super) named: Vec<String>,
    /// The services in question, with all that they depend on.
    pub(super) services: BTreeSet<String>,
    pub(super) engine: Docker,
    pub(super) observed: Observed,
    pub(super) recipes: BTreeMap<String, Fingerprinted>,
    pub(super) configs: BTreeMap<String, Digest>,
    /// What the installed docker compose says of services whose containers it made.
    pub(super) compose_hashes: BTreeMap<Digest, Digest>,
    pub(super) mounted: BTreeMap<String, Digest>,
    /// What changed first since their last image, of services that have none.
    pub(super) changes: BTreeMap<String, Change>,
    pub(super) goal: Goal,
    /// What the command line asks for beside what the files say.
    pub(super) asked: Asked,
    /// What made this run as long as it is until now.
    pub(super) path: Vec<Leg>,
    /// Whether what [`Prepared::freshen`] brings was brought in this run.
    pub(super) fresh: bool,
    /// The services whose images were built before all else in this run, since other builds start from them.
    pub(super) built: BTreeSet<String>,
    /// The socket of the user's SSH agent.
    pub(super) agent: Option<PathBuf>,
    /// The host ports in place of those that are taken.
    pub(super) ports: Vec<ChosenPort>,
    /// What registries have of what is missing here.
    pub(super) pantry: Pantry,
    /// What is known of bases: name and platform → what a build gets from it.
    pub(super) bases: BTreeMap<String, Base>,
    /// Where this run's images are pushed, and what is not there yet.
    pub(super) pushes: BTreeMap<String, Push>,
}

/// What fingerprints are taken of, and what is kept of their files.
pub(super) struct Reading {
    pub(super) survey: Arc<Survey>,
    cache: StatCache,
}

/// What reading the project's files gives.
struct Inputs {
    survey: Survey,
    configs: BTreeMap<String, Digest>,
    mounted: BTreeMap<String, Digest>,
    cache: StatCache,
    /// What `--frozen` misses, as far as this machine's platform tells.
    unlocked: Option<fingerprint::Error>,
}

/// Loads the project of a command that has no settings of its own, tells its warnings, and finds out all that a decision needs.
pub(super) async fn load_and_prepare(
    invocation: &Invocation,
    names: &[String],
    goal: Goal,
) -> Result<Prepared, Failure> {
    let project = invocation.load(names)?;
    let settings = invocation.settings(Some(&project), None)?;
    invocation.warn(&project);
    prepare(invocation, project, names, settings, goal).await
}

/// Finds out all that a decision needs.
pub(super) async fn prepare(
    invocation: &Invocation,
    mut project: Project,
    names: &[String],
    settings: Settings,
    goal: Goal,
) -> Result<Prepared, Failure> {
    let begun = Instant::now();
    let services = if goal.dependencies {
        project.with_dependencies(names)?
    } else {
        project.without_dependencies(names)?
    };
    if goal.containers {
        compose::check_start(&project, &services)?;
    }
    project.add_build_args(&docker::proxies(&invocation.environment));
    let builds = if goal.containers {
        project.with_contexts(&project.with_makers(&services))
    } else {
        project.with_contexts(&services)
    };
    // Before files are read: while it waits for another run they may change.
    let mut held = None;
    if goal.containers && goal.acts {
        let engine = invocation.engine_to_change(&project.name);
        held = Some(Box::pin(engine).await);
        if invocation.has_waited() {
            return Err(Failure::Waited);
        }
    }
    let reading = reading(invocation, &project, (&services, &builds), &settings, goal);
    let looking = async {
        let engine = match held {
            Some(engine) => engine?,
            None => invocation.engine().await?,
        };
        if goal.acts {
            // What is there now is there until it is used.
            invocation.hold_images(&engine, Way::Shared).await?;
        }
        let acts = goal.acts && goal.containers;
        let signals = async {
            if acts && goal.starts {
                engine.signals(&project.name).await
            } else {
                Vec::new()
            }
        };
        let seen = async {
            let mut observed = engine.observe(&project.name).await?;
            if acts {
                if engine.starting(&project, &observed.containers).await? {
                    observed = engine.observe(&project.name).await?;
                }
                let (name, networks) = (&project.name, &observed.networks);
                if engine.keep_single(name, networks).await? {
                    observed = engine.observe(name).await?;
                }
            }
            Ok::<_, Failure>((observed, engine.native().await?))
        };
        let (seen, signals) = tokio::join!(seen, signals);
        let (observed, native) = seen?;
        Ok::<_, Failure>((engine, observed, signals, native))
    };
    // On the heap: the futures of calls to an engine are large.
    let (mut inputs, (engine, observed, signals, native)) =
        both(reading, Box::pin(looking), begun + KEPT_BACK, |read| {
            read.unlocked.map(Failure::from)
        })
        .await?;
    let read = inputs.survey.services().cloned().collect();
    fingerprint::check_platforms(&project, &read, &native)?;
    if native != Platform::host() {
        inputs.survey = anew(&project, builds, native, &inputs.cache).await?;
        inputs.unlocked = unlocked(&inputs.survey, settings.frozen);
    }
    if let Some(unlocked) = inputs.unlocked {
        return Err(unlocked.into());
    }
    let own = observed.containers.iter();
    let own = own.filter(|own| !own.one_off && services.contains(&own.service));
    wait_for_stops(invocation, &engine, own, &signals).await?;

    let mut prepared = Prepared {
        project,
        settings,
        named: names.to_vec(),
        services,
        engine,
        observed,
        recipes: BTreeMap::new(),
        configs: inputs.configs,
        compose_hashes: BTreeMap::new(),
        mounted: inputs.mounted,
        changes: BTreeMap::new(),
        goal,
        asked: Asked::default(),
        path: Vec::new(),
        fresh: false,
        built: BTreeSet::new(),
        agent: invocation.ssh_agent(),
        ports: Vec::new(),
        pantry: Pantry::default(),
        bases: BTreeMap::new(),
        pushes: BTreeMap::new(),
    };
    if goal.containers {
        prepared.choose_ports().await?;
        prepared.ask_others().await?;
        prepared.ask_compose(invocation).await;
        prepared.ask_starts().await?;
        prepared.ask_networks().await?;
        prepared.recall().await?;
        prepared.ask_ages().await?;
        // Before base images are pulled for what cannot be started.
        prepared.ask_platforms().await?;
        plan::check(&prepared.wanted(BY_DOCKER), &prepared.observed)?;
    }
    Box::pin(prepared.fingerprint(invocation, inputs.survey, inputs.cache)).await?;
    Ok(prepared)
}

/// Reads the project's files beside whatever else is done; `builds` are the services whose images are.
fn reading(
    invocation: &Invocation,
    project: &Project,
    (services, builds): (&BTreeSet<String>, &BTreeSet<String>),
    settings: &Settings,
    goal: Goal,
) -> impl Future<Output = Result<Inputs, Failure>> {
    let (project, services, builds) = (project.clone(), services.clone(), builds.clone());
    // One file for each project, so that none reads what was kept of a larger one.
    let kept = Digest::of(project.working_dir.as_os_str().as_encoded_bytes()).to_string();
    let cache = settings.cache.as_ref();
    let cache = cache.map(|folder| folder.join("digests").join(kept));
    let shown = Waiting::show(settings.progress, &invocation.screen, READING);
    let frozen = settings.frozen;
    let read = tokio::task::spawn_blocking(move || {
        let mut read = read(&project, &services, &builds, goal, cache.as_deref())?;
        read.unlocked = unlocked(&read.survey, frozen);
        Ok::<_, fingerprint::Error>(read)
    });
    async move {
        let inputs = read.await;
        drop(shown);
        Ok::<_, Failure>(inputs??)
    }
}

/// What `--frozen` misses.
fn unlocked(survey: &Survey, frozen: bool) -> Option<fingerprint::Error> {
    frozen
        .then(|| survey.check_locked(&survey.bases()).err())
        .flatten()
}

/// The survey for an engine of another platform than this machine's. Files that were read are not read again.
async fn anew(
    project: &Project,
    builds: BTreeSet<String>,
    native: Platform,
    cache: &StatCache,
) -> Result<Survey, Failure> {
    let (project, cache) = (project.clone(), cache.clone());
    let survey = move || fingerprint::survey(&project, &builds, &native, &cache);
    Ok(tokio::task::spawn_blocking(survey).await??)
}

/// What reading and looking give, side by side. Reading may take long: where nothing can be seen, it is waited for until
/// `patience` ends and no longer. What reading found `amiss` is told before that, too.
async fn both<A, B>(
    reading: impl Future<Output = Result<A, Failure>>,
    looking: impl Future<Output = Result<B, Failure>> + Unpin,
    patience: Instant,
    amiss: impl FnOnce(A) -> Option<Failure>,
) -> Result<(A, B), Failure> {
    let mut reading = pin!(reading);
    let mut looking = looking;
    tokio::select! {
        biased;
        read = &mut reading => {
            let read = read?;
            match looking.await {
                Ok(seen) => Ok((read, seen)),
                Err(failure) => Err(amiss(read).unwrap_or(failure)),
            }
        }
        seen = &mut looking => match seen {
            Ok(seen) => Ok((reading.await?, seen)),
            Err(failure) => match timeout_at(patience.into(), reading).await {
                Ok(Err(earlier)) => Err(earlier),
                Ok(Ok(read)) => Err(amiss(read).unwrap_or(failure)),
                Err(_) => Err(failure),
            },
        },
    }
}

/// Reads all that images and containers are made of; `builds` are the services whose images are.
fn read(
    project: &Project,
    services: &BTreeSet<String>,
    builds: &BTreeSet<String>,
    goal: Goal,
    cache: Option<&std::path::Path>,
) -> Result<Inputs, fingerprint::Error> {
    let cache = StatCache::open(cache);
    let survey = fingerprint::survey(project, builds, &Platform::host(), &cache)?;
    let unknown = docker::since_epoch().as_nanos().to_be_bytes();
    // Images alone need no config or secret of a container to be there.
    let configs = services
        .iter()
        .filter(|_| goal.containers)
        .map(|service| Ok((service.clone(), fingerprint::config_hash(project, service)?)))
        .collect::<Result<_, fingerprint::Error>>()?;
    let one_shots = project.one_shots().into_iter();
    let one_shots = one_shots.filter(|own| goal.containers && services.contains(*own));
    let mounted = one_shots.filter_map(|own| {
        let digest = fingerprint::mounted(project, own, &cache, &unknown)?;
        Some((own.to_owned(), digest))
    });
    Ok(Inputs {
        survey,
        configs,
        mounted: mounted.collect(),
        cache,
        unlocked: None,
    })
}

impl Prepared {
    /// The fingerprints. A base's ONBUILD triggers can name further images, which are looked up in their turn.
    async fn fingerprint(
        &mut self,
        invocation: &Invocation,
        survey: Survey,
        cache: StatCache,
    ) -> Result<(), Failure> {
        let reading = Reading {
            survey: Arc::new(survey),
            cache,
        };
        let mut bases = Bases::new(reading.survey.lock().clone());
        for service in self.pulling() {
            bases.renew(reading.survey.bases_of(&service));
        }
        self.build_bases(invocation, &reading, &mut bases).await?;
        let afar = self.key_afar(invocation, &reading, &mut bases).await?;
        let mut rest = self.imaged();
        rest.retain(|service| !afar.contains_key(service));
        self.key(invocation, &reading, &mut bases, &rest).await?;
        self.recipes.extend(afar);
        let native = self.engine.native().await?;
        self.note_bases(&bases.known, &native);
        bases.mark(&mut self.recipes);
        self.explain();
        if bases.pulled() {
            self.observe().await
        } else {
            self.ask_platforms().await
        }
    }

    /// Finds out what changed first of what is to be built.
    fn explain(&mut self) {
        let last_image = |service: &str| familiar(&self.project.image_name(service));
        let cache = self.settings.cache.as_deref();
        self.changes = records::first_changes(cache, &self.recipes, last_image, &self.observed);
    }

    /// The fingerprints of some services; those of others may be known, too.
    pub(super) async fn key(
        &mut self,
        invocation: &Invocation,
        reading: &Reading,
        bases: &mut Bases,
        services: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let of_each = services.iter().map(|own| reading.survey.bases_of(own));
        let mut wanted: BTreeSet<BaseRef> = of_each.flatten().collect();
        wanted.retain(|base| !bases.unbuilt.contains(base));
        let pulling: BTreeSet<String> = self.pulling().collect();
        loop {
            self.bring(invocation, bases, &wanted).await?;
            let (survey, known) = (reading.survey.clone(), bases.known.clone());
            let cache = reading.cache.clone();
            let shown = Waiting::show(self.settings.progress, &invocation.screen, READING);
            self.recipes = tokio::task::spawn_blocking(move || {
                let recipes = survey.recipes(&known);
                if let Err(error) = cache.save() {
                    tracing::debug!(%error, "the stat cache is not kept");
                }
                recipes
            })
            .await??;
            drop(shown);
            let mut further = BTreeSet::new();
            let own = |(service, _): &(&String, _)| services.contains(*service);
            for (service, recipe) in self.recipes.iter().filter(own) {
                let Fingerprinted::Missing(images) = recipe else {
                    continue;
                };
                let new = images
                    .iter()
                    .filter(|image| !wanted.contains(*image) && !bases.unbuilt.contains(*image));
                further.extend(new.cloned());
                if pulling.contains(service) {
                    bases.renew(images.iter().cloned());
                }
            }
            if further.is_empty() {
                return self.look_up(invocation, reading.survey.lock()).await;
            }
            if self.settings.frozen {
                reading.survey.check_locked(&further)?;
            }
            wanted.extend(further);
        }
    }

    /// The services whose `build.pull` asks for the newest bases.
    pub(super) fn pulling(&self) -> impl Iterator<Item = String> {
        let imaged = self.imaged().into_iter();
        imaged.filter(|service| {
            let build = self.project.services[service].build.as_ref();
            build.is_some_and(|build| build.other.get("pull").is_some_and(|pull| pull == true))
        })
    }

    /// Looks at the engine once more.
    pub(super) async fn observe(&mut self) -> Result<(), Failure> {
        self.observed = self.engine.observe(&self.project.name).await?;
        self.ask_others().await?;
        self.ask_starts().await?;
        self.ask_networks().await?;
        self.recall().await?;
        self.ask_ages().await?;
        self.ask_platforms().await
    }

    /// Asks for the containers that services name.
    async fn ask_others(&mut self) -> Result<(), Failure> {
        for name in plan::asked_containers(&self.wanted(BY_DOCKER)) {
            let id = self.engine.container_named(&name).await?;
            self.observed.others.insert(name, id);
        }
        Ok(())
    }

    /// Asks the installed docker compose about containers that it made and that larder's formula does not explain.
    async fn ask_compose(&mut self, invocation: &Invocation) {
        let asked = plan::asked_hashes(&self.wanted(BY_DOCKER), &self.observed);
        if asked.is_empty() {
            return;
        }
        let cache = self.settings.cache.as_deref();
        if let Some(oracle) = Oracle::open(&self.engine, &invocation.environment, cache) {
            self.compose_hashes = oracle.hashes(&self.project, asked).await;
        }
    }

    /// Asks when containers were started, where that matters. One that is gone meanwhile does not say.
    async fn ask_starts(&mut self) -> Result<(), Failure> {
        let asked = plan::asked_starts(&self.wanted(BY_DOCKER), &self.observed);
        let engine = &self.engine;
        let containers = self.observed.containers.iter_mut();
        let asked = containers.filter(|container| asked.contains(&container.id));
        let looks = asked.map(async |container| {
            let started = engine.started(&container.id).await?;
            container.started = started.map(|stamp| stamp.since_epoch());
            Ok::<_, EngineError>(())
        });
        // Not all of a large project at once.
        let looks = stream::iter(looks).buffer_unordered(32);
        Ok(looks.try_collect().await?)
    }

    /// Asks who is on the networks of which that matters.
    async fn ask_networks(&mut self) -> Result<(), Failure> {
        for name in plan::asked_networks(&self.wanted(BY_DOCKER), &self.observed) {
            let attached = self.engine.attached(&self.project.name, &name).await?;
            self.observed.attached.insert(name, attached);
        }
        Ok(())
    }

    /// Takes for healthy what larder proved healthy, where nothing newer is known of it.
    async fn recall(&mut self) -> Result<(), Failure> {
        let cache = self.settings.cache.as_deref();
        Ok(proofs::recall(cache, &self.engine, &mut self.observed.containers).await?)
    }

    /// Asks how old the images are of which that matters.
    async fn ask_ages(&mut self) -> Result<(), Failure> {
        let now = docker::since_epoch();
        for (id, name) in plan::asked_ages(&self.wanted(BY_DOCKER), &self.observed) {
            let named = self.engine.named_at(&name).await?;
            let age = named.map(|seconds| now.saturating_sub(Duration::from_secs(seconds)));
            let images = self.observed.images.iter_mut();
            for image in images.filter(|image| image.id == id) {
                image.age = age;
            }
        }
        Ok(())
    }

    /// Asks what the images are for of which that matters.
    async fn ask_platforms(&mut self) -> Result<(), Failure> {
        for (id, name) in plan::asked_platforms(&self.wanted(BY_DOCKER), &self.observed)? {
            let platforms = self.engine.platforms(&name).await?;
            let images = self.observed.images.iter_mut();
            for image in images.filter(|image| image.id == id) {
                image.platforms.clone_from(&platforms);
            }
        }
        Ok(())
    }

    /// Brings the images that only tell once they are here whether a container stays: those that take in something
    /// unpinned are built, those that a registry may have moved are pulled. What follows decides by the image that
    /// came: where it is the one that was there, nothing is recreated.
    pub(super) async fn freshen(&mut self, invocation: &Invocation) -> Result<(), Failure> {
        let mut first = plan::first(&self.wanted(BY_DOCKER), &self.observed)?;
        first.retain(|service| !self.built.contains(service));
        if !first.is_empty() {
            self.check_first_ports().await?;
            let (plan, dagger) = self.decide_images(invocation, &first).await?;
            let carried = carry_out(invocation, self, &plan, dagger).await?;
            self.path.extend(carried.path);
            self.observe().await?;
        }
        self.fresh = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn failed<T>(name: &str) -> Result<T, Failure> {
        Err(Failure::NotRunning(name.to_owned()))
    }

    async fn told(
        reading: impl Future<Output = Result<(), Failure>>,
        looking: Result<(), Failure>,
    ) -> String {
        let patience = Instant::now() + Duration::from_millis(50);
        let ended = both(reading, ready(looking), patience, |()| None).await;
        format!(
            "{:?}",
            ended.map_err(|failure| failure.messages()[0].text.clone())
        )
    }

    #[tokio::test]
    async fn an_engine_that_fails_waits_a_moment_for_the_files_and_no_longer() {
        let engine = r#"Err("service `engine` has no running container")"#;
        let files = r#"Err("service `files` has no running container")"#;
        assert_eq!(told(pending(), failed("engine")).await, engine);
        assert_eq!(told(ready(Ok(())), failed("engine")).await, engine);
        let late = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            failed("files")
        };
        assert_eq!(told(late, failed("engine")).await, files);
        assert_eq!(told(ready(Ok(())), Ok(())).await, "Ok(((), ()))");
    }
}
