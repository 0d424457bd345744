//! How an image that Dagger built reaches the engine: pushed to larder itself, with only the layers that the engine lacks; with an
//! engine of Dagger that cannot do that, as an archive of all of it.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;

use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::ListImagesOptions;
use dagger_sdk::errors::DaggerError;
use dagger_sdk::{
    Container, ContainerAsTarballOpts, ContainerPublishOpts, Id, ImageLayerCompression,
    ImageMediaTypes,
};
use futures_util::future::join_all;
use tokio::sync::OnceCell;

use super::archive::Archive;
use super::failure::{outlives, unreachable};
use super::pushed::{Layers, Pushed, known};
use super::session::{Reached, Session};
use crate::model::{ImageId, labels};
use crate::runtime::{BuildError, EngineError, Progress};

/// The ways to one engine.
pub(super) struct Delivery {
    docker: Docker,
    /// Whether the engine takes an image without layers that it has.
    takes_parts: OnceCell<bool>,
}

/// An error of Dagger's, as one of the build.
pub(super) type Failed<'a> = &'a (dyn Fn(DaggerError) -> BuildError + Sync);

/// What one image is brought by.
struct Way<'a> {
    image: &'a Container,
    folder: &'a Path,
    progress: &'a Progress,
    failed: Failed<'a>,
}

const FETCHING: &str = "fetching the image from Dagger";
const LOADING: &str = "loading the image onto the engine";

impl Delivery {
    pub(super) fn new(docker: Docker) -> Self {
        Self {
            docker,
            takes_parts: OnceCell::new(),
        }
    }

    /// The layers of images that the engine has for certain: of these bases, and of the last images that larder built.
    pub(super) async fn there(&self, bases: Vec<Layers>) -> Vec<Layers> {
        let takes_parts = self.takes_parts.get_or_init(|| self.is_classic());
        if !*takes_parts.await {
            return Vec::new();
        }
        let found = join_all(self.built_before().await.into_iter().map(async |image| {
            let found = self.docker.inspect_image(&image).await;
            found.ok().and_then(layers_of)
        }));
        let found = found.await.into_iter().flatten();
        bases.into_iter().chain(found).collect()
    }

    /// Whether images are kept in the engine's own store: containerd's takes none without all its layers.
    async fn is_classic(&self) -> bool {
        let info = self.docker.info().await.unwrap_or_default();
        let status = info.driver_status.unwrap_or_default();
        let mut status = status.iter().flatten();
        !status.any(|word| word.starts_with("io.containerd.snapshotter"))
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
        // Without them more is moved than must be.
        let images = self.docker.list_images(Some(options)).await;
        let mut images = images.unwrap_or_default();
        images.sort_by_key(|image| std::cmp::Reverse(image.created));
        images
            .into_iter()
            .map(|image| image.id)
            .take(MANY)
            .collect()
    }

    /// Brings an image to the engine, which has the layers that are `there`.
    #[allow(clippy::too_many_arguments, reason = "each of them is another thing")]
    pub(super) async fn bring(
        &self,
        session: &Session,
        image: Container,
        there: &[Layers],
        folder: &Path,
        progress: &Progress,
        failed: Failed<'_>,
    ) -> Result<ImageId, BuildError> {
        let way = Way {
            image: &image,
            folder,
            progress,
            failed,
        };
        match session.depot().await {
            Some(depot) => match self.pushed(&way, depot, there).await {
                Err(NotPushed::Dagger(error)) if outlives(&error) => {
                    tracing::debug!(%error, "Dagger pushes nothing to larder");
                    session.without_depot();
                    self.archived(&way, there).await
                }
                Err(NotPushed::Dagger(error)) => Err(failed(error)),
                Err(NotPushed::Engine(error)) => Err(error.into()),
                Ok(image) => Ok(image),
            },
            None => self.archived(&way, there).await,
        }
    }

    /// By a push to larder, of what the engine does not have.
    async fn pushed(
        &self,
        way: &Way<'_>,
        depot: &Reached,
        there: &[Layers],
    ) -> Result<ImageId, NotPushed> {
        let all: BTreeSet<String> = there.iter().flatten().cloned().collect();
        let mut image = self.push(way, depot, all).await?;
        let mut known = image.known(there);
        if !image.is_whole(known) {
            // A layer that the engine has is another one where it lies on others.
            let below = image.needless(known);
            image = self.push(way, depot, below).await?;
        }
        tracing::debug!(known, "layers on the engine");
        way.progress.doing(LOADING);
        match image.load(&self.docker, known).await {
            // An image may have been removed meanwhile.
            Err(error) if known > 0 => {
                tracing::debug!(%error, "the engine does not take a part of an image");
                known = 0;
                image = self.push(way, depot, BTreeSet::new()).await?;
                way.progress.doing(LOADING);
                Ok(image.load(&self.docker, known).await?)
            }
            loaded => Ok(loaded?),
        }
    }

    async fn push(
        &self,
        way: &Way<'_>,
        depot: &Reached,
        there: BTreeSet<String>,
    ) -> Result<Pushed, NotPushed> {
        way.progress.doing(FETCHING);
        let place = depot.depot.shelf(way.folder, there);
        let address = format!("localhost:{}/{}:image", depot.depot.port(), place.name());
        let options = publishing(Some(depot.service.clone()), true);
        way.image.publish_opts(address, options).await?;
        let manifest = place.manifest();
        let manifest = manifest.ok_or_else(|| io::Error::other("no manifest was pushed"));
        let opened = manifest.and_then(|manifest| Pushed::open(way.folder, &manifest));
        opened.map_err(|error| NotPushed::Dagger(DaggerError::Serialize(error.into())))
    }

    /// As an archive, of which the engine gets what it does not have.
    async fn archived(&self, way: &Way<'_>, there: &[Layers]) -> Result<ImageId, BuildError> {
        way.progress.doing(FETCHING);
        let path = way.folder.join("image.tar");
        let options = ContainerAsTarballOpts {
            // Uncompressed layers are those that the engine may have already, and nobody unpacks them twice.
            forced_compression: Some(ImageLayerCompression::Uncompressed),
            media_types: Some(ImageMediaTypes::DockerMediaTypes),
            platform_variants: None,
        };
        let archive = way.image.as_tarball_opts(options);
        let exported = archive.export(path.to_string_lossy()).await;
        exported.map_err(way.failed)?;
        let opened = tokio::task::spawn_blocking(move || Archive::open(&path)).await;
        let opened = opened.map_err(io::Error::other).flatten();
        let archive = opened.map_err(unreachable)?;
        let known = known(&archive.diff_ids, there);
        tracing::debug!(known, of = archive.diff_ids.len(), "layers on the engine");
        way.progress.doing(LOADING);
        Ok(archive.load(&self.docker, known).await?)
    }
}

/// Why an image was not pushed to larder and loaded.
enum NotPushed {
    Dagger(DaggerError),
    Engine(EngineError),
}

impl From<DaggerError> for NotPushed {
    fn from(error: DaggerError) -> Self {
        Self::Dagger(error)
    }
}

impl From<EngineError> for NotPushed {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

fn publishing(registry_service: Option<Id>, uncompressed: bool) -> ContainerPublishOpts {
    ContainerPublishOpts {
        // Not where others pull it: then the base's layers would be other ones than its own.
        forced_compression: uncompressed.then_some(ImageLayerCompression::Uncompressed),
        media_types: Some(ImageMediaTypes::DockerMediaTypes),
        platform_variants: None,
        registry_service,
    }
}

pub(super) fn layers_of(found: ImageInspect) -> Option<Layers> {
    found.root_fs?.layers
}
