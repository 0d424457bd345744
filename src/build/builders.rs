//! The door of this room: each build goes to the builder that the plan names. Must not know how any of them works.

use super::buildkit::BuildKit;
use super::dagger::Dagger;
use crate::model::ImageId;
use crate::plan::BuilderKind;
use crate::runtime::{BuildError, BuildRequest, Builder, Progress};

/// The builders of one run.
pub struct Builders {
    docker: BuildKit,
    dagger: Option<Dagger>,
    strict: bool,
}

impl Builders {
    /// The engine's BuildKit, and Dagger where it was found. Unless `strict`, what Dagger cannot do is done by the
    /// engine's BuildKit, and said.
    pub fn new(docker: BuildKit, dagger: Option<Dagger>, strict: bool) -> Self {
        Self {
            docker,
            dagger,
            strict,
        }
    }
}

impl Builder for Builders {
    async fn build(
        &self,
        request: &BuildRequest<'_>,
        progress: &Progress,
    ) -> Result<ImageId, BuildError> {
        if request.builder == BuilderKind::Docker {
            return self.docker.build(request, progress).await;
        }
        let built = match &self.dagger {
            Some(dagger) => dagger.build(request, progress).await,
            None => Err(BuildError::Unreachable {
                builder: BuilderKind::Dagger,
                source: "no session and no `dagger` command was found".into(),
            }),
        };
        match built {
            Err(error @ (BuildError::Unreachable { .. } | BuildError::Unsupported { .. }))
                if !self.strict =>
            {
                let service = &request.recipe.service;
                let why = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
                // What the `dagger` command said last stands behind the first line.
                let why = why.lines().next().unwrap_or_default();
                progress.note(format!("the engine's BuildKit builds `{service}`: {why}"));
                self.docker.build(request, progress).await
            }
            built => built,
        }
    }
}
