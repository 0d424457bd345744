//! Where a run's images are pushed: what is there already, and what is said beside what came.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::invocation::Invocation;
use super::offers::{Question, doubt};
use super::prepare::Prepared;
use super::records;
use crate::failure::Failure;
use crate::fingerprint::{Fingerprinted, Lock, Platform, Recipe, Record};
use crate::model::{Digest, ImageRef, Repository, labels, short_name};
use crate::plan::{Action, Plan, Push, Sought};
use crate::registry::{Registries, RegistryError, RemoteImage};
use crate::settings::Cache;
use crate::term::{Message, Waiting};

/// So many questions are asked at a time.
const AT_ONCE: usize = 16;

/// What lies in a repository under a key.
pub(super) type Lying = BTreeMap<(Repository, Digest), RemoteImage>;

impl Prepared {
    /// The recipes whose images a key stands for.
    pub(super) fn known(&self) -> impl Iterator<Item = (&String, &Recipe)> {
        self.recipes.iter().filter_map(|(service, recipe)| {
            let Fingerprinted::Known(recipe) = recipe else {
                return None;
            };
            let wanted = self.services.contains(service) && recipe.unpinned.is_none();
            wanted.then_some((service, &**recipe))
        })
    }

    /// Those whose images are pushed, and where.
    fn pushed(&self) -> impl Iterator<Item = (&String, &Recipe, &Repository)> {
        self.known().filter_map(|(service, recipe)| {
            let to = self.settings.caches.of(service).to.as_ref()?;
            Some((service, recipe, to))
        })
    }

    /// Has what is not there yet pushed, as far as it can be found out. Where that fails, nothing is pushed, which is said.
    pub(super) async fn push_too(&mut self, invocation: &Invocation) {
        if !self.settings.caches.pushes {
            return;
        }
        if let Err(failure) = self.find_pushes(invocation, false).await {
            for mut message in failure.messages() {
                message.text.push_str(", so no image is pushed");
                message.warning(&invocation.screen, &invocation.folder);
            }
        }
    }

    /// Finds out what is not there yet, and has it pushed; what is there. `all` has dependency images built for it that nothing
    /// else needs, and makes it an error that one cannot be pushed.
    ///
    /// # Errors
    /// A registry does not answer.
    pub(super) async fn find_pushes(
        &mut self,
        invocation: &Invocation,
        all: bool,
    ) -> Result<Lying, Failure> {
        let there = self.in_place(invocation).await?;
        let there = self.believed(invocation, there).await?;
        let pushes = self.pushed().map(|(service, recipe, to)| {
            let keys = recipe.keys().map(|(key, _)| key);
            let missing = keys.filter(|key| !there.contains_key(&(to.clone(), *key)));
            let push = Push {
                to: Some(to.clone()),
                missing: missing.collect(),
                all,
                here: false,
            };
            (service.clone(), push)
        });
        self.pushes = pushes.collect();
        Ok(there)
    }

    /// What lies where images are pushed, whoever put it there.
    ///
    /// # Errors
    /// A registry does not answer.
    pub(super) async fn in_place(&mut self, invocation: &Invocation) -> Result<Lying, Failure> {
        let to = |cache: &Cache| cache.to.iter().cloned().collect();
        self.lying(invocation, to).await
    }

    /// What of it is what it is called: this engine's own image, or one that would be pulled. The rest is pushed over, which is
    /// said.
    async fn believed(&self, invocation: &Invocation, lying: Lying) -> Result<Lying, Failure> {
        let lock = Lock::read(&self.project.working_dir)?;
        let native = self.engine.native().await?;
        let questions: Vec<(Question, RemoteImage)> = self
            .pushed()
            .flat_map(|(service, recipe, to)| {
                let platform = recipe.platform_on(&native);
                let (lying, to) = (&lying, to.clone());
                recipe.keys().filter_map(move |(key, is_dependencies)| {
                    let found = lying.get(&(to.clone(), key))?;
                    let question = Question {
                        sought: Sought {
                            service: service.clone(),
                            key,
                            is_dependencies,
                        },
                        repository: to.clone(),
                        image: found.name.clone(),
                        platform: platform.clone(),
                    };
                    Some((question, found.clone()))
                })
            })
            .collect();
        let folder = &self.project.working_dir;
        let judged = questions.iter().map(async |(question, found)| {
            let name = question.sought.name();
            let own = self.observed.image_named(&name);
            if own.is_some_and(|own| found.ids.contains(&own.id)) {
                return None;
            }
            let cache = self.settings.caches.of(&question.sought.service);
            doubt(cache, &lock, question, found, folder).await
        });
        let judged = join_all(judged).await;
        let mut believed = Lying::new();
        for ((question, found), doubt) in questions.into_iter().zip(judged) {
            match doubt {
                None => {
                    believed.insert((question.repository, question.sought.key), found);
                }
                Some(doubt) => invocation.warning(&format!(
                    "`{}` is not taken for what it is called, and is pushed over: {doubt}",
                    short_name(&question.image.familiar())
                )),
            }
        }
        Ok(believed)
    }

