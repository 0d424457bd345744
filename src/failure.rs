//! Every way in which a run can fail, with its exit code and what a person is told: the one place where the
//! rooms' errors meet.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{ImageRef, Place, UnknownService};
use crate::plan::{Action, BuilderKind};
use crate::runtime::{self, BuildError, EngineError, StepError};
use crate::term::{Message, Screen};
use crate::{compose, docker, fingerprint, plan, settings};

/// A run that failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting has a value that it cannot have.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The Compose files give no project.
    #[error(transparent)]
    Compose(#[from] compose::Error),
    /// A service that was named is not there.
    #[error(transparent)]
    Service(#[from] UnknownService),
    /// Fingerprints cannot be taken.
    #[error(transparent)]
    Fingerprint(#[from] fingerprint::Error),
    /// What is wanted cannot be reached.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// The engine refused or is out of reach.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A builder is out of reach.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nobody can build what a build section asks for.
    #[error("{error}")]
    Unbuildable {
        /// What it asks for.
        error: Box<BuildError>,
        /// Where it is written.
        place: Option<Place>,
    },
    /// The project has no services that could be started.
    #[error("{}", if *off { "no service is active" } else { "the project has no services" })]
    NoServices {
        /// Whether it has some, and none of their profiles is active.
        off: bool,
    },
    /// Another larder, or a stop that goes on, was waited for: what was read and seen before may not be so any more.
    #[error("the project changed meanwhile")]
    Waited,
    /// Containers cannot have their host ports.
    #[error("{} host ports are taken", .0.len())]
    Ports(Vec<(plan::Conflict, Option<Place>)>),
    /// Containers of another checkout would be replaced, or removed.
    #[error("project `{project}` runs from `{}`{}: `{container}` would be {}", folder.display(), if *removed { "" } else { " already" }, if *removed { "removed" } else { "replaced" })]
    OtherCheckout {
        /// Whether they would be removed.
        removed: bool,
        /// The name that both have.
        project: String,
        /// The other checkout.
        folder: PathBuf,
        /// One of its containers.
        container: String,
        /// A name that this one can have.
        beside: String,
    },
    /// Steps failed.
    #[error("{} of the steps failed", .0.len())]
    Steps(Vec<runtime::Failure>),
    /// Base images could not be pulled.
    #[error("{} base images could not be pulled", failures.len())]
    Bases {
        /// The steps.
        failures: Vec<runtime::Failure>,
        /// Those that are locked: what was pulled, the image as it is named, and its line in the lock.
        locked: BTreeMap<String, (ImageRef, Place)>,
    },
    /// The lock is to be written and to stay as it is.
    #[error("`larder lock` writes `larder.lock`, which `--frozen` takes as it is")]
    Frozen,
    /// No Dockerfile names an image.
    #[error("no Dockerfile of this project names the base image `{name}`")]
    NoBase {
        /// The image, as it was typed.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A registry does not tell what it has.
    #[error("the digest of `{image}` is not known")]
    Registry {
        /// The image.
        image: String,
        /// Where it is named.
        place: Option<Box<Place>>,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// A registry does not have an image.
    #[error("base image `{image}` is neither on the engine nor in its registry")]
    NotInRegistry {
        /// The image.
        image: String,
        /// Where it is named.
        place: Option<Box<Place>>,
    },
    /// A registry does not have the image of a service.
    #[error("image `{image}` is not in its registry")]
    NoDigest {
        /// The image.
        image: String,
        /// Where it is named.
        place: Option<Box<Place>>,
    },
    /// A file cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A service that is to be run again is not run to its end.
    #[error("`{0}` is no job: no service waits until it completed successfully")]
    NoJob(String),
    /// Images must be built, and may not.
    #[error("{} must be built, and `--no-build` forbids it", quoted(.0))]
    Unbuilt(Vec<String>),
    /// A service that was ready is not any more.
    #[error("service `{service}` was started, and is {state} now")]
    Fell {
        /// The service.
        service: String,
        /// What it does: `exited with code 3`.
        state: String,
    },
    /// A container that was made, or kept, in this run is not there any more.
    #[error("a container of service `{service}` was started, and is gone or made anew now")]
    Undone {
        /// The service.
        service: String,
    },
    /// A service has no container that runs.
    #[error("service `{0}` has no running container")]
    NotRunning(String),
    /// A container is not there, or does not do what it has to do for a command.
    #[error("{text}")]
    Halted {
        /// What is wrong.
        text: String,
        /// What may help.
        hint: String,
    },
    /// A service has no container.
    #[error("service `{0}` has no container")]
    NoContainer(String),
    /// A project has no containers.
    #[error("project `{0}` has no containers")]
    NoContainers(String),
    /// Something is removed when somebody agrees, and nobody can.
    #[error("`larder rm` asks before it removes, and there is no terminal to ask on")]
    NobodyToAsk,
    /// A service has no container of that number.
    #[error("service `{service}` has no container {index}")]
    NoIndex {
        /// The service.
        service: String,
        /// The number.
        index: u32,
    },
    /// A port of a container is not published.
    #[error("container `{container}` does not publish port {port}")]
    NotPublished {
        /// The port, `80/tcp`.
        port: String,
        /// The container's name.
        container: String,
        /// The ports that it does publish.
        known: Vec<String>,
    },
    /// What is to be copied, or where to, is not what it would have to be.
    #[error("{text}")]
    Uncopied {
        /// Why.
        text: String,
        /// What may help.
        hint: String,
    },
    /// Nothing lies at a path of a container.
    #[error("`{path}` is not there in container `{container}`")]
    NotInContainer {
        /// The path.
        path: String,
        /// The container's name.
        container: String,
    },
    /// A copy broke off on this side.
    #[error("the copy with container `{container}` broke off")]
    Copy {
        /// The container's name.
        container: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The current folder is gone or may not be read.
    #[error("the current folder cannot be read")]
    Folder(#[source] io::Error),
    /// Standard output cannot be written.
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
    /// The model cannot be written down.
    #[error("the model cannot be printed as {format}")]
    Print {
        /// The format.
        format: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// What was asked cannot be told.
    #[error("{text}")]
    Untold {
        /// Why.
        text: String,
        /// What may help.
        hint: String,
    },
    /// Part of larder broke.
    #[error("larder broke off")]
    Broke(#[from] tokio::task::JoinError),
}

/// What a failure is about; its number is the exit code (docs/exit-codes.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A service or a build failed.
    Failed = 1,
    /// The command line or a Compose file is wrong.
    Input = 2,
    /// The engine, Dagger or a registry is out of reach.
    Unreachable = 3,
    /// larder's own fault (sysexits.h `EX_SOFTWARE`).
    Bug = 70,
    /// Interrupted: 128 and SIGINT.
    Interrupted = 130,
}

impl Kind {
    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl Failure {
    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Settings(_)
            | Self::Compose(_)
            | Self::Service(_)
            | Self::Fingerprint(_)
            | Self::Plan(_)
            | Self::NoServices { .. }
            | Self::NoJob(_)
            | Self::Untold { .. }
            | Self::Frozen
            | Self::OtherCheckout { .. }
            | Self::NoBase { .. }
            | Self::NobodyToAsk
            | Self::Uncopied { .. }
            | Self::Folder(_) => Kind::Input,
            Self::Engine(error) => engine(error),
            Self::Build(error) => build(error),
            Self::Unbuildable { error, .. } => build(error),
            Self::Registry { source, .. } => registry(source),
            Self::Steps(failures) | Self::Bases { failures, .. } => {
                failures.iter().map(step).max().unwrap_or(Kind::Bug)
            }
            Self::Fell { .. }
            | Self::Unbuilt(_)
            | Self::Undone { .. }
            | Self::Waited
            | Self::Ports(_)
            | Self::NotInRegistry { .. }
            | Self::NoDigest { .. }
            | Self::Unwritten { .. }
            | Self::NotRunning(_)
            | Self::Halted { .. }
            | Self::NoContainer(_)
            | Self::NoIndex { .. }
            | Self::NotPublished { .. }
            | Self::NotInContainer { .. }
            | Self::Copy { .. }
            | Self::NoContainers(_)
            | Self::Output(_) => Kind::Failed,
            Self::Interrupted => Kind::Interrupted,
            Self::Broke(_) | Self::Print { .. } => Kind::Bug,
        }
    }

    /// What a person is told: a message per thing that failed.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Self::Steps(failures) => failures.iter().map(of_step).collect(),
            Self::Bases { failures, locked } => {
                failures.iter().map(|own| of_base(own, locked)).collect()
            }
            Self::Ports(conflicts) => of_ports(conflicts),
            // The hint goes for all of them.
            Self::Fingerprint(error) if !error.apart().is_empty() => {
                let each = error.apart();
                let last = each.len() - 1;
                let told = each.into_iter().enumerate().map(|(at, error)| Message {
                    place: error.place(),
                    hints: if at == last {
                        error.hints()
                    } else {
                        Vec::new()
                    },
                    ..Message::of(&error)
                });
                told.collect()
            }
            Self::Interrupted => Vec::new(),
            _ => vec![Message {
                place: self.place(),
                hints: self.hints(),
                ..Message::of(self)
            }],
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Compose(error) => error.place().cloned(),
            Self::Fingerprint(error) => error.place(),
            Self::Unbuildable { place, .. } => place.clone(),
            Self::Registry { place, .. }
            | Self::NotInRegistry { place, .. }
            | Self::NoDigest { place, .. } => place.as_deref().cloned(),
            _ => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Compose(error) => error.hints(),
            Self::Fingerprint(error) => error.hints(),
            Self::Plan(error) => error.hints(),
            Self::Engine(error) | Self::Build(BuildError::Engine(error)) => error.hints(),
            Self::Build(error) => build_hints(error),
            Self::Unbuildable { error, .. } => build_hints(error),
            Self::NoServices { off: true } => {
                vec!["`--profile NAME` activates those of a profile; a service that is named is active, too".to_owned()]
            }
            Self::NoJob(name) => vec![format!(
                "`larder restart {name}` starts it anew, whatever it is"
            )],
            Self::Unbuilt(_) => vec!["`larder build` builds images alone".to_owned()],
            Self::NoServices { off: false } => {
                vec!["it needs `services:` with at least one service".to_owned()]
            }
            Self::Service(UnknownService { name, known }) => {
                vec![compose::named_here("services", name, known)]
            }
            Self::NoBase { name, known } => vec![compose::named_here("base images", name, known)],
            Self::Registry { source, .. } => source.hints(),
            Self::NotInRegistry { .. } => {
                vec!["`docker login` where it needs an account, or build it as a service of this project".to_owned()]
            }
            Self::NoDigest { .. } => {
                vec!["only an image that a registry has, and gives to you (`docker login`), can be pinned".to_owned()]
            }
            Self::Frozen => {
                vec!["leave out `--frozen`, or unset LARDER_FROZEN, to write it".to_owned()]
            }
            Self::OtherCheckout {
                project,
                removed: true,
                ..
            } => vec![format!(
                "`larder -p {project} down` removes it all the same"
            )],
            Self::OtherCheckout {
                project, beside, ..
            } => vec![
                format!("`larder -p {beside} up --ports auto` starts this one beside it"),
                format!("`larder -p {project} up` replaces it"),
            ],
            Self::Fell { service, .. } => {
                vec![format!("`larder logs {service}` shows what it printed")]
            }
            Self::Undone { .. } => {
                vec!["another command changes this project at the same time".to_owned()]
            }
            Self::NotRunning(service) => vec![format!("start it with `larder up {service}`")],
            Self::NobodyToAsk => vec!["`-f` removes without asking".to_owned()],
            Self::NoIndex { service, .. } => {
                vec![format!(
                    "`larder ps -a` lists the containers of `{service}`"
                )]
            }
            Self::NotPublished { known, .. } if known.is_empty() => {
                vec!["it publishes none: `ports` in the Compose file does that".to_owned()]
            }
            Self::NotPublished { known, .. } => vec![format!("it publishes {}", known.join(", "))],
            Self::NoContainer(service) => vec![format!("`larder up {service}` creates it")],
            Self::NoContainers(_) => vec!["`larder up` creates them".to_owned()],
            Self::Untold { hint, .. } | Self::Halted { hint, .. } | Self::Uncopied { hint, .. } => {
                vec![hint.clone()]
            }
            Self::Broke(_) | Self::Print { .. } => vec![REPORT.to_owned()],
            _ => Vec::new(),
        }
    }
}

/// What to do about a bug.
pub const REPORT: &str =
    "this is a bug in larder: please report this text, the command and `larder --version`";

/// Tells of larder's own fault; the exit code.
pub fn panicked(what: &str) -> u8 {
    let message = Message {
        text: what.to_owned(),
        hints: vec![REPORT.to_owned()],
        ..Message::default()
    };
    // The screen that a run has may be the thing that is broken.
    let screen = Screen::new(&settings::Environment::new());
    message.error(&screen, Path::new("/"));
    Kind::Bug.code()
}

fn of_step(failure: &runtime::Failure) -> Message {
    let error = &failure.error;
    let mut hints = error.hints();
    match error {
        StepError::Engine(error) | StepError::Build(BuildError::Engine(error)) => {
            hints.extend(error.hints());
            hints.extend(of_lost_network(failure, error));
        }
        StepError::Build(error) => hints.extend(build_hints(error)),
        StepError::Broken { .. } => hints.push(REPORT.to_owned()),
        _ => {}
    }
    let mut message = Message::of(error);
    let mut place = None;
    if let StepError::Build(BuildError::Instruction { file, line, .. }) = error {
        place = file.as_deref().map(|file| Place {
            file: file.to_owned(),
            at: line.map(|line| (line, 1)),
        });
        for cause in &mut message.causes {
            *cause = ended(cause).unwrap_or_else(|| std::mem::take(cause));
        }
    }
    Message {
        place,
        output: error.output().to_vec(),
        hints,
        ..message
    }
}

/// What helps a container that the engine does not start as its network was removed.
fn of_lost_network(failure: &runtime::Failure, error: &EngineError) -> Option<String> {
    let starts = matches!(failure.step.action, Action::Start { .. });
    let service = failure
        .step
        .service
        .as_ref()
        .filter(|_| starts && error.is_of_lost_network())?;
    Some(format!(
        "its network was removed: `larder up {service}` makes the container anew"
    ))
}

/// A message for each port, and what helps with all of them at the end.
fn of_ports(conflicts: &[(plan::Conflict, Option<Place>)]) -> Vec<Message> {
    let told = conflicts.iter().map(|(conflict, place)| Message {
        text: conflict.to_string(),
        place: place.clone(),
        hints: vec![conflict.hint()],
        ..Message::default()
    });
    let mut told: Vec<Message> = told.collect();
    // What is typed is published as it is.
    let mut written = conflicts.iter().filter(|(own, _)| !own.is_typed());
    if let (Some((first, _)), Some(last)) = (written.next(), told.last_mut()) {
        let once = first.once && written.all(|(own, _)| own.once);
        let how = if once {
            "LARDER_PORTS=auto"
        } else {
            "larder up --ports auto"
        };
        let auto = format!("`{how}` publishes free ports in place of taken ones");
        last.hints.push(auto);
    }
    told
}

/// A pull of a base image, with the line of the lock that asks for it.
fn of_base(failure: &runtime::Failure, locked: &BTreeMap<String, (ImageRef, Place)>) -> Message {
    let mut message = of_step(failure);
    let Action::Pull { image, .. } = &failure.step.action else {
        return message;
    };
    if let Some((image, place)) = locked.get(image) {
        message.place = Some(place.clone());
        if step(failure) == Kind::Failed {
            message.hints.push(format!(
                "`larder lock --upgrade {image}` pins what the registry has now"
            ));
        }
    }
    message
}

/// BuildKit's words for a command that failed repeat all of the command, which the error above has told (buildkit
/// `solver/llbsolver/ops/exec.go`): `process "…" did not complete successfully: exit code: 3`.
fn ended(cause: &str) -> Option<String> {
    let repeats = [
        "executor failed running [",
        "process \"",
        "failed to solve: process \"",
    ];
    let (_, code) = cause.rsplit_once("exit code: ")?;
    let code: u8 = code.trim().parse().ok()?;
    let known = repeats.iter().any(|words| cause.starts_with(words));
    known.then(|| format!("the command ended with code {code}"))
}

fn step(failure: &runtime::Failure) -> Kind {
    match &failure.error {
        // And 404 for an image that is not there.
        StepError::Engine(error) if matches!(failure.step.action, Action::Pull { .. }) => {
            registry(error)
        }
        StepError::Engine(error) => engine(error),
        StepError::Build(error) => build(error),
        StepError::Interrupted => Kind::Interrupted,
        StepError::Broken { .. } => Kind::Bug,
        _ => Kind::Failed,
    }
}

fn engine(error: &EngineError) -> Kind {
    match error {
        EngineError::Unreachable { .. } | EngineError::TooOld { .. } => Kind::Unreachable,
        EngineError::Refused { .. } => Kind::Failed,
    }
}

/// The engine answers 500 for a registry that it cannot reach, and one of 20.10 also where a registry only says that it does
/// not know an image.
fn registry(error: &EngineError) -> Kind {
    match error {
        EngineError::Refused {
            status: Some(500..),
            ..
        } if !docker::is_not_known(error) => Kind::Unreachable,
        error => engine(error),
    }
}

fn build(error: &BuildError) -> Kind {
    match error {
        BuildError::Unsupported { .. }
        | BuildError::RemoteContext { .. }
        | BuildError::AdditionalContext { .. }
        | BuildError::NoAgent { .. } => Kind::Input,
        BuildError::Unreachable { .. } => Kind::Unreachable,
        BuildError::Engine(error) => engine(error),
        _ => Kind::Failed,
    }
}

fn build_hints(error: &BuildError) -> Vec<String> {
    let hint = match error {
        BuildError::Instruction { output, .. } if !output.is_empty() => {
            "the last lines it printed are above"
        }
        BuildError::InputMoved { .. } => {
            "run the command again: the new content gets its own fingerprint"
        }
        BuildError::Unsupported {
            builder: BuilderKind::Docker,
            ..
        } => "leave it out, or build the image with `docker build` and name it in `image`",
        BuildError::Unsupported { .. } => "`--builder auto` lets the engine's BuildKit build it",
        BuildError::RemoteContext { .. } => "clone it, and name the folder as `context`",
        BuildError::AdditionalContext { .. } => {
            "a folder, an image (`docker-image://NAME`) or another service's image (`service:NAME`) can be taken in"
        }
        BuildError::NoAgent { .. } => {
            "`eval $(ssh-agent)` starts an agent, `ssh-add KEY` gives it a key, and `ssh: [default]` is that one"
        }
        BuildError::BaseMoved { .. } => {
            "run the command again: the new image gets its own fingerprint"
        }
        BuildError::BaseBeside { .. } => {
            "the Dockerfile or a trigger names it where a digest cannot be put in its place: `docker tag IMAGE@DIGEST \
              IMAGE` gives that name to the image that was fingerprinted"
        }
        BuildError::Unreachable { .. } => "`--builder docker` does without it",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

/// The exit code of a process in a container as larder's own. Codes are one byte here; what does not fit must not turn into
/// success.
pub fn handed_on(code: i64) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Names in backticks, with commas.
fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::{BuilderKind, ContainerSource, Readiness, Step, StepId};

    fn failed(action: Action, error: StepError) -> runtime::Failure {
        let step = Step {
            id: StepId(0),
            service: Some("db".to_owned()),
            action,
            cause: String::new(),
            after: Vec::new(),
            settled: Vec::new(),
        };
        runtime::Failure { step, error }
    }

    fn refused(status: u16) -> EngineError {
        EngineError::Refused {
            action: "starting container `hub-db-1`".to_owned(),
            status: Some(status),
            source: "port is already allocated".into(),
        }
    }

    fn unreachable() -> EngineError {
        EngineError::Unreachable {
            address: "unix:///nowhere".to_owned(),
            source: "no such file".into(),
        }
    }

    fn start() -> Action {
        Action::Start {
            container: ContainerSource::Id("c".to_owned()),
            hooks: 0,
        }
    }

    fn pull() -> Action {
        Action::Pull {
            image: "redis".to_owned(),
            platform: None,
        }
    }

    /// The codes are part of the interface: see docs/exit-codes.md.
    #[test]
    fn exit_codes_are_locked() {
        let kinds = [
            Kind::Failed,
            Kind::Input,
            Kind::Unreachable,
            Kind::Bug,
            Kind::Interrupted,
        ];
        assert_eq!(kinds.map(Kind::code), [1, 2, 3, 70, 130]);
        let timed_out = StepError::TimedOut {
            service: "db".to_owned(),
            until: Readiness::Healthy,
            after: Duration::from_secs(1),
            check: None,
            output: Vec::new(),
        };
        let dagger = BuildError::Unreachable {
            builder: BuilderKind::Dagger,
            source: "no session".into(),
        };
        let broken = StepError::Broken {
            what: "x".to_owned(),
        };
        let steps = |action, error| Failure::Steps(vec![failed(action, error)]);
        let cases = [
            (Failure::Interrupted, 130),
            (Failure::Engine(unreachable()), 3),
            (Failure::Engine(refused(409)), 1),
            (Failure::NotRunning("db".to_owned()), 1),
            (
                UnknownService {
                    name: "x".to_owned(),
                    known: Vec::new(),
                }
                .into(),
                2,
            ),
            (steps(start(), timed_out), 1),
            (steps(start(), StepError::Engine(refused(500))), 1),
            (steps(pull(), StepError::Engine(refused(500))), 3),
            (steps(pull(), StepError::Engine(refused(404))), 1),
            (steps(start(), StepError::Build(dagger)), 3),
            (steps(start(), broken), 70),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.kind().code(), code, "{failure:?}");
        }
    }

    #[test]
    fn a_command_that_failed_is_not_told_twice() {
        let told = |words| ended(words).unwrap_or_default();
        let old = "executor failed running [/bin/sh -c make]: exit code: 2";
        let new = "process \"/bin/sh -c echo exit code: 1 && make\" did not complete successfully: exit code: 2";
        assert_eq!(told(old), "the command ended with code 2");
        assert_eq!(told(new), "the command ended with code 2");
        assert_eq!(told("something else: exit code: 2"), "");
        assert_eq!(told("process \"make\" did not complete: killed"), "");
    }

    #[test]
    fn of_several_failures_the_gravest_gives_the_code() {
        let failures = vec![
            failed(start(), StepError::Engine(refused(409))),
            failed(pull(), StepError::Engine(unreachable())),
        ];
        let failure = Failure::Steps(failures);
        assert_eq!(failure.kind(), Kind::Unreachable);
        assert_eq!(failure.messages().len(), 2);
    }
}
