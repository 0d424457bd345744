//! The images that builds start from: looked up on the engine for the platform of the build, and pulled where it
//! does not have them, or where `build.pull` asks for what the registry has now.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use super::base_memory::BaseMemory;
use super::carry_out::carry_out;
use super::invocation::Invocation;
use super::prepare::Prepared;
use crate::docker::FoundBase;
use crate::failure::Failure;
use crate::fingerprint::{Base, BaseRef, Fingerprinted, LOCK_FILE, Lock};
use crate::model::{Digest, ImageRef, labels};
use crate::plan::{Action, Plan};

/// What is known of base images, and how it came to be known.
#[derive(Default)]
pub(super) struct Bases {
    pub(super) known: BTreeMap<BaseRef, Base>,
    /// What pins some of them.
    lock: Lock,
    /// Those that would be pulled although they are there, if the lock did not pin them.
    kept: BTreeSet<String>,
    /// Those that are pulled although they are there.
    renewed: BTreeSet<BaseRef>,
    pulled: BTreeSet<BaseRef>,
    /// Those that another service would build first, where nothing is built now.
    pub(super) unbuilt: BTreeSet<BaseRef>,
    /// The fingerprints of those that services of this run build.
    made: BTreeMap<ImageRef, Digest>,
    /// Those that are wanted for several platforms, of which the engine has one under the name.
    contested: BTreeSet<ImageRef>,
    /// What a person should know.
    notes: Vec<String>,
}

impl Bases {
    pub(super) fn new(lock: Lock) -> Self {
        Self {
            lock,
            ..Self::default()
        }
    }

    /// Has images pulled once in this run, although they are there. One that is locked moves with its lock alone.
    pub(super) fn renew(&mut self, images: impl IntoIterator<Item = BaseRef>) {
        for base in images {
            if base.locked.is_some() {
                self.kept.insert(base.image.to_string());
            } else {
                self.renewed.insert(base);
            }
        }
    }

    /// What to say, once, of images that are not renewed since they are locked.
    fn told_kept(&mut self) {
        if !self.kept.is_empty() {
            let names = Vec::from_iter(std::mem::take(&mut self.kept)).join("`, `");
            self.notes.push(format!(
                "`build.pull` brings no newer `{names}`, which {LOCK_FILE} pins; `larder lock --upgrade` does"
            ));
        }
    }

    /// A failure to pull images, with the lines of the lock that ask for them.
    fn blamed(&self, failure: Failure, due: &[BaseRef]) -> Failure {
        let Failure::Steps(failures) = failure else {
            return failure;
        };
        let locked = due.iter().filter_map(|base| {
            let place = self
                .lock
                .place(&base.image)
                .filter(|_| base.locked.is_some())?;
            Some((base.wanted().familiar(), (base.image.clone(), place)))
        });
        Failure::Bases {
            failures,
            locked: locked.collect(),
        }
    }

    /// Notes that a service makes the image of these names.
    pub(super) fn made(
        &mut self,
        recipe: Option<&Fingerprinted>,
        names: impl Iterator<Item = ImageRef>,
    ) {
        if let Some(Fingerprinted::Known(recipe)) = recipe
            && recipe.unpinned.is_none()
        {
            self.made.extend(names.map(|name| (name, recipe.full)));
        }
    }

    /// An image that a service of this run made is keyed by what it is made of, not by its ID: each machine that makes it
    /// gives it another one. It counts as that by the rule by which it is reused, its label and the name that only
    /// larder gives.
    pub(super) fn keyed(&self, wanted: &BaseRef, found: FoundBase) -> Base {
        let made = self.made.get(&wanted.image);
        let made = made.filter(|made| found.fingerprint == Some(**made));
        match made {
            Some(made) => Base {
                identity: labels::image_name(made),
                ..found.base
            },
            None => found.base,
        }
    }

    /// Takes in one that is on the engine and need not be looked at again.
    pub(super) fn note_here(&mut self, wanted: &BaseRef, base: &Base) {
        if !self.renewed.contains(wanted) {
            self.known.insert(wanted.clone(), base.clone());
        }
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
        for (wanted, found) in fitting {
            if let Some(found) = found {
                let base = self.keyed(&wanted, found);
                self.known.insert(wanted, base);
            }
        }
        let mut due: Vec<BaseRef> = Vec::new();
        for (wanted, found) in others {
            let same = |other: &BaseRef| other.image == wanted.image;
            match found {
                Some(found) if !found.several && self.known.keys().any(same) => {
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
        &mut self,
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
        bases.told_kept();
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
            self.check_first_ports().await?;
            let mut pulls = Plan::default();
            for base in &due {
                let cause = match (causes.get(base), bases.renewed.contains(base)) {
                    (Some(false), _) if base.locked.is_some() => {
                        "`larder.lock` pins it, and it is not on the engine"
                    }
                    (_, true) => "`build.pull` asks for the newest",
                    (Some(true), _) => {
                        "a Dockerfile starts from it, and the engine has it for another platform"
                    }
                    _ => "a Dockerfile starts from it, and it is not on the engine",
                };
                let pull = Action::Pull {
                    image: base.wanted().familiar(),
                    platform: base.platform.as_ref().map(ToString::to_string),
                    expected: None,
                };
                pulls.add(None, pull, cause, Vec::new());
            }
            let pulled = carry_out(invocation, self, &pulls, None).await;
            let pulled = pulled.map_err(|failure| bases.blamed(failure, &due))?;
            self.path.extend(pulled.path);
            let cache = self.settings.cache.as_deref();
            let mut memory = BaseMemory::open(&self.engine, cache, false).await?;
            let native = self.engine.native().await?;
            for base in &due {
                memory.forget(base, &native);
            }
            memory.save();
            bases.pulled.extend(due);
        }
    }
}
