//! The base images that a project names, whatever becomes of them: what `larder lock` is about. Reads Dockerfiles, and
//! nothing of the contexts.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use super::inputs::Inputs;
use super::platform::Platform;
use super::recipe::{Base, BaseRef};
use crate::model::{ImageRef, Place, Project};

/// The base images of all services of a project.
#[derive(Clone, Debug)]
pub struct BaseImages {
    builds: Vec<Inputs>,
    built: BTreeSet<ImageRef>,
}

/// Reads the Dockerfiles of all services, for an engine whose own platform is `native`.
///
/// # Errors
/// One is not there, cannot be read or has no such target.
pub fn base_images(project: &Project, native: &Platform) -> Result<BaseImages, Error> {
    let services = project.services.iter();
    let builds = services.filter_map(|(name, service)| {
        let build = service.build.as_ref()?;
        Some(Inputs::open(project, name, service, build, native))
    });
    let builds = builds.collect::<Result<_, _>>();
    Ok(BaseImages {
        builds: builds.map_err(|error: Error| error.written_in(project))?,
        built: built(project),
    })
}

impl BaseImages {
    /// Those that can be locked: that have no digest where they are named, and that no service builds. Triggers may name
    /// more: those of `known`.
    pub fn lockable(&self, known: &BTreeMap<BaseRef, Base>) -> BTreeSet<BaseRef> {
        let mut images = self.all(known);
        images.retain(|base| is_lockable(&base.image, &self.built));
        images
    }

    /// Those that services of the project build.
    pub fn built(&self, known: &BTreeMap<BaseRef, Base>) -> BTreeSet<BaseRef> {
        let mut images = self.all(known);
        images.retain(|base| self.built.contains(&base.image));
        images
    }

    /// Where a Dockerfile names an image.
    pub fn place_of(&self, image: &ImageRef) -> Option<Place> {
        self.builds.iter().find_map(|own| own.place_of(image))
    }

    fn all(&self, known: &BTreeMap<BaseRef, Base>) -> BTreeSet<BaseRef> {
        let builds = self.builds.iter();
        builds.flat_map(|build| build.images_with(known)).collect()
    }
}

/// Whether a lock may pin an image.
pub(super) fn is_lockable(image: &ImageRef, built: &BTreeSet<ImageRef>) -> bool {
    image.digest.is_none() && !built.contains(image)
}

/// The names of the images that services of a project build: as bases they are what was built last.
pub(super) fn built(project: &Project) -> BTreeSet<ImageRef> {
    let services = project.services.keys();
    services
        .flat_map(|service| project.built_images(service))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fingerprint::lab::Lab;

    #[test]
    fn everything_that_a_build_starts_from_or_copies_from_can_be_locked() {
        let lab = Lab::new(
            "ARG V=1\nFROM a:$V AS x\nFROM b@sha256:0000000000000000000000000000000000000000000000000000000000000000\n\
             COPY --from=c /x /\nRUN --mount=from=d:2,target=/d true\nCOPY --from=x / /\nCOPY nothing /\nFROM own\n\
             COPY --from=1 / /",
        );
        let context = lab.path("").to_str().unwrap().to_owned();
        let services = json!({
            "one": {"build": {"context": context, "args": {"V": "3"}}},
            "two": {"build": {"context": context, "target": "x"}, "image": "own"},
            "db": {"image": "postgres"},
        });
        let project = Project {
            services: serde_json::from_value(services).unwrap(),
            ..Project::default()
        };
        let images = base_images(&project, &Platform::host()).unwrap();
        let names = |bases: BTreeSet<BaseRef>| -> Vec<String> {
            bases.iter().map(|base| base.image.to_string()).collect()
        };
        let known = BTreeMap::new();
        let expected = ["a:1", "a:3", "c:latest", "d:2"];
        assert_eq!(names(images.lockable(&known)), expected);
        assert_eq!(names(images.built(&known)), ["own:latest"]);
        let triggers = Base {
            identity: "i".to_owned(),
            onbuild: vec!["COPY --from=e / /".to_owned()],
            env: Vec::new(),
            working_dir: String::new(),
            volumes: Vec::new(),
        };
        let all = images.all(&known).into_iter();
        let known = all.map(|base| (base, triggers.clone())).collect();
        assert!(names(images.lockable(&known)).contains(&"e:latest".to_owned()));
    }
}
