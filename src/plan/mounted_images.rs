//! Images whose files a container mounts (`volumes` with `type: image`): there before it is created, pulled where they are
//! not on the engine (docker/compose `pullRequiredImages`). A mount keeps the image that it was made with, whatever has its
//! name since.

use super::decide::Draft;
use super::error::Error;
use super::named::is_named;
use super::observed::Container;
use super::step::{ImageSource, StepId};
use crate::model::{ImageId, Service, familiar, labels};

/// The images that a service's containers mount.
#[derive(Default)]
pub(super) struct MountedImages {
    /// In the order of the mounts.
    pub(super) images: Vec<ImageSource>,
    /// What must have happened before a container can mount them.
    pub(super) after: Vec<StepId>,
}

impl MountedImages {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Whether a container mounts others.
    pub(super) fn differ(&self, container: &Container) -> bool {
        let there = self.images.iter().map(|image| match image {
            ImageSource::Id(id) => Some(id.clone()),
            // Only what comes out could tell whether it is the one that is mounted.
            ImageSource::Step(_) | ImageSource::Unknown => None,
        });
        let Some(there) = there.collect::<Option<Vec<ImageId>>>() else {
            return true;
        };
        container.labels.get(labels::IMAGE_MOUNTS) != labels::image_mounts(&there).as_ref()
    }
}

impl Draft<'_> {
    /// The images that a service's containers mount.
    ///
    /// # Errors
    /// One that is to be pulled is asked for in two platforms.
    pub(super) fn mounted_images(
        &mut self,
        name: &str,
        service: &Service,
    ) -> Result<MountedImages, Error> {
        let mut mounted = MountedImages::default();
        for image in service.mounted_images() {
            let image = familiar(image);
            let maker = self.names.maker(&image);
            let found = || {
                let mut images = self.observed.images.iter();
                images.find(|found| is_named(found, &image))
            };
            let source = if let Some(made) = maker.and_then(|maker| self.chosen.get(maker)) {
                mounted.after.extend_from_slice(&made.after);
                made.source.clone()
            } else if let Some(found) = found() {
                ImageSource::Id(found.id.clone())
            } else {
                let cause = format!("`{name}` mounts it, and it is not on the engine");
                let platform = self.names.asked_of(&image)?;
                let platform = platform.map(|platform| platform.to_string());
                let pull = self.pull(name, &image, platform, &cause);
                mounted.after.push(pull);
                ImageSource::Step(pull)
            };
            mounted.images.push(source);
        }
        Ok(mounted)
    }
}
