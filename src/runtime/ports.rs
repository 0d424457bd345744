//! The traits through which steps reach the world: an engine, builders. The docker and build rooms implement
//! them; nothing here knows how.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::CheckFailed;
use super::event::Progress;
use crate::fingerprint::Recipe;
use crate::model::{Digest, Healthcheck, Hook, ImageId, Project, Service};
use crate::plan::{BuilderKind, Observed};

/// A Docker Engine. Every call may be made from several tasks at once.
pub trait Engine: Send + Sync {
    /// A snapshot of the engine for one project, in a constant number of calls.
    fn observe(&self, project: &str) -> impl Future<Output = Result<Observed, EngineError>> + Send;

    /// Pulls an image; its ID.
    fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        progress: &Progress,
    ) -> impl Future<Output = Result<ImageId, EngineError>> + Send;

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

/// An engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers.
    #[error("no Docker Engine answers at {address}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// It answered with an error.
    #[error("{action} failed")]
    Refused {
        /// What was asked of it: "starting container `hub-api-1`".
        action: String,
        /// The HTTP status, where there was one.
        status: Option<u16>,
        /// Its words.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A step needs what this engine's API version does not have.
    #[error("{what} needs a Docker Engine with API {needs} or later; this one has {has}")]
    TooOld {
        /// What needs it.
        what: String,
        /// The version that has it.
        needs: &'static str,
        /// The version there is.
        has: String,
    },
}

impl EngineError {
    /// What a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Unreachable { source, .. } => unreachable_hint(source.as_ref()),
            Self::Refused { source, .. } => refused_hint(&source.to_string()),
            Self::TooOld { .. } => Some("update the Docker Engine, or leave it out"),
        };
        hint.map(ToOwned::to_owned).into_iter().collect()
    }
}

/// An address that cannot be used at all says so itself; what the system reports needs explaining.
fn unreachable_hint(source: &(dyn StdError + 'static)) -> Option<&'static str> {
    let cause = std::iter::successors(Some(source), |error| StdError::source(*error))
        .find_map(|cause| cause.downcast_ref::<std::io::Error>())?;
    Some(if cause.kind() == std::io::ErrorKind::PermissionDenied {
        "your user may not use it: be root, or join the group `docker` and log in again"
    } else {
        "is Docker running? `DOCKER_HOST` and `docker context use` say where it is looked for"
    })
}

/// Engines tell these apart in their words only: 20.10 answers each of them with status 500.
fn refused_hint(words: &str) -> Option<&'static str> {
    let words = words.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["port is already allocated", "address already in use"]) {
        Some("another process or container holds the port: change `ports`, or stop it")
    } else if says(&[
        "no basic auth credentials",
        "unauthorized",
        "authentication required",
        "access denied",
        "access to the resource is denied",
    ]) {
        Some("the registry wants credentials: `docker login` keeps them, and the name may be wrong")
    } else if says(&["is already in use by container"]) {
        Some("rename or remove that container, or choose another project name with `-p`")
    } else if says(&["no space left on device"]) {
        Some("the engine's disk is full: `docker system df` shows what takes the space")
    } else {
        None
    }
}

