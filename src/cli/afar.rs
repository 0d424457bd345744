//! Services whose base images are not on the engine, keyed by what registries say of these. Where the image that comes out is
//! there or can be pulled, its bases need not be. What was said is remembered for each engine, as the engine itself remembers
//! what it pulled: a tag that moved does not move what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use futures_util::future::join_all;
use tokio::time::timeout_at;

use super::bases::Bases;
use super::invocation::Invocation;
use super::offers::BUDGET;
use super::prepare::{Prepared, Reading};
use crate::failure::Failure;
use crate::fingerprint::{Base, BaseRef, Fingerprinted, Platform};
use crate::model::labels;
use crate::remembered;

/// So many are remembered for an engine.
const MOST: usize = 500;

/// Name, digest and platform → what a build gets from it.
type Kept = BTreeMap<String, Base>;

/// What is known of bases, and of which of them only from afar.
#[derive(Default)]
struct Known {
    all: BTreeMap<BaseRef, Base>,
    afar: BTreeSet<BaseRef>,
}

impl Prepared {
    /// The recipes of services that start from images which are not on the engine, where their own images are there or are
    /// offered.
    pub(super) async fn key_afar(
        &mut self,
        invocation: &Invocation,
        reading: &Reading,
        bases: &mut Bases,
    ) -> Result<BTreeMap<String, Fingerprinted>, Failure> {
        if !self.settings.caches.is_asked() {
            return Ok(BTreeMap::new());
        }
        let pulling: BTreeSet<String> = self.pulling().collect();
        let services = self.imaged();
        let services: BTreeSet<String> = services.difference(&pulling).cloned().collect();
        let native = self.engine.native().await?;
        let mut kept = self.remembered();
        let mut known = Known::default();
        let mut asked = BTreeSet::new();
        let mut recipes = BTreeMap::new();
        loop {
            let own = services.iter().flat_map(|own| reading.survey.bases_of(own));
            let triggered = recipes.values().flat_map(|recipe| match recipe {
                Fingerprinted::Missing(images) => images.clone(),
                Fingerprinted::Known(_) => Vec::new(),
            });
            let mut open: BTreeSet<BaseRef> = own.chain(triggered).collect();
            open.retain(|base| !bases.unbuilt.contains(base) && !asked.contains(base));
            if open.is_empty() {
                break;
            }
            asked.extend(open.iter().cloned());
            self.find(invocation, bases, open, &native, (&mut known, &mut kept))
                .await?;
            // All are here: nothing is to be learnt from afar.
            if known.afar.is_empty() {
                return Ok(BTreeMap::new());
            }
            let (survey, all) = (reading.survey.clone(), known.all.clone());
            recipes = tokio::task::spawn_blocking(move || survey.recipes(&all)).await??;
            recipes.retain(|service, _| services.contains(service));
        }
        let from_afar = |service: &String| {
            let mut own = reading.survey.bases_of(service).into_iter();
            own.any(|base| known.afar.contains(&base))
        };
        recipes.retain(|service, recipe| {
            matches!(recipe, Fingerprinted::Known(_)) && from_afar(service)
        });
        self.recipes = recipes;
        self.look_up(invocation, reading.survey.lock()).await?;
        let mut recipes = std::mem::take(&mut self.recipes);
        recipes.retain(|_, recipe| self.is_at_hand(recipe));
        self.remember(&kept);
        Ok(recipes)
    }

    /// Looks for bases on the engine, then in what is remembered, then in registries.
    async fn find(
        &mut self,
        invocation: &Invocation,
        bases: &mut Bases,
        open: BTreeSet<BaseRef>,
        native: &Platform,
        (known, kept): (&mut Known, &mut Kept),
    ) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for base in open {
            let found = self.engine.base(&base).await?;
            let key = key(&base, native);
            match (found.filter(|found| found.fits), kept.get(&key)) {
                (Some(found), _) => {
                    kept.remove(&key);
                    let own = bases.keyed(&base, found);
                    bases.note_here(&base, &own);
                    known.all.insert(base, own);
                }
                (None, Some(remembered)) => {
                    known.afar.insert(base.clone());
                    known.all.insert(base, remembered.clone());
                }
                (None, None) => missing.push(base),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let registries = self.registries(invocation).await?;
        let begun = Instant::now();
        let until = begun + BUDGET.saturating_sub(self.pantry.waited);
        let asks = missing.iter().map(async |base| {
            let platform = base.platform.as_ref().unwrap_or(native);
            let wanted = base.wanted();
            match timeout_at(until.into(), registries.image(&wanted, platform)).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "`{wanted}` is not looked at");
                    None
                }
                Err(_) => None,
            }
        });
        let found = join_all(asks).await;
        self.pantry.waited += begun.elapsed();
        for (base, found) in missing.into_iter().zip(found) {
            if let Some(found) = found {
                kept.insert(key(&base, native), found.base.clone());
                known.afar.insert(base.clone());
                known.all.insert(base, found.base);
            }
        }
        Ok(())
    }

    /// Whether the image of a recipe is on the engine, or is offered.
    fn is_at_hand(&self, recipe: &Fingerprinted) -> bool {
        let Fingerprinted::Known(recipe) = recipe else {
            return false;
        };
        let name = labels::image_name(&recipe.full);
        let here = self
            .observed
            .image_for(labels::FINGERPRINT, &recipe.full, &name);
        let offer = self.pantry.offers.get(&recipe.full);
        recipe.unpinned.is_none()
            && (here.is_some() || offer.is_some_and(|own| own.doubt.is_none()))
    }

    fn remembered(&self) -> Kept {
        self.file()
            .map(|file| remembered::read(&file))
            .unwrap_or_default()
    }

    fn remember(&self, kept: &Kept) {
        let Some(file) = self.file() else {
            return;
        };
        let before: Kept = remembered::read(&file);
        if before == *kept || kept.len() > MOST {
            return;
        }
        if let Err(error) = remembered::write(&file, kept) {
            tracing::debug!(%error, "what registries said of base images is not remembered");
        }
    }

    fn file(&self) -> Option<PathBuf> {
        let engine = &self.observed.engine.id;
        let cache = self
            .settings
            .cache
            .as_ref()
            .filter(|_| !engine.is_empty())?;
        let name = crate::model::Digest::of(engine.as_bytes());
        Some(cache.join("bases").join(name.to_string()))
    }
}

fn key(base: &BaseRef, native: &Platform) -> String {
    let platform = base.platform.as_ref().unwrap_or(native);
    format!("{} {platform}", base.wanted().canonical())
}
