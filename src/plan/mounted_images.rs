//! Images whose files a container mounts (`volumes` with `type: image`): there before it is created, pulled where they are
//! not on the engine (docker/compose `pullRequiredImages`). A mount keeps the image that it was made with, whatever has its
//! name since.

use super::decide::Draft;
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
    /// Whether a container mounts others.
    pub(super) fn differ(&self, container: &Container) -> bool {
        let there = self.images.iter().map(|image| match image {
            ImageSource::Id(id) => Some(id.clone()),
            // Whatever comes out, it was not there when the container was made.
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
    pub(super) fn mounted_images(&mut self, name: &str, service: &Service) -> MountedImages {
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
                let pull = self.pull(name, &image, None, &cause);
                mounted.after.push(pull);
                ImageSource::Step(pull)
            };
            mounted.images.push(source);
        }
        mounted
    }
}
