//! `larder start`: each container once those that it waits for are what it waits for, as with `up`.

use std::collections::BTreeMap;
use std::time::Instant;

use super::args::Services;
use super::carry_out::carry_out_on;
use super::invocation::{Invocation, Named};
use super::rounds::rounds_on;
use super::stops::wait_for_stops;
use super::taken::check_starts;
use super::{stack, turn};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::model::{Condition, Project};
use crate::plan::{Action, Container, ContainerSource, Plan, Readiness, State, StepId};
use crate::runtime::Engine;

pub(super) async fn start(invocation: &Invocation, args: &Services) -> Result<(), Failure> {
    let begun = Instant::now();
    let named = invocation.named()?;
    rounds_on(invocation, named, async |engine, named| {
        round((invocation, engine), args, named, begun).await
    })
    .await
}

async fn round(
    (invocation, engine): (&Invocation, &Docker),
    args: &Services,
    named: &Named,
    begun: Instant,
) -> Result<(), Failure> {
    let (observed, signals) =
        tokio::join!(engine.observe(&named.name), engine.signals(&named.name));
    let observed = observed?;
    let chosen = turn::chosen(&observed.containers, named, &args.services)?;
    let mut chosen = stack::with_hosts(&observed.containers, named.project.as_ref(), chosen);
    let passed = turn::pass_over_unfinished(invocation, &observed.containers, &mut chosen);
    turn::all_there(
        &observed.containers,
        &chosen,
        &passed,
        named,
        &args.services,
    )?;
    let all = (observed.containers.as_slice(), chosen.as_slice());
    turn::tell_off(invocation, named, &args.services, all, "start", |own| {
        !is_up(own)
    });
    wait_for_stops(invocation, engine, chosen.iter().copied(), &signals).await?;
    let mut due: Vec<&Container> = chosen.iter().copied().filter(|c| !is_up(c)).collect();
    if due.is_empty() {
        return invocation.note("nothing to start");
    }
    let plan = plan(chosen.clone(), named.project.as_ref());
    check_starts(engine, &plan, &chosen, named.project.as_ref()).await?;
    let carried = carry_out_on(invocation, engine, named, &args.services, &plan).await?;
    due.retain(|container| !carried.fallen.contains(&container.service));
    invocation.total(due.len(), "container", "started", begun)
}

/// Whether there is nothing to start. A paused one is not up: the engine says what to do about it.
fn is_up(container: &Container) -> bool {
    matches!(container.state, State::Running(_) | State::Restarting)
}

/// The starts, and the waits between them.
fn plan(containers: Vec<&Container>, project: Option<&Project>) -> Plan {
    let mut draft = Draft::default();
    for container in stack::waves(containers, project).concat() {
        if is_up(container) {
            draft.add(container, None);
            continue;
        }
        let (mut after, mut settled) = (Vec::new(), Vec::new());
        for (name, condition, required) in stack::dependencies(container, project) {
            let steps = draft.gate(name, condition, &container.service);
            if required { &mut after } else { &mut settled }.extend(steps);
        }
        let hosts = container.hosts();
        after.extend(hosts.filter_map(|(_, host)| draft.starts.get(host)));
        let definition = project.and_then(|project| project.services.get(&container.service));
        let start = Action::Start {
            container: ContainerSource::Id(container.id.clone()),
            hooks: definition.map_or(0, |own| own.post_start.len()),
        };
        let service = Some(container.service.as_str());
        let id = draft.plan.add(service, start, "asked for", after);
        draft.plan.steps[id.0].settled = settled;
        draft.add(container, Some(id));
        draft.starts.insert(container.id.clone(), id);
    }
    draft.plan
}

#[derive(Default)]
struct Draft {
    plan: Plan,
    /// The steps that start containers, by their IDs.
    starts: BTreeMap<String, StepId>,
    /// The containers of each service, with the step that starts those that are not up.
    there: BTreeMap<String, Vec<(String, Option<StepId>)>>,
    /// Waits, made once however many wait for the same.
    waits: BTreeMap<(String, Readiness), Vec<StepId>>,
}

impl Draft {
    fn add(&mut self, container: &Container, started: Option<StepId>) {
        let there = self.there.entry(container.service.clone()).or_default();
        there.push((container.id.clone(), started));
    }

    /// The steps behind which a service is what a dependent waits for. One that was not asked for is left as it is.
    fn gate(&mut self, service: &str, condition: Condition, dependent: &str) -> Vec<StepId> {
        let there = self.there.get(service).cloned().unwrap_or_default();
        let until = match condition {
            Condition::Started => return there.into_iter().filter_map(|(_, step)| step).collect(),
            Condition::Healthy => Readiness::Healthy,
            Condition::Completed => Readiness::Completed,
        };
        let key = (service.to_owned(), until);
        if let Some(steps) = self.waits.get(&key) {
            return steps.clone();
        }
        let cause = format!("`{dependent}` waits for it");
        let wait = |(container, step): (String, Option<StepId>)| {
            let container = ContainerSource::Id(container);
            let wait = Action::Wait { container, until };
            self.plan.add(Some(service), wait, &cause, step)
        };
        let steps: Vec<StepId> = there.into_iter().map(wait).collect();
        self.waits.insert(key, steps.clone());
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::super::stack::tests::container;
    use super::*;
    use crate::model::Share;
    use crate::plan;

    fn stopped(service: &str, depends_on: &str) -> Container {
        Container {
            state: State::Exited(0),
            ..container(service, depends_on)
        }
    }

    #[test]
    fn what_others_wait_for_is_waited_for_between_the_starts() {
        let all = [
            stopped(
                "api",
                "db:service_healthy:false,cache:service_started:false",
            ),
            stopped("cache", "gone:service_healthy:false"),
            stopped("db", ""),
            stopped("web", "db:service_healthy:false"),
        ];
        let text = plan::text(&super::plan(all.iter().collect(), None));
        assert_eq!(
            text.trim(),
            "1  start cache: asked for\n\
             2  start db: asked for\n\
             3  wait until db is healthy: `api` waits for it (after 2)\n\
             4  start api: asked for (after 1, 3)\n\
             5  start web: asked for (after 3)"
        );
    }

    #[test]
    fn what_a_container_has_of_another_is_there_before_it() {
        let host = stopped("host", "");
        let mut guest = stopped("guest", "");
        guest.shares = [(Share::Network, host.id.clone())].into();
        let text = plan::text(&super::plan(vec![&guest, &host], None));
        assert_eq!(
            text.trim(),
            "1  start host: asked for\n\
             2  start guest: asked for (after 1)"
        );
    }

    #[test]
    fn what_is_up_is_not_started_and_still_waited_for() {
        let all = [
            stopped(
                "api",
                "db:service_healthy:false,cache:service_started:false",
            ),
            container("cache", ""),
            container("db", ""),
            container("web", "db:service_healthy:false"),
        ];
        let text = plan::text(&super::plan(all.iter().collect(), None));
        assert_eq!(
            text.trim(),
            "1  wait until db is healthy: `api` waits for it\n\
             2  start api: asked for (after 1)"
        );
    }
}
