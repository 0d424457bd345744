//! What `restart`, `stop`, `rm` and `down` do to containers that are there: turned off and on in the order of their
//! dependencies. And what `kill`, `pause` and `unpause` do to them, all at once.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::carry_out::carry_out_on;
use super::invocation::{Invocation, Named};
use super::rounds::rounds_on;
use super::stack;
use super::taken::check_starts;
use crate::docker::{Docker, Stamp};
use crate::failure::Failure;
use crate::model::{Project, Service};
use crate::plan::{Action, Container, ContainerSource, Plan, State, StepId};
use crate::runtime::{Engine, EngineError};

/// What is done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Stopped and started again.
    Restart {
        /// The seconds until it is killed, in place of its own.
        grace: Option<u32>,
        /// Whether those that go with it stay as they are.
        alone: bool,
    },
    /// Stopped.
    Stop {
        /// The seconds until it is killed, in place of its own.
        grace: Option<u32>,
    },
    /// Stopped and removed, with its anonymous volumes when asked.
    Remove {
        /// The seconds until it is killed, in place of its own.
        grace: Option<u32>,
        /// Whether its anonymous volumes go too.
        volumes: bool,
    },
}

impl Turn {
    fn is_restart(self) -> bool {
        matches!(self, Self::Restart { .. })
    }

    fn grace(self) -> Option<u32> {
        match self {
            Self::Restart { grace, .. } | Self::Stop { grace } | Self::Remove { grace, .. } => {
                grace
            }
        }
    }
}

pub(super) async fn turn(
    invocation: &Invocation,
    services: &[String],
    turn: Turn,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let named = invocation.named()?;
    let mut first = Starts::new();
    rounds_on(invocation, named, async |engine, named| {
        let turn = (turn, &mut first);
        round((invocation, engine), services, named, turn, begun).await
    })
    .await
}

/// When containers were started last, by their IDs.
type Starts = BTreeMap<String, Option<Stamp>>;

async fn round(
    (invocation, engine): (&Invocation, &Docker),
    services: &[String],
    named: &Named,
    (turn, first): (Turn, &mut Starts),
    begun: Instant,
) -> Result<(), Failure> {
    let observed = engine.observe(&named.name).await?;
    let mut chosen = chosen(&observed.containers, named, services)?;
    if let Turn::Restart { alone, .. } = turn {
        let passed = pass_over_unfinished(invocation, &observed.containers, &mut chosen);
        all_there(&observed.containers, &chosen, &passed, named, services)?;
        if alone {
            for warning in left_behind(&observed.containers, &chosen) {
                invocation.warning(&warning);
            }
        } else {
            let project = named.project.as_ref();
            stack::with_guests(&observed.containers, project, &mut chosen);
        }
    }
    let verb = if turn.is_restart() { "restart" } else { "stop" };
    let running = |own: &Container| own.state.is_running();
    tell_off(
        invocation,
        named,
        services,
        (&observed.containers, &chosen),
        verb,
        running,
    );
    let count = chosen.iter().filter(|c| is_due(c, turn)).count();
    if count == 0 {
        return invocation.note(&format!("nothing to {verb}"));
    }
    let how = match turn {
        Turn::Restart { .. } => "restarted",
        Turn::Stop { .. } => "stopped",
        Turn::Remove { .. } => "removed",
    };
    if turn.is_restart() {
        leave_restarted(engine, first, &mut chosen).await?;
    }
    let plan = plan_of(chosen.clone(), named, turn);
    if turn.is_restart() {
        check_starts(engine, &plan, &chosen, named.project.as_ref()).await?;
    }
    carry_out_on(invocation, engine, named, &[], &plan).await?;
    invocation.total(count, "container", how, begun)
}

/// Leaves out those that an earlier round restarted already: they run, and since another moment than when they were seen `first`.
async fn leave_restarted(
    engine: &Docker,
    first: &mut Starts,
    chosen: &mut Vec<&Container>,
) -> Result<(), EngineError> {
    let looks = chosen.iter().map(async |own| {
        let started = engine.started(&own.id).await?;
        Ok::<_, EngineError>((own.id.clone(), started))
    });
    // Not all of a large project at once.
    let now = stream::iter(looks).buffer_unordered(32);
    let now: Starts = now.try_collect().await?;
    chosen.retain(|own| {
        let now = &now[&own.id];
        let first = first.entry(own.id.clone()).or_insert_with(|| now.clone());
        first == now || !matches!(own.state, State::Running(_))
    });
    Ok(())
}

