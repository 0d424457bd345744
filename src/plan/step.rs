//! A plan: steps with their causes and prerequisites. One step is one engine or builder call, or one wait;
//! whoever carries it out decides nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::model::{Digest, ImageId};

/// The number of a step in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepId(pub usize);

/// What `up` will do, and why.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Every service in the plan, with what was decided about its image and its containers.
    pub services: BTreeMap<String, ServicePlan>,
    /// The steps. A step's prerequisites stand in front of it, but for those by which host ports move and guests stop before their host.
    pub steps: Vec<Step>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Adds a step behind others.
    pub fn add(
        &mut self,
        service: Option<&str>,
        action: Action,
        cause: impl Into<String>,
        after: impl IntoIterator<Item = StepId>,
    ) -> StepId {
        let mut after: Vec<StepId> = after.into_iter().collect();
        after.sort_unstable();
        after.dedup();
        let id = StepId(self.steps.len());
        self.steps.push(Step {
            id,
            service: service.map(ToOwned::to_owned),
            action,
            cause: cause.into(),
            after,
            settled: Vec::new(),
        });
        id
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether an image must be built.
    pub fn builds(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(
                step.action,
                Action::BuildDependencies { .. } | Action::Build { .. }
            )
        })
    }

    /// Whether one of its steps is a build by `builder`.
    pub fn builds_by(&self, builder: BuilderKind) -> bool {
        self.steps.iter().any(|step| match &step.action {
            Action::BuildDependencies { builder: own, .. } | Action::Build { builder: own, .. } => {
                *own == builder
            }
            _ => false,
        })
    }
}

/// What was decided about one service.
#[derive(Clone, Debug, Serialize)]
pub struct ServicePlan {
    /// Where its image comes from.
    pub image: Outcome,
    /// Why.
    pub cause: String,
    /// Its full fingerprint, for a service with a `build:` whose bases are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// Its dependency fingerprint, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Digest>,
    /// What its bind mounts hide of the image, where that is why another image, or the container that is there, will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowed: Option<String>,
    /// Its containers' names.
    pub containers: Vec<String>,
}

/// Where a service's image comes from, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is on the engine.
    Reuse,
    /// It is pulled from a registry.
    Pull,
    /// The rest of the Dockerfile is built on dependency images that are on the engine.
    Resume,
    /// All of it is built.
    Build,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reuse => "reuse",
            Self::Pull => "pull",
            Self::Resume => "resume",
            Self::Build => "build",
        })
    }
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// The service it is done for, where it is done for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Why.
    pub cause: String,
    /// The steps that must have succeeded before.
    pub after: Vec<StepId>,
    /// The steps that must have ended before, well or not: dependencies with `required: false`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<StepId>,
}

/// A container in the making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Creation {
    /// The container's number in the service.
    pub number: u32,
    /// Its name; a container to be replaced has the final name until it is removed.
    pub name: String,
    /// The image it is made from.
    pub image: ImageSource,
    /// The hash of what it is made from, image aside.
    pub config: Digest,
    /// The fingerprint of the image, where it is another than the service's: they differ in what mounts hide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<Digest>,
    /// The digest of what it mounts, where it is run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounted: Option<Digest>,
    /// Anonymous volumes handed over from the container it replaces: target → the volume's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inherits: BTreeMap<String, String>,
    /// The images that it mounts, in the order of its mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_mounts: Vec<ImageSource>,
    /// The containers that it has something of: `service:NAME` or `container:NAME` → the container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<String, ContainerSource>,
}

/// What an image that is pulled by its digest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// What engines may take for its ID.
    pub ids: Vec<ImageId>,
    /// The name that only larder gives.
    pub name: String,
}

