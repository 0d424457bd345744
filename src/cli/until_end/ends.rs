//! Which end of a container ends a run, and what the run is worth then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::{Begun, UntilEnd};
use crate::cli::invocation::Invocation;
use crate::failure::Failure;
use crate::plan::{Action, Container, Plan, State};
use crate::runtime::{Engine, EngineError, HappeningKind, StepError};

/// An end that no event told is seen after this time.
const LOOK: Duration = Duration::from_secs(1);
/// The engine tells that a container died before it lists it as ended: so often it is looked again, and after this time.
const SOON: u32 = 20;
const MOMENT: Duration = Duration::from_millis(50);
/// How long an engine that went away is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What ends a run.
pub(super) enum End {
    /// A container's end, the service and the code; none where all have ended and none counts.
    Container(Option<(String, i64)>),
    /// Somebody interrupts it.
    Interrupt,
    /// The start fails.
    Start,
}

impl End {
    /// Tells what all are stopped for.
    pub(super) fn tell(&self, invocation: &Invocation) {
        match self {
            Self::Container(Some((service, code))) => {
                invocation.say(&format!(
                    "{service}: ended with code {code}, so all are stopped"
                ));
            }
            Self::Interrupt => invocation.say("interrupted, so all are stopped"),
            Self::Container(None) | Self::Start => {}
        }
    }
}

/// What becomes of a run.
pub(super) struct Outcome {
    /// Whether only what was started is stopped.
    pub(super) is_failed_start: bool,
    /// What went wrong, where it did.
    pub(super) failure: Option<Failure>,
    /// The code of the container that ended.
    pub(super) code: i64,
}

/// Knows which containers of a run have ended.
pub(super) struct Ends<'a> {
    asked: &'a UntilEnd,
    begun: &'a Begun,
    /// Services that others wait for until they end well.
    jobs: BTreeSet<&'a str>,
    started: AtomicBool,
}

impl<'a> Ends<'a> {
    pub(super) fn new(asked: &'a UntilEnd, begun: &'a Begun) -> Self {
        Self {
            asked,
            begun,
            jobs: begun.project.one_shots(),
            started: AtomicBool::new(false),
        }
    }

