//! One build by the BuildKit of an engine, from its request to a named image. Must not know Dagger.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::TagImageOptions;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{SolveRequest, SolveResponse, StatusRequest};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::agents::Agents;
use super::attributes::{attributes, entitlements, needs_newer, unused};
use super::files::{DOCKERFILE, Files};
use super::refusal::agents;
use super::session::{ALIVE_EVERY, ALIVE_WITHIN, Session, unique};
use super::shared_key::SharedKey;
use crate::build::bases;
use crate::build::context::{ContextError, Upload};
use crate::build::parts::secrets;
use crate::build::references::folder_images;
use crate::build::resume::{Rewritten, rewrite, rewrite_pinned};
use crate::build::trace::Trace;
use crate::model::{DigestWriter, ImageId, labels};
use crate::plan::BuilderKind;
use crate::runtime::{
    BuildError, BuildPart, BuildRequest, Builder, EngineAccess, EngineError, Progress,
};

/// The first API version whose BuildKit takes all attributes that larder passes on (moby 23.0, BuildKit 0.10).
const TAKES_ALL: (u32, u32) = (1, 42);
/// How long the last news of a build may be behind its end.
const LAST_NEWS: Duration = Duration::from_secs(3);
/// How long the engine may take to say which one it is; without an answer all files are sent.
const NAMES_ITSELF: Duration = Duration::from_secs(3);
/// The largest message of BuildKit's own tools, in bytes (moby/buildkit `util/grpcerrors`, containerd `defaults`).
const LARGEST_MESSAGE: usize = 16 << 20;

/// The BuildKit of one engine.
#[derive(Clone)]
pub struct BuildKit {
    docker: Docker,
    access: Arc<dyn EngineAccess>,
    memory: Option<PathBuf>,
    agent: Option<PathBuf>,
}

impl BuildKit {
    /// The BuildKit of the engine that `docker` talks to, reached by `access`. Which files it has already is
    /// remembered in the folder `memory`; without one all are sent each time.
    pub fn new(docker: Docker, access: Arc<dyn EngineAccess>, memory: Option<PathBuf>) -> Self {
        Self {
            docker,
            access,
            memory,
            agent: None,
        }
    }

    /// The same with the user's SSH agent.
    #[must_use]
    pub fn with_agent(self, agent: Option<PathBuf>) -> Self {
        Self { agent, ..self }
    }

    /// Builds; the image's ID, with no name yet.
    async fn run(
        &self,
        request: &BuildRequest<'_>,
        dockerfile: &Rewritten,
        progress: &Progress,
    ) -> Result<ImageId, BuildError> {
        let service = &request.recipe.service;
        let agents = self.refuse(request).await?;
        progress.doing("sending the build context");
        let (files, key) = self.files(request, dockerfile).await?;
        let secrets = secrets(request).await?;
        let session = Session::open(&self.access, &key, files.clone(), secrets, agents).await?;
        let mut trace = Trace::new(dockerfile, progress);
        let solved = self.solve(request, &session, &mut trace).await?;
        drop(session);
        // Whether the context was what was fingerprinted counts more than what the engine made of it.
        if let Some(fault) = files.fault() {
            return Err(faulty(service, fault));
        }
        let answered = solved.as_ref().err().is_none_or(|status| !is_lost(status));
        if answered && files.have_arrived() {
            key.keep();
        }
        let solved = solved.map_err(|status| match files.unspeakable(status.message()) {
            Some(fault) => faulty(service, fault),
            None => self.failure(trace, service, &status),
        })?;
        // The engine's ID of it, in either image store: containerd's knows no image by its configuration.
        let image = solved.exporter_response.get("containerimage.digest");
        let image = image.or_else(|| solved.exporter_response.get("containerimage.config.digest"));
        let image = image.ok_or_else(|| BuildError::Unreachable {
            builder: BuilderKind::Docker,
            source: "the engine ended the build without naming an image".into(),
        })?;
        Ok(ImageId(image.clone()))
    }