/// What is said of running containers whose network, memory or processes end when those do, and that are no part of it.
fn left_behind(containers: &[Container], chosen: &[&Container]) -> Vec<String> {
    let all = containers.iter().filter(|own| own.state.is_running());
    let others = all.filter(|own| chosen.iter().all(|chosen| chosen.id != own.id));
    let cut_off = others.filter_map(|guest| {
        let mut hosts = guest.hosts();
        let (share, host) =
            hosts.find_map(|(share, id)| Some((share, chosen.iter().find(|own| own.id == id)?)))?;
        Some(format!(
            "`{}` {} `{}`, and is cut off: `larder restart {}` starts it anew",
            guest.name,
            share.verb(),
            host.name,
            guest.service
        ))
    });
    cut_off.collect()
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

/// Says which of all containers are no part of a command on the whole project, as their services are off, and would have been due.
pub(super) fn tell_off(
    invocation: &Invocation,
    named: &Named,
    services: &[String],
    (all, chosen): (&[Container], &[&Container]),
    verb: &str,
    due: impl Fn(&Container) -> bool,
) {
    let off = off(named, services, all);
    let off = off.filter(|own| due(own) && chosen.iter().all(|chosen| chosen.id != own.id));
    let shown: Vec<String> = off.map(|own| format!("`{}`", own.name)).collect();
    if !shown.is_empty() {
        invocation.warning(&format!(
            "no profile of {} is active, so it stays as it is: `larder --profile '*' {verb}` means it, too",
            shown.join(", ")
        ));
    }
}

/// The containers of services that are off, where none is named.
fn off<'a>(
    named: &Named,
    services: &[String],
    all: &'a [Container],
) -> impl Iterator<Item = &'a Container> {
    let whole = services.is_empty();
    let all = all.iter();
    all.filter(move |own| whole && !own.one_off && named.is_off(&own.service))
}

/// Leaves out containers that an `up` did not come to the end with, and says so: those whose making was cut off, as they must not
/// start without their secrets, and those that are to replace one which is still there.
pub(super) fn pass_over_unfinished<'a>(
    invocation: &Invocation,
    all: &[Container],
    chosen: &mut Vec<&'a Container>,
) -> Vec<&'a Container> {
    let mut passed = Vec::new();
    chosen.retain(|own| {
        let (name, service) = (&own.name, &own.service);
        let left = if own.is_unfinished() {
            format!("its making was cut off: `larder up {service}` makes it anew")
        } else if let Some(old) = all.iter().find(|old| own.is_to_replace(old)) {
            format!(
                "it is to replace `{}`: `larder up {service}` does that",
                old.name
            )
        } else {
            return true;
        };
        invocation.warning(&format!("`{name}` is left as it is, since {left}"));
        passed.push(*own);
        false
    });
    passed
}

/// Refuses a service without a container, and a project without one; `passed` are those that were left out.
pub(super) fn all_there(
    all: &[Container],
    chosen: &[&Container],
    passed: &[&Container],
    named: &Named,
    services: &[String],
) -> Result<(), Failure> {
    let of = |those: &[&Container], name: &String| those.iter().any(|own| own.service == *name);
    let none_whole = |whose: String, up: &str| Failure::Halted {
        text: format!("{whose} has no container that is whole"),
        hint: format!("`larder up{up}` makes it anew"),
    };
    match services.iter().find(|name| !of(chosen, name)) {
        Some(name) if of(passed, name) => {
            Err(none_whole(format!("service `{name}`"), &format!(" {name}")))
        }
        Some(name) => Err(Failure::NoContainer(name.clone())),
        None if !chosen.is_empty() => Ok(()),
        None if off(named, services, all).next().is_some() => Ok(()),
        None if !passed.is_empty() => Err(none_whole(format!("project `{}`", named.name), "")),
        None => Err(Failure::NoContainers(named.name.clone())),
    }
}

