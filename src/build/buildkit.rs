//! The BuildKit inside the Docker Engine, through the engine's build endpoint. Must not know Dagger.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::models::{BuildInfoAux, ImageInspect};
use bollard::query_parameters::{BuildImageOptions, BuilderVersion, TagImageOptions};
use futures_util::StreamExt as _;

use super::context::{ContextError, Upload};
use super::resume::{Rewritten, rewrite};
use super::trace::Trace;
use crate::fingerprint::{Recipe, StageBase};
use crate::model::{Build, Bytes, ImageId};
use crate::plan::BuilderKind;
use crate::runtime::{BuildError, BuildPart, BuildRequest, Builder, EngineError, Progress};

/// The BuildKit of one engine.
#[derive(Clone, Debug)]
pub struct BuildKit {
    docker: Docker,
}

impl BuildKit {
    /// The BuildKit of the engine that `docker` talks to.
    pub fn new(docker: Docker) -> Self {
        Self { docker }
    }

    /// Sends the build; the image's ID, with no name yet.
    async fn run(
        &self,
        request: &BuildRequest<'_>,
        dockerfile: &Rewritten,
        progress: &Progress,
    ) -> Result<ImageId, BuildError> {
        let service = &request.recipe.service;
        let upload = Upload::new(request.recipe, &request.part, dockerfile.text.clone());
        let file = upload.dockerfile().to_owned();
        let options = self.options(request, &file).await?;
        progress.doing("sending the build context");
        let (pieces, sending) = upload.stream();
        let body = bollard::body_try_stream(pieces);
        let mut answers = self.docker.build_image(options, None, Some(body));
        let mut trace = Trace::new(dockerfile, progress);
        let mut image = None;
        let mut failed = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(info) => match info.aux {
                    Some(BuildInfoAux::BuildKit(status)) => trace.take(status),
                    Some(BuildInfoAux::Default(id)) => image = id.id,
                    None => {}
                },
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        drop(answers);
        // Whether the context was what was fingerprinted counts more than what the engine made of it.
        settle(service, sending.await)?;
        match (failed, image) {
            (Some(error), _) => Err(refusal(trace, service, &file, error)),
            (None, Some(image)) => Ok(ImageId(image)),
            (None, None) => {
                let error = "the engine ended the build without naming an image";
                Err(trace.failure(service, &file, error.into()))
            }
        }
    }

    async fn options(
        &self,
        request: &BuildRequest<'_>,
        dockerfile: &str,
    ) -> Result<BuildImageOptions, BuildError> {
        let recipe = request.recipe;
        let build = &recipe.build;
        let unsupported = |attribute: &str| BuildError::Unsupported {
            service: recipe.service.clone(),
            builder: BuilderKind::Docker,
            attribute: attribute.to_owned(),
        };
        if let Some(attribute) = beyond_buildkit(build) {
            return Err(unsupported(&attribute));
        }
        let target = match &request.part {
            BuildPart::Target { .. } => build.target.clone().unwrap_or_default(),
            // The stage that is wanted is the last one of the text.
            BuildPart::Dependencies { .. } => String::new(),
        };
        let mut options = BuildImageOptions {
            dockerfile: dockerfile.to_owned(),
            version: BuilderVersion::BuilderBuildKit,
            session: Some(session()),
            target,
            platform: recipe.platform.clone().unwrap_or_default(),
            buildargs: Some(build_args(build).collect()),
            labels: Some(image_labels(request).into_iter().collect::<HashMap<_, _>>()),
            networkmode: build.network.clone(),
            extrahosts: extra_host(build),
            nocache: build.no_cache,
            ..BuildImageOptions::default()
        };
        if let Some(Bytes(size)) = build.shm_size {
            self.needs_api((1, 42), || unsupported("shm_size")).await?;
            options.shmsize = Some(i32::try_from(size).map_err(|_| unsupported("shm_size"))?);
        }
        Ok(options)
    }

