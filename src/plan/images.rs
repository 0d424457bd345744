//! Where the image of a service with a `build` comes from: on the engine by fingerprint, resumed on a dependency
//! image, or built.

use std::collections::BTreeMap;

use super::decide::Draft;
use super::error::Error;
use super::observed::Image;
use super::offers::megabytes;
use super::step::{Action, BuilderKind, ImageSource, Outcome, ServicePlan, StepId};
use crate::fingerprint::{BaseRef, Cut, Fingerprinted, Recipe};
use crate::model::{Build, Digest, familiar, labels};

/// A service's image as far as it is known while planning.
#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) source: ImageSource,
    /// What must have happened before a container is made from it.
    pub(super) after: Vec<StepId>,
    pub(super) fingerprint: Option<Digest>,
    pub(super) dependencies: Option<Digest>,
    /// The fingerprint without what the service's bind mounts hide, where they hide something.
    pub(super) shadowed: Option<Digest>,
    /// The fingerprint of an image that stands in for the one that would be built.
    pub(super) stands_in: Option<Digest>,
}

impl Draft<'_> {
    /// Decides where a service's image comes from.
    pub(super) fn image(&mut self, service: &str) -> Result<Chosen, Error> {
        match self.wanted.fingerprints.get(service) {
            None => self.named_image(service),
            Some(fingerprinted) => {
                self.policy_of_built(service);
                match fingerprinted {
                    Fingerprinted::Known(recipe) => self.built_image(service, recipe),
                    Fingerprinted::Missing(bases) => Ok(self.unknown_image(service, bases)),
                }
            }
        }
    }

    fn built_image(&mut self, service: &str, recipe: &Recipe) -> Result<Chosen, Error> {
        let name = labels::image_name(&recipe.full);
        let asked = self.asked(service)?;
        let usable = recipe.unpinned.is_none() || self.wanted.fresh;
        let found = self
            .observed
            .image_for(labels::FINGERPRINT, &recipe.full, &name)
            .filter(|image| usable && image.fits(asked.as_ref()))
            .cloned();
        let stand_in = match found {
            None if self.wanted.containers => self.stand_in(service, recipe, asked.as_ref()),
            _ => None,
        };
        if let Some(stand_in) = stand_in {
            return Ok(self.by_stand_in(service, recipe, stand_in));
        }
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
            (None, None) => self.pull_or_build(service, recipe)?,
        };
        let after = self.names(service, recipe, found.as_ref(), &source);
        self.service(service, decided(outcome, cause, Some(recipe)));
        Ok(Chosen {
            source,
            after,
            // The key of something unpinned stays while its content moves: only the image itself tells.
            fingerprint: recipe.unpinned.is_none().then_some(recipe.full),
            dependencies: recipe.dependencies,
            shadowed: recipe.shadowed.as_ref().map(|own| own.key),
            stands_in: None,
        })
    }

    /// The pull of an image that a registry has, else its build.
    fn pull_or_build(
        &mut self,
        service: &str,
        recipe: &Recipe,
    ) -> Result<(Outcome, String, ImageSource), Error> {
        let name = labels::image_name(&recipe.full);
        let pull = match &recipe.unpinned {
            None => self.pull_offered(service, recipe, &recipe.full, name),
            Some(_) => None,
        };
        let Some(step) = pull else {
            return self.build(service, recipe);
        };
        self.images.insert(recipe.full, step);
        let bytes = self.wanted.offers.get(&recipe.full).map(|own| own.bytes);
        let cause = format!(
            "a registry has fingerprint {} ({})",
            recipe.full.short(),
            megabytes(bytes.unwrap_or_default())
        );
        Ok((Outcome::Pull, cause, ImageSource::Step(step)))
    }

    /// The build of a recipe, on dependency images where it has cuts.
    fn build(
        &mut self,
        service: &str,
        recipe: &Recipe,
    ) -> Result<(Outcome, String, ImageSource), Error> {
        let mut cause = self.miss(service, recipe);
        if let Some(doubt) = self.doubt(&recipe.full) {
            cause = format!("{cause}; {doubt}");
        }
        let (dependencies, rest) = self.builders(service, &recipe.build)?;
        let mut on = BTreeMap::new();
        let mut after = Vec::new();
        let mut builds = false;
        // Dagger starts from no image of the engine's, and keeps the layers of the whole itself.
        let cuts: &[Cut] = match rest {
            BuilderKind::Dagger => &[],
            BuilderKind::Docker => &recipe.cuts,
        };
        for cut in cuts {
            on.insert(cut.stage, cut.key);
            let name = labels::dependencies_name(&cut.key);
            let there = self
                .observed
                .image_for(labels::DEPENDENCIES, &cut.key, &name);
            if there.is_some() {
                continue;
            }
            let step = if let Some(step) = self.dependency_images.get(&cut.key) {
                *step
            } else if let Some(step) = self.pull_offered(service, recipe, &cut.key, name) {
                self.dependency_images.insert(cut.key, step);
                step
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
            let action = &self.plan.steps[step.0].action;
            builds |= matches!(action, Action::BuildDependencies { .. });
            after.push(step);
        }
        let outcome = if on.is_empty() || builds {
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
        let label = |key: &str| {
            let value = last.and_then(|image| image.labels.get(key));
            value.filter(|value| !value.is_empty())
        };
        let why = match (
            label(labels::FINGERPRINT),
            label(labels::DEPENDENCIES),
            recipe.dependencies,
        ) {
            (Some(_), Some(before), Some(now)) if *before == now.to_string() => {
                format!("its source changed, its dependencies did not (fingerprint {fingerprint})")
            }
            (Some(_), Some(_), _) => {
                format!("its dependencies changed (fingerprint {fingerprint})")
            }
            (Some(_), None, _) => format!("its inputs changed (fingerprint {fingerprint})"),
            (None, ..) if last.is_some() => {
                format!(
                    "larder did not build `{name}`, so what is in it is not known (fingerprint {fingerprint})"
                )
            }
            (None, ..) => format!("no image with fingerprint {fingerprint} on the engine"),
        };
        match self.wanted.changes.get(service) {
            Some(change) if change.a_lock_would_hold() => {
                format!("{why}: {change}; `larder lock` pins it")
            }
            Some(change) => format!("{why}: {change}"),
            None => why,
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
            if !self.gives(service, recipe, &name)
                || found.is_some_and(|image| image.names.contains(&name))
            {
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

    /// Whether a service's image gets a name. Not one that the service starts from, which would be another base for the next
    /// build; and not one that another service gives to another image.
    fn gives(&mut self, service: &str, recipe: &Recipe, name: &str) -> bool {
        let grows = |maker: &str| match self.wanted.fingerprints.get(maker) {
            Some(Fingerprinted::Known(recipe)) => {
                let mut bases = recipe.bases.iter();
                bases.any(|(base, _)| base.familiar() == name)
            }
            _ => false,
        };
        let makers = self.names.makers(name).iter().copied();
        let giver = makers.clone().find(|maker| !grows(maker));
        let warning = match giver {
            Some(giver) if giver == service || self.is_same(giver, service, recipe) => return true,
            Some(giver) => format!(
                "`{giver}` and `{service}` build different images of one name, `{name}`: it is given to that of `{giver}`"
            ),
            // As a context it goes by its name.
            None if self.wanted.project.contexts().any(|own| own == service) => return true,
            None => format!(
                "what `{service}` builds is not called `{name}`: it starts from an image of that name, and would grow \
                 with every build"
            ),
        };
        self.plan.warnings.push(warning);
        false
    }

    /// Whether another service builds the same image.
    fn is_same(&self, other: &str, service: &str, recipe: &Recipe) -> bool {
        if let Some(Fingerprinted::Known(known)) = self.wanted.fingerprints.get(other) {
            return known.full == recipe.full;
        }
        let services = &self.wanted.project.services;
        let image = |name: &str| {
            let service = &services[name];
            let mut build = service.build.clone().unwrap_or_default();
            build.tags.clear();
            (build, service.platform.clone())
        };
        image(other) == image(service)
    }

    /// An image whose bases are not on the engine: its fingerprint is known once they are built or pulled.
    fn unknown_image(&mut self, service: &str, bases: &[BaseRef]) -> Chosen {
        let made = bases.iter().find_map(|base| {
            let mut makers = self.names.makers(&base.image.familiar()).iter();
            Some((base, *makers.find(|maker| **maker != service)?))
        });
        let (cause, after) = if let Some((base, maker)) = made {
            let cause = format!("its base {base} is built first, by service `{maker}`");
            let maker = self.chosen.get(maker);
            (cause, maker.map_or_else(Vec::new, |own| own.after.clone()))
        } else {
            let names: Vec<String> = bases.iter().map(ToString::to_string).collect();
            let cause = format!(
                "its base image {} is not on the engine yet",
                names.join(", ")
            );
            (cause, self.pull_bases(service, bases))
        };
        self.service(service, decided(Outcome::Build, cause, None));
        Chosen {
            source: ImageSource::Unknown,
            after,
            fingerprint: None,
            dependencies: None,
            shadowed: None,
            stands_in: None,
        }
    }

    fn pull_bases(&mut self, service: &str, bases: &[BaseRef]) -> Vec<StepId> {
        let pull = |base: &BaseRef| {
            let cause = "its fingerprint is known when its base image is";
            let platform = base.platform.as_ref().map(ToString::to_string);
            self.pull(service, &base.wanted().familiar(), platform, cause)
        };
        bases.iter().map(pull).collect()
    }
}

pub(super) fn decided(image: Outcome, cause: String, recipe: Option<&Recipe>) -> ServicePlan {
    ServicePlan {
        image,
        cause,
        fingerprint: recipe.map(|recipe| recipe.full),
        dependencies: recipe.and_then(|recipe| recipe.dependencies),
        shadowed: None,
        containers: Vec::new(),
    }
}

pub(super) fn step_of(source: &ImageSource) -> Vec<StepId> {
    match source {
        ImageSource::Id(_) | ImageSource::Unknown => Vec::new(),
        ImageSource::Step(step) => vec![*step],
    }
}

/// The first attribute of a build section that Dagger's `dockerBuild` has no input for (API 0.21).
pub fn beyond_dagger(build: &Build) -> Option<String> {
    let fixed = [
        ("network", build.network.is_some()),
        ("extra_hosts", !build.extra_hosts.is_empty()),
        ("shm_size", build.shm_size.is_some()),
        ("ulimits", !build.ulimits.is_empty()),
        ("no_cache", build.no_cache),
        ("additional_contexts", !build.additional_contexts.is_empty()),
        // It hands one agent on, whatever the id that a RUN asks for.
        ("ssh (of more than one agent)", build.ssh.len() > 1),
    ];
    // `pull` is done before anybody builds.
    let other = build
        .other
        .keys()
        .find(|key| !key.starts_with("x-") && *key != "pull");
    fixed
        .into_iter()
        .find_map(|(name, set)| set.then(|| name.to_owned()))
        .or_else(|| other.cloned())
}
