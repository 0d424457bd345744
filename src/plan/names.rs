//! The names of images in a project: who builds each, and for which platform it is asked. Looked through once, as a
//! project may have thousands of services.

use std::collections::HashMap;

use super::decide::Wanted;
use super::error::Error;
use super::platforms::own;
use crate::fingerprint::Platform;
use crate::model::{Project, familiar};

/// What the services of a run say of image names.
pub(super) struct Names<'a> {
    project: &'a Project,
    builders: HashMap<String, &'a str>,
    /// The same of all services: some are only built, since others start from them.
    makers: HashMap<String, &'a str>,
    platforms: HashMap<String, Asked<'a>>,
}

/// The first service that says a platform, and the first that says another one.
struct Asked<'a> {
    first: (&'a str, Platform),
    other: Option<(&'a str, Platform)>,
}

impl<'a> Names<'a> {
    pub(super) fn of(wanted: &Wanted<'a>) -> Self {
        let project = wanted.project;
        let mut names = Self {
            project,
            builders: HashMap::new(),
            makers: HashMap::new(),
            platforms: HashMap::new(),
        };
        let imaged = wanted.imaged();
        for service in project.services.keys().filter(|own| imaged.contains(*own)) {
            for name in project.built_names(service) {
                names.builders.entry(familiar(&name)).or_insert(service);
            }
            let Some(platform) = own(&project.services[service]) else {
                continue;
            };
            let said = (service.as_str(), platform);
            names
                .platforms
                .entry(familiar(&project.image_name(service)))
                .and_modify(|asked| {
                    if asked.other.is_none() && asked.first.1 != said.1 {
                        asked.other = Some(said.clone());
                    }
                })
                .or_insert_with(|| Asked {
                    first: said.clone(),
                    other: None,
                });
        }
        names.makers.clone_from(&names.builders);
        for service in project.services.keys() {
            for name in project.built_names(service) {
                names.makers.entry(familiar(&name)).or_insert(service);
            }
        }
        names
    }

    /// The service of this run that builds the image of a name.
    pub(super) fn builder(&self, name: &str) -> Option<&'a str> {
        self.builders.get(name).copied()
    }

    /// The service whose image, of a name, is built in this run or before it.
    pub(super) fn maker(&self, name: &str) -> Option<&'a str> {
        self.makers.get(name).copied()
    }

    /// The platform that the image of a service is asked for. An engine keeps one image under a name, so one service
    /// that says a platform says it for all that use the name.
    ///
    /// # Errors
    /// Two services ask for one name in two platforms.
    pub(super) fn asked(&self, service: &str) -> Result<Option<Platform>, Error> {
        let name = familiar(&self.project.image_name(service));
        let Some(Asked { first, other }) = self.platforms.get(&name) else {
            return Ok(None);
        };
        let owned =
            |(service, platform): &(&str, Platform)| ((*service).to_owned(), platform.clone());
        match other {
            Some(other) => Err(Error::TwoPlatforms {
                image: name,
                services: Box::new([owned(first), owned(other)]),
            }),
            None => Ok(Some(first.1.clone())),
        }
    }
}
