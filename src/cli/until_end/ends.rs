//! Which end of a container ends a run, and what the run is worth then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;

use super::{Begun, UntilEnd};
use crate::failure::Failure;
use crate::model::Condition;
use crate::plan::{Action, Container, Plan, State};
use crate::runtime::{Engine, EngineError, HappeningKind, StepError};

/// An end that no event told is seen after this time.
const LOOK: Duration = Duration::from_secs(1);

/// What ends a run.
pub(super) enum End {
    /// A container's end, the service and the code; none where all have ended and none counts.
    Container(Option<(String, i64)>),
    /// Somebody interrupts it.
    Interrupt,
    /// The start fails.
    Start,
}

/// What becomes of a run.
pub(super) struct Outcome {
    /// Why containers are stopped, in a sentence; nothing where nobody asks.
    pub(super) why: Option<String>,
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
        loop {
            let started = self.started.load(Ordering::Relaxed);
            match self.look().await {
                Ok((Some(ended), _)) => return Ok(Some(ended)),
                Ok((None, false)) if started => return Ok(None),
                // Whoever starts waits for an engine that went away.
                Err(error) if started => return Err(error.into()),
                _ => {}
            }
            let died = async {
                while let Some(happening) = news.next().await {
                    if matches!(happening.kind, HappeningKind::Died | HappeningKind::Lost) {
                        return;
                    }
                }
            };
            let _ = tokio::time::timeout(LOOK, died).await;
        }
    }

    /// An end that counts, and whether anything runs whose end may count.
    async fn look(&self) -> Result<(Option<(String, i64)>, bool), EngineError> {
        let observed = self.begun.engine.observe(&self.begun.project.name).await?;
        let own = observed.containers.iter().filter(|own| self.is_own(own));
        let mut runs = false;
        for own in own {
            runs |= own.state.is_running();
            if let Some(code) = self
                .code_of(own)
                .await?
                .filter(|code| self.counts(own, *code))
            {
                return Ok((Some((own.service.clone(), code)), runs));
            }
        }
        Ok((None, runs))
    }

    fn is_own(&self, container: &Container) -> bool {
        !container.one_off && self.begun.counted.contains(&container.service)
    }

    /// Whether an end with this code ends all.
    fn counts(&self, container: &Container, code: i64) -> bool {
        let done = code == 0 && self.jobs.contains(container.service.as_str());
        let fails = code != 0 || !self.asked.abort_on_container_failure;
        fails && !done
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
        end: End,
        started: Result<(), Failure>,
    ) -> Result<Outcome, Failure> {
        let interrupted = matches!(end, End::Interrupt);
        let ended = match end {
            End::Container(ended) => ended,
            // Whoever starts may have seen it first.
            End::Start if started.as_ref().is_err_and(is_of_ends) => self.look().await?.0,
            End::Start | End::Interrupt => None,
        };
        let Some((service, code)) = ended else {
            return Ok(outcome_without(started, interrupted));
        };
        let failure = match started {
            Ok(()) => None,
            Err(Failure::Interrupted) => (code == 0 && self.is_needed(&service)).then(|| {
                let state = "ended with code 0".to_owned();
                let service = service.clone();
                Failure::Fell { service, state }
            }),
            Err(failure) => (code == 0 || !is_of_ends(&failure)).then_some(failure),
        };
        Ok(Outcome {
            why: Some(format!(
                "{service}: ended with code {code}, so all are stopped"
            )),
            is_failed_start: false,
            failure,
            code,
        })
    }

    /// Whether others are started only once a service is healthy.
    fn is_needed(&self, service: &str) -> bool {
        let services = self.begun.services.iter();
        let mut services = services.filter_map(|name| self.begun.project.services.get(name));
        services.any(|own| {
            let on = own.depends_on.get(service);
            on.is_some_and(|on| on.required && on.condition == Condition::Healthy)
        })
    }

    /// The exit code, where a container ended with this one.
    pub(super) async fn code(&self, code: i64) -> Result<i64, Failure> {
        let Some(service) = &self.asked.exit_code_from else {
            return Ok(code);
        };
        let observed = self.begun.engine.observe(&self.begun.project.name).await?;
        let mut own = observed.containers.iter();
        while let Some(own) = own.find(|own| !own.one_off && own.service == *service) {
            if let Some(code) = self.code_of(own).await? {
                return Ok(code);
            }
        }
        Ok(code)
    }
}

/// What becomes of a run in which no container's end counts.
fn outcome_without(started: Result<(), Failure>, interrupted: bool) -> Outcome {
    let failure = if interrupted {
        Some(Failure::Interrupted)
    } else {
        started.err()
    };
    let why = match &failure {
        None => None,
        Some(Failure::Interrupted) => Some("interrupted, so all are stopped"),
        Some(_) => Some("the start failed, so what it started is stopped"),
    };
    Outcome {
        is_failed_start: !matches!(failure, None | Some(Failure::Interrupted)),
        why: why.map(ToOwned::to_owned),
        failure,
        code: 0,
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
