//! Images that are not on the engine and that a registry may have under their keys: which are asked for, and what becomes of
//! those that it has. And the other way: which of a run's images a registry lacks.

use std::collections::BTreeSet;

use super::decide::{Draft, Wanted};
use super::observed::Observed;
use super::stand_in::stand_ins;
use super::step::{Action, BuilderKind, Expected, ImageSource, StepId};
use crate::fingerprint::{Cut, Fingerprinted, Recipe};
use crate::model::{Digest, ImageId, Repository, labels, short_name};

/// An image that a registry has under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name, with the digest by which it is pulled.
    pub image: String,
    /// What engines may take for its ID.
    pub ids: Vec<ImageId>,
    /// Bytes to be pulled by who has none of it.
    pub bytes: u64,
    /// Why it is not taken, where it is not.
    pub doubt: Option<String>,
}

/// What a registry is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sought {
    /// The service that needs it.
    pub service: String,
    /// Its full fingerprint, or the key of a cut.
    pub key: Digest,
    /// Whether it is the image of a cut.
    pub is_dependencies: bool,
}

impl Sought {
    /// The name that only larder gives to the image.
    pub fn name(&self) -> String {
        if self.is_dependencies {
            labels::dependencies_name(&self.key)
        } else {
            labels::image_name(&self.key)
        }
    }
}

/// Where a run's images are pushed, and which of them are not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The repository, where there is one.
    pub to: Option<Repository>,
    /// The keys that it lacks.
    pub missing: BTreeSet<Digest>,
    /// Whether dependency images are built for it that nothing else needs.
    pub all: bool,
    /// Whether all of them come to the engine, whatever is missing there.
    pub here: bool,
}

/// What registries are asked for: the images that are not on the engine, and what a build of them would start from.
pub fn asked_keys(wanted: &Wanted<'_>, observed: &Observed) -> BTreeSet<Sought> {
    let mut asked = BTreeSet::new();
    for service in wanted.imaged() {
        let Some(Fingerprinted::Known(recipe)) = wanted.fingerprints.get(&service) else {
            continue;
        };
        let name = labels::image_name(&recipe.full);
        let is_here = observed
            .image_for(labels::FINGERPRINT, &recipe.full, &name)
            .is_some();
        // A container runs on one that differs in nothing that it sees.
        let stands_in = wanted.containers && !stand_ins(observed, &service, recipe).is_empty();
        if recipe.unpinned.is_some() || is_here || stands_in {
            continue;
        }
        asked.insert(Sought {
            service: service.clone(),
            key: recipe.full,
            is_dependencies: false,
        });
        for cut in &recipe.cuts {
            let name = labels::dependencies_name(&cut.key);
            if observed
                .image_for(labels::DEPENDENCIES, &cut.key, &name)
                .is_none()
            {
                asked.insert(Sought {
                    service: service.clone(),
                    key: cut.key,
                    is_dependencies: true,
                });
            }
        }
    }
    asked
}

/// What a pull brings at most, for a person.
pub(super) fn megabytes(bytes: u64) -> String {
    if bytes < 10_000_000 {
        let tenths = bytes.div_ceil(100_000);
        format!("{}.{} MB", tenths / 10, tenths % 10)
    } else {
        format!("{} MB", (bytes + 500_000) / 1_000_000)
    }
}

impl Draft<'_> {
    /// The step that pulls the image of a key, where a registry has it and it is taken.
    pub(super) fn pull_offered(
        &mut self,
        service: &str,
        recipe: &Recipe,
        key: &Digest,
        name: String,
    ) -> Option<StepId> {
        let offer = self.wanted.offers.get(key)?;
        if offer.doubt.is_some() {
            return None;
        }
        let action = Action::Pull {
            image: offer.image.clone(),
            platform: recipe.platform.clone(),
            expected: Some(Expected {
                ids: offer.ids.clone(),
                name,
            }),
        };
        let cause = format!(
            "it has the key {}, and is not on the engine ({})",
            key.short(),
            megabytes(offer.bytes)
        );
        Some(self.step(Some(service), action, cause, []))
    }

    /// What is said of an image that a registry has and that is not taken.
    pub(super) fn doubt(&self, key: &Digest) -> Option<String> {
        let offer = self.wanted.offers.get(key)?;
        let doubt = offer.doubt.as_ref()?;
        Some(format!(
            "{} is not taken: {doubt}",
            short_name(&offer.image)
        ))
    }

    /// Pushes what the services' repositories lack: dependency images first, so that where the full image is, they are.
    pub(super) fn push(&mut self, service: &str) {
        let Some(push) = self.wanted.pushes.get(service) else {
            return;
        };
        let Some(Fingerprinted::Known(recipe)) = self.wanted.fingerprints.get(service) else {
            return;
        };
        let mut after = Vec::new();
        for cut in &recipe.cuts {
            let missing = push.missing.contains(&cut.key);
            if !missing && !push.here {
                continue;
            }
            let source = self.dependency_source(service, recipe, cut, push.all);
            if let (Some(source), Some(to), true) = (source, &push.to, missing) {
                let name = to.dependencies(&cut.key).familiar();
                after.push(self.push_to(service, source, name, &[]));
            }
        }
        let chosen = self.chosen.get(service);
        let source = chosen.filter(|own| own.fingerprint == Some(recipe.full));
        if let Some(source) = source.map(|own| own.source.clone())
            && let Some(to) = push
                .to
                .as_ref()
                .filter(|_| push.missing.contains(&recipe.full))
        {
            let name = to.image(&recipe.full).familiar();
            self.push_to(service, source, name, &after);
        }
    }

    /// Where the image of a cut is found, or made where it is wanted for itself.
    fn dependency_source(
        &mut self,
        service: &str,
        recipe: &Recipe,
        cut: &Cut,
        made: bool,
    ) -> Option<ImageSource> {
        if let Some(step) = self.dependency_images.get(&cut.key) {
            return Some(ImageSource::Step(*step));
        }
        let name = labels::dependencies_name(&cut.key);
        let here = self
            .observed
            .image_for(labels::DEPENDENCIES, &cut.key, &name);
        if let Some(here) = here {
            return Some(ImageSource::Id(here.id.clone()));
        }
        if !made {
            return None;
        }
        if let Some(step) = self.pull_offered(service, recipe, &cut.key, name) {
            self.dependency_images.insert(cut.key, step);
            return Some(ImageSource::Step(step));
        }
        let builders = self.wanted.builders;
        if builders.rest == BuilderKind::Dagger {
            return None;
        }
        let action = Action::BuildDependencies {
            recipe: service.to_owned(),
            stage: cut.stage,
            key: cut.key,
            builder: builders.dependencies,
        };
        let step = self.step(Some(service), action, "others build on it", []);
        self.dependency_images.insert(cut.key, step);
        Some(ImageSource::Step(step))
    }

    fn push_to(
        &mut self,
        service: &str,
        image: ImageSource,
        name: String,
        after: &[StepId],
    ) -> StepId {
        if let Some(step) = self.pushed.get(&name) {
            return *step;
        }
        let mut needs = super::images::step_of(&image);
        needs.extend(after);
        let action = Action::Push {
            image,
            name: name.clone(),
        };
        let step = self.step(
            Some(service),
            action,
            "the registry does not have it",
            needs,
        );
        self.pushed.insert(name, step);
        step
    }
}
