//! Builds by Dagger: the context handed over as a folder of exactly the files that were fingerprinted, the image
//! brought to the engine as an archive. Must not know how a session is opened.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ImageInspect;
use dagger_sdk::core::gql_client::GraphQlExtension;
use dagger_sdk::core::graphql_client::GraphQLError;
use dagger_sdk::errors::DaggerError;
use dagger_sdk::{
    BuildArg, ContainerAsTarballOpts, DirectoryDockerBuildOpts, Id, ImageLayerCompression,
    ImageMediaTypes, Platform, Query,
};
use tokio::sync::OnceCell;

use super::archive::Archive;
use super::buildkit::{BuildKit, build_args, image_labels, refused, settle, used_bases};
use super::context::Upload;
use super::resume::{Pins, Rewritten, rewrite_pinned};
use super::session::{DaggerSource, Session};
use super::trace::LAST_LINES;
use crate::fingerprint::{Recipe, StageBase};
use crate::model::{ImageId, ImageRef, labels};
use crate::plan::BuilderKind;
use crate::runtime::{BuildError, BuildPart, BuildRequest, Builder, Progress};

/// Dagger, for one run: its session is opened by the first build and shared by all.
pub struct Dagger {
    source: DaggerSource,
    limit: Duration,
    session: OnceCell<Arc<Session>>,
    docker: Docker,
}

/// What a build needs to know about the images that it starts from.
struct Bases {
    pins: Pins,
    /// The layers of the image that the built stage starts from, when it starts from one.
    layers: Option<(String, Vec<String>)>,
}

impl Dagger {
    /// Dagger by a session from `source`, which has `limit` to open, building for the engine behind `docker`.
    pub fn new(source: DaggerSource, limit: Duration, docker: Docker) -> Self {
        Self {
            source,
            limit,
            session: OnceCell::new(),
            docker,
        }
    }

    /// Opens the session, so that a builder that does not answer is known before it is needed.
    pub async fn open(&self) -> Result<(), BuildError> {
        self.session().await.map(|_| ())
    }

    async fn session(&self) -> Result<Arc<Session>, BuildError> {
        let open = || async { Session::open(&self.source, self.limit).await.map(Arc::new) };
        let session = self.session.get_or_try_init(open).await;
        session.cloned().map_err(|error| BuildError::Unreachable {
            builder: BuilderKind::Dagger,
            source: error.into(),
        })
    }

    /// Builds into an archive beside the context.
    async fn archive(
        &self,
        request: &BuildRequest<'_>,
        dockerfile: &Rewritten,
        folder: &Path,
        progress: &Progress,
    ) -> Result<Archive, BuildError> {
        let service = &request.recipe.service;
        progress.doing("reading the build context");
        let upload = Upload::new(request.recipe, &request.part, dockerfile.text.clone());
        let file = upload.dockerfile().to_owned();
        let context = folder.join("context");
        let unpacked = {
            let context = context.clone();
            tokio::task::spawn_blocking(move || {
                std::fs::create_dir(&context)?;
                upload.unpack(&context)
            })
        };
        settle(service, unpacked.await)?;
        let session = self.session().await?;
        let query = session.query();
        let failed = |error| failure(service, dockerfile, &file, error);
        let secrets = secrets(&query, request).await?;
        let build = &request.recipe.build;
        let arguments = build_args(build).map(|(name, value)| BuildArg { name, value });
        let target = match &request.part {
            BuildPart::Target { .. } => build.target.as_deref(),
            BuildPart::Dependencies { .. } => None,
        };
        let options = DirectoryDockerBuildOpts {
            build_args: Some(arguments.collect()),
            dockerfile: Some(&file),
            no_init: None,
            platform: request.recipe.platform.clone().map(Platform),
            secrets: (!secrets.is_empty()).then_some(secrets),
            ssh: None,
            target,
        };
        progress.doing("building with Dagger");
        let context = context.to_string_lossy().into_owned();
        let image = query.host().directory(context).docker_build_opts(options);
        let mut image = image.sync().await.map_err(failed)?;
        for (name, value) in image_labels(request) {
            image = image.with_label(name, value);
        }
        progress.doing("fetching the image from Dagger");
        let path = folder.join("image.tar");
        let options = ContainerAsTarballOpts {
            // Uncompressed layers are those that the engine may have already, and nobody unpacks them twice.
            forced_compression: Some(ImageLayerCompression::Uncompressed),
            media_types: Some(ImageMediaTypes::DockerMediaTypes),
            platform_variants: None,
        };
        let archive = image.as_tarball_opts(options);
        let exported = archive.export(path.to_string_lossy()).await;
        exported.map_err(failed)?;
        let opened = tokio::task::spawn_blocking(move || Archive::open(&path)).await;
        let opened = opened.map_err(std::io::Error::other).flatten();
        opened.map_err(|source| BuildError::Unreachable {
            builder: BuilderKind::Dagger,
            source: source.into(),
        })
    }