    /// What is to be sent, and the key under which BuildKit keeps it.
    async fn files(
        &self,
        request: &BuildRequest<'_>,
        dockerfile: &Rewritten,
    ) -> Result<(Files, SharedKey), BuildError> {
        let recipe = request.recipe;
        // A network that each engine has of its own, and keeps: its ID says which engine it is, sooner than `info` does.
        let own = self.docker.inspect_network("none", None);
        let engine = match self.memory {
            Some(_) => tokio::time::timeout(NAMES_ITSELF, own)
                .await
                .ok()
                .and_then(|network| network.ok()?.id),
            None => None,
        };
        let memory = engine.as_ref().and(self.memory.clone());
        let kind = {
            let mut kind = DigestWriter::new("larder build files");
            kind.text(&engine.unwrap_or_default());
            kind.field(recipe.context.root.as_os_str().as_bytes());
            kind.text(&recipe.service);
            if let BuildPart::Dependencies { stage } = request.part {
                kind.number(stage as u64);
            }
            kind.finish()
        };
        let upload = Upload::new(recipe, &request.part);
        let text = dockerfile.text.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let files = Files::look(upload, text)?;
            let key = SharedKey::take(memory.as_deref(), &kind, files.contents());
            Ok((files, key))
        });
        let looked = looking.await.map_err(std::io::Error::other);
        let looked = looked.map_err(ContextError::from).flatten();
        looked.map_err(|fault| faulty(&recipe.service, fault))
    }

    /// Asks for the build, and follows it until it is done.
    async fn solve(
        &self,
        request: &BuildRequest<'_>,
        session: &Session,
        trace: &mut Trace<'_>,
    ) -> Result<Result<SolveResponse, Status>, BuildError> {
        let stream = self.access.upgrade("/grpc", Vec::new()).await?;
        let channel = channel(stream).await;
        let channel = channel.map_err(|error| self.access.lost(error.into()))?;
        let control = ControlClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        let id = unique("build");
        let wanted = SolveRequest {
            r#ref: id.clone(),
            // No name: larder gives it when it is known that nothing moved.
            exporter_deprecated: "moby".to_owned(),
            exporter_attrs_deprecated: HashMap::new(),
            session: session.id.clone(),
            frontend: "dockerfile.v0".to_owned(),
            frontend_attrs: attributes(request),
            entitlements: entitlements(&request.recipe.build),
            ..SolveRequest::default()
        };
        let mut asking = control.clone();
        let mut solving = pin!(asking.solve(wanted));
        let mut following = pin!(follow(control, id, trace));
        let solved = tokio::select! {
            solved = &mut solving => {
                // Not to hear the last words of a build costs its log, never its result.
                let _ = tokio::time::timeout(LAST_NEWS, &mut following).await;
                solved
            }
            () = &mut following => solving.await,
        };
        Ok(solved.map(tonic::Response::into_inner))
    }

    /// The SSH agents of a build that can be carried out.
    async fn refuse(&self, request: &BuildRequest<'_>) -> Result<Agents, BuildError> {
        let recipe = request.recipe;
        let own = self.agent.as_deref();
        let agents = agents(&recipe.service, &recipe.build, Some(recipe), own)
            .map_err(|refusal| refusal.error)?;
        match needs_newer(&recipe.build) {
            Some(attribute) if !self.takes_all().await? => Err(BuildError::Unsupported {
                service: request.recipe.service.clone(),
                builder: BuilderKind::Docker,
                attribute: attribute.to_owned(),
            }),
            _ => Ok(agents),
        }
    }

    /// Brings the additional contexts that are folders onto the engine, each as an image: a dependency image reads none of
    /// them. An image of the same content is not built again.
    async fn bring_folders(
        &self,
        request: &BuildRequest<'_>,
        progress: &Progress,
    ) -> Result<(), BuildError> {
        if matches!(request.part, BuildPart::Dependencies { .. }) {
            return Ok(());
        }
        for (context, recipe) in folder_images(request.recipe) {
            let name = labels::context_name(&recipe.full);
            let key = recipe.full.to_string();
            let found = self.docker.inspect_image(&name).await.ok();
            let labels = found.and_then(|found| found.config?.labels);
            if labels.is_some_and(|labels| labels.get(labels::CONTEXT) == Some(&key)) {
                continue;
            }
            progress.doing(format!("additional context {context}"));
            let mut labels = labels::of_build(None, None, None);
            labels.insert(labels::CONTEXT.to_owned(), key);
            let (project, service) = (&request.project.name, &recipe.service);
            labels.extend(labels::of_image(project, service, &[]));
            let folder = BuildRequest {
                project: request.project,
                recipe: &recipe,
                part: BuildPart::Target {
                    on: &BTreeMap::new(),
                },
                builder: request.builder,
                name,
                labels,
            };
            let dockerfile = rewrite(&recipe, &folder.part);
            let image = self.run(&folder, &dockerfile, progress).await?;
            Self::name(&self.docker, &image, &folder.name).await?;
        }
        Ok(())
    }

    /// The error of a build that failed: of an instruction, or of the engine itself.
    fn failure(&self, trace: Trace<'_>, service: &str, status: &Status) -> BuildError {
        match innermost(status) {
            Some(cause) => self.access.lost(cause.into()).into(),
            None if is_lost(status) => self.access.lost(status.message().into()).into(),
            None => trace.failure(service, DOCKERFILE, status.message()),
        }
    }

    /// Whether the engine's BuildKit takes what older ones drop without a word.
    async fn takes_all(&self) -> Result<bool, BuildError> {
        let answer = self.docker.version().await;
        let version = answer.map_err(|error| refused("asking for the engine's version", error))?;
        let has = version.api_version.as_deref().and_then(|text| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        Ok(has >= Some(TAKES_ALL))
    }

    /// Gives the image the name by which larder finds it: from here on it counts.
    pub(in crate::build) async fn name(
        docker: &Docker,
        image: &ImageId,
        name: &str,
    ) -> Result<(), BuildError> {
        let (repo, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let options = TagImageOptions {
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
        };
        let done = docker.tag_image(&image.0, Some(options)).await;
        Ok(done.map_err(|error| refused(&format!("naming image `{name}`"), error))?)
    }
}

impl Builder for BuildKit {
    async fn build(
        &self,
        request: &BuildRequest<'_>,
        progress: &Progress,
    ) -> Result<ImageId, BuildError> {
        for attribute in unused(&request.recipe.build) {
            progress.note(format!(
                "`build.{attribute}` of `{}` changes nothing: larder keeps images by their inputs",
                request.recipe.service
            ));
        }
        self.bring_folders(request, progress).await?;
        let found = bases::find(&self.docker, request).await?;
        let pins = bases::pins(&self.docker, &found).await?;
        bases::stand_still(&self.docker, request, &found, &pins).await?;
        let dockerfile = rewrite_pinned(request.recipe, &request.part, &pins);
        let image = self.run(request, &dockerfile, progress).await?;
        bases::stand_still(&self.docker, request, &found, &pins).await?;
        Self::name(&self.docker, &image, &request.name).await?;
        Ok(image)
    }
}

/// Hands on what BuildKit tells of a build, until it is done.
async fn follow(mut control: ControlClient<Channel>, id: String, trace: &mut Trace<'_>) {
    let stream = control.status(StatusRequest { r#ref: id }).await;
    let mut stream = match stream {
        Ok(stream) => stream.into_inner(),
        Err(error) => return tracing::debug!(%error, "a build is not followed"),
    };
    loop {
        match stream.message().await {
            Ok(Some(status)) => trace.take(status),
            Ok(None) => return,
            Err(error) => return tracing::debug!(%error, "a build is not followed to its end"),
        }
    }
}

/// gRPC over a connection that is open already.
async fn channel(
    stream: Box<dyn crate::runtime::Duplex>,
) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        // It is not opened again when it is lost.
        let stream = stream.take().ok_or(std::io::ErrorKind::NotConnected);
        std::future::ready(stream.map_err(std::io::Error::from))
    });
    let endpoint = Endpoint::from_static("http://engine")
        .http2_keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(ALIVE_WITHIN)
        .keep_alive_while_idle(true);
    endpoint.connect_with_connector(connector).await
}

