//! Builds by Dagger, all of a run in one session. One that is lost is opened anew, once, and what was being built in it is
//! begun anew. Must not know how a session is opened, nor how an image reaches the engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use dagger_sdk::{BuildArg, Container, DirectoryDockerBuildOpts, Platform};
use tokio::sync::Mutex;

use super::beyond::{beyond_dagger, pinned};
use super::delivery::{Delivery, layers_of};
use super::failure::{failure, unreachable};
use super::handover::{hand_over, unpacked};
use super::leak::leaked;
use super::pushed::Layers;
use super::session::Session;
use super::source::DaggerSource;
use super::steps::Steps;
use crate::build::bases;
use crate::build::buildkit::BuildKit;
use crate::build::parts::{build_args, image_labels};
use crate::build::references::{Pins, References};
use crate::build::resume::{Rewritten, rewrite_pinned};
use crate::model::{ImageId, ImageRef};
use crate::plan::BuilderKind;
use crate::runtime::{BuildError, BuildPart, BuildRequest, Builder, Progress};

/// Dagger, for one run: its session is opened by the first build and shared by all.
pub struct Dagger {
    source: DaggerSource,
    limit: Duration,
    session: Mutex<Held>,
    delivery: Delivery,
    docker: Docker,
    agent: Option<PathBuf>,
}

/// The session.
enum Held {
    Unopened,
    Open(Arc<Session>),
    /// It was lost, and could not be opened anew; why.
    Gone(String),
}

impl Dagger {
    /// Dagger by a session from `source`, which has `limit` to open, building for the engine behind `docker`.
    pub fn new(source: DaggerSource, limit: Duration, docker: Docker) -> Self {
        Self {
            source,
            limit,
            session: Mutex::new(Held::Unopened),
            delivery: Delivery::new(docker.clone()),
            docker,
            agent: None,
        }
    }

    /// The same with the user's SSH agent.
    #[must_use]
    pub fn with_agent(self, agent: Option<PathBuf>) -> Self {
        Self { agent, ..self }
    }

    /// Opens the session, so that a builder that does not answer is known before it is needed.
    pub async fn open(&self) -> Result<(), BuildError> {
        self.session(None).await.map(|_| ())
    }

    /// The session; another one than `lost`. Whoever comes first opens it.
    async fn session(&self, lost: Option<&Arc<Session>>) -> Result<Arc<Session>, BuildError> {
        let mut held = self.session.lock().await;
        match &*held {
            Held::Open(session) if !lost.is_some_and(|lost| Arc::ptr_eq(lost, session)) => {
                return Ok(Arc::clone(session));
            }
            Held::Gone(why) => return Err(unreachable(why.clone())),
            Held::Open(_) | Held::Unopened => {}
        }
        match Session::open(&self.source, self.limit).await {
            Ok(session) => {
                let session = Arc::new(session);
                *held = Held::Open(Arc::clone(&session));
                Ok(session)
            }
            Err(error) => {
                if lost.is_some() {
                    *held = Held::Gone(error.to_string());
                }
                Err(unreachable(error))
            }
        }
    }

    /// Builds in a session, and brings the image to the engine. A session that gives no sign of life is lost.
    async fn build_in(
        &self,
        session: &Session,
        work: &Work<'_>,
        progress: &Progress,
    ) -> Result<ImageId, BuildError> {
        let carried_out = async {
            let _listening = session.listen(work.dockerfile.clone(), progress.clone());
            // Asked for meanwhile.
            let there = self.delivery.there(work.bases.clone());
            let (image, there) = tokio::join!(self.image(session, work, progress), there);
            let failed = |error| work.failure(&error);
            let image = image?;
            self.delivery
                .bring(session, image, &there, work.folder, progress, &failed)
                .await
        };
        tokio::select! {
            built = carried_out => built,
            lost = session.lost() => Err(unreachable(lost)),
        }
    }

    /// Builds in single steps.
    async fn in_steps(
        session: &Session,
        steps: &Steps,
        work: &Work<'_>,
    ) -> Result<Container, BuildError> {
        let texts = work.folder.join("steps");
        let written = std::fs::create_dir_all(&texts).and_then(|()| {
            let mut all = steps.dockerfiles().into_iter().enumerate();
            all.try_for_each(|(number, text)| {
                std::fs::write(texts.join(format!("Dockerfile-{number}")), text)
            })
        });
        written.map_err(|source| BuildError::Context {
            service: work.request.recipe.service.clone(),
            source,
        })?;
        let (context, texts) = (work.context.to_string_lossy(), texts.to_string_lossy());
        let platform = work.request.recipe.platform.as_deref();
        let query = session.query();
        let built = steps.build(&query, &context, &texts, platform);
        built.await.map_err(|error| work.failure(&error))
    }

    /// Builds, with larder's labels on the image.
    async fn image(
        &self,
        session: &Session,
        work: &Work<'_>,
        progress: &Progress,
    ) -> Result<Container, BuildError> {
        let Work { request, .. } = work;
        progress.doing("building with Dagger");
        let in_steps = match &work.steps {
            Some(steps) => Some(Self::in_steps(session, steps, work).await),
            None => None,
        };
        let mut image = match in_steps {
            // Not a command that failed, but something about the steps.
            None
            | Some(Err(BuildError::Instruction {
                instruction: None, ..
            })) => self.by_dockerfile(session, work).await?,
            Some(built) => built?,
        };
        for (name, value) in &work.environment {
            image = match value {
                Some(value) => image.with_env_variable(name, value),
                None => image.without_env_variable(name),
            };
        }
        for (name, value) in image_labels(request) {
            image = image.with_label(name, value);
        }
        Ok(image)
    }