/// A build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An instruction failed.
    #[error("building `{service}` failed{}", Location(.file.as_deref(), *.line, .instruction))]
    Instruction {
        /// The service.
        service: String,
        /// The Dockerfile, where it is a file.
        file: Option<Box<Path>>,
        /// The Dockerfile line, from 1, where the builder says it.
        line: Option<usize>,
        /// The instruction as written, on one line.
        instruction: Option<String>,
        /// The last lines that it printed.
        output: Vec<String>,
        /// The builder's words.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A file changed between fingerprint and build.
    #[error("`{path}` changed while `{service}` was being built")]
    InputMoved {
        /// The service.
        service: String,
        /// The file, relative to its context.
        path: String,
    },
    /// A base image's name came to mean another image between fingerprint and the end of the build.
    #[error("base image `{base}` changed while `{service}` was being built")]
    BaseMoved {
        /// The service.
        service: String,
        /// The image.
        base: String,
    },
    /// A base image can only be taken by its name, which means another image than the one that was fingerprinted.
    #[error(
        "base image `{base}` of `{service}` is another one on the engine than was fingerprinted"
    )]
    BaseBeside {
        /// The service.
        service: String,
        /// The image.
        base: String,
    },
    /// The context cannot be read.
    #[error("reading the build context of `{service}` failed")]
    Context {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The builder cannot carry out an attribute of the build section.
    #[error("{builder} cannot build `{service}`: it has no input for `{attribute}`")]
    Unsupported {
        /// The service.
        service: String,
        /// The builder.
        builder: BuilderKind,
        /// The attribute.
        attribute: String,
    },
    /// The context is a repository or an archive elsewhere.
    #[error("`{service}` cannot be built: its context `{context}` is not on this machine")]
    RemoteContext {
        /// The service.
        service: String,
        /// The context, for a person.
        context: String,
    },
    /// An additional context cannot be taken in.
    #[error("`{service}` cannot be built with additional context `{name}`: {reason}")]
    AdditionalContext {
        /// The service.
        service: String,
        /// The context's name.
        name: String,
        /// Why.
        reason: String,
    },
    /// There is no such SSH agent.
    #[error("`{service}` is built with the SSH agent `{id}`, which is not there: {reason}")]
    NoAgent {
        /// The service.
        service: String,
        /// The agent's id in the build section.
        id: String,
        /// Why.
        reason: String,
    },
    /// The builder is not there, or went away.
    #[error("{builder} does not answer")]
    Unreachable {
        /// The builder.
        builder: BuilderKind,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The engine refused the image.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// ` in RUN npm ci` in an error's text, which begins with file and line; a Dockerfile that is no file has the line here.
struct Location<'a>(Option<&'a Path>, Option<usize>, &'a Option<String>);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (None, Some(line)) = (self.0, self.1) {
            write!(f, " at line {line} of its inline Dockerfile")?;
        }
        let Some(instruction) = self.2 else {
            return Ok(());
        };
        let before = if self.0.is_none() && self.1.is_some() {
            ", "
        } else {
            " in "
        };
        write!(f, "{before}`{}`", brief(instruction))
    }
}

/// The beginning of an instruction that is longer than anybody reads in an error: its line says where the rest is.
fn brief(instruction: &str) -> String {
    const LONGEST: usize = 100;
    if instruction.chars().count() <= LONGEST {
        return instruction.to_owned();
    }
    let kept: String = instruction.chars().take(LONGEST - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &str) -> EngineError {
        EngineError::Refused {
            action: "starting".to_owned(),
            status: Some(500),
            source: words.into(),
        }
    }

    #[test]
    fn of_a_long_instruction_the_beginning_is_told() {
        let file = Path::new("Dockerfile");
        let at = |file, instruction: &str| {
            Location(file, Some(9), &Some(instruction.to_owned())).to_string()
        };
        assert_eq!(at(Some(file), "RUN make"), " in `RUN make`");
        assert_eq!(
            at(None, "RUN make"),
            " at line 9 of its inline Dockerfile, `RUN make`"
        );
        let long = at(Some(file), &format!("RUN {}", "make && ".repeat(40)));
        assert!(long.ends_with("make &&…`") && long.len() < 140, "{long}");
    }

    #[test]
    fn hints_are_told_by_the_engines_words() {
        let cases = [
            (
                "Bind for 0.0.0.0:80 failed: port is already allocated",
                "`ports`",
            ),
            (
                "listen tcp4 0.0.0.0:80: bind: address already in use",
                "`ports`",
            ),
            (
                "Get \"https://r/v2/\": no basic auth credentials",
                "`docker login`",
            ),
            (
                "Conflict. The container name \"/a\" is already in use by container \"1\".",
                "`-p`",
            ),
        ];
        for (words, hint) in cases {
            assert!(refused(words).hints()[0].contains(hint), "{words}");
        }
        assert!(refused("something else").hints().is_empty());
    }

    #[test]
    fn an_engine_that_may_not_be_used_is_not_one_that_is_gone() {
        let hint = |kind: std::io::ErrorKind| {
            let error = EngineError::Unreachable {
                address: "unix:///x".to_owned(),
                source: std::io::Error::from(kind).into(),
            };
            error.hints().remove(0)
        };
        assert!(hint(std::io::ErrorKind::PermissionDenied).contains("group `docker`"));
        assert!(hint(std::io::ErrorKind::NotFound).contains("running"));
    }
}
