//! The line that `up`, `plan`, `fingerprint` and `build` share: fingerprint and observe side by side, look up
//! the bases, decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::carry_out::carry_out;
use super::dagger;
use super::invocation::Invocation;
use crate::build::Dagger;
use crate::docker::Docker;
use crate::failure::Failure;
use crate::fingerprint::{self, Base, Fingerprinted, StatCache, Survey};
use crate::model::{Digest, ImageRef, Project};
use crate::plan::{self, Action, BuilderKind, Builders, Observed, Plan, Step, StepId, Wanted};
use crate::runtime::Engine;
use crate::settings::{Builder, Settings};
use crate::term::Message;

/// How long Dagger may take where it was asked for: it may have to bring its engine first.
const ASKED_FOR: Duration = Duration::from_mins(2);
/// How long Dagger may take where it is only the better choice.
const AT_HAND: Duration = Duration::from_secs(10);

const BY_DOCKER: Builders = Builders {
    dependencies: BuilderKind::Docker,
    rest: BuilderKind::Docker,
    strict: true,
};
const BY_DAGGER: Builders = Builders {
    dependencies: BuilderKind::Dagger,
    rest: BuilderKind::Dagger,
    strict: true,
};
const BY_BOTH: Builders = Builders {
    dependencies: BuilderKind::Dagger,
    rest: BuilderKind::Docker,
    strict: false,
};

/// What a command wants to reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// Containers, or images only.
    pub(super) containers: bool,
    /// Whether the run ends when every service is ready.
    pub(super) wait: bool,
    /// Whether the command changes anything: pulls the base images that are not there, wakes Dagger.
    pub(super) acts: bool,
}

/// Everything that is known before a decision.
pub(super) struct Prepared {
    pub(super) project: Project,
    pub(super) settings: Settings,
    /// The services in question, with all that they depend on.
    pub(super) services: BTreeSet<String>,
    pub(super) engine: Docker,
    pub(super) observed: Observed,
    pub(super) recipes: BTreeMap<String, Fingerprinted>,
    configs: BTreeMap<String, Digest>,
    goal: Goal,
    /// Whether images that take in something unpinned were built in this run.
    fresh: bool,
}

/// What reading the project's files gives.
struct Inputs {
    survey: Survey,
    configs: BTreeMap<String, Digest>,
    cache: StatCache,
}

/// Finds out all that a decision needs.
pub(super) async fn prepare(
    invocation: &Invocation,
    project: Project,
    names: &[String],
    settings: Settings,
    goal: Goal,
) -> Result<Prepared, Failure> {
    let services = project.with_dependencies(names)?;
    let reading = {
        let (project, services) = (project.clone(), services.clone());
        let cache = settings.cache.as_ref().map(|folder| folder.join("files"));
        tokio::task::spawn_blocking(move || read(&project, &services, goal, cache.as_deref()))
    };
    let looking = async {
        let engine = invocation.engine().await?;
        let observed = engine.observe(&project.name).await?;
        Ok::<_, Failure>((engine, observed))
    };
    // On the heap: the futures of calls to an engine are large.
    let (inputs, seen) = tokio::join!(reading, Box::pin(looking));
    // What is wrong with the files is told first: it is so whatever the engine says.
    let inputs = inputs??;
    let (engine, observed) = seen?;

    let mut prepared = Prepared {
        project,
        settings,
        services,
        engine,
        observed,
        recipes: BTreeMap::new(),
        configs: inputs.configs,
        goal,
        fresh: false,
    };
    Box::pin(prepared.fingerprint(invocation, inputs.survey, inputs.cache)).await?;
    Ok(prepared)
}