    /// How Dagger, which looks for images in registries and not on the engine, gets the very images that were
    /// fingerprinted: by their digest. One that no registry is known to have is let pass only where the built
    /// image shows whether it was the same: when the built stage starts from it.
    async fn bases(&self, request: &BuildRequest<'_>) -> Result<Bases, BuildError> {
        let recipe = request.recipe;
        let bottom = bottom(recipe, &request.part);
        let used = used_bases(recipe, &request.part);
        let mounted = mounted_images(recipe);
        let mut bases = Bases {
            pins: Pins::new(),
            layers: None,
        };
        for (image, base) in &recipe.bases {
            let name = image.familiar();
            if !used.contains(&name) {
                continue;
            }
            let found = self.docker.inspect_image(&name).await;
            let found = found.map_err(|error| refused(&format!("inspecting `{name}`"), error))?;
            if !BuildKit::is_same(&found, &base.identity) {
                return Err(BuildError::BaseMoved {
                    service: recipe.service.clone(),
                    base: name,
                });
            }
            let is_bottom = bottom == Some(image);
            match registry_digest(image, &found) {
                Some(pinned) if !mounted.contains(image) => {
                    bases.pins.insert(image.clone(), pinned);
                }
                _ if is_bottom && !mounted.contains(image) => {}
                _ => {
                    return Err(BuildError::Unsupported {
                        service: recipe.service.clone(),
                        builder: BuilderKind::Dagger,
                        attribute: format!("{name}, an image of the Docker Engine alone"),
                    });
                }
            }
            if is_bottom {
                bases.layers = Some((name, layers(found)));
            }
        }
        Ok(bases)
    }

    /// How many of the lowest layers the engine has: those of the base, which must be the built image's too, and
    /// of a dependency image of the same stage.
    async fn known(
        &self,
        request: &BuildRequest<'_>,
        bases: &Bases,
        archive: &Archive,
    ) -> Result<usize, BuildError> {
        let mut known = 0;
        if let Some((base, layers)) = &bases.layers {
            if !archive.diff_ids.starts_with(layers) {
                return Err(BuildError::BaseMoved {
                    service: request.recipe.service.clone(),
                    base: base.clone(),
                });
            }
            known = layers.len();
        }
        for cut in &request.recipe.cuts {
            let name = labels::dependencies_name(&cut.key);
            if let Ok(found) = self.docker.inspect_image(&name).await {
                let layers = layers(found);
                if layers.len() > known && archive.diff_ids.starts_with(&layers) {
                    known = layers.len();
                }
            }
        }
        Ok(known)
    }
}

impl Builder for Dagger {
    async fn build(
        &self,
        request: &BuildRequest<'_>,
        progress: &Progress,
    ) -> Result<ImageId, BuildError> {
        // Dependency images are on the engine, where Dagger cannot start from them; it has its own cache.
        let whole = BTreeMap::new();
        let part = match &request.part {
            BuildPart::Target { .. } => BuildPart::Target { on: &whole },
            dependencies @ BuildPart::Dependencies { .. } => dependencies.clone(),
        };
        let request = &BuildRequest {
            part,
            name: request.name.clone(),
            labels: request.labels.clone(),
            ..*request
        };
        if let Some(attribute) = beyond_dagger(request) {
            return Err(BuildError::Unsupported {
                service: request.recipe.service.clone(),
                builder: BuilderKind::Dagger,
                attribute,
            });
        }
        let bases = self.bases(request).await?;
        let dockerfile = rewrite_pinned(request.recipe, &request.part, bases.pins.clone());
        let folder = tempfile::tempdir().map_err(|source| BuildError::Context {
            service: request.recipe.service.clone(),
            source,
        })?;
        let archive = self
            .archive(request, &dockerfile, folder.path(), progress)
            .await?;
        let known = self.known(request, &bases, &archive).await?;
        progress.doing("loading the image onto the engine");
        let image = archive.load(&self.docker, known).await?;
        BuildKit::new(self.docker.clone())
            .name(&image, &request.name)
            .await?;
        Ok(image)
    }
}

/// The first attribute of a build section that `dockerBuild` has no input for (API 0.21).
fn beyond_dagger(request: &BuildRequest<'_>) -> Option<String> {
    let build = &request.recipe.build;
    let fixed = [
        ("context", build.is_remote()),
        ("network", build.network.is_some()),
        ("extra_hosts", !build.extra_hosts.is_empty()),
        ("shm_size", build.shm_size.is_some()),
        ("ulimits", !build.ulimits.is_empty()),
        ("no_cache", build.no_cache),
    ];
    let other = build.other.keys().find(|key| !key.starts_with("x-"));
    fixed
        .into_iter()
        .find_map(|(name, set)| set.then(|| name.to_owned()))
        .or_else(|| other.cloned())
}

