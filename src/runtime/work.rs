//! One step of a plan, carried out: its calls to the engine or the builder, and what it leaves for the steps behind it.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use tokio::sync::{Mutex, broadcast};

use super::engine_error::EngineError;
use super::error::StepError;
use super::event::Progress;
use super::execute::Run;
use super::hooks::Hooks;
use super::ledger::Product;
use super::ports::{BuildPart, BuildRequest, Builder, ContainerSpec, Engine, Happening};
use super::readiness::{self, Watched};
use crate::fingerprint::{Fingerprinted, Recipe};
use crate::model::{Digest, HookTime, ImageId, RestartPolicy, Service, labels};
use crate::plan::{
    Action, BuilderKind, ContainerSource, Creation, Expected, ImageSource, Step, StepId,
};

/// One step with what it needs.
pub(super) struct Work<'a, E, B> {
    pub(super) run: &'a Run<'a, E, B>,
    pub(super) step: &'a Step,
    pub(super) needs: BTreeMap<StepId, Product>,
    pub(super) progress: Progress,
}

impl<E: Engine, B: Builder> Work<'_, E, B> {
    /// Does it; what it leaves.
    ///
    /// # Errors
    /// As the engine or the builder has it.
    pub(super) async fn act(
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
            Action::Pull {
                image,
                platform,
                expected,
            } => {
                let platform = platform.as_deref();
                let pull = engine.pull(image, platform, expected.is_some(), &self.progress);
                let id = pull.await?;
                if let Some(expected) = expected {
                    is_expected(image, &id, expected)?;
                    engine.tag(&id, &expected.name).await?;
                }
                return Ok(Product::Image(id));
            }
            Action::Push { image, name } => {
                engine
                    .push(&self.image(image)?, name, &self.progress)
                    .await?;
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
            Action::Create(creation) => {
                return Ok(Product::Container(self.create(creation).await?));
            }
            Action::Stop {
                container,
                hooks,
                regardless,
                grace,
            } => self.stop(container, *hooks, *regardless, *grace).await?,
            Action::Kill { container, signal } => engine.kill(container, signal).await?,
            Action::Pause { container } => engine.pause(container).await?,
            Action::RemoveNetwork { network, name } => {
                let removed = engine.remove_network(network).await;
                Self::unless_used("network", name, removed)?;
            }
            Action::RemoveVolume { name } => {
                Self::unless_used("volume", name, engine.remove_volume(name).await)?;
            }
            Action::RemoveImage { name } => {
                Self::unless_used("image", name, engine.remove_image(name).await)?;
            }
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

    async fn create(&self, creation: &Creation) -> Result<String, StepError> {
        let image = self.image(&creation.image)?;
        let mounts = creation.image_mounts.iter().map(|image| self.image(image));
        let mounts: Vec<ImageId> = mounts.collect::<Result<_, _>>()?;
        let shares = creation.shares.iter();
        let shares = shares.map(|(key, source)| Ok((key.clone(), self.container(source)?)));
        let shares: BTreeMap<String, String> = shares.collect::<Result<_, StepError>>()?;
        let recipe = self.recipe(self.service()).ok();
        let compose_hash = match self.run.compose {
            Some(compose) => compose.hash(self.service(), &shares).await,
            None => None,
        };
        let spec = ContainerSpec {
            project: self.run.project,
            service: self.service(),
            number: creation.number,
            name: &creation.name,
            image: &image,
            fingerprint: creation.stands_in.or(recipe.map(|recipe| recipe.full)),
            dependencies: recipe.and_then(|recipe| recipe.dependencies),
            shadowed: recipe.and_then(|recipe| Some(recipe.shadowed.as_ref()?.key)),
            config: creation.config,
            compose_hash,
            mounted: creation.mounted,
            inherits: &creation.inherits,
            image_mounts: &mounts,
            shares: &shares,
        };
        Ok(self.run.engine.create_container(&spec).await?)
    }

    /// Stops a container behind its hooks. Where something else needs it to go, a hook that fails is told and no more.
    async fn stop(
        &self,
        container: &str,
        hooks: usize,
        regardless: bool,
        grace: Option<u32>,
    ) -> Result<(), StepError> {
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
        let grace = grace.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(self.run.engine.stop(container, grace).await?)
    }

    /// What is still in use stays, and is told.
    fn unless_used(
        kind: &'static str,
        name: &str,
        removed: Result<(), EngineError>,
    ) -> Result<(), StepError> {
        match removed {
            // 403: "has active endpoints"; 409: "volume is in use", "image is being used by …".
            Err(EngineError::Refused {
                status: Some(403 | 409),
                ..
            }) => Err(StepError::InUse {
                kind,
                name: name.to_owned(),
            }),
            other => Ok(other?),
        }
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
            labels: self.labels(labels::of_build(None, Some(key), None), recipe, &[]),
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
        let service = recipe;
        let recipe = self.recipe(service)?;
        let keys = labels::of_build(
            Some(fingerprint),
            recipe.dependencies,
            recipe.shadowed.as_ref().map(|shadowed| shadowed.key),
        );
        let cuts: Vec<Digest> = recipe.cuts.iter().map(|cut| cut.key).collect();
        let request = BuildRequest {
            project: self.run.project,
            recipe,
            part: BuildPart::Target { on },
            builder,
            name: labels::image_name(&fingerprint),
            labels: self.labels(keys, service, &cuts),
        };
        Ok(Product::Image(
            self.run.builder.build(&request, &self.progress).await?,
        ))
    }

    /// The labels of an image that is built for a service.
    fn labels(
        &self,
        mut keys: BTreeMap<String, String>,
        service: &str,
        cuts: &[Digest],
    ) -> BTreeMap<String, String> {
        keys.extend(labels::of_image(&self.run.project.name, service, cuts));
        keys
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

/// That what was pulled is the image that was looked at.
fn is_expected(image: &str, id: &ImageId, expected: &Expected) -> Result<(), EngineError> {
    if expected.ids.contains(id) {
        return Ok(());
    }
    Err(EngineError::Refused {
        action: format!("pulling `{image}`"),
        status: None,
        source: format!("what came is image {}, which is another one", id.short()).into(),
    })
}