    /// From now on nothing is left to be started.
    pub(super) fn all_are_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// The first end that counts: the service, and the code. `None` where all have ended and none does.
    pub(super) async fn first(&self) -> Result<Option<(String, i64)>, Failure> {
        let news = self.begun.engine.watch(&self.begun.project.name);
        let mut news = std::pin::pin!(news);
        let (mut lost, mut soon) = (None, 0_u32);
        loop {
            let started = self.started.load(Ordering::Relaxed);
            match self.look().await {
                Ok((Some(ended), _)) => return Ok(Some(ended)),
                Ok((None, false)) if started => return Ok(None),
                Ok(_) => lost = None,
                // Whoever starts waits for an engine that went away.
                Err(_) if !started => {}
                Err(error) if error.is_lost() => {
                    if lost.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
            let died = async {
                while let Some(happening) = news.next().await {
                    if matches!(happening.kind, HappeningKind::Died | HappeningKind::Lost) {
                        return;
                    }
                }
            };
            let rest = if soon > 0 { MOMENT } else { LOOK };
            soon = soon.saturating_sub(1);
            if tokio::time::timeout(rest, died).await.is_ok() {
                soon = SOON;
            }
        }
    }

    /// An end that counts, one with another code than 0 before others, and whether anything runs whose end may count.
    async fn look(&self) -> Result<(Option<(String, i64)>, bool), EngineError> {
        let name = &self.begun.project.name;
        let listed = self.begun.engine.list(Some(name), true).await?;
        let (mut runs, mut well) = (false, None);
        let own = listed.iter().map(|listed| &listed.container);
        for own in own.filter(|own| self.is_own(own)) {
            runs |= own.state.is_running();
            if let Some(code) = self
                .code_of(own)
                .await?
                .filter(|code| self.counts(own, *code))
            {
                let end = Some((own.service.clone(), code));
                if code != 0 {
                    return Ok((end, runs));
                }
                well = end;
            }
        }
        Ok((well, runs))
    }

    fn is_own(&self, container: &Container) -> bool {
        !container.one_off && self.begun.counted.contains(&container.service)
    }

    /// Whether an end with this code ends all. One that is well breaks off no start: what is still to be started has proved
    /// nothing.
    fn counts(&self, container: &Container, code: i64) -> bool {
        if code != 0 {
            return true;
        }
        let service = &container.service;
        let early = !self.started.load(Ordering::Relaxed)
            && self.asked.exit_code_from.as_ref() != Some(service);
        !early && !self.asked.abort_on_container_failure && !self.jobs.contains(service.as_str())
    }

    /// The code with which a container ended in this run.
    async fn code_of(&self, container: &Container) -> Result<Option<i64>, EngineError> {
        let State::Exited(code) = container.state else {
            return Ok(None);
        };
        let stale = lock(&self.begun.stale).get(&container.id).cloned();
        let Some(stale) = stale else {
            return Ok(Some(code));
        };
        // It may have been started since the list was made.
        match self.begun.engine.inspect(&container.id).await {
            // It is gone.
            Err(EngineError::Refused { .. }) => Ok(None),
            condition => {
                let now = condition?;
                let ended = !now.running && now.started != stale;
                Ok(ended.then_some(now.exit_code))
            }
        }
    }

    /// What becomes of the run that ended so, behind a start that ended so.
    pub(super) async fn outcome(
        &self,
        invocation: &Invocation,
        mut end: End,
        started: Result<(), Failure>,
    ) -> Result<Outcome, Failure> {
        // Whoever starts may have seen it first.
        if matches!(end, End::Start) && started.as_ref().is_err_and(is_of_ends) {
            end = match self.look().await?.0 {
                Some(ended) => End::Container(Some(ended)),
                None => End::Start,
            };
            end.tell(invocation);
        }
        let (is_failed_start, failure, code) = match (end, started) {
            // It broke off the start itself.
            (End::Container(Some((_, code))), Ok(()) | Err(Failure::Interrupted)) => {
                (false, None, code)
            }
            (End::Container(Some((_, code))), Err(failure)) => {
                let own = code == 0 || !is_of_ends(&failure);
                (false, own.then_some(failure), code)
            }
            (End::Interrupt, _) | (_, Err(Failure::Interrupted)) => {
                (false, Some(Failure::Interrupted), 0)
            }
            (End::Container(None) | End::Start, Ok(())) => (false, None, 0),
            (End::Container(None) | End::Start, Err(failure)) => {
                invocation.say("the start failed, so what it started is stopped");
                (true, Some(failure), 0)
            }
        };
        Ok(Outcome {
            is_failed_start,
            failure,
            code,
        })
    }

    /// The exit code, where a container ended with this one.
    ///
    /// # Errors
    /// That ended well, and the one whose code is asked for is gone.
    pub(super) async fn code(&self, code: i64) -> Result<i64, Failure> {
        let Some(service) = &self.asked.exit_code_from else {
            return Ok(code);
        };
        let name = &self.begun.project.name;
        let listed = self.begun.engine.list(Some(name), true).await?;
        let own = listed.iter().map(|listed| &listed.container);
        let own = own.filter(|own| !own.one_off && own.service == *service);
        let mut before = None;
        for own in own {
            if let Some(code) = self.code_of(own).await? {
                return Ok(code);
            }
            if let State::Exited(code) = own.state {
                before = Some(code);
            }
        }
        match before {
            _ if code != 0 => Ok(code),
            // A job that was done before.
            Some(code) => Ok(code),
            None => Err(Failure::Undone {
                service: service.clone(),
            }),
        }
    }
}

/// Whether a start failed for nothing but ends of containers.
fn is_of_ends(failure: &Failure) -> bool {
    let Failure::Steps(steps) = failure else {
        return false;
    };
    let ended = |step: &crate::runtime::Failure| matches!(step.error, StepError::Exited { .. });
    steps.iter().all(ended)
}

/// The containers whose ends do not count until they are started: those that the plan stops, and, at first, those that do not
/// run.
pub(super) fn stale<'a>(
    containers: &'a [Container],
    plan: &Plan,
    first: bool,
) -> impl Iterator<Item = &'a Container> {
    let stops = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Stop { container, .. } => Some(container.clone()),
        _ => None,
    });
    let stopped: BTreeSet<String> = stops.collect();
    containers
        .iter()
        .filter(move |own| stopped.contains(&own.id) || (first && !own.state.is_running()))
}

pub(super) fn lock(
    stale: &Mutex<BTreeMap<String, String>>,
) -> MutexGuard<'_, BTreeMap<String, String>> {
    stale.lock().unwrap_or_else(PoisonError::into_inner)
}
