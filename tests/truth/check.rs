//! One example held against the engine, as it is and edited.

use std::collections::BTreeSet;

use larder::fingerprint::Recipe;
use larder::model::Project;

use crate::dockerfile::Dockerfile;
use crate::engine::Engine;
use crate::example::{Example, Written};
use crate::fingerprint;
use crate::image::Image;

/// What both sides make of an example.
pub(crate) struct Sides {
    pub(crate) truth: Result<Image, String>,
    pub(crate) larder: Result<Recipe, String>,
    dockerfile: Dockerfile,
    project: Project,
    /// The recipe's files.
    _written: Written,
}

/// What a pair of builds shows.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// Equal fingerprints, equal images.
    Hit,
    /// Both differ.
    Miss,
    /// Equal fingerprints, and these differences.
    FalseHit(Vec<String>),
    /// The fingerprints differ, the images do not.
    FalseMiss,
    /// The engine does not build the edited example: no pair.
    NoImage,
    /// The engine builds it, and larder does not.
    Refused(String),
}

impl Verdict {
    /// Whether it is a bug.
    pub(crate) fn is_wrong(&self) -> bool {
        matches!(self, Self::FalseHit(_) | Self::Refused(_))
    }
}

/// Builds an example, and fingerprints it.
pub(crate) async fn look(engine: &Engine, example: &Example) -> Sides {
    let written = example.write(engine.folder.path()).unwrap();
    if let Some((name, base)) = example.moved() {
        engine.name(base, &name).await;
    }
    let project = fingerprint::project(example, &written);
    let larder = fingerprint::recipe(engine, &project).await;
    let truth = engine.truth(example, &written).await;
    Sides {
        truth,
        larder,
        dockerfile: example.dockerfile.clone(),
        project,
        _written: written,
    }
}

impl Sides {
    /// Whether the engine builds an example that larder refuses.
    pub(crate) fn refused(&self) -> Option<&String> {
        self.larder.as_ref().err().filter(|_| self.truth.is_ok())
    }

    /// What differs between the image that larder builds, on dependency images where it has cuts, and the whole one.
    pub(crate) async fn differs_from_larders(&self, engine: &Engine) -> Option<Vec<String>> {
        let (Ok(truth), Ok(recipe)) = (&self.truth, &self.larder) else {
            return None;
        };
        match fingerprint::build(engine, &self.project, recipe).await? {
            Ok(image) => Some(truth.difference(&image)),
            Err(why) => Some(vec![format!("larder does not build it: {why}")]),
        }
    }
}

/// Compares an example with an edited one.
pub(crate) fn judge(before: &Sides, after: &Sides) -> Verdict {
    let (Ok(truth), Ok(recipe)) = (&before.truth, &before.larder) else {
        return Verdict::NoImage;
    };
    let equal = |other: &Recipe| {
        recipe.full == other.full && recipe.unpinned.is_none() && other.unpinned.is_none()
    };
    match (&after.truth, &after.larder) {
        (Ok(image), Ok(other)) => {
            let difference = truth.difference(image);
            match (equal(other), difference.is_empty()) {
                (true, true) => Verdict::Hit,
                (true, false) => Verdict::FalseHit(difference),
                (false, true) => Verdict::FalseMiss,
                (false, false) => Verdict::Miss,
            }
        }
        // A fault in a stage that the target does not need ends docker's build, and is in no image.
        (Err(_), Ok(_)) if only_beside_the_target(recipe, before, after) => Verdict::NoImage,
        (Err(why), Ok(other)) if equal(other) => {
            Verdict::FalseHit(vec![format!("the edited one is not built: {why}")])
        }
        (Err(_), _) => Verdict::NoImage,
        (Ok(_), Err(words)) => Verdict::Refused(words.clone()),
    }
}

/// Whether the Dockerfiles differ in stages alone that the target does not need.
fn only_beside_the_target(recipe: &Recipe, before: &Sides, after: &Sides) -> bool {
    let (one, other) = (&before.dockerfile, &after.dockerfile);
    let needed: BTreeSet<usize> = recipe.chain.iter().map(|link| link.stage).collect();
    let same = |number: &usize| one.stages.get(*number) == other.stages.get(*number);
    one != other && one.globals == other.globals && needed.iter().all(same)
}
