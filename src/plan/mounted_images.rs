//! Images whose files a container mounts (`volumes` with `type: image`): there before it is created, pulled where they are
//! not on the engine (docker/compose `pullRequiredImages`).

use super::decide::Draft;
use super::named::is_named;
use super::step::StepId;
use crate::model::{MountKind, familiar};

impl Draft<'_> {
    /// What must have happened before a container can mount its images.
    pub(super) fn mounted_images(&mut self, service: &str) -> Vec<StepId> {
        let definition = &self.wanted.project.services[service];
        let mounts = definition.volumes.iter();
        let mounts = mounts.filter(|mount| mount.kind == MountKind::Image);
        let mut after = Vec::new();
        for name in mounts.filter_map(|mount| mount.source.as_deref()) {
            let name = familiar(name);
            let maker = self.names.maker(&name);
            if let Some(made) = maker.and_then(|maker| self.chosen.get(maker)) {
                after.extend_from_slice(&made.after);
            } else if !self
                .observed
                .images
                .iter()
                .any(|image| is_named(image, &name))
            {
                let cause = format!("`{service}` mounts it, and it is not on the engine");
                after.push(self.pull(service, &name, None, &cause));
            }
        }
        after
    }
}
