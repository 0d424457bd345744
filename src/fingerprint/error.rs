//! What can be wrong with a project's Dockerfiles and contexts before anything is built.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::Place;

/// Why a fingerprint cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The build context is not a folder.
    #[error("service `{service}` is built from `{}`, which is no folder", path.display())]
    NoContext {
        /// The service.
        service: String,
        /// The context.
        path: PathBuf,
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
    /// A file would not stand still.
    #[error("`{}` kept changing while it was read", path.display())]
    Changed {
        /// The file.
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
    /// A glob of `x-larder: dependencies:` is malformed.
    #[error("service `{service}`: `x-larder.dependencies` has {problem}")]
    Dependencies {
        /// The service.
        service: String,
        /// What is wrong with it.
        problem: String,
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
    /// Where in a file the trouble lies.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::IgnorePattern { file, line, .. } => Some(Place {
                file: file.clone(),
                at: Some((*line, 1)),
            }),
            _ => None,
        }
    }

    /// What a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NoDockerfile { path, .. } => dockerfiles_near(path),
            Self::NoTarget { stages, .. } if !stages.is_empty() => {
                vec![format!("its stages: `{}`", stages.join("`, `"))]
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                vec!["when the image does not need it, name it in `.dockerignore`".to_owned()]
            }
            Self::Changed { .. } => {
                vec!["when the image does not need it, name it in `.dockerignore`".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// The files in the folder of a missing Dockerfile that may have been meant.
fn dockerfiles_near(path: &Path) -> Vec<String> {
    let Some(Ok(folder)) = path.parent().map(std::fs::read_dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = folder
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.to_ascii_lowercase().contains("dockerfile") && !name.ends_with(".dockerignore")
        })
        .take(10)
        .collect();
    names.sort();
    if names.is_empty() {
        Vec::new()
    } else {
        vec![format!("there is `{}`", names.join("`, `"))]
    }
}
