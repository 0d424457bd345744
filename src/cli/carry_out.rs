//! A plan carried out with its progress on the screen, until it is done or somebody interrupts it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::invocation::Invocation;
use super::prepare::Prepared;
use super::proofs;
use crate::build::{BuildKit, Builders, Dagger};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::fingerprint::Fingerprinted;
use crate::model::Project;
use crate::plan::Plan;
use crate::runtime::{self, Run};
use crate::settings::{Builder, Settings};
use crate::term::{Display, History};

/// Carries out a plan; how long it took.
pub(super) async fn carry_out(
    invocation: &Invocation,
    prepared: &Prepared,
    plan: &Plan,
    dagger: Option<Dagger>,
) -> Result<Duration, Failure> {
    let Prepared {
        project,
        settings,
        engine,
        recipes,
        ..
    } = prepared;
    carry_out_for(invocation, project, settings, engine, recipes, plan, dagger).await
}

/// Carries out a plan for a project of which no more than this is known; how long it took.
pub(super) async fn carry_out_for(
    invocation: &Invocation,
    project: &Project,
    settings: &Settings,
    engine: &Docker,
    recipes: &BTreeMap<String, Fingerprinted>,
    plan: &Plan,
    dagger: Option<Dagger>,
) -> Result<Duration, Failure> {
    let history = History::open(settings.cache.as_deref(), &project.name);
    let display = Display::open(settings.progress, &invocation.screen, history, &plan.steps);
    let interrupt = invocation.interrupt.during(display.sink());
    let buildkit = BuildKit::new(
        engine.client().clone(),
        Arc::new(engine.access()),
        settings.cache.clone(),
    );
    let strict = settings.builder == Builder::Dagger;
    let builder = Builders::new(buildkit, dagger, strict);
    let outcome = runtime::execute(Run {
        plan,
        project,
        recipes,
        engine,
        builder: &builder,
        events: display.sink(),
        interrupt: interrupt.watch(),
        timeout: settings.timeout,
    })
    .await;
    drop(interrupt);
    display.close();
    proofs::keep(settings.cache.as_deref(), &outcome.proofs);
    match (outcome.failures.is_empty(), outcome.interrupted) {
        (true, false) => Ok(outcome.took),
        (_, true) => Err(Failure::Interrupted),
        (false, false) => Err(Failure::Steps(outcome.failures)),
    }
}
