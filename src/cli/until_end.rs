//! `larder up --abort-on-container-exit` and its kin: the logs until a container ends, then all of them are stopped.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use tokio::sync::watch;

use super::carry_out::carry_out_on;
use super::invocation::{Invocation, Named};
use super::prepare::Prepared;
use super::turn::{Turn, plan_of};
use super::{logs, stack};
use crate::failure::{Failure, handed_on};
use crate::model::UnknownService;
use crate::plan::{Container, State};
use crate::runtime::{Engine, Event, EventSink, HappeningKind};

/// An end that no event told is seen after this time.
const LOOK: Duration = Duration::from_secs(1);

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

    /// Follows the logs until a container ends, and stops all; the exit code.
    pub(super) async fn wait(
        &self,
        invocation: &Invocation,
        prepared: &Prepared,
        before: &[Container],
        grace: Option<u32>,
    ) -> Result<u8, Failure> {
        invocation.note("following the logs: Ctrl-C stops all")?;
        let (tell, stopped) = watch::channel(false);
        let follow = logs::follow(invocation, prepared, before, Some(stopped));
        let mut follow = std::pin::pin!(follow);
        let first = self.first(prepared);
        let mut first = std::pin::pin!(first);
        let mut followed = false;
        let mut interrupted = false;
        let during = invocation.interrupt.during(Arc::new(Nobody));
        let mut asked = during.watch();
        let first = loop {
            tokio::select! {
                ended = &mut first => break ended?,
                Ok(_) = asked.wait_for(|asked| *asked) => {
                    interrupted = true;
                    break None;
                }
                // What all are stopped for counts more than what they print.
                _ = &mut follow, if !followed => followed = true,
            }
        };
        drop(during);
        let code = first.as_ref().map_or(0, |(_, code)| *code);
        let why = match &first {
            Some((service, code)) => Some(format!("{service}: ended with code {code}")),
            None => interrupted.then(|| "interrupted".to_owned()),
        };
        if let Some(why) = why {
            invocation.say(&format!("{why}, so all are stopped"));
            let mut stop = std::pin::pin!(stop(invocation, prepared, grace));
            loop {
                tokio::select! {
                    stopped = &mut stop => break stopped?,
                    _ = &mut follow, if !followed => followed = true,
                }
            }
        }
        if !followed {
            let _ = tell.send(true);
            // What is still read is not worth an error.
            let _ = follow.await;
        }
        if interrupted {
            return Err(Failure::Interrupted);
        }
        self.code(prepared, code).await
    }

    /// The first end that counts: the service, and the code. `None` where all have ended and none does.
    async fn first(&self, prepared: &Prepared) -> Result<Option<(String, i64)>, Failure> {
        let news = prepared.engine.watch(&prepared.project.name);
        let mut news = std::pin::pin!(news);
        loop {
            let observed = prepared.engine.observe(&prepared.project.name).await?;
            let mut all = observed.containers.iter();
            if let Some(ended) = all.find_map(|own| Some((own, self.counts(prepared, own)?))) {
                return Ok(Some((ended.0.service.clone(), ended.1)));
            }
            let own = |own: &Container| {
                !own.one_off && prepared.services.contains(&own.service) && own.state.is_running()
            };
            if !observed.containers.iter().any(own) {
                return Ok(None);
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

    /// The code of a container that has ended, where that ends all.
    fn counts(&self, prepared: &Prepared, container: &Container) -> Option<i64> {
        let State::Exited(code) = container.state else {
            return None;
        };
        let service = container.service.as_str();
        let done = code == 0 && prepared.project.one_shots().contains(service);
        let own = !container.one_off && prepared.services.contains(service);
        let fails = code != 0 || !self.abort_on_container_failure;
        (own && fails && !done).then_some(code)
    }

    /// The exit code, where this one ended all.
    async fn code(&self, prepared: &Prepared, code: i64) -> Result<u8, Failure> {
        let code = match &self.exit_code_from {
            Some(service) => {
                let observed = prepared.engine.observe(&prepared.project.name).await?;
                let mut all = observed.containers.iter();
                let found = all.find_map(|own| match own.state {
                    State::Exited(code) if !own.one_off && own.service == *service => Some(code),
                    _ => None,
                });
                found.unwrap_or(code)
            }
            None => code,
        };
        Ok(handed_on(code))
    }
}

/// What an interrupt means is told where all are stopped.
struct Nobody;

impl EventSink for Nobody {
    fn send(&self, _event: Event) {}
}

async fn stop(
    invocation: &Invocation,
    prepared: &Prepared,
    grace: Option<u32>,
) -> Result<(), Failure> {
    let named = Named {
        name: prepared.project.name.clone(),
        project: Some(prepared.project.clone()),
    };
    let engine = invocation.engine_to_change(&named.name).await?;
    let observed = engine.observe(&named.name).await?;
    let services: Vec<String> = prepared.services.iter().cloned().collect();
    let chosen = stack::of_services(&observed.containers, &services, &prepared.services)?;
    let plan = plan_of(chosen, &named, Turn::Stop { grace });
    carry_out_on(invocation, &engine, &named, &[], &plan)
        .await
        .map(drop)
}