/// Reads all that images and containers are made of.
fn read(
    project: &Project,
    services: &BTreeSet<String>,
    goal: Goal,
    cache: Option<&std::path::Path>,
) -> Result<Inputs, fingerprint::Error> {
    let cache = StatCache::open(cache);
    let survey = fingerprint::survey(project, services, &cache)?;
    // Images alone need no config or secret of a container to be there.
    let configs = services
        .iter()
        .filter(|_| goal.containers)
        .map(|service| Ok((service.clone(), fingerprint::config_hash(project, service)?)))
        .collect::<Result<_, fingerprint::Error>>()?;
    Ok(Inputs {
        survey,
        configs,
        cache,
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
        let survey = Arc::new(survey);
        let mut wanted = survey.bases();
        let mut known = BTreeMap::new();
        loop {
            known.extend(self.bases(invocation, &wanted).await?);
            let (survey, bases, cache) = (survey.clone(), known.clone(), cache.clone());
            self.recipes = tokio::task::spawn_blocking(move || {
                let recipes = survey.recipes(&bases);
                if let Err(error) = cache.save() {
                    tracing::debug!(%error, "the stat cache is not kept");
                }
                recipes
            })
            .await??;
            let further: BTreeSet<ImageRef> = self
                .recipes
                .values()
                .filter_map(|recipe| match recipe {
                    Fingerprinted::Known(_) => None,
                    Fingerprinted::Missing(images) => Some(images.clone()),
                })
                .flatten()
                .filter(|image| !wanted.contains(image))
                .collect();
            if further.is_empty() {
                return Ok(());
            }
            wanted.extend(further);
        }
    }

    /// What the engine knows of the images that builds start from, pulling those that are missing where the
    /// goal says so.
    async fn bases(
        &mut self,
        invocation: &Invocation,
        wanted: &BTreeSet<ImageRef>,
    ) -> Result<BTreeMap<ImageRef, Base>, Failure> {
        let mut known = self.look_up(wanted).await?;
        let missing: Vec<&ImageRef> = wanted
            .iter()
            .filter(|image| !known.contains_key(*image))
            .collect();
        if missing.is_empty() || !self.goal.acts {
            return Ok(known);
        }
        let pulls = Plan {
            steps: missing.iter().enumerate().map(pull).collect(),
            ..Plan::default()
        };
        carry_out(invocation, self, &pulls, None).await?;
        let missing = missing.into_iter().cloned().collect();
        known.extend(self.look_up(&missing).await?);
        self.observed = self.engine.observe(&self.project.name).await?;
        Ok(known)
    }

    async fn look_up(
        &self,
        images: &BTreeSet<ImageRef>,
    ) -> Result<BTreeMap<ImageRef, Base>, Failure> {
        let look_ups = images.iter().map(async |image| {
            let base = self.engine.base(image).await?;
            Ok::<_, Failure>(base.map(|base| (image.clone(), base)))
        });
        Ok(try_join_all(look_ups)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Builds the images that take in something unpinned, so that what follows decides by the image that came
    /// out: where it is the one that was there, nothing is recreated.
    pub(super) async fn freshen(&mut self, invocation: &Invocation) -> Result<(), Failure> {
        let unpinned = |recipe: &Fingerprinted| match recipe {
            Fingerprinted::Known(recipe) => recipe.unpinned.is_some(),
            Fingerprinted::Missing(_) => false,
        };
        let all = std::mem::take(&mut self.services);
        self.services = all
            .iter()
            .filter(|service| self.recipes.get(*service).is_some_and(unpinned))
            .cloned()
            .collect();
        let containers = std::mem::replace(&mut self.goal.containers, false);
        if !self.services.is_empty() {
            let (plan, dagger) = self.decide(invocation).await?;
            carry_out(invocation, self, &plan, dagger).await?;
            self.observed = self.engine.observe(&self.project.name).await?;
        }
        self.services = all;
        self.goal.containers = containers;
        self.fresh = true;
        Ok(())
    }

    /// Decides, and finds Dagger where it is to build.
    pub(super) async fn decide(
        &self,
        invocation: &Invocation,
    ) -> Result<(Plan, Option<Dagger>), Failure> {
        match self.settings.builder {
            Builder::Docker => Ok((self.decide_with(BY_DOCKER)?, None)),
            Builder::Dagger => self.by_dagger(invocation).await,
            Builder::Auto => self.by_both(invocation).await,
        }
    }

    /// All of it by Dagger, which must be there when something is to be built.
    async fn by_dagger(&self, invocation: &Invocation) -> Result<(Plan, Option<Dagger>), Failure> {
        let plan = self.decide_with(BY_DAGGER)?;
        if !plan.builds() || !self.goal.acts {
            return Ok((plan, None));
        }
        let dagger = dagger::find(&invocation.environment, &self.engine, ASKED_FOR)?;
        dagger.open().await?;
        Ok((plan, Some(dagger)))
    }

    /// Dependency images by Dagger where it answers. It is looked for only where something must be built, and
    /// woken only by a command that builds.
    async fn by_both(&self, invocation: &Invocation) -> Result<(Plan, Option<Dagger>), Failure> {
        let plan = self.decide_with(BY_DOCKER)?;
        if !plan.builds() {
            return Ok((plan, None));
        }
        let found = dagger::find(&invocation.environment, &self.engine, AT_HAND);
        let Ok(dagger) = found else {
            return Ok((plan, None));
        };
        if self.goal.acts
            && let Err(error) = dagger.open().await
        {
            let error = Message::of(&error);
            let why = error.causes.first().unwrap_or(&error.text);
            invocation.warning(&format!("the engine's BuildKit builds all: {why}"));
            return Ok((plan, None));
        }
        Ok((self.decide_with(BY_BOTH)?, Some(dagger)))
    }

    fn decide_with(&self, builders: Builders) -> Result<Plan, Failure> {
        let wanted = Wanted {
            project: &self.project,
            services: &self.services,
            fingerprints: &self.recipes,
            configs: &self.configs,
            builders,
            fresh: self.fresh,
            containers: self.goal.containers,
            wait: self.goal.wait,
        };
        Ok(plan::decide(&wanted, &self.observed)?)
    }
}

/// The step that pulls a base image.
fn pull((number, image): (usize, &&ImageRef)) -> Step {
    Step {
        id: StepId(number),
        service: None,
        action: Action::Pull {
            image: image.familiar(),
            platform: None,
        },
        cause: "a Dockerfile starts from it, and it is not on the engine".to_owned(),
        after: Vec::new(),
        settled: Vec::new(),
    }
}