    /// Refuses what the engine's API takes and drops: moby's `builder-next` reads it from this version on.
    async fn needs_api(
        &self,
        needed: (u32, u32),
        refusal: impl FnOnce() -> BuildError,
    ) -> Result<(), BuildError> {
        let answer = self.docker.version().await;
        let version = answer.map_err(|error| refused("asking for the engine's version", error))?;
        let has = version.api_version.as_deref().and_then(|text| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        if has >= Some(needed) {
            Ok(())
        } else {
            Err(refusal())
        }
    }

    /// That every image the build started from is still the one that was fingerprinted.
    async fn bases_stood_still(&self, request: &BuildRequest<'_>) -> Result<(), BuildError> {
        let used = used_bases(request.recipe, &request.part);
        for (image, base) in &request.recipe.bases {
            let name = image.familiar();
            if !used.contains(&name) {
                continue;
            }
            let now = self.docker.inspect_image(&name).await;
            let same = match now {
                Ok(now) => Self::is_same(&now, &base.identity),
                Err(error) if status(&error) == Some(404) => false,
                Err(error) => return Err(refused(&format!("inspecting `{name}`"), error).into()),
            };
            if !same {
                return Err(BuildError::BaseMoved {
                    service: request.recipe.service.clone(),
                    base: name,
                });
            }
        }
        Ok(())
    }

    /// Whether an image is the one that was keyed as `identity`: an image's ID, or a registry's digest.
    pub(super) fn is_same(image: &ImageInspect, identity: &str) -> bool {
        let digests = image.repo_digests.iter().flatten();
        image.id.as_deref() == Some(identity)
            || digests
                .into_iter()
                .any(|own| own == identity || own.rsplit('@').next() == Some(identity))
    }

    /// Gives the image the name by which larder finds it: from here on it counts.
    pub(super) async fn name(&self, image: &ImageId, name: &str) -> Result<(), BuildError> {
        let (repo, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let options = TagImageOptions {
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
        };
        let done = self.docker.tag_image(&image.0, Some(options)).await;
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
        let dockerfile = rewrite(request.recipe, &request.part);
        let image = self.run(request, &dockerfile, progress).await?;
        self.bases_stood_still(request).await?;
        self.name(&image, &request.name).await?;
        Ok(image)
    }
}

/// The build arguments that have a value.
pub(super) fn build_args(build: &Build) -> impl Iterator<Item = (String, String)> {
    build
        .args
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
}

/// The labels of the image. A dependency image has none of the build section: services whose labels differ
/// share it.
pub(super) fn image_labels(request: &BuildRequest<'_>) -> BTreeMap<String, String> {
    let mut labels = match &request.part {
        BuildPart::Dependencies { .. } => BTreeMap::new(),
        BuildPart::Target { .. } => request.recipe.build.labels.clone(),
    };
    labels.extend(request.labels.clone());
    labels
}

/// What became of the context while it was sent.
pub(super) fn settle(
    service: &str,
    sent: Result<Result<(), ContextError>, tokio::task::JoinError>,
) -> Result<(), BuildError> {
    let service = service.to_owned();
    match sent {
        // The engine stops taking the context when it refuses the build, and says why in its answer.
        Ok(Ok(()) | Err(ContextError::Dropped(_))) => Ok(()),
        Ok(Err(ContextError::Moved(path))) => Err(BuildError::InputMoved { service, path }),
        Ok(Err(error @ ContextError::Unreadable { .. })) => {
            let source = std::io::Error::other(error);
            Err(BuildError::Context { service, source })
        }
        Err(error) => {
            let source = std::io::Error::other(error);
            Err(BuildError::Context { service, source })
        }
    }
}

/// The names of the images that a part of a recipe is built from: not those that only stages start from
/// whose dependency images stand in for them.
pub(super) fn used_bases(recipe: &Recipe, part: &BuildPart<'_>) -> BTreeSet<String> {
    let all = recipe.bases.iter().map(|(image, _)| image.familiar());
    let BuildPart::Target { on } = part else {
        return all.collect();
    };
    let stages = || recipe.dockerfile.stages.iter().enumerate();
    let from = |replaced: bool| -> BTreeSet<String> {
        stages()
            .filter(|(number, _)| on.contains_key(number) == replaced)
            .filter_map(|(_, stage)| match &stage.base {
                StageBase::Image(image) => Some(image.familiar()),
                _ => None,
            })
            .collect()
    };
    let (replaced, started) = (from(true), from(false));
    all.filter(|name| !replaced.contains(name) || started.contains(name))
        .collect()
}

/// The first attribute of a build section that the engine's build endpoint, as bollard speaks it, cannot take.
fn beyond_buildkit(build: &Build) -> Option<String> {
    let hosts: usize = build.extra_hosts.values().map(Vec::len).sum();
    let fixed = [
        ("context", build.is_remote()),
        ("secrets", !build.secrets.is_empty()),
        ("ulimits", !build.ulimits.is_empty()),
        ("extra_hosts", hosts > 1),
    ];
    let other = build
        .other
        .keys()
        .find(|key| !key.starts_with("x-") && !UNUSED.contains(&key.as_str()));
    fixed
        .into_iter()
        .find_map(|(name, set)| set.then(|| name.to_owned()))
        .or_else(|| other.cloned())
}

/// Attributes that say where a builder keeps its cache, or what it notes about itself: not one of them changes
/// the image's file system or configuration.
const UNUSED: [&str; 5] = ["cache_from", "cache_to", "provenance", "pull", "sbom"];

fn unused(build: &Build) -> impl Iterator<Item = &String> {
    build
        .other
        .keys()
        .filter(|key| UNUSED.contains(&key.as_str()))
}

fn extra_host(build: &Build) -> Option<String> {
    build
        .extra_hosts
        .iter()
        .find_map(|(host, addresses)| Some(format!("{host}:{}", addresses.first()?)))
}

/// A session's name: the engine needs it to be new.
fn session() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("larder-{}-{now:x}-{count}", std::process::id())
}

/// The error of a build that the engine answered with an error: of an instruction, or of the engine itself.
fn refusal(
    trace: Trace<'_>,
    service: &str,
    file: &str,
    error: bollard::errors::Error,
) -> BuildError {
    use bollard::errors::Error;
    match error {
        Error::DockerStreamError { error } => trace.failure(service, file, error.into()),
        error @ Error::DockerResponseServerError { .. } => {
            refused(&format!("building `{service}`"), error).into()
        }
        error => BuildError::Unreachable {
            builder: BuilderKind::Docker,
            source: error.into(),
        },
    }
}

pub(super) fn refused(action: &str, error: bollard::errors::Error) -> EngineError {
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
