//! `larder restart|stop`, and what `down` does to containers: those that are there, turned off and on in the order of
//! their dependencies.

use std::time::Instant;

use super::args::Services;
use super::carry_out::carry_out_on;
use super::invocation::{Invocation, Named};
use super::stack;
use crate::docker::Docker;
use crate::failure::Failure;
use crate::model::Project;
use crate::plan::{Action, Container, ContainerSource, Plan, StepId};
use crate::runtime::Engine;

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
        let project = named.project.as_ref();
        stack::with_guests(&observed.containers, project, &mut chosen);
    }
    let count = chosen.iter().filter(|c| is_due(c, turn)).count();
    if count == 0 {
        return invocation.note("nothing to stop");
    }
    let how = match turn {
        Turn::Restart => "restarted",
        Turn::Stop => "stopped",
        Turn::Remove { .. } => "removed",
    };
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
    if turn != Turn::Restart {
        waves.reverse();
    }
    for wave in &mut waves {
        wave.retain(|container| is_due(container, turn));
    }
    waves.retain(|wave| !wave.is_empty());
    let plan = plan(&waves, turn, named.project.as_ref());
    let carried = carry_out_on(invocation, engine, named, &[], &plan);
    carried.await.map(drop)
}

/// Whether there is something to do to a container: one that does not run is not stopped.
fn is_due(container: &Container, turn: Turn) -> bool {
    turn != Turn::Stop || container.state.is_running()
}

/// A wave comes after the one before it.
fn plan(waves: &[Vec<&Container>], turn: Turn, project: Option<&Project>) -> Plan {
    let mut plan = Plan::default();
    let mut before: Vec<StepId> = Vec::new();
    for wave in waves {
        let mut last = Vec::new();
        for container in wave {
            let mut after = before.clone();
            for action in actions(container, turn, project) {
                after = vec![plan.add(Some(&container.service), action, "asked for", after)];
            }
            last.extend(after);
        }
        before = last;
    }
    plan
}

/// What is done to a container, in order. Whoever is to be told what takes long must be told of its stop.
fn actions(container: &Container, turn: Turn, project: Option<&Project>) -> Vec<Action> {
    let service = project.and_then(|project| project.services.get(&container.service));
    let container = container.id.clone();
    let stop = Action::Stop {
        container: container.clone(),
        hooks: service.map_or(0, |service| service.pre_stop.len()),
        regardless: false,
    };
    match turn {
        Turn::Stop => vec![stop],
        Turn::Restart => {
            let container = ContainerSource::Id(container);
            let hooks = service.map_or(0, |service| service.post_start.len());
            vec![stop, Action::Start { container, hooks }]
        }
        // One that did not run may run by now, and has its grace period, too.
        Turn::Remove { volumes } => vec![stop, Action::Remove { container, volumes }],
    }
}

#[cfg(test)]
mod tests {
    use super::super::stack::tests::container;
    use super::*;
    use crate::plan;

    #[test]
    fn a_wave_comes_after_all_of_the_one_before() {
        let [a, b, c] = ["a", "b", "c"].map(|service| container(service, ""));
        let waves = [vec![&a, &b], vec![&c]];
        let text = plan::text(&super::plan(&waves, Turn::Restart, None));
        assert_eq!(
            text.trim(),
            "1  stop a (id-a): asked for
\
             2  start a: asked for (after 1)
\
             3  stop b (id-b): asked for
\
             4  start b: asked for (after 3)
\
             5  stop c (id-c): asked for (after 2, 4)
\
             6  start c: asked for (after 5)"
        );
    }
}
