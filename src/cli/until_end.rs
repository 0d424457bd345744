//! `larder up --abort-on-container-exit` and its kin: what containers print is shown from the first start on. Once one ends
//! that counts, or the start fails, what is left of the start is given up and all are stopped. `ends` knows which ends count.

mod ends;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};

use clap::Args;
use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use tokio::sync::{oneshot, watch};

use self::ends::{End, Ends, Outcome, stale};
use super::carry_out::carry_out_on;
use super::interrupt::During;
use super::invocation::{Invocation, Named};
use super::logs::Marks;
use super::prepare::Prepared;
use super::turn::{Turn, plan_of};
use super::{logs, stack};
use crate::docker::Docker;
use crate::failure::{Failure, handed_on};
use crate::model::{Project, UnknownService};
use crate::plan::{Action, Container, Plan};
use crate::runtime::{Engine, EngineError, Event, EventSink};
use crate::settings::Progress;

/// Which end ends all.
#[derive(Args, Debug, Default)]
pub struct UntilEnd {
    /// Follow the logs until a container ends, then stop all; its code is the exit code. Jobs may end well
    #[arg(long, conflicts_with_all = ["detach", "no_start"])]
    pub abort_on_container_exit: bool,
    /// The same when one ends with another code than 0
    #[arg(long, conflicts_with_all = ["detach", "no_start", "abort_on_container_exit"])]
    pub abort_on_container_failure: bool,
    /// The service whose container's code is the exit code; implies `--abort-on-container-exit`
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["detach", "no_start", "abort_on_container_failure"])]
    pub exit_code_from: Option<String>,
}

/// What is known when the first container is about to start.
pub(super) struct Begun {
    /// A connection of its own.
    pub(super) engine: Docker,
    pub(super) project: Project,
    pub(super) progress: Progress,
    /// All services of the run.
    pub(super) services: BTreeSet<String>,
    /// Those whose logs are shown.
    pub(super) attached: BTreeSet<String>,
    /// Those whose ends count.
    pub(super) counted: BTreeSet<String>,
    /// What was there before.
    pub(super) before: Vec<Container>,
    /// How far the logs of that were printed.
    pub(super) marks: Marks,
    /// Of that what is removed.
    pub(super) leaving: BTreeSet<String>,
    stale: Stale,
}

/// Containers whose end counts once they were started anew, each with its last start until now.
type Stale = Arc<Mutex<BTreeMap<String, String>>>;

/// Tells whoever watches when the first container is about to start.
pub(super) struct Beginning {
    tell: Option<oneshot::Sender<(Begun, During)>>,
    stale: Stale,
}

impl Beginning {
    /// With who is to be told.
    pub(super) fn new() -> (Self, oneshot::Receiver<(Begun, During)>) {
        let (tell, told) = oneshot::channel();
        let beginning = Self {
            tell: Some(tell),
            stale: Stale::default(),
        };
        (beginning, told)
    }

    /// A plan is about to be carried out; the logs of `attached` are shown from `marks` on, and the ends of `counted` count.
    pub(super) async fn begin(
        &mut self,
        invocation: &Invocation,
        prepared: &Prepared,
        plan: &Plan,
        (attached, counted, marks): (BTreeSet<String>, BTreeSet<String>, &Marks),
    ) -> Result<(), Failure> {
        let containers = &prepared.observed.containers;
        for own in stale(containers, plan, self.tell.is_some()) {
            let started = match prepared.engine.inspect(&own.id).await {
                Err(EngineError::Refused { .. }) => continue,
                condition => condition?.started,
            };
            ends::lock(&self.stale).insert(own.id.clone(), started);
        }
        if self.tell.is_none() {
            return Ok(());
        }
        let leaving = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Remove { container, .. } => Some(container.clone()),
            _ => None,
        });
        let begun = Begun {
            engine: invocation.engine().await?,
            project: prepared.project.clone(),
            progress: prepared.settings.progress,
            services: prepared.services.clone(),
            attached,
            counted,
            before: containers.clone(),
            marks: marks.clone(),
            leaving: leaving.collect(),
            stale: Arc::clone(&self.stale),
        };
        // From here on an interrupt stops what was started, also while no plan is carried out.
        let during = invocation.interrupt.during(Arc::new(Nobody));
        invocation.note("following the logs: Ctrl-C stops all")?;
        if let Some(tell) = self.tell.take() {
            // Who does not listen any more has ended.
            let _ = tell.send((begun, during));
        }
        Ok(())
    }

    /// Whether who watches was told.
    pub(super) fn is_told(&self) -> bool {
        self.tell.is_none()
    }
}

