//! Builds by Dagger: the context handed over as a folder of exactly the files that were fingerprinted, the image
//! brought to the engine as an archive. Must not know how a session is opened.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::ListImagesOptions;
use dagger_sdk::core::gql_client::GraphQlExtension;
use dagger_sdk::core::graphql_client::GraphQLError;
use dagger_sdk::errors::DaggerError;
use dagger_sdk::{
    BuildArg, ContainerAsTarballOpts, DirectoryDockerBuildOpts, Id, ImageLayerCompression,
    ImageMediaTypes, Platform, Query,
};
use tokio::sync::OnceCell;

use super::archive::Archive;
use super::bases;
use super::beyond::{beyond_dagger, pinned};
use super::buildkit::{BuildKit, faulty};
use super::context::{ContextError, Upload};
use super::leak::leaked;
use super::parts::{build_args, image_labels, secrets};
use super::references::{Pins, References};
use super::resume::{Rewritten, rewrite_pinned};
use super::session::{DaggerSource, Session};
use super::trace::LAST_LINES;
use crate::model::{Digest, ImageId, ImageRef, labels};
use crate::plan::BuilderKind;
use crate::runtime::{BuildError, BuildPart, BuildRequest, Builder, Progress};

/// Dagger, for one run: its session is opened by the first build and shared by all.
pub struct Dagger {
    source: DaggerSource,
    limit: Duration,
    session: OnceCell<Arc<Session>>,
    docker: Docker,
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
        let upload = Upload::new(request.recipe, &request.part);
        let file = free_name(&upload, &dockerfile.text);
        let context = folder.join("context");
        let unpacked = {
            let (context, file, text) = (context.clone(), file.clone(), dockerfile.text.clone());
            tokio::task::spawn_blocking(move || unpack(&upload, &context, &file, &text))
        };
        let unpacked = unpacked.await.map_err(std::io::Error::other);
        unpacked
            .map_err(ContextError::from)
            .flatten()
            .map_err(|fault| faulty(service, fault))?;
        let session = self.session().await?;
        let query = session.query();
        let _listening = session.listen(dockerfile.clone(), progress.clone());
        let failed = |error| failure(service, dockerfile, &file, &error);
        let secrets = handed_over(&query, request).await?;
        let build = &request.recipe.build;
        let arguments = build_args(build).map(|(name, value)| BuildArg { name, value });
        let target = match &request.part {
            BuildPart::Target { .. } => build.target.as_deref(),
            BuildPart::Dependencies { .. } => None,
        };
        let environment = leaked(request.recipe, &request.part);
        let environment = environment.map_err(|name| BuildError::Unsupported {
            service: service.clone(),
            builder: BuilderKind::Dagger,
            attribute: format!("{name} (declared as ARG and as ENV)"),
        })?;
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
        for (name, value) in environment {
            image = match value {
                Some(value) => image.with_env_variable(name, value),
                None => image.without_env_variable(name),
            };
        }
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
    /// fingerprinted: by the digest under which a registry has them. The layers of those on the engine, too.
    async fn bases(&self, request: &BuildRequest<'_>) -> Result<(Pins, Vec<Layers>), BuildError> {
        let (mut pins, mut layers) = (BTreeMap::new(), Vec::new());
        let unsupported = |attribute: String| BuildError::Unsupported {
            service: request.recipe.service.clone(),
            builder: BuilderKind::Dagger,
            attribute,
        };
        let unknown = |image: &ImageRef| {
            unsupported(format!(
                "{image} (an image that no registry is known to have)"
            ))
        };
        for base in bases::find(&self.docker, request).await? {
            let pinned = base.pinned.or_else(|| pinned(&base.image, &base.found));
            let pinned = pinned.ok_or_else(|| unknown(&base.image))?;
            pins.insert(base.image, pinned);
            layers.extend(layers_of(base.found));
        }
        // A registry may give another image under the name by now.
        match References::new(request.recipe, &pins).beside().first() {
            Some(image) => Err(unsupported(match &request.recipe.opaque {
                Some(why) => {
                    format!("Dockerfile ({why}, so `{image}` cannot be named by its digest)")
                }
                None => format!("{image} (named where its digest cannot stand)"),
            })),
            None => Ok((pins, layers)),
        }
    }

