//! The platform that an image is asked for: by the service that runs it, or by another one that uses the same name.

use super::decide::Wanted;
use super::error::Error;
use super::named::is_named;
use super::names::Names;
use super::observed::Observed;
use super::stand_in::stand_ins;
use crate::fingerprint::{Fingerprinted, Platform};
use crate::model::{ImageId, Service, familiar, labels};

/// The platform that a service itself asks for.
pub(super) fn own(service: &Service) -> Option<Platform> {
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
    let names = Names::of(wanted);
    for service in &wanted.imaged() {
        if names.asked(service)?.is_none() {
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
        let asked = self.names.asked(service)?;
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
