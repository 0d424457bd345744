//! The traits through which steps reach the world: an engine, builders. The docker and build rooms implement
//! them; nothing here knows how.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use super::build_error::BuildError;
use super::engine_error::EngineError;
use super::error::CheckFailed;
use super::event::Progress;
use crate::fingerprint::Recipe;
use crate::model::{Digest, Healthcheck, Hook, ImageId, Project, Service};
use crate::plan::{BuilderKind, Observed};

/// A Docker Engine. Every call may be made from several tasks at once.
pub trait Engine: Send + Sync {
    /// A snapshot of the engine for one project, in a constant number of calls.
    fn observe(&self, project: &str) -> impl Future<Output = Result<Observed, EngineError>> + Send;

    /// Pulls an image; its ID. One that can be had in another way is not waited for as long.
    fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        has_other_way: bool,
        progress: &Progress,
    ) -> impl Future<Output = Result<ImageId, EngineError>> + Send;

    /// Pushes an image to a registry under a name there.
    fn push(
        &self,
        image: &ImageId,
        name: &str,
        progress: &Progress,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Gives an image a name.
    fn tag(
        &self,
        image: &ImageId,
        name: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Creates a network of the project, with labels; one of that name that is there already is fine.
    fn create_network(
        &self,
        project: &Project,
        key: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Creates a volume of the project, with labels; one of that name that is there already is fine.
    fn create_volume(
        &self,
        project: &Project,
        key: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Creates a container, attached to its networks, with its configs and secrets in it; its ID.
    fn create_container(
        &self,
        spec: &ContainerSpec<'_>,
    ) -> impl Future<Output = Result<String, EngineError>> + Send;

    /// Starts a container. One that runs is fine.
    fn start(&self, container: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Stops a container, within its own grace period or the one given. One that does not run is fine.
    fn stop(
        &self,
        container: &str,
        grace: Option<Duration>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Sends a signal, by name or number, to a container's process.
    fn kill(
        &self,
        container: &str,
        signal: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Freezes a container.
    fn pause(&self, container: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Resumes a paused container.
    fn unpause(&self, container: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes a container, with its anonymous volumes when asked. One that is gone is fine.
    fn remove(
        &self,
        container: &str,
        volumes: bool,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Renames a container.
    fn rename(
        &self,
        container: &str,
        name: &str,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes a network. One that is gone is fine.
    fn remove_network(&self, id: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes a volume. One that is gone is fine.
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Takes a name from an image, and removes the image with its last one. One that is gone is fine.
    fn remove_image(&self, name: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// What a container is doing, and its effective health check (the image's where the service has none).
    fn inspect(
        &self,
        container: &str,
    ) -> impl Future<Output = Result<Condition, EngineError>> + Send;

    /// Whether one of a container's exposed ports is listened on, where that can be seen without running
    /// anything in it.
    fn listening(&self, container: &str, condition: &Condition) -> Listening;

    /// Runs a command in a container to the end; its exit code.
    fn probe(
        &self,
        container: &str,
        command: &[String],
    ) -> impl Future<Output = Result<i64, EngineError>> + Send;

    /// Runs a hook in a container to the end, and tells each line that it prints.
    fn run_hook(
        &self,
        container: &str,
        hook: &Hook,
        progress: &Progress,
    ) -> impl Future<Output = Result<HookEnd, EngineError>> + Send;

    /// The last lines of a container's output, without control characters.
    fn last_lines(
        &self,
        container: &str,
        lines: usize,
    ) -> impl Future<Output = Result<Vec<String>, EngineError>> + Send;

    /// What happens to the project's containers from now on. Events are hints: look again before acting.
    /// Called within a tokio runtime; it listens from the call on.
    fn watch(&self, project: &str) -> impl Stream<Item = Happening> + Send + 'static;
}

/// What a builder inside an engine needs beside the engine's API: connections of its own, and the user's credentials
/// for registries.
pub trait EngineAccess: Send + Sync {
    /// A connection that speaks another protocol than HTTP from here on: `POST path` with `Upgrade: h2c` (moby
    /// `api/server/router/session`, `…/router/grpc`).
    fn upgrade<'a>(
        &'a self,
        path: &'a str,
        headers: Vec<(&'static str, String)>,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, EngineError>>;

    /// The error of a connection that was lost.
    fn lost(&self, source: Box<dyn StdError + Send + Sync>) -> EngineError;

    /// The credentials for a registry, where there are any.
    fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Option<Login>>;
}

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Credentials for a registry.
pub struct Login {
    /// The user; empty when the secret is an identity token.
    pub username: String,
    /// The password or identity token.
    pub secret: String,
}

/// One container to be created.
#[derive(Debug)]
pub struct ContainerSpec<'a> {
    /// The project.
    pub project: &'a Project,
    /// The service's name in it.
    pub service: &'a str,
    /// The container's number in the service.
    pub number: u32,
    /// The name it gets.
    pub name: &'a str,
    /// The image it is made from.
    pub image: &'a ImageId,
    /// The image's fingerprint, where larder builds it.
    pub fingerprint: Option<Digest>,
    /// The image's dependency fingerprint, where it has one.
    pub dependencies: Option<Digest>,
    /// The image's fingerprint without what the container's mounts hide, where they hide something.
    pub shadowed: Option<Digest>,
    /// The hash of what it is made from, image aside.
    pub config: Digest,
    /// docker compose's hash of the service, where somebody asked it; otherwise larder's formula for it is taken.
    pub compose_hash: Option<Digest>,
    /// The digest of what it mounts, where it is run to its end.
    pub mounted: Option<Digest>,
    /// Anonymous volumes handed over: target → the volume's name.
    pub inherits: &'a BTreeMap<String, String>,
    /// The images that it mounts, in the order of its mounts.
    pub image_mounts: &'a [ImageId],
    /// The containers that it has something of: `service:NAME` or `container:NAME` → the ID.
    pub shares: &'a BTreeMap<String, String>,
}

impl<'a> ContainerSpec<'a> {
    /// The service.
    ///
    /// # Errors
    /// The project does not have it.
    pub fn definition(&self) -> Result<&'a Service, EngineError> {
        let service = self.project.services.get(self.service);
        service.ok_or_else(|| EngineError::Refused {
            action: format!("defining container `{}`", self.name),
            status: None,
            source: format!("the project has no service `{}`", self.service).into(),
        })
    }
}

/// docker compose's hash of services: by it its `up` takes a container for one of its own, or makes it anew.
pub trait ComposeHash: Send + Sync {
    /// The hash of a service whose container has something of these others (`service:NAME` → the ID); `None` where nobody
    /// says it. Takes no longer than it must.
    fn hash<'a>(
        &'a self,
        service: &'a str,
        shares: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Option<Digest>>;
}

/// How a hook ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookEnd {
    /// Its exit code.
    pub code: i64,
    /// The last lines that it printed.
    pub output: Vec<String>,
}

/// What a container is doing right now, as an inspection shows it.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// Whether its process lives.
    pub running: bool,
    /// The code it ended with, when it does not.
    pub exit_code: i64,
    /// Whether the kernel killed it for its memory limit.
    pub out_of_memory: bool,
    /// How often its restart policy started it again.
    pub restarts: u64,
    /// Whether the restart policy will start it again.
    pub restarting: bool,
    /// The engine's verdict, where it has a health check.
    pub health: Option<crate::plan::Health>,
    /// When it was started last, in the engine's words; no two starts have the same.
    pub started: String,
    /// How often the engine ran its health check, as far as it remembers.
    pub probes: usize,
    /// What its health check said when the engine ran it last, and it failed.
    pub check: Option<CheckFailed>,
    /// Its effective health check; `None` when it has none or it is switched off.
    pub healthcheck: Option<Healthcheck>,
    /// The TCP ports that it or its image exposes.
    pub exposed: Vec<u16>,
    /// The number of its first process on the engine's machine, while it runs.
    pub pid: Option<u32>,
}

/// Whether somebody listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// Somebody does.
    Yes,
    /// Nobody does.
    No,
    /// It cannot be seen from here.
    Unknown,
}

/// Something that happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The container's ID.
    pub container: String,
    /// What happened.
    pub kind: HappeningKind,
}

/// The events that a wait cares about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HappeningKind {
    /// It started.
    Started,
    /// Its process ended.
    Died,
    /// A health probe passed.
    Healthy,
    /// Too many health probes failed.
    Unhealthy,
    /// The stream of events was cut, and something may have been missed.
    Lost,
}

/// Builds images onto an engine.
pub trait Builder: Send + Sync {
    /// Builds what the request says; the new image's ID on the engine.
    fn build(
        &self,
        request: &BuildRequest<'_>,
        progress: &Progress,
    ) -> impl Future<Output = Result<ImageId, BuildError>> + Send;
}

/// One build.
#[derive(Debug)]
pub struct BuildRequest<'a> {
    /// The project, for the secrets that a build mounts.
    pub project: &'a Project,
    /// What the image is made of.
    pub recipe: &'a Recipe,
    /// How much of it is built, and on what.
    pub part: BuildPart<'a>,
    /// Who builds.
    pub builder: BuilderKind,
    /// The name the image gets.
    pub name: String,
    /// Labels on the image, beside those of the build section.
    pub labels: BTreeMap<String, String>,
}

/// How much of a recipe is built.
#[derive(Clone, Debug)]
pub enum BuildPart<'a> {
    /// One stage up to its dependency cut.
    Dependencies {
        /// The stage's number.
        stage: usize,
    },
    /// The target, with the stages named here starting from their dependency images: stage → key.
    Target {
        /// Empty: the whole Dockerfile is built.
        on: &'a BTreeMap<usize, Digest>,
    },
}