/// Does it to containers, those of a wave side by side. What fails lets the later waves be: what depends on
/// it would not stand.
pub(super) fn plan_of(containers: Vec<&Container>, named: &Named, turn: Turn) -> Plan {
    let project = named.project.as_ref();
    let mut guests = BTreeMap::new();
    if turn.is_restart() {
        guests = stack::guests(&containers, project);
    }
    let mut waves = stack::waves(containers, project);
    if !turn.is_restart() {
        waves.reverse();
    }
    for wave in &mut waves {
        wave.retain(|container| is_due(container, turn));
    }
    waves.retain(|wave| !wave.is_empty());
    plan(&waves, &guests, turn, project)
}

/// Does one thing to all of them side by side.
pub(super) async fn at_once(
    invocation: &Invocation,
    engine: &Docker,
    named: &Named,
    containers: &[&Container],
    act: impl Fn(String) -> Action,
) -> Result<(), Failure> {
    let mut plan = Plan::default();
    for container in containers {
        let action = act(container.id.clone());
        plan.add(Some(&container.service), action, "asked for", []);
    }
    let carried = carry_out_on(invocation, engine, named, &[], &plan);
    carried.await.map(drop)
}

/// Whether there is something to do to a container: one that does not run is not stopped.
fn is_due(container: &Container, turn: Turn) -> bool {
    !matches!(turn, Turn::Stop { .. }) || container.state.is_running()
}

/// A wave comes after the one before it; but what goes with a container stops before that one does.
fn plan<'a>(
    waves: &[Vec<&'a Container>],
    guests: &BTreeMap<&str, Vec<&'a str>>,
    turn: Turn,
    project: Option<&Project>,
) -> Plan {
    let all = waves.iter().flatten().enumerate();
    let ranks: BTreeMap<&str, (usize, &Container)> = all
        .map(|(rank, container)| (container.id.as_str(), (rank, *container)))
        .collect();
    let mut plan = Plan::default();
    let mut stops: BTreeMap<&str, StepId> = BTreeMap::new();
    let mut before: Vec<StepId> = Vec::new();
    for wave in waves {
        let mut last = Vec::new();
        for container in wave {
            for going in going(container, guests, &ranks, &stops).into_values().rev() {
                let own = guests.get(going.id.as_str()).into_iter().flatten();
                let own = own.filter_map(|guest| stops.get(guest));
                let after = before.iter().chain(own).copied();
                let mut after: Vec<StepId> = after.collect();
                let service = Some(going.service.as_str());
                if going.state == State::Paused {
                    // Neither its hooks nor its process would run.
                    let container = going.id.clone();
                    let resume = Action::Unpause { container };
                    let resume = plan.add(service, resume, "it is paused", after.clone());
                    after.push(resume);
                }
                let action = stop(going, turn, project);
                let stop = plan.add(service, action, "asked for", after);
                stops.insert(&going.id, stop);
            }
            let stop = stops[container.id.as_str()];
            last.push(match next(container, turn, project) {
                None => stop,
                Some(action) => {
                    let after = before.iter().copied().chain([stop]);
                    plan.add(Some(&container.service), action, "asked for", after)
                }
            });
        }
        before = last;
    }
    plan
}

/// A container and all that goes with it, in the order of their waves, those that are stopped left out.
fn going<'a>(
    container: &'a Container,
    guests: &BTreeMap<&str, Vec<&'a str>>,
    ranks: &BTreeMap<&str, (usize, &'a Container)>,
    stops: &BTreeMap<&str, StepId>,
) -> BTreeMap<usize, &'a Container> {
    let mut going = BTreeMap::new();
    let mut open = vec![container.id.as_str()];
    while let Some(id) = open.pop() {
        if let Some((rank, found)) = ranks.get(id)
            && !stops.contains_key(id)
            && going.insert(*rank, *found).is_none()
        {
            open.extend(guests.get(id).into_iter().flatten());
        }
    }
    going
}

/// The stop of a container. Whoever is to be told what takes long must be told of it.
fn stop(container: &Container, turn: Turn, project: Option<&Project>) -> Action {
    Action::Stop {
        container: container.id.clone(),
        hooks: definition(container, project).map_or(0, |service| service.pre_stop.len()),
        regardless: false,
        grace: turn.grace(),
    }
}

