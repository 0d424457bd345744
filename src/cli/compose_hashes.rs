//! docker compose's hashes of services, so that its `up` leaves alone what larder made. larder's formula is that of one
//! version; the one that is installed is asked wherever it is not known to agree, beside whatever else is done. What it said
//! is remembered for as long as it is installed. Nothing here makes a start fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, ready};
use serde::{Deserialize, Serialize};

use super::compose_question::Question;
use crate::docker::{ComposeCli, Docker};
use crate::model::{Digest, Project, Service};
use crate::plan::{Action, ContainerSource, Plan};
use crate::remembered;
use crate::runtime::ComposeHash;
use crate::settings::Environment;

/// So many answers are kept; beyond that they begin anew.
const ANSWERS: usize = 1000;

/// What one docker compose said, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Said {
    /// Which one, and by which larder's formula.
    cli: String,
    /// The shapes of services of which it said what the formula gives, all in one.
    agreed: BTreeSet<String>,
    /// The other services: the formula's hash → its own.
    differs: BTreeMap<String, Digest>,
}

impl Said {
    /// Its hash of a service as it was made; `None` where only it knows.
    fn of(&self, service: &Service) -> Option<Digest> {
        let ours = service.compose_hash();
        let differs = self.differs.get(&ours.to_string()).copied();
        differs.or_else(|| {
            service
                .compose_shape()
                .is_subset(&self.agreed)
                .then_some(ours)
        })
    }

    fn note(&mut self, service: &Service, theirs: Digest) {
        let ours = service.compose_hash();
        if ours == theirs {
            self.agreed.extend(service.compose_shape());
        } else {
            if self.differs.len() >= ANSWERS {
                self.differs.clear();
            }
            self.differs.insert(ours.to_string(), theirs);
        }
    }
}

/// The installed docker compose, with what it said so far.
pub(super) struct Oracle {
    cli: ComposeCli,
    environment: Environment,
    said: Mutex<Said>,
    file: Option<PathBuf>,
}

impl Oracle {
    /// `None` where docker compose is not installed.
    pub(super) fn open(
        engine: &Docker,
        environment: &Environment,
        cache: Option<&Path>,
    ) -> Option<Arc<Self>> {
        let cli = engine.compose_cli()?;
        let file = cache.map(|folder| folder.join("compose-hashes.json"));
        let mut said: Said = file.as_deref().map(remembered::read).unwrap_or_default();
        let own = format!("{} {}", cli.identity(), env!("CARGO_PKG_VERSION"));
        if said.cli != own {
            said = Said {
                cli: own,
                ..Said::default()
            };
        }
        Some(Arc::new(Self {
            cli,
            environment: environment.clone(),
            said: Mutex::new(said),
            file,
        }))
    }

    fn said(&self, service: &Service) -> Option<Digest> {
        self.lock().of(service)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Said> {
        // What is there is whole: nothing in between can panic.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and notes what it says.
    async fn ask(&self, question: &Question) {
        let text = self
            .cli
            .run(&self.environment, &question.arguments, &question.text)
            .await;
        let Some(text) = text else { return };
        let mut said = self.lock();
        for (service, theirs) in question.answers(&text) {
            said.note(service, theirs);
        }
        if let Some(file) = &self.file
            && let Err(error) = remembered::write(file, &*said)
        {
            tracing::debug!(%error, "what docker compose said is not kept");
        }
    }

    /// What it says of services of which only it knows: the formula's hash → its own.
    pub(super) async fn hashes(
        &self,
        project: &Project,
        asked: BTreeMap<String, BTreeMap<String, String>>,
    ) -> BTreeMap<Digest, Digest> {
        let made = asked.iter();
        let made =
            made.map(|(name, shares)| (name.clone(), project.services[name].as_created(shares)));
        let made: BTreeMap<String, Service> = made.collect();
        let open = made
            .iter()
            .filter(|(_, service)| self.said(service).is_none());
        let open = open.map(|(name, service)| (name.clone(), service.clone()));
        if let Some(question) = Question::of(project, open.collect()) {
            self.ask(&question).await;
        }
        let told = made.values();
        told.filter_map(|own| Some((own.compose_hash(), self.said(own)?)))
            .collect()
    }
}

/// The hashes of the containers of one run.
pub(super) struct RunHashes<'a> {
    project: &'a Project,
    oracle: Arc<Oracle>,
    /// The services that were asked for at the beginning.
    asked: BTreeSet<String>,
    /// Ends when they are answered.
    answered: Shared<BoxFuture<'static, ()>>,
}

impl<'a> RunHashes<'a> {
    /// Asks, beside whatever else is done, for what a plan creates.
    pub(super) fn begin(project: &'a Project, plan: &Plan, oracle: Arc<Oracle>) -> Self {
        let mut open = BTreeMap::new();
        for step in &plan.steps {
            let (Action::Create(creation), Some(name)) = (&step.action, &step.service) else {
                continue;
            };
            // IDs that are not known yet have the form of any other.
            let shares = creation.shares.iter().map(|(key, source)| match source {
                ContainerSource::Id(id) => (key.clone(), id.clone()),
                ContainerSource::Step(_) => (key.clone(), "0".repeat(64)),
            });
            let service = project.services[name].as_created(&shares.collect());
            if oracle.said(&service).is_none() {
                open.insert(name.clone(), service);
            }
        }
        let (asked, answered) = match Question::of(project, open) {
            None => (BTreeSet::new(), ready(()).boxed().shared()),
            Some(question) => {
                let asked = question.services().cloned().collect();
                let oracle = oracle.clone();
                let task = tokio::spawn(async move { oracle.ask(&question).await });
                (asked, task.map(drop).boxed().shared())
            }
        };
        Self {
            project,
            oracle,
            asked,
            answered,
        }
    }
}

impl ComposeHash for RunHashes<'_> {
    fn hash<'b>(
        &'b self,
        service: &'b str,
        shares: &'b BTreeMap<String, String>,
    ) -> BoxFuture<'b, Option<Digest>> {
        async move {
            let made = self.project.services.get(service)?.as_created(shares);
            if self.asked.contains(service) && self.oracle.said(&made).is_none() {
                self.answered.clone().await;
            }
            if let Some(known) = self.oracle.said(&made) {
                return Some(known);
            }
            // It spoke, now or earlier and otherwise than the formula, of other IDs; or it says nothing.
            let placeholder = shares.keys().map(|key| (key.clone(), "0".repeat(64)));
            let stood_in = self.project.services[service].as_created(&placeholder.collect());
            self.oracle.said(&stood_in)?;
            let open = BTreeMap::from([(service.to_owned(), made.clone())]);
            self.oracle.ask(&Question::of(self.project, open)?).await;
            self.oracle.said(&made)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(image: &str, more: &serde_json::Value) -> Service {
        let mut service = json!({"image": image});
        let all = service.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        serde_json::from_value(service).unwrap()
    }

    #[test]
    fn one_that_agrees_on_a_shape_is_asked_no_more_about_it() {
        let mut said = Said::default();
        let plain = service("a", &json!({}));
        assert_eq!(said.of(&plain), None);
        said.note(&plain, plain.compose_hash());
        let other = service("b", &json!({}));
        assert_eq!(said.of(&other), Some(other.compose_hash()));
        let with_user = service("a", &json!({"user": "1"}));
        assert_eq!(said.of(&with_user), None);
        // Where it differs each service is one of its own.
        let theirs = Digest::of(b"theirs");
        said.note(&with_user, theirs);
        assert_eq!(said.of(&with_user), Some(theirs));
        assert_eq!(said.of(&service("b", &json!({"user": "1"}))), None);
    }
}