    /// What lies in repositories of the services' caches under the keys of this run.
    ///
    /// # Errors
    /// A registry does not answer.
    pub(super) async fn lying(
        &mut self,
        invocation: &Invocation,
        of: impl Fn(&Cache) -> Vec<Repository>,
    ) -> Result<Lying, Failure> {
        let native = self.engine.native().await?;
        let mut asked: BTreeMap<(Repository, Digest), (ImageRef, Platform, &str)> = BTreeMap::new();
        for (service, recipe) in self.known() {
            for own in of(self.settings.caches.of(service)) {
                for (key, is_dependencies) in recipe.keys() {
                    let image = own.keyed(&key, is_dependencies);
                    let label = labels::of_key(is_dependencies);
                    asked.insert(
                        (own.clone(), key),
                        (image, recipe.platform_on(&native), label),
                    );
                }
            }
        }
        let registries = self.registries(invocation).await?;
        let shown = Waiting::show(
            self.settings.progress,
            &invocation.screen,
            "asking registries",
        );
        let asks = asked.iter().map(async |(place, (image, platform, label))| {
            let found = registries.image(image, platform).await;
            let found = found.map_err(|source| asking(&place.0, source))?;
            let key = place.1.to_string();
            let found = found.filter(|own| own.labels.get(*label) == Some(&key));
            Ok::<_, Failure>((place.clone(), found))
        });
        let found = stream::iter(asks).buffer_unordered(AT_ONCE);
        let found: Vec<_> = found.try_collect().await?;
        drop(shown);
        let there = found.into_iter();
        Ok(there.filter_map(|(at, own)| Some((at, own?))).collect())
    }

    /// Has all images come to the engine, dependency images and those that a registry has included.
    pub(super) fn bring_all(&mut self) {
        for service in self.services.clone() {
            let push = self.pushes.entry(service).or_insert_with(|| Push {
                to: None,
                missing: BTreeSet::new(),
                all: true,
                here: true,
            });
            push.here = true;
        }
    }

    /// Puts what they were made of beside the images that a plan pushed. Where one cannot be put, that is a warning: it only
    /// explains.
    pub(super) async fn put_records(&mut self, invocation: &Invocation, plan: &Plan) {
        let names = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Push { name, .. } => Some(name.as_str()),
            _ => None,
        });
        let names: BTreeSet<&str> = names.collect();
        if names.is_empty() {
            return;
        }
        let Ok(registries) = self.registries(invocation).await else {
            return;
        };
        let native = self
            .engine
            .native()
            .await
            .unwrap_or_else(|_| Platform::host());
        let mut put = BTreeSet::new();
        for (_, recipe, to) in self.pushed() {
            let name = to.image(&recipe.full);
            if !names.contains(name.familiar().as_str()) || !put.insert(name.clone()) {
                continue;
            }
            let platform = recipe.platform_on(&native);
            if let Err(error) = put_record(&registries, &name, &platform, recipe).await {
                let text = format!("`{to}` is not told what `{}` was made of", recipe.service);
                let message = Message {
                    text,
                    causes: vec![error.to_string()],
                    ..Message::default()
                };
                message.warning(&invocation.screen, &invocation.folder);
            }
        }
    }
}

impl Prepared {
    /// What an image was made of, from beside it in the registries of a service, in order; kept here from then on. One that does
    /// not answer is a warning.
    pub(super) async fn fetch_record(
        &mut self,
        invocation: &Invocation,
        service: &str,
        full: &Digest,
    ) -> Result<Option<Record>, Failure> {
        let native = self.engine.native().await?;
        let platform = match self.recipes.get(service) {
            Some(Fingerprinted::Known(recipe)) => recipe.platform_on(&native),
            _ => native,
        };
        for repository in self.settings.caches.of(service).from.clone() {
            let registries = self.registries(invocation).await?;
            let shown = "asking registries";
            let shown = Waiting::show(self.settings.progress, &invocation.screen, shown);
            let found = find_record(&registries, &repository.image(full), &platform, full).await;
            drop(shown);
            match found {
                Ok(Some((record, bytes))) => {
                    records::keep_bytes(self.settings.cache.as_deref(), full, &bytes);
                    return Ok(Some(record));
                }
                Ok(None) => {}
                Err(error) => invocation.warning(&format!(
                    "`{repository}` is not asked for what images are made of: {error}"
                )),
            }
        }
        Ok(None)
    }
}

/// The record of a fingerprint beside its image, and its bytes. What is none of that fingerprint is passed over.
async fn find_record(
    registries: &Registries,
    name: &ImageRef,
    platform: &Platform,
    full: &Digest,
) -> Result<Option<(Record, Vec<u8>)>, RegistryError> {
    let Some(image) = registries.image(name, platform).await? else {
        return Ok(None);
    };
    let read = |bytes: Vec<u8>| Some((Record::decode(&bytes, full).ok()?, bytes));
    let found = registries.record(name, &image.manifest.digest, read);
    found.await
}

async fn put_record(
    registries: &Registries,
    name: &ImageRef,
    platform: &Platform,
    recipe: &Recipe,
) -> Result<(), RegistryError> {
    let Some(image) = registries.image(name, platform).await? else {
        return Ok(());
    };
    registries
        .put_record(&image, Record::of(recipe).encode())
        .await
}

fn asking(repository: &Repository, source: RegistryError) -> Failure {
    Failure::OfRegistry {
        action: format!("asking `{repository}` for images"),
        source,
    }
}
