//! What can be wrong with a project's Dockerfiles and contexts before anything is built.

use std::io;
use std::path::{Path, PathBuf};

use super::platform::Platform;
use crate::compose;
use crate::model::{ImageRef, Place, Project, Service};
use crate::template;

/// Why a fingerprint cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The build context is not a folder.
    #[error("service `{service}` is built from `{}`, which is no folder", path.display())]
    NoContext {
        /// The service.
        service: String,
        /// The additional context's name, where it is one.
        name: Option<String>,
        /// The context.
        path: PathBuf,
    },
    /// The engine would build for a platform that the build section does not list.
    #[error(
        "service `{service}` is built for {native}, the engine's own platform, which `build.platforms` does not list"
    )]
    NotListed {
        /// The service.
        service: String,
        /// The engine's own platform.
        native: Platform,
        /// What is listed.
        listed: Vec<String>,
    },
    /// There is no Dockerfile.
    #[error("service `{service}` is built from `{}`, which is no file", path.display())]
    NoDockerfile {
        /// The service.
        service: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something that an image is made of cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A Dockerfile or ignore file is beyond all measure.
    #[error("`{}` is larger than {} MiB", path.display(), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is read, in bytes.
        limit: u64,
    },
    /// A file or a folder would not stand still.
    #[error("`{}` kept changing while it was read", path.display())]
    Changed {
        /// The file or the folder.
        path: PathBuf,
    },
    /// moby refuses a line of the ignore file.
    #[error("pattern `{pattern}` is malformed")]
    IgnorePattern {
        /// The ignore file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The pattern.
        pattern: String,
    },
    /// A line of the lock is none.
    #[error("`{}` is broken: {problem}", super::LOCK_FILE)]
    Lock {
        /// The lock.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Base images are to be locked, and are not.
    #[error("{}", not_locked(*there, images))]
    NotLocked {
        /// Whether there is a lock.
        there: bool,
        /// The images, each with a place that names it.
        images: Vec<(ImageRef, Option<Place>)>,
    },
    /// The Dockerfile builds nothing.
    #[error("service `{service}`: `{}` has no `FROM`", file.display())]
    NoStage {
        /// The service.
        service: String,
        /// The Dockerfile.
        file: PathBuf,
    },
    /// The target is no stage.
    #[error("service `{service}` is built to stage `{target}`, which `{}` does not have", file.display())]
    NoTarget {
        /// The service.
        service: String,
        /// The Dockerfile.
        file: PathBuf,
        /// The stage asked for.
        target: String,
        /// The stages that have names.
        stages: Vec<String>,
    },
    /// The context does not have what an instruction reads from it.
    #[error("the build context of service `{service}` has no {wanted}")]
    NoSource {
        /// The service.
        service: String,
        /// What is not there, below the context, and who wants it where `place` does not say that.
        wanted: String,
        /// The instruction, unless it stands in the Compose file.
        place: Option<Box<Place>>,
        /// Why it may not be there.
        hint: String,
    },
    /// A service is to be built from a template, and there is a Dockerfile.
    #[error("service `{service}` is built from template `{template}`, and `{}` is there, too", path.display())]
    TwoDockerfiles {
        /// The service.
        service: String,
        /// The template.
        template: String,
        /// The Dockerfile.
        path: PathBuf,
    },
    /// A service cannot be built from its template.
    #[error("service `{service}` cannot be built from its template")]
    Template {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: Box<template::Error>,
    },
    /// A glob of `x-larder: dependencies:` is malformed.
    #[error("service `{service}`: `x-larder.dependencies` has {problem}")]
    Dependencies {
        /// The service.
        service: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A config or secret is to come from where it cannot be had.
    #[error("the {kind} `{name}` is kept outside of the project, where larder cannot get it")]
    External {
        /// `config` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The variable of a config or secret is not set.
    #[error("the {kind} `{name}` is the variable `{variable}`, which is not set")]
    Unset {
        /// `config` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The variable.
        variable: String,
    },
    /// The file of a config or secret is not there.
    #[error("the {kind} `{name}` is the file `{}`, which does not exist", path.display())]
    NoFile {
        /// `config` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A seccomp profile is not there, or is none.
    #[error("the seccomp profile `{profile}` of service `{service}` cannot be read")]
    Seccomp {
        /// The service.
        service: String,
        /// The file, as the service names it.
        profile: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A text is to be put into a container that cannot be written to.
    #[error("the {kind} `{name}` cannot be put into service `{service}`, which is `read_only`")]
    ReadOnly {
        /// The service.
        service: String,
        /// `config` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A text is to belong to an owner that is no number.
    #[error("service `{service}` gives its {kind} `{name}` to `{id}`, which is no number")]
    Owner {
        /// The service.
        service: String,
        /// `config` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The `uid` or `gid`.
        id: String,
    },
    /// The cause is written in a Compose file.
    #[error("{error}")]
    Written {
        /// There.
        place: Place,
        /// What is wrong.
        #[source]
        error: Box<Error>,
    },
    /// A service, config or secret was named that the project does not have.
    #[error("the project has no {kind} `{name}`")]
    Unknown {
        /// `service`, `config` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

impl Error {
    /// The same with the line of a Dockerfile that it happened for.
    pub(super) fn at(self, file: &Path, line: usize) -> Self {
        let place = Place {
            file: file.to_owned(),
            at: Some((line, 1)),
        };
        let error = Box::new(self);
        Self::Written { place, error }
    }

    /// Where in a file the trouble lies.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::IgnorePattern { file, line, .. } | Self::Lock { file, line, .. } => Some(Place {
                file: file.clone(),
                at: Some((*line, 1)),
            }),
            Self::NoSource { place, .. } => place.as_deref().cloned(),
            Self::NoStage { file, .. } => Some(Place {
                file: file.clone(),
                at: None,
            }),
            Self::Written { place, .. } => Some(place.clone()),
            Self::NotLocked { images, .. } => images.first()?.1.clone(),
            _ => None,
        }
    }

    /// The same as one error for each thing that it is about, which has a place of its own.
    pub fn apart(&self) -> Vec<Self> {
        match self {
            Self::NotLocked { there, images } => images
                .iter()
                .map(|own| Self::NotLocked {
                    there: *there,
                    images: vec![own.clone()],
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Adds the place in the project's Compose files where the cause is written.
    pub(super) fn written_in(self, project: &Project) -> Self {
        let build = |service, key| vec!["services", service, "build", key];
        let path: Vec<&str> = match &self {
            Self::NoContext { service, name, .. } => match name {
                Some(name) => [build(service, "additional_contexts"), vec![name]].concat(),
                None => build(service, "context"),
            },
            Self::NotListed { service, .. } => build(service, "platforms"),
            Self::NoDockerfile { service, .. } => build(service, "dockerfile"),
            Self::NoTarget { service, .. } => build(service, "target"),
            Self::NoSource {
                service,
                place: None,
                ..
            } => {
                let template = project.services.get(service).and_then(Service::template);
                match template {
                    Some(_) => vec!["services", service, "x-larder", "template"],
                    None => build(service, "dockerfile_inline"),
                }
            }
            Self::TwoDockerfiles { service, .. } | Self::Template { service, .. } => {
                vec!["services", service, "x-larder", "template"]
            }
            Self::Dependencies { service, .. } => {
                vec!["services", service, "x-larder", "dependencies"]
            }
            Self::External { kind, name } => vec![section(kind), name, "external"],
            Self::Unset { kind, name, .. } => vec![section(kind), name, "environment"],
            Self::NoFile { kind, name, .. } => vec![section(kind), name, "file"],
            Self::Seccomp { service, .. } => {
                vec!["services", service, "security_opt", "seccomp"]
            }
            Self::ReadOnly {
                service,
                kind,
                name,
            }
            | Self::Owner {
                service,
                kind,
                name,
                ..
            } => {
                vec!["services", service, section(kind), name]
            }
            _ => return self,
        };
        match compose::place(project, &path) {
            Some(place) => Self::Written {
                place,
                error: Box::new(self),
            },
            None => self,
        }
    }
}

/// The section that a config or secret is defined in.
fn section(kind: &str) -> &'static str {
    if kind == "config" {
        "configs"
    } else {
        "secrets"
    }
}

fn not_locked(there: bool, images: &[(ImageRef, Option<Place>)]) -> String {
    let names: Vec<String> = images
        .iter()
        .map(|(image, _)| format!("`{image}`"))
        .collect();
    let names = names.join(", ");
    if there {
        format!("`{}` has no digest for {names}", super::LOCK_FILE)
    } else {
        format!(
            "there is no `{}` with a digest for {names}",
            super::LOCK_FILE
        )
    }
}
