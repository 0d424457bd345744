//! A service's hooks: what is run in its container right after the start, and before the stop.

use std::time::Duration;

use tokio::sync::watch;

use super::engine_error::EngineError;
use super::error::StepError;
use super::event::Progress;
use super::ports::{Engine, HookEnd};
use super::readiness::last_lines;
use crate::model::{Hook, HookTime};

/// The code of a process that ended by SIGKILL.
const KILLED: i64 = 137;

/// The hooks of one container of one service.
pub(super) struct Hooks<'a, E> {
    pub(super) engine: &'a E,
    pub(super) service: &'a str,
    pub(super) container: &'a str,
    pub(super) all: &'a [Hook],
    /// Turns true when the run is to end early.
    pub(super) interrupt: watch::Receiver<bool>,
    pub(super) progress: &'a Progress,
}

impl<E: Engine> Hooks<'_, E> {
    /// Runs them in a container that was started. Where one fails, or is broken off, the container is stopped: nothing on the
    /// engine says that its hooks did not run, and so the next run starts it anew, with them.
    pub(super) async fn after_start(&self) -> Result<(), StepError> {
        for (index, hook) in self.all.iter().enumerate() {
            let number = index + 1;
            let Err(error) = self.run(HookTime::PostStart, number, hook).await else {
                continue;
            };
            let failed = self.ended_before(number, &error).await.unwrap_or(error);
            // The first error is the one to tell.
            let _ = self.engine.stop(self.container, None).await;
            return Err(failed);
        }
        Ok(())
    }

    /// Runs them in a container that is to be stopped. One that does not run needs none, as with docker compose.
    pub(super) async fn before_stop(&self) -> Result<(), StepError> {
        for (index, hook) in self.all.iter().enumerate() {
            match self.run(HookTime::PreStop, index + 1, hook).await {
                Ok(()) => {}
                Err(StepError::HookRefused { source, .. }) if is_down(&source) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn run(&self, time: HookTime, number: usize, hook: &Hook) -> Result<(), StepError> {
        self.progress.doing(format!("{time}: {hook}"));
        let mut interrupt = self.interrupt.clone();
        let ended = tokio::select! {
            ended = self.engine.run_hook(self.container, hook, self.progress) => ended,
            _ = interrupt.wait_for(|stop| *stop) => return Err(StepError::Interrupted),
        };
        let (service, command) = (self.service.to_owned(), hook.to_string());
        match ended {
            Ok(HookEnd { code: 0, .. }) => Ok(()),
            Ok(HookEnd { code, output }) => Err(StepError::Hook {
                service,
                time,
                number,
                command,
                code,
                output,
            }),
            Err(source @ EngineError::Refused { .. }) => Err(StepError::HookRefused {
                service,
                time,
                number,
                command,
                source,
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is the container that ended, and its hook with it. A hook that is killed may be known to have ended before
    /// its container is.
    async fn ended_before(&self, number: usize, error: &StepError) -> Option<StepError> {
        let mut looks = match error {
            StepError::Hook { code: KILLED, .. } => 10,
            _ => 1,
        };
        let found = loop {
            let found = self.engine.inspect(self.container).await.ok()?;
            if !found.running || found.restarting {
                break found;
            }
            looks -= 1;
            if looks == 0 {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        Some(StepError::EndedBeforeHook {
            service: self.service.to_owned(),
            number,
            code: found.exit_code,
            output: last_lines(self.engine, self.container).await,
        })
    }
}

/// Whether a command cannot be run as the container does not run, or is gone.
fn is_down(error: &EngineError) -> bool {
    let status = match error {
        EngineError::Refused { status, .. } => *status,
        _ => None,
    };
    matches!(status, Some(404 | 409))
}
