//! Images that a service only names: on the engine, built by another service, or pulled as `pull_policy` says.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::decide::{Draft, Wanted};
use super::error::Error;
use super::images::{Chosen, decided};
use super::names::Names;
use super::observed::{Image, Observed};
use super::step::{Action, ImageSource, Outcome, StepId};
use crate::fingerprint::Fingerprinted;
use crate::model::{ImageId, ImageRef, PullPolicy, familiar};

/// Where an image that is only named comes from.
enum Origin<'a> {
    /// Another service of the run builds it.
    Built(&'a str),
    /// It is on the engine, and that is enough.
    Here(&'a Image),
    /// A registry; what is under its name until then.
    Registry {
        present: Option<&'a Image>,
        cause: String,
    },
}

fn origin<'a>(
    wanted: &Wanted<'a>,
    observed: &'a Observed,
    said: &Names<'a>,
    service: &str,
) -> Result<Origin<'a>, Error> {
    let definition = &wanted.project.services[service];
    let name = familiar(&wanted.project.image_name(service));
    if let Some(builder) = said.builder(&name) {
        return Ok(Origin::Built(builder));
    }
    let asked = said.asked(service)?;
    let named = observed.images.iter().find(|image| is_named(image, &name));
    let found = named.filter(|image| image.fits(asked.as_ref()));
    match (found, definition.pulls()) {
        (Some(image), PullPolicy::Always) if !wanted.fresh && !is_pinned(&name) => {
            Ok(Origin::Registry {
                present: Some(image),
                cause:
                    "`pull_policy` says always; its container is replaced when another image comes"
                        .to_owned(),
            })
        }
        (Some(image), PullPolicy::Aged(limit))
            if !wanted.fresh && !is_pinned(&name) && image.age.is_none_or(|age| age > limit) =>
        {
            let policy = definition.pull_policy.as_deref().unwrap_or_default();
            Ok(Origin::Registry {
                present: Some(image),
                cause: format!(
                    "by `pull_policy: {policy}` it is due; its container is replaced when another image comes"
                ),
            })
        }
        (Some(image), _) => Ok(Origin::Here(image)),
        // What is only named is not built (docker/compose `mustPull`).
        (None, PullPolicy::Never | PullPolicy::Build) => Err(Error::NeverPulled {
            service: service.to_owned(),
            policy: definition.pull_policy.clone().unwrap_or_default(),
            platform: asked.map(|platform| platform.to_string()),
            image: name,
        }),
        (None, _) => Ok(Origin::Registry {
            present: None,
            cause: match (named, asked) {
                (Some(_), Some(platform)) => {
                    format!("`{name}` is not on the engine for {platform}")
                }
                _ => format!("`{name}` is not on the engine"),
            },
        }),
    }
}

/// Looks for what makes a start impossible before anything is pulled or built.
///
/// # Errors
/// An image that may not be pulled and is not there, or one name in two platforms.
pub fn check(wanted: &Wanted<'_>, observed: &Observed) -> Result<(), Error> {
    let names = Names::of(wanted);
    for service in &wanted.imaged() {
        let definition = &wanted.project.services[service];
        if definition.build.is_some() {
            names.asked(service)?;
        } else {
            origin(wanted, observed, &names, service)?;
        }
    }
    Ok(())
}

/// The services whose images are brought before the decision, because only the image that comes tells whether
/// their containers stay, or are made from the one that is there: those that take in something unpinned, and those that
/// are pulled although an image or a container is there.
///
/// # Errors
/// As [`check`].
pub fn first(wanted: &Wanted<'_>, observed: &Observed) -> Result<BTreeSet<String>, Error> {
    let containers = observed.containers.iter().filter(|own| !own.one_off);
    let running: HashSet<&String> = containers.map(|own| &own.service).collect();
    let names = Names::of(wanted);
    let mut first = BTreeSet::new();
    for service in &wanted.imaged() {
        let brought = match wanted.fingerprints.get(service) {
            Some(Fingerprinted::Known(recipe)) => recipe.unpinned.is_some(),
            Some(Fingerprinted::Missing(_)) => false,
            None => match origin(wanted, observed, &names, service)? {
                Origin::Registry { present, .. } => present.is_some() || running.contains(service),
                Origin::Built(_) | Origin::Here(_) => false,
            },
        };
        if brought {
            first.insert(service.clone());
        }
    }
    Ok(first)
}