    /// How many of an image's lowest layers the engine has for certain: those of a base, or of an image that larder
    /// built before. Dagger gives a base's layers the digests they were pulled with, but not after its restarts.
    async fn known(&self, mut there: Vec<Layers>, archive: &Archive) -> usize {
        for image in self.built_before().await {
            there.extend(
                self.docker
                    .inspect_image(&image)
                    .await
                    .ok()
                    .and_then(layers_of),
            );
        }
        there
            .iter()
            .map(|layers| {
                let pairs = layers.iter().zip(&archive.diff_ids);
                pairs.take_while(|(one, other)| one == other).count()
            })
            .max()
            .unwrap_or(0)
    }

    /// The last images on the engine that larder built.
    async fn built_before(&self) -> Vec<String> {
        /// Enough for one stack, and quick to look at.
        const MANY: usize = 32;
        let filters = HashMap::from([("label".to_owned(), vec![labels::DEPENDENCIES.to_owned()])]);
        let options = ListImagesOptions {
            filters: Some(filters),
            ..ListImagesOptions::default()
        };
        // Without them the whole archive is loaded.
        let mut images = self
            .docker
            .list_images(Some(options))
            .await
            .unwrap_or_default();
        images.sort_by_key(|image| std::cmp::Reverse(image.created));
        images
            .into_iter()
            .map(|image| image.id)
            .take(MANY)
            .collect()
    }
}

/// The digests of an image's uncompressed layers, from the bottom.
type Layers = Vec<String>;

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
        let (pins, there) = self.bases(request).await?;
        let dockerfile = rewrite_pinned(request.recipe, &request.part, &pins);
        let folder = tempfile::tempdir().map_err(|source| BuildError::Context {
            service: request.recipe.service.clone(),
            source,
        })?;
        let archive = self
            .archive(request, &dockerfile, folder.path(), progress)
            .await?;
        let known = self.known(there, &archive).await;
        tracing::debug!(known, of = archive.diff_ids.len(), "layers on the engine");
        progress.doing("loading the image onto the engine");
        let image = archive.load(&self.docker, known).await?;
        BuildKit::name(&self.docker, &image, &request.name).await?;
        Ok(image)
    }
}

fn layers_of(found: ImageInspect) -> Option<Layers> {
    found.root_fs?.layers
}

/// The secrets of a build, handed to the session.
async fn handed_over(query: &Query, request: &BuildRequest<'_>) -> Result<Vec<Id>, BuildError> {
    let mut ids = Vec::new();
    for (id, content) in secrets(request).await? {
        let content = String::from_utf8(content).map_err(|_| BuildError::Unsupported {
            service: request.recipe.service.clone(),
            builder: BuilderKind::Dagger,
            attribute: format!("secrets.{id} (its content is not UTF-8)"),
        })?;
        let handed = query.set_secret(id, content).id().await;
        ids.push(handed.map_err(|error| BuildError::Unreachable {
            builder: BuilderKind::Dagger,
            // Its source says the same once more.
            source: error.to_string().into(),
        })?);
    }
    Ok(ids)
}

/// Writes the context with the Dockerfile in it, since Dagger takes one folder. An ignore file of the Dockerfile's own
/// keeps both out of what `COPY . .` reads.
fn unpack(upload: &Upload, context: &Path, file: &str, text: &str) -> Result<(), ContextError> {
    std::fs::create_dir(context)?;
    upload.unpack(context)?;
    std::fs::write(context.join(file), text)?;
    let ignored = format!("/{file}\n/{file}.dockerignore\n");
    Ok(std::fs::write(
        context.join(format!("{file}.dockerignore")),
        ignored,
    )?)
}

/// A name for the Dockerfile that nothing in the context has.
fn free_name(upload: &Upload, text: &str) -> String {
    let mut name = format!(".larder-{}.Dockerfile", Digest::of(text.as_bytes()).short());
    while upload
        .entries()
        .any(|entry| entry.path.starts_with(name.as_bytes()))
    {
        name.insert(1, '_');
    }
    name
}

