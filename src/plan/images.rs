//! Where each service's image comes from: on the engine by fingerprint, resumed on a dependency image, built,
//! or pulled.

use std::collections::BTreeMap;

use super::decide::{Draft, Error};
use super::observed::Image;
use super::step::{Action, BuilderKind, ImageSource, Outcome, ServicePlan, StepId};
use crate::fingerprint::{Fingerprinted, Recipe};
use crate::model::{Build, Digest, ImageRef, labels};

/// A service's image as far as it is known while planning.
#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) source: ImageSource,
    /// What must have happened before a container is made from it.
    pub(super) after: Vec<StepId>,
    pub(super) fingerprint: Option<Digest>,
    pub(super) dependencies: Option<Digest>,
}

impl Draft<'_> {
    /// Decides where a service's image comes from.
    pub(super) fn image(&mut self, service: &str) -> Result<Chosen, Error> {
        match self.wanted.fingerprints.get(service) {
            None => self.named_image(service),
            Some(Fingerprinted::Known(recipe)) => self.built_image(service, recipe),
            Some(Fingerprinted::Missing(bases)) => Ok(self.unknown_image(service, bases)),
        }
    }

    fn named_image(&mut self, service: &str) -> Result<Chosen, Error> {
        let wanted = self.wanted;
        let definition = &wanted.project.services[service];
        let name = familiar(&wanted.project.image_name(service));
        let builder = self.chosen.iter().find(|(other, _)| {
            wanted.fingerprints.contains_key(*other)
                && familiar(&wanted.project.image_name(other)) == name
        });
        if let Some((builder, chosen)) = builder {
            let (cause, chosen) = (format!("`{builder}` builds it"), chosen.clone());
            self.service(service, decided(Outcome::Reuse, cause, None));
            return Ok(chosen);
        }
        let policy = definition.pull_policy.as_deref().unwrap_or("missing");
        let found = self
            .observed
            .images
            .iter()
            .find(|image| is_named(image, &name));
        let (outcome, cause, source) = match (found, policy) {
            (Some(image), policy) if policy != "always" => (
                Outcome::Reuse,
                format!("`{name}` is on the engine"),
                ImageSource::Id(image.id.clone()),
            ),
            (None, "never") => {
                return Err(Error::NeverPulled {
                    service: service.to_owned(),
                    image: name,
                });
            }
            (found, _) => {
                let cause = match found {
                    Some(_) => "`pull_policy` says always".to_owned(),
                    None => format!("`{name}` is not on the engine"),
                };
                let step = self.pull(service, &name, definition.platform.as_ref(), &cause);
                (Outcome::Pull, cause, ImageSource::Step(step))
            }
        };
        self.service(service, decided(outcome, cause, None));
        Ok(Chosen {
            after: step_of(&source),
            source,
            fingerprint: None,
            dependencies: None,
        })
    }

    fn pull(
        &mut self,
        service: &str,
        image: &str,
        platform: Option<&String>,
        cause: &str,
    ) -> StepId {
        if let Some(step) = self.pulls.get(image) {
            return *step;
        }
        let action = Action::Pull {
            image: image.to_owned(),
            platform: platform.cloned(),
        };
        let step = self.step(Some(service), action, cause, []);
        self.pulls.insert(image.to_owned(), step);
        step
    }

    fn built_image(&mut self, service: &str, recipe: &Recipe) -> Result<Chosen, Error> {
        let name = labels::image_name(&recipe.full);
        let usable = recipe.unpinned.is_none() || self.wanted.fresh;
        let found = self
            .observed
            .images
            .iter()
            .find(|image| usable && image.is_for(labels::FINGERPRINT, &recipe.full, &name))
            .cloned();
        let (outcome, cause, source) = match (&found, self.images.get(&recipe.full)) {
            (Some(image), _) => {
                let cause = format!(
                    "image {} has fingerprint {}",
                    image.id.short(),
                    recipe.full.short()
                );
                (Outcome::Reuse, cause, ImageSource::Id(image.id.clone()))
            }
            (None, Some(step)) => {
                let cause = "another service of this run has the same fingerprint".to_owned();
                (Outcome::Reuse, cause, ImageSource::Step(*step))
            }
            (None, None) => self.build(service, recipe)?,
        };
        let after = self.names(service, recipe, found.as_ref(), &source);
        self.service(service, decided(outcome, cause, Some(recipe)));
        Ok(Chosen {
            source,
            after,
            // The key of something unpinned stays while its content moves: only the image itself tells.
            fingerprint: recipe.unpinned.is_none().then_some(recipe.full),
            dependencies: recipe.dependencies,
        })
    }

    /// The build of a recipe, on dependency images where it has cuts.
    fn build(
        &mut self,
        service: &str,
        recipe: &Recipe,
    ) -> Result<(Outcome, String, ImageSource), Error> {
        let cause = self.miss(service, recipe);
        let (dependencies, rest) = self.builders(service, &recipe.build)?;
        let mut on = BTreeMap::new();
        let mut after = Vec::new();
        for cut in &recipe.cuts {
            on.insert(cut.stage, cut.key);
            let name = labels::dependencies_name(&cut.key);
            let there = self
                .observed
                .images
                .iter()
                .any(|image| image.is_for(labels::DEPENDENCIES, &cut.key, &name));
            if there {
                continue;
            }
            let step = if let Some(step) = self.dependency_images.get(&cut.key) {
                *step
            } else {
                let action = Action::BuildDependencies {
                    recipe: service.to_owned(),
                    stage: cut.stage,
                    key: cut.key,
                    builder: dependencies,
                };
                let cause = format!("no dependency image {} on the engine", cut.key.short());
                let step = self.step(Some(service), action, cause, []);
                self.dependency_images.insert(cut.key, step);
                step
            };
            after.push(step);
        }
        let outcome = if on.is_empty() || !after.is_empty() {
            Outcome::Build
        } else {
            Outcome::Resume
        };
        let action = Action::Build {
            recipe: service.to_owned(),
            fingerprint: recipe.full,
            on,
            builder: rest,
        };
        let step = self.step(Some(service), action, cause.clone(), after);
        self.images.insert(recipe.full, step);
        Ok((outcome, cause, ImageSource::Step(step)))
    }

    /// Why no image has the fingerprint: what the service's last image tells.
    fn miss(&self, service: &str, recipe: &Recipe) -> String {
        if let Some(unpinned) = &recipe.unpinned {
            return format!("it is built each time: {unpinned}");
        }
        let fingerprint = recipe.full.short();
        let name = familiar(&self.wanted.project.image_name(service));
        let last = self.observed.image_named(&name);
        let label = |key: &str| last.and_then(|image| image.labels.get(key));
        match (
            label(labels::FINGERPRINT),
            label(labels::DEPENDENCIES),
            recipe.dependencies,
        ) {
            (Some(_), Some(before), Some(now)) if *before == now.to_string() => {
                format!("its source changed, its dependencies did not ({fingerprint})")
            }
            (Some(_), Some(_), _) => format!("its dependencies changed ({fingerprint})"),
            (Some(_), None, _) => format!("its inputs changed ({fingerprint})"),
            (None, ..) if last.is_some() => {
                format!(
                    "larder did not build `{name}`, so what is in it is not known ({fingerprint})"
                )
            }
            (None, ..) => format!("no image with fingerprint {fingerprint} on the engine"),
        }
    }

    /// Who builds the dependency images and the rest of a service.
    fn builders(
        &mut self,
        service: &str,
        build: &Build,
    ) -> Result<(BuilderKind, BuilderKind), Error> {
        let builders = self.wanted.builders;
        let dagger =
            builders.dependencies == BuilderKind::Dagger || builders.rest == BuilderKind::Dagger;
        match beyond_dagger(build) {
            Some(attribute) if dagger && builders.strict => Err(Error::BeyondDagger {
                service: service.to_owned(),
                attribute,
            }),
            Some(attribute) if dagger => {
                self.plan.warnings.push(format!(
                    "the engine's BuildKit builds `{service}`: Dagger has no input for `build.{attribute}`"
                ));
                Ok((BuilderKind::Docker, BuilderKind::Docker))
            }
            _ => Ok((builders.dependencies, builders.rest)),
        }
    }

    /// The names that a built image has besides larder's own: docker compose's, and those of `build.tags`.
    fn names(
        &mut self,
        service: &str,
        recipe: &Recipe,
        found: Option<&Image>,
        source: &ImageSource,
    ) -> Vec<StepId> {
        let own = self.wanted.project.image_name(service);
        let mut after = step_of(source);
        let build = after.clone();
        for name in std::iter::once(&own).chain(&recipe.build.tags) {
            let name = familiar(name);
            if found.is_some_and(|image| image.names.contains(&name)) {
                continue;
            }
            let action = Action::Tag {
                image: source.clone(),
                name,
            };
            let cause = "docker compose and people call it that";
            after.push(self.step(Some(service), action, cause, build.iter().copied()));
        }
        after
    }

    /// An image whose bases are not on the engine: its fingerprint is known once they are pulled.
    fn unknown_image(&mut self, service: &str, bases: &[ImageRef]) -> Chosen {
        let after: Vec<StepId> = bases
            .iter()
            .map(|base| {
                let cause = "its fingerprint is known when its base image is";
                self.pull(service, &base.familiar(), None, cause)
            })
            .collect();
        let names = bases
            .iter()
            .map(|base| format!("`{base}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let cause = format!("its base image {names} is not on the engine yet");
        self.service(service, decided(Outcome::Build, cause, None));
        let source = ImageSource::Step(after.first().copied().unwrap_or(StepId(0)));
        Chosen {
            source,
            after,
            fingerprint: None,
            dependencies: None,
        }
    }
}

fn decided(image: Outcome, cause: String, recipe: Option<&Recipe>) -> ServicePlan {
    ServicePlan {
        image,
        cause,
        fingerprint: recipe.map(|recipe| recipe.full),
        dependencies: recipe.and_then(|recipe| recipe.dependencies),
        containers: Vec::new(),
    }
}

fn step_of(source: &ImageSource) -> Vec<StepId> {
    match source {
        ImageSource::Id(_) => Vec::new(),
        ImageSource::Step(step) => vec![*step],
    }
}

/// The name under which the engine lists an image; what does not parse was refused when the file was read.
fn familiar(name: &str) -> String {
    name.parse::<ImageRef>()
        .map_or_else(|_| name.to_owned(), |image| image.familiar())
}

/// Whether an image is the one a Compose file names: by tag, by digest, or by its ID.
fn is_named(image: &Image, name: &str) -> bool {
    let by_digest = || {
        let parsed: ImageRef = name.parse().ok()?;
        Some(format!("{}@{}", parsed.familiar_name(), parsed.digest?))
    };
    image.names.iter().any(|own| own == name)
        || image.id.0 == name
        || by_digest().is_some_and(|name| image.digests.contains(&name))
}

/// The first attribute of a build section that Dagger's `dockerBuild` has no input for (API 0.21).
fn beyond_dagger(build: &Build) -> Option<String> {
    let fixed = [
        ("network", build.network.is_some()),
        ("extra_hosts", !build.extra_hosts.is_empty()),
        ("shm_size", build.shm_size.is_some()),
        ("ulimits", !build.ulimits.is_empty()),
        ("no_cache", build.no_cache),
    ];
    let other = build.other.keys().find(|key| !key.starts_with("x-"));
    fixed
        .into_iter()
        .find_map(|(name, set)| set.then(|| name.to_owned()))
        .or_else(|| other.cloned())
}