/// What is done to a container that was stopped.
fn next(container: &Container, turn: Turn, project: Option<&Project>) -> Option<Action> {
    let id = container.id.clone();
    match turn {
        Turn::Stop { .. } => None,
        Turn::Restart { .. } => {
            let service = definition(container, project);
            let hooks = service.map_or(0, |service| service.post_start.len());
            let container = ContainerSource::Id(id);
            Some(Action::Start { container, hooks })
        }
        // One that did not run may run by now, and has its grace period, too.
        Turn::Remove { volumes, .. } => Some(Action::Remove {
            container: id,
            volumes,
        }),
    }
}

fn definition<'a>(container: &Container, project: Option<&'a Project>) -> Option<&'a Service> {
    project.and_then(|project| project.services.get(&container.service))
}

#[cfg(test)]
mod tests {
    use super::super::stack::tests::container;
    use super::*;
    use crate::model::Share;
    use crate::plan;

    const RESTART: Turn = Turn::Restart {
        grace: None,
        alone: false,
    };

    #[test]
    fn a_wave_comes_after_all_of_the_one_before() {
        let [a, b, c] = ["a", "b", "c"].map(|service| container(service, ""));
        let waves = [vec![&a, &b], vec![&c]];
        let plan = |turn| plan::text(&super::plan(&waves, &BTreeMap::new(), turn, None));
        insta::assert_snapshot!(plan(RESTART), @"
        1  stop a (id-a): asked for
        2  start a: asked for (after 1)
        3  stop b (id-b): asked for
        4  start b: asked for (after 3)
        5  stop c (id-c): asked for (after 2, 4)
        6  start c: asked for (after 2, 4, 5)
        ");
        insta::assert_snapshot!(plan(Turn::Stop { grace: None }), @"
        1  stop a (id-a): asked for
        2  stop b (id-b): asked for
        3  stop c (id-c): asked for (after 1, 2)
        ");
        let remove = Turn::Remove {
            grace: None,
            volumes: false,
        };
        insta::assert_snapshot!(plan(remove), @"
        1  stop a (id-a): asked for
        2  remove a (id-a): asked for (after 1)
        3  stop b (id-b): asked for
        4  remove b (id-b): asked for (after 3)
        5  stop c (id-c): asked for (after 2, 4)
        6  remove c (id-c): asked for (after 2, 4, 5)
        ");
    }

    #[test]
    fn what_goes_with_a_container_stops_before_it() {
        let before = container("before", "");
        let host = container("host", "before:service_started:false");
        let mut guest = container("guest", "");
        guest.shares = [(Share::Network, host.id.clone())].into();
        let last = container("last", "guest:service_started:true");
        let all = [&last, &guest, &host, &before];
        let (guests, waves) = (stack::guests(&all, None), stack::waves(all.into(), None));
        let plan = super::plan(&waves, &guests, RESTART, None);
        insta::assert_snapshot!(plan::text(&plan), @"
        1  stop before (id-before): asked for
        2  start before: asked for (after 1)
        3  stop last (id-last): asked for (after 2)
        4  stop guest (id-guest): asked for (after 2, 3)
        5  stop host (id-host): asked for (after 2, 4)
        6  start host: asked for (after 2, 5)
        7  start guest: asked for (after 4, 6)
        8  start last: asked for (after 3, 7)
        ");
    }

    #[test]
    fn what_is_paused_is_resumed_before_it_is_stopped() {
        let mut paused = container("a", "");
        paused.state = State::Paused;
        let stop = Turn::Stop { grace: Some(3) };
        let plan = super::plan(&[vec![&paused]], &BTreeMap::new(), stop, None);
        insta::assert_snapshot!(plan::text(&plan), @"
        1  unpause a (id-a): it is paused
        2  stop a (id-a): asked for (after 1)
        ");
        assert_eq!(plan::json(&plan)["steps"][1]["grace"], 3);
    }

    #[test]
    fn a_guest_that_is_no_part_of_a_restart_is_told() {
        let host = container("host", "");
        let mut guest = container("guest", "");
        guest.shares = [(Share::Network, host.id.clone())].into();
        let all = [host, guest];
        let told = left_behind(&all, &[&all[0]]);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("`hub-guest-1` shares the network of `hub-host-1`"),
            "{told:?}"
        );
        assert!(left_behind(&all, &[&all[0], &all[1]]).is_empty());
    }
}