/// The image that the built stage starts from, through the stages between.
fn bottom<'a>(recipe: &'a Recipe, part: &BuildPart<'_>) -> Option<&'a ImageRef> {
    let stages = &recipe.dockerfile.stages;
    let last = stages.len().checked_sub(1)?;
    let mut stage = match (part, &recipe.build.target) {
        (BuildPart::Dependencies { stage }, _) => *stage,
        (_, None) => last,
        (_, Some(target)) => stages
            .iter()
            .position(|stage| stage.name.as_deref() == Some(target.to_lowercase().as_str()))
            .or_else(|| target.parse().ok())?,
    };
    loop {
        match &stages.get(stage)?.base {
            StageBase::Image(image) => return Some(image),
            StageBase::Stage(base) if *base < stage => stage = *base,
            _ => return None,
        }
    }
}

/// The images that a RUN mounts from: their names are not pinned in the text.
fn mounted_images(recipe: &Recipe) -> Vec<ImageRef> {
    let stages = recipe.dockerfile.stages.iter();
    stages
        .flat_map(|stage| &stage.instructions)
        .filter(|own| own.keyword == "RUN")
        .flat_map(|own| own.arguments.split_whitespace())
        .filter_map(|word| word.strip_prefix("--mount="))
        .flat_map(|mount| mount.split(','))
        .filter_map(|field| field.strip_prefix("from=")?.parse().ok())
        .collect()
}

/// The image's name with the digest under which its own registry has it.
fn registry_digest(image: &ImageRef, found: &ImageInspect) -> Option<String> {
    let name = image.familiar_name();
    let digests = found.repo_digests.iter().flatten();
    let own = |digest: &&String| digest.split('@').next() == Some(name.as_str());
    digests.into_iter().find(own).cloned()
}

fn layers(found: ImageInspect) -> Vec<String> {
    found
        .root_fs
        .and_then(|root| root.layers)
        .unwrap_or_default()
}

/// The secrets of a build, handed to the session.
async fn secrets(query: &Query, request: &BuildRequest<'_>) -> Result<Vec<Id>, BuildError> {
    let service = &request.recipe.service;
    let mut ids = Vec::new();
    for secret in &request.recipe.build.secrets {
        let id = secret.target.as_ref().unwrap_or(&secret.source);
        let from = request.project.secrets.get(&secret.source);
        let variable = || std::env::var(from?.environment.as_ref()?).ok();
        let content = match from.and_then(|from| from.file.as_ref()) {
            Some(file) => tokio::fs::read_to_string(file).await.map_err(|source| {
                let service = service.clone();
                BuildError::Context { service, source }
            })?,
            None => from
                .and_then(|from| from.content.clone())
                .or_else(variable)
                .ok_or_else(|| BuildError::Unsupported {
                    service: service.clone(),
                    builder: BuilderKind::Dagger,
                    attribute: format!("secrets.{}", secret.source),
                })?,
        };
        let handed = query.set_secret(id, content).id().await;
        ids.push(handed.map_err(|error| BuildError::Unreachable {
            builder: BuilderKind::Dagger,
            source: error.into(),
        })?);
    }
    Ok(ids)
}

/// What went wrong, with the instruction and its last words where Dagger tells them.
fn failure(service: &str, dockerfile: &Rewritten, file: &str, error: DaggerError) -> BuildError {
    let DaggerError::Query(GraphQLError::DomainError { message, fields }) = &error else {
        return BuildError::Unreachable {
            builder: BuilderKind::Dagger,
            source: error.into(),
        };
    };
    let exec = fields.iter().find_map(|field| match &field.extensions {
        Some(GraphQlExtension::ExecError {
            cmd,
            stdout,
            stderr,
            ..
        }) => Some((cmd, stdout, stderr)),
        _ => None,
    });
    let spot = exec.and_then(|(command, ..)| dockerfile.run(command.last()?));
    let output: Vec<String> = exec
        .map(|(_, stdout, stderr)| stdout.lines().chain(stderr.lines()))
        .into_iter()
        .flatten()
        .map(ToOwned::to_owned)
        .collect();
    let last = output.len().saturating_sub(LAST_LINES);
    BuildError::Instruction {
        service: service.to_owned(),
        line: spot
            .map(|spot| spot.line)
            .or_else(|| dockerfile.line_in(message, file)),
        instruction: spot.map(|spot| spot.instruction.clone()),
        output: output[last..].to_vec(),
        source: message.clone().into(),
    }
}