    async fn by_dockerfile(
        &self,
        session: &Session,
        work: &Work<'_>,
    ) -> Result<Container, BuildError> {
        let Work { request, .. } = work;
        let handed = hand_over(session, request, self.agent.as_deref()).await?;
        let secrets = handed.secrets.clone();
        let build = &request.recipe.build;
        let arguments = build_args(build).map(|(name, value)| BuildArg { name, value });
        let options = DirectoryDockerBuildOpts {
            build_args: Some(arguments.collect()),
            dockerfile: Some(work.file),
            no_init: None,
            platform: request.recipe.platform.clone().map(Platform),
            secrets: (!secrets.is_empty()).then_some(secrets),
            ssh: handed.agent.clone(),
            target: match &request.part {
                BuildPart::Target { .. } => build.target.as_deref(),
                BuildPart::Dependencies { .. } => None,
            },
        };
        let context = work.context.to_string_lossy().into_owned();
        let image = session
            .query()
            .host()
            .directory(context)
            .docker_build_opts(options);
        image.sync().await.map_err(|error| work.failure(&error))
    }

    /// How Dagger, which looks for images in registries and not on the engine, gets the very images that were
    /// fingerprinted: by the digest under which a registry has them. The layers of those on the engine, too.
    /// Whether one has a shell of its own.
    async fn bases(
        &self,
        request: &BuildRequest<'_>,
    ) -> Result<(Pins, Vec<Layers>, bool), BuildError> {
        let (mut pins, mut layers, mut shell) = (BTreeMap::new(), Vec::new(), false);
        let unsupported = |attribute: String| unsupported(request, attribute);
        let unknown = |image: &ImageRef| {
            unsupported(format!(
                "{image} (an image that no registry is known to have)"
            ))
        };
        for base in bases::find(&self.docker, request).await? {
            let pinned = base.pinned.or_else(|| pinned(&base.image, &base.found));
            let pinned = pinned.ok_or_else(|| unknown(&base.image))?;
            pins.insert(base.image, pinned);
            let config = base.found.config.as_ref();
            shell |=
                config.is_some_and(|own| own.shell.as_ref().is_some_and(|own| !own.is_empty()));
            layers.extend(layers_of(base.found));
        }
        // A registry may give another image under the name by now.
        match References::new(request.recipe, &pins).beside().first() {
            Some(image) => Err(unsupported(match &request.recipe.opaque {
                Some(why) => {
                    format!("Dockerfile ({why}, so `{image}` cannot be named by its digest)")
                }
                None => format!("{image} (named where its digest cannot stand)"),
            })),
            None => Ok((pins, layers, shell)),
        }
    }
}

fn unsupported(request: &BuildRequest<'_>, attribute: String) -> BuildError {
    BuildError::Unsupported {
        service: request.recipe.service.clone(),
        builder: BuilderKind::Dagger,
        attribute,
    }
}

/// One build, with all that Dagger needs to know of it.
struct Work<'a> {
    request: &'a BuildRequest<'a>,
    dockerfile: &'a Rewritten,
    /// A folder of this build's own.
    folder: &'a Path,
    /// The context, and the Dockerfile's name in it.
    context: &'a Path,
    file: &'a str,
    /// What has to be set right in the image's environment.
    environment: BTreeMap<String, Option<String>>,
    /// The layers of its bases.
    bases: Vec<Layers>,
    /// How it is built without `dockerBuild`, where it can be.
    steps: Option<Steps>,
}

impl Work<'_> {
    fn failure(&self, error: &dagger_sdk::errors::DaggerError) -> BuildError {
        let service = &self.request.recipe.service;
        failure(service, self.dockerfile, self.file, error)
    }
}

impl Builder for Dagger {
    async fn build(
        &self,
        request: &BuildRequest<'_>,
        progress: &Progress,
    ) -> Result<ImageId, BuildError> {
        // Dependency images are on the engine, where Dagger cannot start from them; it has its own cache.
        let whole = BTreeMap::new();
        let part = match &request.part {
            BuildPart::Target { .. } => BuildPart::Target { on: &whole },
            dependencies @ BuildPart::Dependencies { .. } => dependencies.clone(),
        };
        let request = &BuildRequest {
            part,
            name: request.name.clone(),
            labels: request.labels.clone(),
            ..*request
        };
        if let Some(attribute) = beyond_dagger(request) {
            return Err(unsupported(request, attribute));
        }
        let (pins, bases, shell) = self.bases(request).await?;
        let environment = leaked(request.recipe, &request.part)
            .map_err(|name| unsupported(request, format!("{name} (declared as ARG and as ENV)")))?;
        let dockerfile = rewrite_pinned(request.recipe, &request.part, &pins);
        let folder = tempfile::tempdir().map_err(|source| BuildError::Context {
            service: request.recipe.service.clone(),
            source,
        })?;
        progress.doing("reading the build context");
        let context = folder.path().join("context");
        let file = unpacked(request, &dockerfile, &context).await?;
        let work = Work {
            request,
            dockerfile: &dockerfile,
            folder: folder.path(),
            context: &context,
            file: &file,
            environment,
            bases,
            steps: Steps::of(request, &pins, shell),
        };
        let session = self.session(None).await?;
        let image = match self.build_in(&session, &work, progress).await {
            Err(BuildError::Unreachable { source, .. }) => {
                let service = &request.recipe.service;
                progress.note(format!(
                    "the Dagger session was lost, and the build of `{service}` is begun anew: {source}"
                ));
                let session = self.session(Some(&session)).await?;
                self.build_in(&session, &work, progress).await?
            }
            built => built?,
        };
        BuildKit::name(&self.docker, &image, &request.name).await?;
        Ok(image)
    }
}
