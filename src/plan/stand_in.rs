//! Images that differ from the one that would be built in nothing but what the service's bind mounts hide. A container
//! runs on any of them; a build, a name that people push and another service's base take the image itself.

use super::decide::Draft;
use super::images::{Chosen, decided};
use super::observed::{Container, Image, Observed};
use super::step::{Action, ImageSource, Outcome};
use crate::fingerprint::{Platform, Recipe};
use crate::model::{Digest, familiar, labels};

/// The images that may stand in for a service's, those of its own containers first.
pub(super) fn stand_ins<'a>(
    observed: &'a Observed,
    service: &str,
    recipe: &Recipe,
) -> Vec<(&'a Image, Digest)> {
    let Some(shadowed) = recipe
        .shadowed
        .as_ref()
        .filter(|_| recipe.unpinned.is_none())
    else {
        return Vec::new();
    };
    let key = shadowed.key.to_string();
    let is_made = |container: &&Container| {
        container.service == service
            && !container.one_off
            && container.labels.contains_key(labels::CONFIG)
            && container.labels.get(labels::SHADOWED) == Some(&key)
    };
    let made: Vec<&Container> = observed.containers.iter().filter(is_made).collect();
    let is_used = |image: &Image| made.iter().any(|own| own.image == image.id);
    let known = observed.images.iter().filter_map(|image| {
        let fingerprint = image.labels.get(labels::FINGERPRINT)?.parse().ok()?;
        let name = labels::image_name(&fingerprint);
        let is_ours = image.is_for(labels::FINGERPRINT, &fingerprint, &name);
        let same = image.labels.get(labels::SHADOWED) == Some(&key) || is_used(image);
        (is_ours && same).then_some((image, fingerprint))
    });
    let mut known: Vec<(&Image, Digest)> = known.collect();
    // docker compose makes its containers from the one that has the name; they stay, too.
    let all = observed.containers.iter();
    let own: Vec<&Container> = all
        .filter(|own| own.service == service && !own.one_off)
        .collect();
    let is_there = |image: &Image| own.iter().any(|own| own.image == image.id);
    known.sort_by_key(|(image, fingerprint)| (!is_used(image), !is_there(image), *fingerprint));
    known
}

impl Draft<'_> {
    /// An image on the engine that may stand in for a service's.
    pub(super) fn stand_in(
        &self,
        service: &str,
        recipe: &Recipe,
        asked: Option<&Platform>,
    ) -> Option<(Image, Digest)> {
        let all = stand_ins(self.observed, service, recipe).into_iter();
        let mut fitting = all.filter(|(image, _)| image.fits(asked));
        let (image, fingerprint) = fitting.next()?;
        Some((image.clone(), fingerprint))
    }

    /// A service on a stand-in. Only docker compose's own name, where nothing has it, is given to such an image.
    pub(super) fn by_stand_in(
        &mut self,
        service: &str,
        recipe: &Recipe,
        (image, fingerprint): (Image, Digest),
    ) -> Chosen {
        let reason = recipe.shadowed.as_ref().map(ToString::to_string);
        let cause = format!(
            "image {} will do ({} would be built): {}",
            image.id.short(),
            recipe.full.short(),
            reason.as_deref().unwrap_or_default()
        );
        let source = ImageSource::Id(image.id);
        let name = familiar(&self.wanted.project.image_name(service));
        let mut after = Vec::new();
        if self.observed.image_named(&name).is_none() {
            let image = source.clone();
            let action = Action::Tag { image, name };
            let cause = "docker compose and people call it that";
            after.push(self.step(Some(service), action, cause, []));
        }
        let mut plan = decided(Outcome::Reuse, cause, Some(recipe));
        plan.shadowed = reason;
        self.service(service, plan);
        Chosen {
            source,
            after,
            fingerprint: Some(recipe.full),
            dependencies: recipe.dependencies,
            shadowed: recipe.shadowed.as_ref().map(|own| own.key),
            stands_in: Some(fingerprint),
        }
    }
}
