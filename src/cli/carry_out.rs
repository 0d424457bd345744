//! A plan carried out with its progress on the screen, until it is done or somebody interrupts it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::compose_hashes::{Oracle, RunHashes};
use super::invocation::{Invocation, Named};
use super::prepare::Prepared;
use super::proofs;
use super::taken::name_holders;
use crate::build::{BuildKit, Builders, Dagger};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::fingerprint::Fingerprinted;
use crate::model::Project;
use crate::plan::{Action, Plan, Step, StepId};
use crate::runtime::{self, ComposeHash, Leg, Run, StepError};
use crate::settings::{Builder, Settings};
use crate::term::{Display, History, WithoutMuted};

/// A plan that was carried out.
#[derive(Default)]
pub(super) struct Carried {
    /// The services that failed and that neither were named nor are required by another one.
    pub(super) fallen: BTreeSet<String>,
    /// What made it as long as it was.
    pub(super) path: Vec<Leg>,
    /// How long the steps took.
    pub(super) took: BTreeMap<StepId, Duration>,
}

/// Carries out a plan.
pub(super) async fn carry_out(
    invocation: &Invocation,
    prepared: &Prepared,
    plan: &Plan,
    dagger: Option<Dagger>,
) -> Result<Carried, Failure> {
    let work = Work {
        project: &prepared.project,
        named: &prepared.named,
        settings: &prepared.settings,
        engine: &prepared.engine,
        recipes: &prepared.recipes,
        plan,
        dagger,
        pushing: prepared.pushes.values().any(|push| push.all),
    };
    // Where nothing is created nobody is asked; docker compose looks at no hash of a container of `run`.
    let services = &prepared.project.services;
    let once = |name: &String| services.get(name).is_some_and(|own| own.one_off.is_some());
    let creates = |step: &Step| {
        matches!(step.action, Action::Create(_)) && !step.service.as_ref().is_some_and(once)
    };
    if !plan.steps.iter().any(creates) {
        return work.carry_out(invocation, None).await;
    }
    let cache = prepared.settings.cache.as_deref();
    let oracle = Oracle::open(&prepared.engine, &invocation.environment, cache);
    let hashes = oracle.map(|oracle| RunHashes::begin(&prepared.project, plan, oracle));
    let hashes = hashes.as_ref().map(|hashes| hashes as &dyn ComposeHash);
    work.carry_out(invocation, hashes).await
}

/// Carries out a plan that only turns containers on and off, or removes them, for services that were asked for.
pub(super) async fn carry_out_on(
    invocation: &Invocation,
    engine: &Docker,
    named: &Named,
    asked: &[String],
    plan: &Plan,
) -> Result<Carried, Failure> {
    let settings = invocation.settings(named.project.as_ref(), None)?;
    carry_out_with(invocation, engine, named, asked, plan, settings).await
}

/// The same, with settings of the command's own.
pub(super) async fn carry_out_with(
    invocation: &Invocation,
    engine: &Docker,
    named: &Named,
    asked: &[String],
    plan: &Plan,
    settings: Settings,
) -> Result<Carried, Failure> {
    let nameless = || Project {
        name: named.name.clone(),
        ..Project::default()
    };
    let work = Work {
        project: &named.project.clone().unwrap_or_else(nameless),
        named: asked,
        settings: &settings,
        engine,
        recipes: &BTreeMap::new(),
        plan,
        dagger: None,
        pushing: false,
    };
    Box::pin(work.carry_out(invocation, None)).await
}

/// A plan, with what it is carried out with.
struct Work<'a> {
    project: &'a Project,
    /// The services that were asked for by name.
    named: &'a [String],
    settings: &'a Settings,
    engine: &'a Docker,
    recipes: &'a BTreeMap<String, Fingerprinted>,
    plan: &'a Plan,
    dagger: Option<Dagger>,
    /// Whether pushes are what it is about.
    pushing: bool,
}

impl Work<'_> {
    async fn carry_out(
        self,
        invocation: &Invocation,
        compose: Option<&dyn ComposeHash>,
    ) -> Result<Carried, Failure> {
        let Self {
            project,
            named,
            settings,
            engine,
            recipes,
            plan,
            dagger,
            pushing,
        } = self;
        let history = History::open(settings.cache.as_deref(), &project.name);
        let display = Display::open(settings.progress, &invocation.screen, history, &plan.steps);
        let interrupt = invocation.interrupt.during(display.sink());
        let buildkit = BuildKit::new(
            engine.client().clone(),
            Arc::new(engine.access()),
            settings.cache.clone(),
        )
        .with_agent(invocation.ssh_agent());
        let strict = settings.builder == Builder::Dagger;
        let builder = Builders::new(buildkit, dagger, strict);
        let outcome = runtime::execute(Run {
            plan,
            project,
            recipes,
            engine,
            builder: &builder,
            compose,
            events: WithoutMuted::around(settings.muted, display.sink()),
            interrupt: interrupt.watch(),
            timeout: settings.timeout,
            parallel: settings.parallel,
        })
        .await;
        drop(interrupt);
        display.close();
        proofs::keep(settings.cache.as_deref(), &outcome.proofs);
        let mut failures = outcome.failures;
        name_holders(engine, &mut failures).await;
        let (in_use, failures): (Vec<_>, Vec<_>) = failures
            .into_iter()
            .partition(|failure| stays_without_harm(plan, failure));
        let (unpushed, failures): (Vec<_>, Vec<_>) = failures
            .into_iter()
            .partition(|failure| !pushing && matches!(failure.step.action, Action::Push { .. }));
        for message in Failure::Steps(in_use.into_iter().chain(unpushed).collect()).messages() {
            message.warning(&invocation.screen, &invocation.folder);
        }
        let (optional, failures): (Vec<_>, Vec<_>) = failures
            .into_iter()
            .partition(|failure| is_optional(project, named, plan, failure));
        match (failures.is_empty(), outcome.interrupted) {
            (true, true) => return Err(Failure::Interrupted),
            // Who interrupts knows why it ends.
            (false, true) if !invocation.interrupt.is_drained() => {
                return Err(Failure::Interrupted);
            }
            (false, _) => {
                return Err(Failure::Steps(
                    optional.into_iter().chain(failures).collect(),
                ));
            }
            (true, false) => {}
        }
        let services = optional.iter().map(|failure| failure.step.service.clone());
        let fallen = services.flatten().collect();
        for mut message in Failure::Steps(optional).messages() {
            message.text.push_str(", and no service requires it");
            message.warning(&invocation.screen, &invocation.folder);
        }
        Ok(Carried {
            fallen,
            path: outcome.path,
            took: outcome.took,
        })
    }
}