impl UntilEnd {
    /// Whether any of it is asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.abort_on_container_exit
            || self.abort_on_container_failure
            || self.exit_code_from.is_some()
    }

    /// Refuses a service that the run does not have.
    pub(super) fn check(&self, prepared: &Prepared) -> Result<(), Failure> {
        let unknown = |name: &&String| !prepared.services.contains(*name);
        match self.exit_code_from.as_ref().filter(unknown) {
            None => Ok(()),
            Some(name) => Err(UnknownService {
                name: name.clone(),
                known: prepared.services.iter().cloned().collect(),
            }
            .into()),
        }
    }

    /// Starts, and follows the logs until a container ends; then stops all, within `grace`. The exit code.
    pub(super) async fn run(
        &self,
        invocation: &Invocation,
        start: impl Future<Output = Result<(), Failure>>,
        mut told: oneshot::Receiver<(Begun, During)>,
        grace: Option<u32>,
    ) -> Result<u8, Failure> {
        let mut start = pin!(start);
        let mut started = None;
        let begun = tokio::select! {
            begun = &mut told => begun.ok(),
            result = &mut start => {
                started = Some(result);
                told.try_recv().ok()
            }
        };
        let Some((begun, during)) = begun else {
            let started = match started {
                Some(started) => started,
                None => start.await,
            };
            return started.map(|()| 0);
        };
        let (tell, stopped) = watch::channel(false);
        let follow = async {
            if let Err(failure) = logs::beside(invocation, &begun, stopped).await {
                invocation.warning("what containers print is not shown any more");
                warn(invocation, &failure);
            }
        };
        let mut follow = pin!(follow.fuse());
        let ends = Ends::new(self, &begun);
        let asked = during.watch();
        let end = end(&ends, start.as_mut(), &mut started, asked);
        let end = while_following(&mut follow, Box::pin(end)).await?;
        end.tell(invocation);
        let started = if let Some(started) = started {
            started
        } else {
            let _drained = invocation.interrupt.drain();
            while_following(&mut follow, start).await
        };
        drop(during);
        let outcome = ends.outcome(invocation, end, started).await?;
        let stop = Box::pin(stop(invocation, &begun, &outcome, grace));
        match (while_following(&mut follow, stop).await, &outcome.failure) {
            (Err(failure), Some(_)) => warn(invocation, &failure),
            (stopped, _) => stopped?,
        }
        let _ = tell.send(true);
        if !follow.is_terminated() {
            follow.await;
        }
        match outcome.failure {
            Some(failure) => Err(failure),
            None => Ok(handed_on(ends.code(outcome.code).await?)),
        }
    }
}

/// Tells a failure that is not what the command ends with.
fn warn(invocation: &Invocation, failure: &Failure) {
    for message in failure.messages() {
        message.warning(&invocation.screen, &invocation.folder);
    }
}

/// Waits for something while what containers print is shown.
async fn while_following<T>(
    follow: &mut (impl FusedFuture<Output = ()> + Unpin),
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = &mut *follow, if !follow.is_terminated() => {}
        }
    }
}

/// What ends the run. The start goes on until then, and may not have `started` all.
async fn end(
    ends: &Ends<'_>,
    mut start: Pin<&mut impl Future<Output = Result<(), Failure>>>,
    started: &mut Option<Result<(), Failure>>,
    mut asked: watch::Receiver<bool>,
) -> Result<End, Failure> {
    loop {
        match started {
            Some(Err(_)) => return Ok(End::Start),
            Some(Ok(())) => ends.all_are_started(),
            None => {}
        }
        tokio::select! {
            ended = ends.first() => return ended.map(End::Container),
            result = &mut start, if started.is_none() => *started = Some(result),
            Ok(_) = asked.wait_for(|asked| *asked) => return Ok(End::Interrupt),
        }
    }
}

/// What an interrupt means is told by who watches.
struct Nobody;

impl EventSink for Nobody {
    fn send(&self, _event: Event) {}
}

/// Stops the services of the run, without what nobody named and ran before; where the start failed, only what was started.
async fn stop(
    invocation: &Invocation,
    begun: &Begun,
    outcome: &Outcome,
    grace: Option<u32>,
) -> Result<(), Failure> {
    let named = Named {
        name: begun.project.name.clone(),
        project: Some(begun.project.clone()),
    };
    let engine = invocation.engine_to_change(&named.name).await?;
    let observed = engine.observe(&named.name).await?;
    let services: Vec<String> = begun.services.iter().cloned().collect();
    let mut chosen = stack::of_services(&observed.containers, &services, &begun.services)?;
    let ran = || begun.before.iter().filter(|old| old.state.is_running());
    // Also where it was replaced.
    let in_place = |own: &Container, old: &Container| {
        !old.one_off && (&old.service, old.number) == (&own.service, own.number)
    };
    chosen.retain(|own| {
        if outcome.is_failed_start {
            return !ran().any(|old| old.id == own.id);
        }
        begun.counted.contains(&own.service) || !ran().any(|old| in_place(own, old))
    });
    let plan = plan_of(chosen, &named, Turn::Stop { grace });
    if plan.is_empty() {
        return Ok(());
    }
    let stopped = carry_out_on(invocation, &engine, &named, &[], &plan).await;
    stopped.map(drop)
}
