//! `larder restart|stop`, and what `down` does to containers: those that are there, turned off and on in the order of
//! their dependencies.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;

use super::args::Services;
use super::invocation::{Invocation, Named};
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
    let begun = Instant::now();
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let mut chosen = chosen(&observed.containers, &named, &args.services)?;
    if turn == Turn::Restart {
        all_there(&chosen, &named, &args.services)?;
        stack::with_guests(&observed.containers, &mut chosen);
    } else if chosen.is_empty() {
        return invocation.note("nothing to stop");
    }
    let how = match turn {
        Turn::Restart => "restarted",
        Turn::Stop => "stopped",
        Turn::Remove { .. } => "removed",
    };
    let count = chosen.len();
    turn_all(invocation, &engine, &named, chosen, turn).await?;
    invocation.total(count, "container", how, begun)
}

/// The containers of the services that are named, or of all that are on.
pub(super) fn chosen<'a>(
    containers: &'a [Container],
    named: &Named,
    services: &[String],
) -> Result<Vec<&'a Container>, Failure> {
    let mut chosen = stack::of_services(containers, services, &named.services())?;
    if services.is_empty() {
        chosen.retain(|container| named.is_on(&container.service));
    }
    Ok(chosen)
}

/// Refuses a service without a container, and a project without one.
pub(super) fn all_there(
    chosen: &[&Container],
    named: &Named,
    services: &[String],
) -> Result<(), Failure> {
    let there = |name: &&String| chosen.iter().any(|container| container.service == **name);
    match services.iter().find(|name| !there(name)) {
        Some(name) => Err(Failure::NoContainer(name.clone())),
        None if chosen.is_empty() => Err(Failure::NoContainers(named.name.clone())),
        None => Ok(()),
    }
}

/// Does it to containers, those of a wave side by side. What fails lets the later waves be: what depends on
/// it would not stand.
pub(super) async fn turn_all(
    invocation: &Invocation,
    engine: &Docker,
    named: &Named,
    containers: Vec<&Container>,
    turn: Turn,
) -> Result<(), Failure> {
    let mut waves = stack::waves(containers, named.project.as_ref());
    if matches!(turn, Turn::Stop | Turn::Remove { .. }) {
        waves.reverse();
    }
    let settings = invocation.settings(None, None)?;
    let waves = steps(&waves, turn);
    let all: Vec<Step> = waves.iter().flatten().flatten().cloned().collect();
    let history = History::open(settings.cache.as_deref(), &named.name);
    let display = Display::open(settings.progress, &invocation.screen, history, &all);
    let interrupt = invocation.interrupt.during(display.sink());
    let asked = interrupt.watch();
    let mut failures = Vec::new();
    for wave in waves {
        let steps = wave.concat();
        if *asked.borrow() || !failures.is_empty() {
            skip(&steps, display.sink().as_ref());
            continue;
        }
        let turned = wave
            .into_iter()
            .map(|steps| one(engine, steps, turn, display.sink()));
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
    steps: Vec<Step>,
    turn: Turn,
    events: Arc<dyn EventSink>,
) -> Result<(), runtime::Failure> {
    let mut left = steps.into_iter();
    while let Some(step) = left.next() {
        let (id, begun) = (step.id, Instant::now());
        events.send(Event::Started { step: step.clone() });
        let done = call(engine, &step.action, turn).await;
        let took = begun.elapsed();
        if let Err(error) = done {
            events.send(Event::Failed { id, took });
            skip(left.as_slice(), events.as_ref());
            let error = StepError::Engine(error);
            return Err(runtime::Failure { step, error });
        }
        events.send(Event::Finished { id, took });
    }
    Ok(())
}

fn skip(steps: &[Step], events: &dyn EventSink) {
    for step in steps {
        events.send(Event::Skipped { id: step.id });
    }
}

async fn call(engine: &Docker, action: &Action, turn: Turn) -> Result<(), EngineError> {
    match action {
        Action::Stop { container } => engine.stop(container, None).await,
        Action::Remove { container } => {
            let volumes = matches!(turn, Turn::Remove { volumes: true });
            engine.remove(container, volumes).await
        }
        Action::Start {
            container: ContainerSource::Id(container),
        } => engine.start(container).await,
        // Nothing else is made below.
        _ => Ok(()),
    }
}

/// The steps that stand for it in the progress: of each wave, of each of its containers. A wave comes after the one
/// before it.
fn steps(waves: &[Vec<&Container>], turn: Turn) -> Vec<Vec<Vec<Step>>> {
    let mut next = 0;
    let mut before: Vec<StepId> = Vec::new();
    let mut all = Vec::new();
    for wave in waves {
        let mut steps = Vec::new();
        for container in wave {
            let mut own: Vec<Step> = Vec::new();
            for action in actions(container, turn) {
                let step = Step {
                    id: StepId(next),
                    service: Some(container.service.clone()),
                    action,
                    cause: "asked for".to_owned(),
                    after: own
                        .last()
                        .map_or_else(|| before.clone(), |last| vec![last.id]),
                    settled: Vec::new(),
                };
                next += 1;
                own.push(step);
            }
            steps.push(own);
        }
        let last = |own: &Vec<Step>| own.last().map(|step| step.id);
        before = steps.iter().filter_map(last).collect();
        all.push(steps);
    }
    all
}

/// What is done to a container, in order. Whoever is to be told what takes long must be told of its stop.
fn actions(container: &Container, turn: Turn) -> Vec<Action> {
    let stop = Action::Stop {
        container: container.id.clone(),
    };
    let start = Action::Start {
        container: ContainerSource::Id(container.id.clone()),
    };
    let remove = Action::Remove {
        container: container.id.clone(),
    };
    match turn {
        Turn::Restart => vec![stop, start],
        Turn::Stop => vec![stop],
        // One that did not run may run by now, and has its grace period, too.
        Turn::Remove { .. } => vec![stop, remove],
    }
}
