//! `larder restart|stop|start`: containers that are there, turned off and on in the order of their
//! dependencies.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;

use super::args::Services;
use super::interrupt::Interrupt;
use super::invocation::Invocation;
use super::stack;
use crate::docker::Docker;
use crate::failure::Failure;
use crate::plan::{Action, Container, ContainerSource, Step, StepId};
use crate::runtime::{self, Engine, EngineError, Event, EventSink, StepError};
use crate::term::{Display, History};

/// What is done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Stopped and started again.
    Restart,
    /// Stopped.
    Stop,
    /// Started.
    Start,
    /// Stopped and removed, with its anonymous volumes when asked.
    Remove {
        /// Whether its anonymous volumes go too.
        volumes: bool,
    },
}

pub(super) async fn turn(
    invocation: &Invocation,
    args: &Services,
    turn: Turn,
) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let chosen = stack::of_services(&observed.containers, &args.services, &named.services())?;
    turn_all(invocation, &engine, &named.name, chosen, turn).await
}

/// Does it to containers, those of a wave side by side. What fails lets the later waves be: what depends on
/// it would not stand.
pub(super) async fn turn_all(
    invocation: &Invocation,
    engine: &Docker,
    project: &str,
    containers: Vec<&Container>,
    turn: Turn,
) -> Result<(), Failure> {
    let mut waves = stack::waves(containers);
    if matches!(turn, Turn::Stop | Turn::Remove { .. }) {
        waves.reverse();
    }
    let settings = invocation.settings(None, None)?;
    let steps: Vec<(&Container, Step)> = waves
        .iter()
        .flatten()
        .enumerate()
        .map(|(number, container)| (*container, step(number, container, turn)))
        .collect();
    let shown: Vec<Step> = steps.iter().map(|(_, step)| step.clone()).collect();
    let history = History::open(settings.cache.as_deref(), project);
    let display = Display::open(settings.progress, &invocation.screen, history, &shown);
    let interrupt = Interrupt::listen(display.sink());
    let asked = interrupt.watch();
    let mut left = steps.into_iter();
    let mut failures = Vec::new();
    for wave in waves {
        if *asked.borrow() || !failures.is_empty() {
            break;
        }
        let turned = left
            .by_ref()
            .take(wave.len())
            .map(|(container, step)| one(engine, container, step, turn, display.sink()));
        failures.extend(join_all(turned).await.into_iter().filter_map(Result::err));
    }
    let interrupted = *asked.borrow();
    drop(interrupt);
    display.close();
    match (failures.is_empty(), interrupted) {
        (_, true) => Err(Failure::Interrupted),
        (true, false) => Ok(()),
        (false, false) => Err(Failure::Steps(failures)),
    }
}

/// Does it to one container, with its events.
async fn one(
    engine: &Docker,
    container: &Container,
    step: Step,
    turn: Turn,
    events: Arc<dyn EventSink>,
) -> Result<(), runtime::Failure> {
    let (id, begun) = (step.id, Instant::now());
    events.send(Event::Started { step: step.clone() });
    let done = call(engine, &container.id, turn).await;
    let took = begun.elapsed();
    match done {
        Ok(()) => {
            events.send(Event::Finished { id, took });
            Ok(())
        }
        Err(error) => {
            events.send(Event::Failed { id, took });
            Err(runtime::Failure {
                step,
                error: StepError::Engine(error),
            })
        }
    }
}

async fn call(engine: &Docker, container: &str, turn: Turn) -> Result<(), EngineError> {
    match turn {
        Turn::Restart => engine.restart(container, None).await,
        Turn::Stop => engine.stop(container, None).await,
        Turn::Start => engine.start(container).await,
        Turn::Remove { volumes } => {
            engine.stop(container, None).await?;
            engine.remove(container, volumes).await
        }
    }
}

/// The step that stands for it in the progress.
fn step(number: usize, container: &Container, turn: Turn) -> Step {
    let id = container.id.clone();
    Step {
        id: StepId(number),
        service: Some(container.service.clone()),
        action: match turn {
            Turn::Start | Turn::Restart => Action::Start {
                container: ContainerSource::Id(id),
            },
            Turn::Stop => Action::Stop { container: id },
            Turn::Remove { .. } => Action::Remove { container: id },
        },
        cause: "asked for".to_owned(),
        after: Vec::new(),
        settled: Vec::new(),
    }
}
