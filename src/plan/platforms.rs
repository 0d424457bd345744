//! The platform that an image is asked for: by the service that runs it, or by another one that uses the same name.

use super::decide::{Error, Wanted};
use super::named::{familiar, is_named};
use super::observed::Observed;
use super::stand_in::stand_ins;
use crate::fingerprint::{Fingerprinted, Platform};
use crate::model::{ImageId, Service, labels};

/// The platform that a service itself asks for.
fn own(service: &Service) -> Option<Platform> {
    let built = service
        .build
        .as_ref()
        .map_or(&[][..], |build| &build.platforms);
    let only = built.first().filter(|_| built.len() == 1);
    service
        .platform
        .as_ref()
        .or(only)
        .map(|text| Platform::parse(text))
}

/// The platform that the image of a service is asked for. An engine keeps one image under a name, so one service
/// that says a platform says it for all that use the name.
///
/// # Errors
/// Two services ask for one name in two platforms.
pub(super) fn asked(wanted: &Wanted<'_>, service: &str) -> Result<Option<Platform>, Error> {
    let project = wanted.project;
    let name = familiar(&project.image_name(service));
    let mut found: Option<(&String, Platform)> = None;
    for other in wanted.services {
        let Some(platform) = own(&project.services[other]) else {
            continue;
        };
        if familiar(&project.image_name(other)) != name {
            continue;
        }
        match &found {
            Some((one, before)) if *before != platform => {
                return Err(Error::TwoPlatforms {
                    image: name,
                    services: Box::new([
                        ((*one).clone(), before.clone()),
                        (other.clone(), platform),
                    ]),
                });
            }
            Some(_) => {}
            None => found = Some((other, platform)),
        }
    }
    Ok(found.map(|(_, platform)| platform))
}

/// The images on the engine of which it matters what they are for, each with a name that it has. A list of
/// images does not say it, so it is asked of these alone.
///
/// # Errors
/// Two services ask for one name in two platforms.
pub fn asked_platforms(
    wanted: &Wanted<'_>,
    observed: &Observed,
) -> Result<Vec<(ImageId, String)>, Error> {
    let mut all = Vec::new();
    for service in wanted.services {
        if asked(wanted, service)?.is_none() {
            continue;
        }
        let name = match wanted.fingerprints.get(service) {
            Some(Fingerprinted::Known(recipe)) => {
                let others = stand_ins(observed, service, recipe).into_iter();
                all.extend(others.map(|(image, own)| (image.id.clone(), labels::image_name(&own))));
                labels::image_name(&recipe.full)
            }
            Some(Fingerprinted::Missing(_)) => continue,
            None => familiar(&wanted.project.image_name(service)),
        };
        let found = observed.images.iter().find(|image| is_named(image, &name));
        all.extend(found.map(|image| (image.id.clone(), name)));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

impl super::decide::Draft<'_> {
    /// The platform that a service's image is asked for; says it where the service itself does not, and its
    /// processor is not this machine's.
    pub(super) fn asked(&mut self, service: &str) -> Result<Option<Platform>, Error> {
        let asked = asked(self.wanted, service)?;
        let project = self.wanted.project;
        if let (None, Some(platform)) = (own(&project.services[service]), &asked)
            && *platform != Platform::host()
        {
            self.plan.warnings.push(format!(
                "`{service}` says no `platform` and gets `{}` for {platform}, as another service asks for it",
                familiar(&project.image_name(service)),
            ));
        }
        Ok(asked)
    }
}
