//! The executor: carries out a plan's steps, each as soon as those it needs have succeeded, independent ones
//! side by side. It decides nothing: what a step does, and why, is the plan's.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Mutex, broadcast, watch};

use super::critical_path::{Leg, Spans};
use super::error::StepError;
use super::event::{Event, EventSink, Progress};
use super::ledger::{Ledger, Product};
use super::ports::{Builder, ComposeHash, Engine, Happening};
use super::queue::Queue;
use super::readiness::Proof;
use super::work::Work;
use crate::fingerprint::Fingerprinted;
use crate::model::Project;
use crate::plan::{Action, Plan, Step, StepId};

/// Everything that one execution needs.
pub struct Run<'a, E, B> {
    /// The plan.
    pub plan: &'a Plan,
    /// The project that it was made for.
    pub project: &'a Project,
    /// The recipes of the services that it builds.
    pub recipes: &'a BTreeMap<String, Fingerprinted>,
    /// The engine.
    pub engine: &'a E,
    /// The builders.
    pub builder: &'a B,
    /// Who knows docker compose's hashes of what is created; larder's formula is taken where nobody does.
    pub compose: Option<&'a dyn ComposeHash>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// Turns true when the run is to end early: no new steps, calls in flight are finished, waits and builds
    /// are dropped.
    pub interrupt: watch::Receiver<bool>,
    /// How long each wait may take.
    pub timeout: Option<Duration>,
    /// How many pulls, builds and starts go on at once; `None` for as many as there are.
    pub parallel: Option<NonZeroUsize>,
}

/// How an execution ended.
#[derive(Debug)]
pub struct Outcome {
    /// The steps that failed, in the order in which they did.
    pub failures: Vec<Failure>,
    /// The health checks that passed before the engine ran them itself.
    pub proofs: Vec<Proof>,
    /// Whether it was told to end early.
    pub interrupted: bool,
    /// What made it as long as it was, first step first.
    pub path: Vec<Leg>,
    /// How long the steps took that were done.
    pub took: BTreeMap<StepId, Duration>,
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Why.
    pub error: StepError,
}

/// Carries out the plan. Steps that need a failed one are skipped; all others go on.
pub async fn execute<E: Engine, B: Builder>(run: Run<'_, E, B>) -> Outcome {
    let mut spans = Spans::new(run.plan, Instant::now());
    let mut queue = Queue::new(run.plan, run.parallel);
    let mut ledger = Ledger::new(run.plan);
    let (news, _) = broadcast::channel(256);
    let ranges = Mutex::new(());
    let mut interrupt = run.interrupt.clone();
    let mut interrupted = *interrupt.borrow();
    let mut watched = pin!(run.engine.watch(&run.project.name));
    let watching = run
        .plan
        .steps
        .iter()
        .any(|step| matches!(step.action, Action::Wait { .. }));
    let mut running = FuturesUnordered::new();
    let mut failures = Vec::new();
    let mut all_took = BTreeMap::new();

    loop {
        if !interrupted {
            queue.add(ledger.take_ready());
            while let Some(id) = queue.next() {
                let step = &run.plan.steps[id.0];
                run.events.send(Event::Started { step: step.clone() });
                let needs = ledger.products_for(&step.action);
                running.push(carry_out(&run, step, needs, news.clone(), &ranges));
            }
        }
        tokio::select! {
            ended = running.next() => match ended {
                None => break,
                Some(Ended { id, took, result }) => {
                  queue.ended(id);
                  spans.end(id);
                  match result {
                    Ok(product) => {
                        ledger.done(id, product);
                        all_took.insert(id, took);
                        run.events.send(Event::Finished { id, took });
                    }
                    Err(StepError::Interrupted) => {
                        // It may have heard of it first.
                        interrupted = true;
                        ledger.lost(id);
                    }
                    Err(error) => {
                        ledger.lost(id);
                        run.events.send(Event::Failed { id, took });
                        failures.push(Failure { step: run.plan.steps[id.0].clone(), error });
                    }
                  }
                },
            },
            Some(happening) = watched.next(), if watching => {
                // Nobody waits at the moment when this fails.
                let _ = news.send(happening);
            }
            Ok(()) = interrupt.changed(), if !interrupted => interrupted = *interrupt.borrow(),
        }
    }
    for id in queue.rest() {
        ledger.lost(id);
    }
    let failed = failures.iter().map(|failure: &Failure| failure.step.id);
    for id in ledger.left(&failed.collect()) {
        run.events.send(Event::Skipped { id });
    }
    Outcome {
        failures,
        proofs: ledger.proofs(),
        interrupted,
        path: spans.critical_path(run.plan),
        took: all_took,
    }
}

struct Ended {
    id: StepId,
    took: Duration,
    result: Result<Product, StepError>,
}

async fn carry_out<E: Engine, B: Builder>(
    run: &Run<'_, E, B>,
    step: &Step,
    needs: BTreeMap<StepId, Product>,
    news: broadcast::Sender<Happening>,
    ranges: &Mutex<()>,
) -> Ended {
    let begun = Instant::now();
    let work = Work {
        run,
        step,
        needs,
        progress: Progress::new(step.id, run.events.clone()),
    };
    let result = if is_droppable(&step.action) {
        let mut interrupt = run.interrupt.clone();
        tokio::select! {
            result = work.act(&news, ranges) => result,
            _ = interrupt.wait_for(|stop| *stop) => Err(StepError::Interrupted),
        }
    } else {
        work.act(&news, ranges).await
    };
    Ended {
        id: step.id,
        took: begun.elapsed(),
        result,
    }
}

/// Whether a step can be left in the middle without leaving anything half done on the engine.
fn is_droppable(action: &Action) -> bool {
    matches!(
        action,
        Action::Wait { .. }
            | Action::Pull { .. }
            | Action::Push { .. }
            | Action::Build { .. }
            | Action::BuildDependencies { .. }
    )
}
