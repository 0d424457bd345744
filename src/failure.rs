//! Every way in which a run can fail: the one place where the rooms' errors meet. `kind` has their exit codes, `telling` what a
//! person is told.

mod kind;
mod telling;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::bundle::BundleError;
use crate::model::{ImageRef, Place, UnknownService};
use crate::registry::RegistryError;
use crate::runtime::{self, BuildError, EngineError};
use crate::{compose, fingerprint, plan, settings, template};

pub use self::kind::{Kind, handed_on};
pub use self::telling::{REPORT, panicked};

/// A run that failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting has a value that it cannot have.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// A setting names what is no repository.
    #[error(transparent)]
    Cache(#[from] settings::CacheError),
    /// Nothing says where the images of a service go.
    #[error("nothing says where the images of `{0}` are pushed")]
    Nowhere(String),
    /// A bundle cannot be read, or written.
    #[error("bundle `{}` is not {}", path.display(), if *written { "written" } else { "loaded" })]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Whether it was to be written.
        written: bool,
        /// Why.
        #[source]
        source: BundleError,
    },
    /// A registry does not take, or give, what a command is about.
    #[error("{action} failed")]
    OfRegistry {
        /// What was to be done.
        action: String,
        /// Why it was not.
        #[source]
        source: RegistryError,
    },
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
    /// No template fits a folder, or the one that was asked for does not.
    #[error(transparent)]
    Template(#[from] template::Error),
    /// A file is not written, and nothing else.
    #[error("{text}")]
    Kept {
        /// Why.
        text: String,
        /// Where the reason is written.
        place: Option<Box<Place>>,
        /// What may help.
        hint: String,
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
    /// A file that somebody wrote is where an export would be.
    #[error("`{}` is there, and no export of larder's", .0.display())]
    Theirs(PathBuf),
    /// Images are not where an export takes them from.
    #[error("{text}")]
    Unexported {
        /// Which, and why.
        text: String,
        /// What may help.
        hint: String,
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

/// Names in backticks, with commas.
fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