/// Whether something is not removed as somebody has it, and nothing was to come after it.
fn stays_without_harm(plan: &Plan, failure: &runtime::Failure) -> bool {
    let in_use = matches!(failure.error, StepError::InUse { .. });
    let mut steps = plan.steps.iter();
    in_use && !steps.any(|step| step.after.contains(&failure.step.id))
}

/// Whether a service did not become ready, nobody asked for it by name, and those of this run that depend on it go on
/// without it, `required: false`. docker compose warns of it.
fn is_optional(
    project: &Project,
    named: &[String],
    plan: &Plan,
    failure: &runtime::Failure,
) -> bool {
    let fell = matches!(
        failure.error,
        StepError::Exited { .. }
            | StepError::Unhealthy { .. }
            | StepError::TimedOut { .. }
            | StepError::NoHealthcheck { .. }
    );
    let service = failure.step.service.as_ref();
    let Some(service) = service.filter(|name| fell && !named.contains(name)) else {
        return false;
    };
    // One that is there already has no step.
    let with_steps = plan.steps.iter().filter_map(|step| step.service.as_ref());
    let run: BTreeSet<&String> = plan.services.keys().chain(with_steps).collect();
    let dependents = run
        .into_iter()
        .filter_map(|name| project.services.get(name));
    let mut required = dependents
        .filter_map(|dependent| Some(dependent.depends_on.get(service)?.required))
        .peekable();
    required.peek().is_some() && !required.any(|required| required)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Condition, Dependency, Service};
    use crate::plan::{ContainerSource, StepId};

    fn start(service: &str) -> Step {
        let container = ContainerSource::Id(service.to_owned());
        Step {
            id: StepId(0),
            service: Some(service.to_owned()),
            action: Action::Start {
                container,
                hooks: 0,
            },
            cause: String::new(),
            after: Vec::new(),
            settled: Vec::new(),
        }
    }

    #[test]
    fn what_stays_does_harm_where_something_was_to_come_after_it() {
        let removal = |after| Step {
            id: StepId(1),
            after,
            ..start("db")
        };
        let error = || StepError::InUse {
            kind: "network",
            name: "hub_default".to_owned(),
        };
        let alone = Plan {
            steps: vec![start("db"), removal(vec![StepId(0)])],
            ..Plan::default()
        };
        let failure = runtime::Failure {
            step: removal(vec![]),
            error: error(),
        };
        assert!(stays_without_harm(&alone, &failure));
        let renewed = Plan {
            steps: vec![
                removal(vec![]),
                Step {
                    after: vec![StepId(1)],
                    ..start("db")
                },
            ],
            ..Plan::default()
        };
        assert!(!stays_without_harm(&renewed, &failure));
        let other = runtime::Failure {
            error: StepError::Interrupted,
            ..failure
        };
        assert!(!stays_without_harm(&alone, &other));
    }

    #[test]
    fn a_failure_counts_where_nobody_goes_on_without_the_service() {
        let on = |required| {
            let condition = Condition::Healthy;
            let dependency = Dependency {
                condition,
                required,
                restart: false,
            };
            Service {
                depends_on: BTreeMap::from([("db".to_owned(), dependency)]),
                ..Service::default()
            }
        };
        let services = [("needs", on(true)), ("likes", on(false))];
        let services = services.map(|(name, service)| (name.to_owned(), service));
        let project = Project {
            services: services.into_iter().collect(),
            ..Project::default()
        };
        let counts_among = |named: &[String], run: &[&str]| {
            let plan = Plan {
                steps: run.iter().copied().map(start).collect(),
                ..Plan::default()
            };
            let service = "db".to_owned();
            let error = StepError::NoHealthcheck { service };
            let step = start("db");
            !is_optional(&project, named, &plan, &runtime::Failure { step, error })
        };
        let counts = |run: &[&str]| counts_among(&[], run);
        assert!(counts(&["db"]));
        assert!(counts(&["db", "needs"]));
        assert!(counts(&["db", "needs", "likes"]));
        assert!(!counts(&["db", "likes"]));
        assert!(counts_among(&["db".to_owned()], &["db", "likes"]));
    }
}