/// What went wrong, with the instruction and its last words where Dagger tells them.
fn failure(service: &str, dockerfile: &Rewritten, file: &str, error: &DaggerError) -> BuildError {
    let unreachable = |words: String| BuildError::Unreachable {
        builder: BuilderKind::Dagger,
        source: words.into(),
    };
    let DaggerError::Query(GraphQLError::DomainError { message, fields }) = error else {
        // Its source says the same once more.
        return unreachable(error.to_string());
    };
    // Asked for by digest, at the registry that its name stands for.
    if let Some(image) = missing_image(message) {
        return BuildError::Unsupported {
            service: service.to_owned(),
            builder: BuilderKind::Dagger,
            attribute: format!("{image} (in no registry that it reaches)"),
        };
    }
    let exec = fields.iter().find_map(|field| match &field.extensions {
        Some(GraphQlExtension::ExecError {
            cmd,
            exit_code,
            stdout,
            stderr,
        }) => Some((cmd, exit_code, stdout, stderr)),
        _ => None,
    });
    if exec.is_none() && has_ended(message) {
        return unreachable(telling(message).to_owned());
    }
    let spot = exec.and_then(|(command, ..)| dockerfile.run(command.last()?));
    let output: Vec<String> = exec
        .map(|(_, _, stdout, stderr)| stdout.lines().chain(stderr.lines()))
        .into_iter()
        .flatten()
        .map(ToOwned::to_owned)
        .collect();
    let last = output.len().saturating_sub(LAST_LINES);
    let (line, message) = dockerfile.retold(message, file);
    BuildError::Instruction {
        service: service.to_owned(),
        file: dockerfile.file.clone(),
        line: spot.map(|spot| spot.line).or(line),
        instruction: spot.map(|spot| spot.instruction.clone()),
        output: output[last..].to_vec(),
        source: match exec {
            Some((_, code, ..)) => format!("the command ended with code {code}").into(),
            None => telling(&message).into(),
        },
    }
}

/// Whether it is the engine that ends, or the session, and not the build (dagger `engine/server`).
fn has_ended(message: &str) -> bool {
    let gone = |what: &str| {
        let named = message
            .split_once(&format!("{what} \""))
            .map(|(_, rest)| rest);
        let behind = named.and_then(|rest| rest.split_once('"'));
        behind.is_some_and(|(_, rest)| rest.starts_with(" not found"))
    };
    message.contains("engine is shutting down") || gone("session") || gone("client")
}

/// The image in `…: docker.io/library/x@sha256:…: not found`.
fn missing_image(message: &str) -> Option<&str> {
    let (before, _) = message.split_once(": not found")?;
    let image = before.rsplit(' ').next()?;
    image.contains("@sha256:").then_some(image)
}

/// What a person can use of a message: without the trace's number, and without the recipe of the container that
/// Dagger puts in front of the cause of a long one.
fn telling(message: &str) -> &str {
    const LONG: usize = 500;
    let message = message.split(" [traceparent:").next().unwrap_or(message);
    match message.rfind("failed to ") {
        Some(cause) if message.len() > LONG => &message[cause..],
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_dagger_does_not_find_is_named() {
        let message =
            "failed to convert Dockerfile to LLB: x:1: docker.io/library/x@sha256:1: not found";
        assert_eq!(missing_image(message), Some("docker.io/library/x@sha256:1"));
        assert_eq!(missing_image("lstat /nothere.txt: not found"), None);
    }

    #[test]
    fn an_engine_that_ends_is_no_failed_build() {
        assert!(has_ended("engine is shutting down"));
        assert!(has_ended("session \"x1\" not found"));
        assert!(!has_ended("lstat /nothere.txt: not found"));
        assert!(!has_ended("client \"a\" wants \"x\" not found"));
        assert!(!has_ended("exit code: 7"));
    }

    #[test]
    fn a_message_is_cut_to_what_a_person_can_use() {
        let message = format!(
            "failed to load {}: failed to copy x: no such file [traceparent:1]",
            "q".repeat(500)
        );
        assert_eq!(telling(&message), "failed to copy x: no such file");
        assert_eq!(telling("exit code: 7 [traceparent:1]"), "exit code: 7");
    }
}
