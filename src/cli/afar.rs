//! Services whose base images are not on the engine, keyed by what registries say of these. Where the image that comes out is
//! there or can be pulled, its bases need not be. What was said is remembered for each engine, as the engine itself remembers
//! what it pulled: a tag that moved does not move what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::future::{join_all, try_join_all};
use tokio::time::timeout_at;

use super::base_memory::{BaseMemory, key};
use super::bases::Bases;
use super::invocation::Invocation;
use super::offers::BUDGET;
use super::prepare::{Prepared, Reading};
use crate::build::used_bases;
use crate::failure::Failure;
use crate::fingerprint::{Base, BaseRef, Cut, Fingerprinted, Platform};
use crate::model::{Digest, labels};
use crate::runtime::BuildPart;
use crate::settings::Builder;

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
        let is_asked = self.settings.caches.is_asked();
        let cache = self.settings.cache.as_deref();
        let mut memory = BaseMemory::open(&self.engine, cache, is_asked).await?;
        if !is_asked && memory.is_empty() {
            return Ok(BTreeMap::new());
        }
        let recipes = self.recipes_afar(invocation, reading, bases, &mut memory);
        let recipes = recipes.await;
        memory.save();
        recipes
    }

    async fn recipes_afar(
        &mut self,
        invocation: &Invocation,
        reading: &Reading,
        bases: &mut Bases,
        memory: &mut BaseMemory,
    ) -> Result<BTreeMap<String, Fingerprinted>, Failure> {
        let pulled: Vec<String> = self.pulling().collect();
        let pulled = pulled.iter().flat_map(|own| reading.survey.bases_of(own));
        let pulled: BTreeSet<BaseRef> = pulled.collect();
        // What is pulled anyway is known only then.
        let is_pulled = |own: &String| {
            let bases = reading.survey.bases_of(own);
            bases.iter().any(|base| pulled.contains(base))
        };
        let services = self.imaged().into_iter();
        let services: BTreeSet<String> = services.filter(|own| !is_pulled(own)).collect();
        let native = self.engine.native().await?;
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
            self.find(invocation, bases, open, &native, (&mut known, memory))
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
        // Who only wants to know needs no image.
        if self.goal.acts || self.goal.containers {
            recipes.retain(|_, recipe| self.is_at_hand(recipe, &known.afar));
        }
        self.note_bases(&known.all, &native);
        Ok(recipes)
    }

    /// Looks for bases on the engine, then in what is remembered, then in registries.
    async fn find(
        &mut self,
        invocation: &Invocation,
        bases: &mut Bases,
        open: BTreeSet<BaseRef>,
        native: &Platform,
        (known, memory): (&mut Known, &mut BaseMemory),
    ) -> Result<(), Failure> {
        let looks = open
            .into_iter()
            .map(async |base| Ok::<_, Failure>((self.engine.base(&base).await?, base)));
        let mut missing = Vec::new();
        for (found, base) in try_join_all(looks).await? {
            if let Some(found) = found.filter(|found| found.fits) {
                memory.forget(&base, native);
                let own = bases.keyed(&base, found);
                bases.note_here(&base, &own);
                known.all.insert(base, own);
            } else if let Some(remembered) = memory.get(&base, native) {
                known.afar.insert(base.clone());
                known.all.insert(base, remembered);
            } else if !invocation.shunned().is_mute(&base.image.registry) {
                missing.push(base);
            }
        }
        if missing.is_empty() || !self.settings.caches.is_asked() {
            return Ok(());
        }
        let registries = self.registries(invocation).await?;
        let begun = Instant::now();
        let until = begun + BUDGET.saturating_sub(invocation.shunned().waited_for_bases);
        let asks = missing.iter().map(async |base| {
            let platform = base.platform.as_ref().unwrap_or(native);
            let wanted = base.wanted();
            match timeout_at(until.into(), registries.image(&wanted, platform)).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "`{wanted}` is not looked at");
                    None
                }
                Err(_) => {
                    invocation.shunned().add_mute(&base.image.registry);
                    None
                }
            }
        });
        let found = join_all(asks).await;
        invocation.shunned().waited_for_bases += begun.elapsed();
        for (base, found) in missing.into_iter().zip(found) {
            if let Some(found) = found {
                memory.add(&base, native, found.base.clone());
                known.afar.insert(base.clone());
                known.all.insert(base, found.base);
            }
        }
        Ok(())
    }

    /// Whether the image of a recipe is on the engine or is offered, or can be built on dependency images that are, without any
    /// of these bases.
    fn is_at_hand(&self, recipe: &Fingerprinted, afar: &BTreeSet<BaseRef>) -> bool {
        let Fingerprinted::Known(recipe) = recipe else {
            return false;
        };
        let has = |key: &Digest, label: &str, name: String| {
            let offer = self.pantry.offers.get(key);
            self.observed.image_for(label, key, &name).is_some()
                || offer.is_some_and(|own| own.doubt.is_none())
        };
        let full = labels::image_name(&recipe.full);
        if recipe.unpinned.is_some() || has(&recipe.full, labels::FINGERPRINT, full) {
            return recipe.unpinned.is_none();
        }
        let is_here = |cut: &Cut| {
            let name = labels::dependencies_name(&cut.key);
            has(&cut.key, labels::DEPENDENCIES, name)
        };
        if self.settings.builder == Builder::Dagger || !recipe.cuts.iter().all(is_here) {
            return false;
        }
        let on = recipe.cuts.iter().map(|cut| (cut.stage, cut.key)).collect();
        let used = used_bases(recipe, &BuildPart::Target { on: &on });
        !afar
            .iter()
            .any(|base| used.contains(&base.image.familiar()))
    }

    /// What is known of the bases of this run, for other machines: that which is no image of the project's own.
    pub(super) fn note_bases(&mut self, known: &BTreeMap<BaseRef, Base>, native: &Platform) {
        let known = known.iter();
        let foreign = known.filter(|(_, base)| !labels::is_name(&base.identity));
        let bases = foreign.map(|(base, own)| (key(base, native), own.clone()));
        self.bases.extend(bases);
    }
}