/// What it means that the files of a build could not be handed over.
pub(in crate::build) fn faulty(service: &str, fault: ContextError) -> BuildError {
    let service = service.to_owned();
    match fault {
        ContextError::Moved(path) => BuildError::InputMoved { service, path },
        fault => BuildError::Context {
            service,
            source: std::io::Error::other(fault),
        },
    }
}

/// Whether this is no answer of BuildKit's.
fn is_lost(status: &Status) -> bool {
    innermost(status).is_some() || matches!(status.code(), Code::Unavailable | Code::Cancelled)
}

/// What broke the connection, without the layers between.
fn innermost(status: &Status) -> Option<String> {
    let first = std::error::Error::source(status)?;
    let last = std::iter::successors(Some(first), |error| error.source()).last();
    last.map(ToString::to_string)
}

pub(in crate::build) fn refused(action: &str, error: bollard::errors::Error) -> EngineError {
    use bollard::errors::Error;
    if let Error::HyperLegacyError { .. }
    | Error::HyperResponseError { .. }
    | Error::IOError { .. }
    | Error::SocketNotFoundError(_) = error
    {
        return EngineError::Unreachable {
            address: "its address".to_owned(),
            source: error.into(),
        };
    }
    EngineError::Refused {
        action: action.to_owned(),
        status: status(&error),
        source: error.into(),
    }
}

fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}
