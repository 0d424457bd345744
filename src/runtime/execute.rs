//! The executor: carries out a plan's steps, each as soon as those it needs have succeeded, independent ones
//! side by side. It decides nothing: what a step does, and why, is the plan's.

use std::collections::BTreeMap;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Mutex, broadcast, watch};

use super::error::StepError;
use super::event::{Event, EventSink, Progress};
use super::hooks::Hooks;
use super::ledger::{Ledger, Product};
use super::ports::{BuildPart, BuildRequest, Builder, ContainerSpec, Engine, Happening};
use super::readiness::{self, Proof, Watched};
use crate::fingerprint::{Fingerprinted, Recipe};
use crate::model::{Digest, HookTime, ImageId, Project, RestartPolicy, Service, labels};
use crate::plan::{Action, BuilderKind, ContainerSource, ImageSource, Plan, Step, StepId};

/// Everything that one execution needs.
pub struct Run<'a, E, B> {
    /// The plan.
    pub plan: &'a Plan,
    /// The project that it was made for.
    pub project: &'a Project,
    /// The recipes of the services that it builds.
    pub recipes: &'a BTreeMap<String, Fingerprinted>,
    /// The engine.
    pub engine: &'a E,
    /// The builders.
    pub builder: &'a B,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// Turns true when the run is to end early: no new steps, calls in flight are finished, waits and builds
    /// are dropped.
    pub interrupt: watch::Receiver<bool>,
    /// How long each wait may take.
    pub timeout: Option<Duration>,
}

/// How an execution ended.
#[derive(Debug)]
pub struct Outcome {
    /// The steps that failed, in the order in which they did.
    pub failures: Vec<Failure>,
    /// The health checks that passed before the engine ran them itself.
    pub proofs: Vec<Proof>,
    /// Whether it was told to end early.
    pub interrupted: bool,
    /// How long it took.
    pub took: Duration,
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Why.
    pub error: StepError,
}

/// Carries out the plan. Steps that need a failed one are skipped; all others go on.
pub async fn execute<E: Engine, B: Builder>(run: Run<'_, E, B>) -> Outcome {
    let begun = Instant::now();
    let mut ledger = Ledger::new(run.plan);
    let (news, _) = broadcast::channel(256);
    let ranges = Mutex::new(());
    let mut interrupt = run.interrupt.clone();
    let mut interrupted = *interrupt.borrow();
    let mut watched = pin!(run.engine.watch(&run.project.name));
    let watching = run
        .plan
        .steps
        .iter()
        .any(|step| matches!(step.action, Action::Wait { .. }));
    let mut running = FuturesUnordered::new();
    let mut failures = Vec::new();

    loop {
        if !interrupted {
            for id in ledger.take_ready() {
                let step = &run.plan.steps[id.0];
                run.events.send(Event::Started { step: step.clone() });
                let needs = ledger.products_for(&step.action);
                running.push(carry_out(&run, step, needs, news.clone(), &ranges));
            }
        }
        tokio::select! {
            ended = running.next() => match ended {
                None => break,
                Some(Ended { id, took, result }) => match result {
                    Ok(product) => {
                        ledger.done(id, product);
                        run.events.send(Event::Finished { id, took });
                    }
                    Err(StepError::Interrupted) => {
                        // It may have heard of it first.
                        interrupted = true;
                        ledger.lost(id);
                    }
                    Err(error) => {
                        ledger.lost(id);
                        run.events.send(Event::Failed { id, took });
                        failures.push(Failure { step: run.plan.steps[id.0].clone(), error });
                    }
                },
            },
            Some(happening) = watched.next(), if watching => {
                // Nobody waits at the moment when this fails.
                let _ = news.send(happening);
            }
            Ok(()) = interrupt.changed(), if !interrupted => interrupted = *interrupt.borrow(),
        }
    }
    let failed = failures.iter().map(|failure: &Failure| failure.step.id);
    for id in ledger.left(&failed.collect()) {
        run.events.send(Event::Skipped { id });
    }
    Outcome {
        failures,
        proofs: ledger.proofs(),
        interrupted,
        took: begun.elapsed(),
    }
}

struct Ended {
    id: StepId,
    took: Duration,
    result: Result<Product, StepError>,
}

async fn carry_out<E: Engine, B: Builder>(
    run: &Run<'_, E, B>,
    step: &Step,
    needs: BTreeMap<StepId, Product>,
    news: broadcast::Sender<Happening>,
    ranges: &Mutex<()>,
) -> Ended {
    let begun = Instant::now();
    let work = Work {
        run,
        step,
        needs,
        progress: Progress::new(step.id, run.events.clone()),
    };
    let result = if is_droppable(&step.action) {
        let mut interrupt = run.interrupt.clone();
        tokio::select! {
            result = work.act(&news, ranges) => result,
            _ = interrupt.wait_for(|stop| *stop) => Err(StepError::Interrupted),
        }
    } else {
        work.act(&news, ranges).await
    };
    Ended {
        id: step.id,
        took: begun.elapsed(),
        result,
    }
}

