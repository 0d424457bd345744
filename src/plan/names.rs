//! The names of images in a project: who builds each, and for which platform it is asked. Looked through once, as a
//! project may have thousands of services.

use std::collections::{BTreeSet, HashMap};

use super::decide::Wanted;
use super::error::Error;
use super::platforms::own;
use crate::fingerprint::Platform;
use crate::model::{Project, familiar};

/// What the services of a run say of image names.
pub(super) struct Names<'a> {
    project: &'a Project,
    /// Of all services, as some are only built since others start from them.
    makers: HashMap<String, Vec<&'a str>>,
    /// The services whose images are looked for in this run.
    imaged: BTreeSet<String>,
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
            makers: project.makers(),
            imaged: wanted.imaged(),
            platforms: HashMap::new(),
        };
        for service in project.services.keys() {
            if !names.imaged.contains(service) {
                continue;
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
        names
    }

    /// The service of this run that builds the image of a name.
    pub(super) fn builder(&self, name: &str) -> Option<&'a str> {
        let maker = self.maker(name);
        maker.filter(|maker| self.imaged.contains(*maker))
    }

    /// The services of the project that build an image of a name.
    pub(super) fn makers(&self, name: &str) -> &[&'a str] {
        self.makers.get(name).map_or(&[], Vec::as_slice)
    }

    /// The one whose image it is.
    pub(super) fn maker(&self, name: &str) -> Option<&'a str> {
        self.makers(name).first().copied()
    }

    /// The platform that the image of a service is asked for. An engine keeps one image under a name, so one service
    /// that says a platform says it for all that use the name.
    ///
    /// # Errors
    /// Two services ask for one name in two platforms.
    pub(super) fn asked(&self, service: &str) -> Result<Option<Platform>, Error> {
        self.asked_of(&familiar(&self.project.image_name(service)))
    }

    /// The same of an image by its name.
    ///
    /// # Errors
    /// As there.
    pub(super) fn asked_of(&self, name: &str) -> Result<Option<Platform>, Error> {
        let Some(Asked { first, other }) = self.platforms.get(name) else {
            return Ok(None);
        };
        let owned =
            |(service, platform): &(&str, Platform)| ((*service).to_owned(), platform.clone());
        match other {
            Some(other) => Err(Error::TwoPlatforms {
                image: name.to_owned(),
                services: Box::new([owned(first), owned(other)]),
            }),
            None => Ok(Some(first.1.clone())),
        }
    }
}
