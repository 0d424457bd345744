//! What registries have of images that are not on the engine: asked side by side, for no longer than a start can wait, and
//! believed as far as the project says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout_at;

use super::decide::BY_DOCKER;
use super::invocation::Invocation;
use super::prepare::Prepared;
use super::signatures;
use crate::failure::Failure;
use crate::fingerprint::{Fingerprinted, Lock, Platform};
use crate::model::{Digest, ImageRef, Repository, labels, short_name};
use crate::plan::{self, Offer, Sought};
use crate::registry::{Registries, RegistryError, RemoteImage};
use crate::settings::Cache;
use crate::term::Waiting;

/// How long a run waits for registries in all.
pub(super) const BUDGET: Duration = Duration::from_secs(2);

/// How it begins that nobody vouches for an image.
const UNVOUCHED: &str = "neither is";

/// What a run knows of registries.
#[derive(Default)]
pub(super) struct Pantry {
    /// What they have of the images that are not on the engine, those that are not taken included.
    pub(super) offers: BTreeMap<Digest, Offer>,
    /// What was asked for.
    sought: BTreeSet<Sought>,
    registries: Option<Arc<Registries>>,
}

/// One question: a key, and where.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) sought: Sought,
    pub(super) repository: Repository,
    pub(super) image: ImageRef,
    pub(super) platform: Platform,
}

impl Prepared {
    /// The registries that this run speaks to.
    pub(super) async fn registries(
        &mut self,
        invocation: &Invocation,
    ) -> Result<Arc<Registries>, Failure> {
        if let Some(registries) = &self.pantry.registries {
            return Ok(Arc::clone(registries));
        }
        let plain = self.engine.plain_registries().await?;
        let access = Arc::new(self.engine.access());
        let registries = Registries::new(access, plain, &invocation.environment);
        let registries = Arc::new(registries);
        self.pantry.registries = Some(Arc::clone(&registries));
        Ok(registries)
    }

    /// Asks for the images that are not on the engine, where the project says that registries may have them. One that does not
    /// answer is a warning.
    pub(super) async fn look_up(
        &mut self,
        invocation: &Invocation,
        lock: &Lock,
    ) -> Result<(), Failure> {
        if !self.settings.caches.is_asked() {
            return Ok(());
        }
        let asked = plan::asked_keys(&self.wanted(BY_DOCKER), &self.observed);
        let new: BTreeSet<Sought> = asked.difference(&self.pantry.sought).cloned().collect();
        self.pantry.sought.extend(new.iter().cloned());
        let questions = self.questions(invocation, new).await?;
        if questions.is_empty() {
            return Ok(());
        }
        let registries = self.registries(invocation).await?;
        let shown = Waiting::show(
            self.settings.progress,
            &invocation.screen,
            "asking registries",
        );
        let answers = self.ask(invocation, &registries, questions).await;
        let (caches, folder) = (&self.settings.caches, &self.project.working_dir);
        let doubts = answers.iter().map(|(question, found)| {
            let cache = caches.of(&question.sought.service);
            doubt(cache, lock, question, found, folder)
        });
        let doubts = join_all(doubts).await;
        drop(shown);
        if self.goal.acts {
            let doubted = answers.iter().zip(&doubts);
            let doubted = doubted.filter_map(|((own, _), doubt)| Some((own, doubt.as_ref()?)));
            tell_doubted(invocation, doubted);
        }
        for ((question, found), doubt) in answers.into_iter().zip(doubts) {
            let image = found.image.familiar();
            if !invocation.shunned().is_refused(&question.sought.name()) {
                let offer = Offer {
                    image,
                    ids: found.ids,
                    bytes: found.bytes,
                    doubt,
                };
                self.pantry.take_in(question.sought.key, offer);
            }
        }
        Ok(())
    }

    async fn questions(
        &self,
        invocation: &Invocation,
        sought: BTreeSet<Sought>,
    ) -> Result<Vec<Question>, Failure> {
        let native = self.engine.native().await?;
        let mut asked = BTreeSet::new();
        let mut questions = Vec::new();
        for own in sought {
            let Some(Fingerprinted::Known(recipe)) = self.recipes.get(&own.service) else {
                continue;
            };
            for repository in &self.settings.caches.of(&own.service).from {
                let shunned = invocation.shunned();
                if shunned.is_silent(repository) || !asked.insert((own.key, repository.clone())) {
                    continue;
                }
                questions.push(Question {
                    image: repository.keyed(&own.key, own.is_dependencies),
                    platform: recipe.platform_on(&native),
                    repository: repository.clone(),
                    sought: own.clone(),
                });
            }
        }
        Ok(questions)
    }