/// Whether a step can be left in the middle without leaving anything half done on the engine.
fn is_droppable(action: &Action) -> bool {
    matches!(
        action,
        Action::Wait { .. }
            | Action::Pull { .. }
            | Action::Build { .. }
            | Action::BuildDependencies { .. }
    )
}

/// One step with what it needs.
struct Work<'a, E, B> {
    run: &'a Run<'a, E, B>,
    step: &'a Step,
    needs: BTreeMap<StepId, Product>,
    progress: Progress,
}

impl<E: Engine, B: Builder> Work<'_, E, B> {
    async fn act(
        &self,
        news: &broadcast::Sender<Happening>,
        ranges: &Mutex<()>,
    ) -> Result<Product, StepError> {
        let engine = self.run.engine;
        match &self.step.action {
            Action::CreateNetwork { key, .. } => {
                engine.create_network(self.run.project, key).await?;
            }
            Action::CreateVolume { key, .. } => engine.create_volume(self.run.project, key).await?,
            Action::Pull { image, platform } => {
                let id = engine
                    .pull(image, platform.as_deref(), &self.progress)
                    .await?;
                return Ok(Product::Image(id));
            }
            Action::BuildDependencies {
                recipe,
                stage,
                key,
                builder,
            } => {
                return self
                    .build_dependencies(recipe, *stage, *key, *builder)
                    .await;
            }
            Action::Build {
                recipe,
                fingerprint,
                on,
                builder,
            } => {
                return self.build(recipe, *fingerprint, on, *builder).await;
            }
            Action::Tag { image, name } => engine.tag(&self.image(image)?, name).await?,
            Action::Create {
                number,
                name,
                image,
                config,
                stands_in,
                mounted,
                inherits,
                image_mounts,
                shares,
            } => {
                let image = self.image(image)?;
                let image_mounts = image_mounts.iter().map(|image| self.image(image));
                let image_mounts: Result<Vec<ImageId>, StepError> = image_mounts.collect();
                let shares = shares.iter();
                let shares: Result<BTreeMap<String, String>, StepError> = shares
                    .map(|(key, source)| Ok((key.clone(), self.container(source)?)))
                    .collect();
                let recipe = match self.run.recipes.get(self.service()) {
                    Some(Fingerprinted::Known(recipe)) => Some(recipe),
                    _ => None,
                };
                let spec = ContainerSpec {
                    project: self.run.project,
                    service: self.service(),
                    number: *number,
                    name,
                    image: &image,
                    fingerprint: stands_in
                        .as_deref()
                        .copied()
                        .or(recipe.map(|recipe| recipe.full)),
                    dependencies: recipe.and_then(|recipe| recipe.dependencies),
                    shadowed: recipe.and_then(|recipe| Some(recipe.shadowed.as_ref()?.key)),
                    config: *config,
                    mounted: mounted.as_deref().copied(),
                    inherits,
                    image_mounts: &image_mounts?,
                    shares: &shares?,
                };
                return Ok(Product::Container(engine.create_container(&spec).await?));
            }
            Action::Stop {
                container,
                hooks,
                regardless,
            } => self.stop(container, *hooks, *regardless).await?,
            Action::Remove { container, volumes } => engine.remove(container, *volumes).await?,
            Action::Rename { container, name } => {
                engine.rename(&self.container(container)?, name).await?;
            }
            Action::Start { container, hooks } => {
                let container = self.container(container)?;
                // The engine picks from a port range and binds it in two steps: two at once may pick the same.
                let turn = if self.publishes_range() {
                    Some(ranges.lock().await)
                } else {
                    None
                };
                engine.start(&container).await?;
                drop(turn);
                let hooks = self.hooks(&container, HookTime::PostStart, *hooks);
                hooks.after_start().await?;
            }
            Action::Unpause { container } => engine.unpause(container).await?,
            Action::Wait { container, until } => {
                let watched = Watched {
                    service: self.service(),
                    container: &self.container(container)?,
                    until: *until,
                    probes: self.probes(),
                    restarts: self.restarts(),
                    timeout: self.run.timeout,
                };
                let proof = readiness::wait(engine, &watched, news.subscribe(), &self.progress);
                if let Some(proof) = proof.await? {
                    return Ok(Product::Proof(proof));
                }
            }
        }
        Ok(Product::Nothing)
    }

    /// Stops a container behind its hooks. Where something else needs it to go, a hook that fails is told and no more.
    async fn stop(&self, container: &str, hooks: usize, regardless: bool) -> Result<(), StepError> {
        let hooks = self.hooks(container, HookTime::PreStop, hooks);
        match hooks.before_stop().await {
            Err(error @ (StepError::Hook { .. } | StepError::HookRefused { .. })) if regardless => {
                let output = error.output().iter();
                output.for_each(|line| self.progress.output(line));
                let cause = error.source();
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                self.progress
                    .note(format!("{error}{cause}; it is stopped all the same"));
            }
            ended => ended?,
        }
        Ok(self.run.engine.stop(container, None).await?)
    }

    /// The first hooks of the step's service, as many as the plan says.
    fn hooks<'b>(&'b self, container: &'b str, time: HookTime, count: usize) -> Hooks<'b, E> {
        let service = self.run.project.services.get(self.service());
        let all = service.map_or(&[][..], |service| match time {
            HookTime::PostStart => &service.post_start,
            HookTime::PreStop => &service.pre_stop,
        });
        Hooks {
            engine: self.run.engine,
            service: self.service(),
            container,
            all: &all[..count.min(all.len())],
            interrupt: self.run.interrupt.clone(),
            progress: &self.progress,
        }
    }

    async fn build_dependencies(
        &self,
        recipe: &str,
        stage: usize,
        key: Digest,
        builder: BuilderKind,
    ) -> Result<Product, StepError> {
        let request = BuildRequest {
            project: self.run.project,
            recipe: self.recipe(recipe)?,
            part: BuildPart::Dependencies { stage },
            builder,
            name: labels::dependencies_name(&key),
            labels: labels::of_build(None, Some(key), None),
        };
        Ok(Product::Image(
            self.run.builder.build(&request, &self.progress).await?,
        ))
    }

    async fn build(
        &self,
        recipe: &str,
        fingerprint: Digest,
        on: &BTreeMap<usize, Digest>,
        builder: BuilderKind,
    ) -> Result<Product, StepError> {
        let recipe = self.recipe(recipe)?;
        let request = BuildRequest {
            project: self.run.project,
            recipe,
            part: BuildPart::Target { on },
            builder,
            name: labels::image_name(&fingerprint),
            labels: labels::of_build(
                Some(fingerprint),
                recipe.dependencies,
                recipe.shadowed.as_ref().map(|shadowed| shadowed.key),
            ),
        };
        Ok(Product::Image(
            self.run.builder.build(&request, &self.progress).await?,
        ))
    }

    fn service(&self) -> &str {
        self.step.service.as_deref().unwrap_or_default()
    }

    fn recipe(&self, service: &str) -> Result<&Recipe, StepError> {
        match self.run.recipes.get(service) {
            Some(Fingerprinted::Known(recipe)) => Ok(recipe),
            _ => Err(StepError::Broken {
                what: format!("no recipe for `{service}`"),
            }),
        }
    }

    fn image(&self, source: &ImageSource) -> Result<ImageId, StepError> {
        match source {
            ImageSource::Id(id) => Ok(id.clone()),
            ImageSource::Unknown => Err(StepError::Broken {
                what: "an image that nobody makes".to_owned(),
            }),
            ImageSource::Step(id) => match self.needs.get(id) {
                Some(Product::Image(image)) => Ok(image.clone()),
                _ => Err(StepError::Broken {
                    what: format!("step {} left no image", id.0 + 1),
                }),
            },
        }
    }

    fn container(&self, source: &ContainerSource) -> Result<String, StepError> {
        match source {
            ContainerSource::Id(id) => Ok(id.clone()),
            ContainerSource::Step(id) => match self.needs.get(id) {
                Some(Product::Container(container)) => Ok(container.clone()),
                _ => Err(StepError::Broken {
                    what: format!("step {} left no container", id.0 + 1),
                }),
            },
        }
    }

    fn publishes_range(&self) -> bool {
        let ranged = |published: &String| published.contains('-');
        let service = self.run.project.services.get(self.service());
        service.is_some_and(|s| {
            s.ports
                .iter()
                .any(|port| port.published.as_ref().is_some_and(ranged))
        })
    }

    /// When the engine starts the service's containers again.
    fn restarts(&self) -> RestartPolicy {
        let service = self.run.project.services.get(self.service());
        service.and_then(Service::restarts).unwrap_or_default()
    }

    /// Whether larder may run the health check itself: `x-larder: probe: engine` leaves it to the engine.
    fn probes(&self) -> bool {
        let service = self.run.project.services.get(self.service());
        let asked = service.and_then(|s| s.other.get("x-larder")?.get("probe")?.as_str());
        asked != Some("engine")
    }
}
