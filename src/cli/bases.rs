//! The images that builds start from: looked up on the engine for the platform of the build, and pulled where it
//! does not have them, or where `build.pull` asks for what the registry has now.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use super::carry_out::carry_out;
use super::invocation::Invocation;
use super::prepare::Prepared;
use crate::docker::FoundBase;
use crate::failure::Failure;
use crate::fingerprint::{Base, BaseRef, Fingerprinted};
use crate::model::ImageRef;
use crate::plan::{Action, Plan};

/// What is known of base images, and how it came to be known.
#[derive(Default)]
pub(super) struct Bases {
    pub(super) known: BTreeMap<BaseRef, Base>,
    /// Those that are pulled although they are there.
    renewed: BTreeSet<BaseRef>,
    pulled: BTreeSet<BaseRef>,
    /// Those that another service would build first, where nothing is built now.
    pub(super) unbuilt: BTreeSet<BaseRef>,
    /// Those that are wanted for several platforms, of which the engine has one under the name.
    contested: BTreeSet<ImageRef>,
    /// What a person should know.
    notes: Vec<String>,
}

impl Bases {
    /// Has images pulled once in this run, although they are there.
    pub(super) fn renew(&mut self, images: impl IntoIterator<Item = BaseRef>) {
        self.renewed.extend(images);
    }

    /// Whether anything was pulled.
    pub(super) fn pulled(&self) -> bool {
        !self.pulled.is_empty()
    }

    /// Takes their keys from images of which nobody knows what they start from: the builder finds the other
    /// platform in a registry, at the time of the build.
    pub(super) fn mark(&self, recipes: &mut BTreeMap<String, Fingerprinted>) {
        for recipe in recipes.values_mut() {
            let Fingerprinted::Known(recipe) = recipe else {
                continue;
            };
            let mut images = recipe.bases.iter().map(|(image, _)| image);
            let Some(image) = images.find(|image| self.contested.contains(*image)) else {
                continue;
            };
            let why =
                format!("`{image}` is wanted for two platforms, and the engine has it for one");
            recipe.unpinned.get_or_insert(why);
            recipe.cuts.clear();
            recipe.dependencies = None;
            recipe.shadowed = None;
        }
    }

    /// Takes in what was found of the images that are not known yet; those that must be pulled, one platform of
    /// each at a time, since an engine may keep but one.
    fn take(&mut self, found: Vec<(BaseRef, Option<FoundBase>)>) -> Vec<BaseRef> {
        let (fitting, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|(wanted, found)| {
            let stale = self.renewed.contains(wanted) && !self.pulled.contains(wanted);
            !stale && found.as_ref().is_some_and(|found| found.fits)
        });
        let base = |(wanted, found): (BaseRef, Option<FoundBase>)| Some((wanted, found?.base));
        self.known.extend(fitting.into_iter().filter_map(base));
        let mut due: Vec<BaseRef> = Vec::new();
        for (wanted, found) in others {
            let same = |other: &BaseRef| other.image == wanted.image;
            match found {
                Some(found) if self.known.keys().any(same) => {
                    self.contested.insert(wanted.image.clone());
                    self.known.insert(wanted, found.base);
                }
                // BuildKit takes it too. The next run cannot know that, and pulls again.
                Some(found) if self.pulled.contains(&wanted) => {
                    self.notes.push(odd(&wanted, &found));
                    self.known.insert(wanted, found.base);
                }
                _ if due.iter().any(same) => {}
                _ => due.push(wanted),
            }
        }
        due
    }
}

/// What to say of a base that was pulled just now and is for another platform than the engine's.
fn odd(wanted: &BaseRef, found: &FoundBase) -> String {
    let has = found
        .platform
        .as_ref()
        .map_or_else(String::new, |own| format!(" for {own}"));
    format!(
        "a registry has {wanted}{has} only, so it is pulled at each start; a `platform` of the service that says so \
         ends that"
    )
}

impl Prepared {
    /// Finds out what is to be known of base images, pulling what must be where the goal says so.
    pub(super) async fn bring(
        &self,
        invocation: &Invocation,
        bases: &mut Bases,
        wanted: &BTreeSet<BaseRef>,
    ) -> Result<(), Failure> {
        if !self.goal.acts && !bases.renewed.is_empty() {
            let names: BTreeSet<String> = std::mem::take(&mut bases.renewed)
                .iter()
                .map(ToString::to_string)
                .collect();
            invocation.warning(&format!(
                "whether a registry has a newer {} is not looked at here; `larder up` pulls it first, as `build.pull` says",
                Vec::from_iter(names).join(", ")
            ));
        }
        loop {
            let open = wanted
                .iter()
                .filter(|base| !bases.known.contains_key(*base));
            let looks = open
                .map(async |base| Ok::<_, Failure>((base.clone(), self.engine.base(base).await?)));
            let found = try_join_all(looks).await?;
            let causes: BTreeMap<BaseRef, bool> = found
                .iter()
                .map(|(base, found)| (base.clone(), found.is_some()))
                .collect();
            let due = bases.take(found);
            for note in std::mem::take(&mut bases.notes) {
                invocation.warning(&note);
            }
            if due.is_empty() || !self.goal.acts {
                return Ok(());
            }
            let mut pulls = Plan::default();
            for base in &due {
                let cause = match (causes.get(base), bases.renewed.contains(base)) {
                    (_, true) => "`build.pull` asks for the newest",
                    (Some(true), _) => {
                        "a Dockerfile starts from it, and the engine has it for another platform"
                    }
                    _ => "a Dockerfile starts from it, and it is not on the engine",
                };
                let pull = Action::Pull {
                    image: base.image.familiar(),
                    platform: base.platform.as_ref().map(ToString::to_string),
                };
                pulls.add(None, pull, cause, Vec::new());
            }
            carry_out(invocation, self, &pulls, None).await?;
            bases.pulled.extend(due);
        }
    }
}