    /// The answers in the order of the questions, of those that have any.
    async fn ask(
        &mut self,
        invocation: &Invocation,
        registries: &Registries,
        questions: Vec<Question>,
    ) -> Vec<(Question, RemoteImage)> {
        let begun = Instant::now();
        let left = BUDGET.saturating_sub(invocation.shunned().waited);
        let until = begun + left;
        let mut open: BTreeMap<usize, &Question> = questions.iter().enumerate().collect();
        let asks = questions
            .iter()
            .enumerate()
            .map(async |(index, own)| (index, registries.image(&own.image, &own.platform).await));
        let mut asks: FuturesUnordered<_> = asks.collect();
        let mut found = BTreeMap::new();
        while let Ok(Some((index, answer))) = timeout_at(until.into(), asks.next()).await {
            let Some(own) = open.remove(&index) else {
                continue;
            };
            match answer {
                Ok(Some(image)) => drop(found.insert(index, image)),
                Ok(None) => {}
                Err(error @ RegistryError::Garbage { .. }) => invocation.warning(&format!(
                    "`{}` is not looked at: {error}",
                    short_name(&own.image.familiar())
                )),
                Err(error) => shun(invocation, &own.repository, &error),
            }
        }
        // Who was hardly asked did not fail to answer.
        for own in open.into_values().filter(|_| left > BUDGET / 2) {
            let host = own.repository.registry().to_owned();
            shun(invocation, &own.repository, &RegistryError::Silent { host });
        }
        invocation.shunned().waited += begun.elapsed();
        let found = found.into_iter();
        found
            .map(|(index, image)| (questions[index].clone(), image))
            .collect()
    }
}

/// Says of what lies in registries that it is not taken, once, with what can be done about it.
fn tell_doubted<'a>(
    invocation: &Invocation,
    mut doubted: impl Iterator<Item = (&'a Question, &'a String)>,
) {
    let Some((question, doubt)) = doubted.next() else {
        return;
    };
    let more = match doubted.count() {
        0 => String::new(),
        more => format!(", nor are {more} more"),
    };
    let hint = if doubt.starts_with(UNVOUCHED) {
        ": `trusted: true` beside it, LARDER_TRUSTED_REGISTRIES or `larder lock` changes that"
    } else {
        ""
    };
    invocation.warning(&format!(
        "`{}` is in the registry and is not taken{more}: {doubt}{hint}",
        short_name(&question.image.familiar())
    ));
}

/// Leaves a repository alone for the rest of the run, and says so once.
fn shun(invocation: &Invocation, repository: &Repository, error: &RegistryError) {
    if !invocation.shunned().add_silent(repository) {
        return;
    }
    let hint = error.hint().map(|hint| format!("; {hint}"));
    invocation.warning(&format!(
        "`{repository}` is not asked for images: {error}{}",
        hint.unwrap_or_default()
    ));
}

impl Pantry {
    /// Takes in an image that a registry has, unless an earlier repository has one that is taken.
    fn take_in(&mut self, key: Digest, offer: Offer) {
        let before = self.offers.get(&key);
        let better = before.is_none_or(|own| own.doubt.is_some() && offer.doubt.is_none());
        if better {
            self.offers.insert(key, offer);
        }
    }
}

/// Why an image that lies in a repository under a key is not taken for it; `None` where it is.
pub(super) async fn doubt(
    cache: &Cache,
    lock: &Lock,
    asked: &Question,
    found: &RemoteImage,
    folder: &Path,
) -> Option<String> {
    match untrue(asked, found) {
        Some(doubt) => Some(doubt),
        None => distrust(cache, lock, asked, found, folder).await,
    }
}

/// What an image says of itself that is not what its tag says.
fn untrue(asked: &Question, found: &RemoteImage) -> Option<String> {
    let label = labels::of_key(asked.sought.is_dependencies);
    let key = asked.sought.key.to_string();
    if found.labels.get(label) != Some(&key) {
        return Some("its label does not say what its tag says".to_owned());
    }
    let own = found.platform.as_ref();
    if let Some(own) = own.filter(|own| !asked.platform.takes(own)) {
        return Some(format!("it is for {own}"));
    }
    None
}

/// Why nothing proves that an image is what it says; `None` where something does.
async fn distrust(
    cache: &Cache,
    lock: &Lock,
    asked: &Question,
    found: &RemoteImage,
    folder: &Path,
) -> Option<String> {
    if cache.trusts(&asked.repository) || lock.digest(&asked.image) == found.image.digest.as_deref()
    {
        return None;
    }
    match &cache.key {
        Some(key) => signatures::doubt(key, &found.image, folder).await,
        None => Some(format!(
            "{UNVOUCHED} `{}` declared trusted, nor does `larder.lock` have its digest",
            asked.repository
        )),
    }
}

/// What a run does not turn to any more: repositories that did not answer, images that could not be pulled.
#[derive(Default)]
pub(super) struct Shunned {
    silent: BTreeSet<Repository>,
    /// By the names that only larder gives.
    refused: BTreeSet<String>,
    /// The hosts of base images that said nothing.
    mute: BTreeSet<String>,
    /// How long registries were waited for.
    waited: Duration,
    /// The same for those of base images.
    pub(super) waited_for_bases: Duration,
}

impl Shunned {
    fn is_silent(&self, repository: &Repository) -> bool {
        self.silent.contains(repository)
    }

    fn add_silent(&mut self, repository: &Repository) -> bool {
        self.silent.insert(repository.clone())
    }

    pub(super) fn is_mute(&self, host: &str) -> bool {
        self.mute.contains(host)
    }

    pub(super) fn add_mute(&mut self, host: &str) {
        self.mute.insert(host.to_owned());
    }

    fn is_refused(&self, name: &str) -> bool {
        self.refused.contains(name)
    }

    /// Has the image of a name that only larder gives built from now on; whether it was to be pulled until now.
    pub(super) fn add_refused(&mut self, name: &str) -> bool {
        self.refused.insert(name.to_owned())
    }
}

/// What is said where an image could not be pulled.
pub(super) fn built_instead(image: &str, why: &str) -> String {
    format!(
        "`{}` could not be pulled, and is built: {why}",
        short_name(image)
    )
}