/// What one step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Creates a network of the project.
    CreateNetwork {
        /// Its key in the project.
        key: String,
        /// The engine's name for it.
        name: String,
    },
    /// Creates a volume of the project.
    CreateVolume {
        /// Its key in the project.
        key: String,
        /// The engine's name for it.
        name: String,
    },
    /// Pulls an image.
    Pull {
        /// Its name.
        image: String,
        /// The platform asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        platform: Option<String>,
        /// Of an image of larder's own: what it must be, and the name that it gets. Where it cannot be had, it is built.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected: Option<Expected>,
    },
    /// Pushes an image to a registry.
    Push {
        /// The image.
        image: ImageSource,
        /// Its name there.
        name: String,
    },
    /// Builds the dependency image of one stage.
    BuildDependencies {
        /// The service whose recipe is built.
        recipe: String,
        /// The stage's number.
        stage: usize,
        /// The key of its cut.
        key: Digest,
        /// Who builds it.
        builder: BuilderKind,
    },
    /// Builds the image of one or more services with one fingerprint.
    Build {
        /// The service whose recipe is built.
        recipe: String,
        /// The fingerprint.
        fingerprint: Digest,
        /// The dependency images that it is built on: stage → key. Empty: the whole Dockerfile is built.
        on: BTreeMap<usize, Digest>,
        /// Who builds it.
        builder: BuilderKind,
    },
    /// Gives an image a name.
    Tag {
        /// The image.
        image: ImageSource,
        /// The name.
        name: String,
    },
    /// Creates a container.
    Create(Box<Creation>),
    /// Stops a container, behind the service's `pre_stop` hooks.
    Stop {
        /// Its ID.
        container: String,
        /// How many hooks are run before.
        #[serde(skip_serializing_if = "is_zero")]
        hooks: usize,
        /// Whether it is stopped even where a hook fails: something else needs it to go.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        regardless: bool,
        /// The seconds that it has before it is killed, in place of its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        grace: Option<u32>,
    },
    /// Sends a signal to a container's process.
    Kill {
        /// Its ID.
        container: String,
        /// The signal, by name or number.
        signal: String,
    },
    /// Freezes a container.
    Pause {
        /// Its ID.
        container: String,
    },
    /// Removes a container.
    Remove {
        /// Its ID.
        container: String,
        /// Whether its anonymous volumes go, too.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        volumes: bool,
    },
    /// Gives a container its final name.
    Rename {
        /// The container.
        container: ContainerSource,
        /// The name.
        name: String,
    },
    /// Starts a container, and runs the service's `post_start` hooks in it.
    Start {
        /// The container.
        container: ContainerSource,
        /// How many hooks are run.
        #[serde(skip_serializing_if = "is_zero")]
        hooks: usize,
    },
    /// Resumes a paused container.
    Unpause {
        /// Its ID.
        container: String,
    },
    /// Removes a network of the project; one that is in use stays.
    RemoveNetwork {
        /// Its ID.
        network: String,
        /// Its name.
        name: String,
    },
    /// Removes a volume of the project, and what is in it; one that is in use stays.
    RemoveVolume {
        /// Its name.
        name: String,
    },
    /// Takes a name from an image, and removes the image with its last one; one that is in use stays.
    RemoveImage {
        /// The name.
        name: String,
    },
    /// Waits until a container is what a dependent, or `up` itself, waits for.
    Wait {
        /// The container.
        container: ContainerSource,
        /// What it waits for.
        until: Readiness,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over this
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What a wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// Its health check passed; where it has none, its process runs.
    Ready,
    /// Its health check passed; having none is an error.
    Healthy,
    /// It ended with code 0.
    Completed,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ready => "ready",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        })
    }
}

/// Where a step finds the image it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// On the engine.
    Id(ImageId),
    /// The result of a step.
    Step(StepId),
    /// Nobody can say yet: what it is built on is not there. Such a plan is looked at and not carried out.
    #[serde(untagged)]
    Unknown,
}

/// Where a step finds the container it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerSource {
    /// On the engine.
    Id(String),
    /// The result of a step.
    Step(StepId),
}

/// The builders there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BuilderKind {
    /// Dagger.
    Dagger,
    /// The BuildKit inside the Docker Engine.
    Docker,
}

impl fmt::Display for BuilderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dagger => "dagger",
            Self::Docker => "docker",
        })
    }
}