/// The images on the engine of which it matters how old they are, each with a name that it has.
pub fn asked_ages(wanted: &Wanted<'_>, observed: &Observed) -> BTreeMap<ImageId, String> {
    let aged = wanted.services.iter().filter_map(|service| {
        let definition = &wanted.project.services[service];
        let aged = matches!(definition.pulls(), PullPolicy::Aged(_));
        let name = familiar(&wanted.project.image_name(service));
        (aged && definition.build.is_none() && !is_pinned(&name)).then_some(name)
    });
    let found = aged.filter_map(|name| {
        let mut images = observed.images.iter();
        let image = images.find(|image| is_named(image, &name))?;
        Some((image.id.clone(), name))
    });
    found.collect()
}

impl Draft<'_> {
    /// Decides about an image that the service only names.
    pub(super) fn named_image(&mut self, service: &str) -> Result<Chosen, Error> {
        let (wanted, observed) = (self.wanted, self.observed);
        let definition = &wanted.project.services[service];
        let name = familiar(&wanted.project.image_name(service));
        let asked = self.asked(service)?;
        let (outcome, cause, source, after) = match origin(wanted, observed, &self.names, service)?
        {
            Origin::Built(builder) => {
                let cause = format!("`{builder}` builds it");
                self.service(service, decided(Outcome::Reuse, cause, None));
                return Ok(self.chosen[builder].clone());
            }
            Origin::Here(image) => {
                let source = ImageSource::Id(image.id.clone());
                let cause = format!("`{name}` is on the engine");
                (Outcome::Reuse, cause, source, Vec::new())
            }
            Origin::Registry { present, cause } => {
                let step = self.pull(
                    service,
                    &name,
                    asked.map(|platform| platform.to_string()),
                    &cause,
                );
                let mut after = vec![step];
                if let PullPolicy::Aged(_) = definition.pulls() {
                    let (image, name) = (ImageSource::Step(step), name.clone());
                    let cause = "its age counts from now, whether another one came or not";
                    let action = Action::Tag { image, name };
                    after.push(self.step(Some(service), action, cause, [step]));
                }
                let source = match present {
                    Some(image) => ImageSource::Id(image.id.clone()),
                    None => ImageSource::Step(step),
                };
                (Outcome::Pull, cause, source, after)
            }
        };
        self.service(service, decided(outcome, cause, None));
        Ok(Chosen {
            source,
            after,
            fingerprint: None,
            dependencies: None,
            shadowed: None,
            stands_in: None,
        })
    }

    /// The step that pulls an image, one however many need it.
    pub(super) fn pull(
        &mut self,
        service: &str,
        image: &str,
        platform: Option<String>,
        cause: &str,
    ) -> StepId {
        let key = (image.to_owned(), platform.clone());
        if let Some(step) = self.pulls.get(&key) {
            return *step;
        }
        let action = Action::Pull {
            image: image.to_owned(),
            platform,
            expected: None,
        };
        let step = self.step(Some(service), action, cause, []);
        self.pulls.insert(key, step);
        step
    }

    /// Says what becomes of the `pull_policy` of a service whose image is built.
    pub(super) fn policy_of_built(&mut self, service: &str) {
        let definition = &self.wanted.project.services[service];
        if matches!(definition.pulls(), PullPolicy::Always | PullPolicy::Aged(_)) {
            self.plan.warnings.push(format!(
                "`pull_policy: {}` of `{service}` changes nothing: its image is built from its files, never pulled",
                definition.pull_policy.as_deref().unwrap_or_default(),
            ));
        }
    }
}

/// Whether a name can only ever mean one content: a registry's digest, or the engine's ID.
fn is_pinned(name: &str) -> bool {
    name.parse::<ImageRef>()
        .map_or(true, |image| image.digest.is_some())
}

/// Whether an image is the one a Compose file names: by tag, by digest, or by its ID.
pub(super) fn is_named(image: &Image, name: &str) -> bool {
    let by_digest = || {
        let parsed: ImageRef = name.contains('@').then(|| name.parse().ok())??;
        Some(format!("{}@{}", parsed.familiar_name(), parsed.digest?))
    };
    image.names.iter().any(|own| own == name)
        || image.id.0 == name
        || is_id(name).is_some_and(|id| image.id.0.starts_with(&format!("sha256:{id}")))
        || by_digest().is_some_and(|name| image.digests.contains(&name))
}

/// The engine's ID in a name that is nothing else: the whole of it, or the twelve digits that `docker images` shows. A name
/// without a tag has `latest` by now.
fn is_id(name: &str) -> Option<&str> {
    let id = name.strip_suffix(":latest").unwrap_or(name);
    let hex = id
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (hex && (id.len() == 12 || id.len() == 64)).then_some(id)
}
