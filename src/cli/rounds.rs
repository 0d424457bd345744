//! What a command does, done over where another look may mend it: somebody else was quicker, or the engine went away. A round
//! looks, decides and carries out from the beginning, just as the command would if it were called again.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::invocation::Invocation;
use crate::failure::Failure;
use crate::runtime::{self, BuildError, EngineError, StepError};
use crate::term::Waiting;

/// So often it is looked again because others were quicker, and so often because the engine was lost.
const MOST: usize = 3;
/// How long an engine that went away may take to come back.
const AWAY: Duration = Duration::from_secs(30);

/// What may mend a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// Another look.
    Look,
    /// The engine, when it is there again.
    Engine,
}

/// Carries out rounds until one ends well, or in a way that another one would not mend.
pub(super) async fn rounds<T>(
    invocation: &Invocation,
    mut round: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (mut looks, mut losses) = (0, 0);
    let mut before = None;
    loop {
        let failure = match Box::pin(round()).await {
            Err(failure) => failure,
            done => return done,
        };
        let said = said(&failure);
        match remedy(invocation, &failure).await {
            // The same again is an answer.
            Some(Remedy::Look) if looks < MOST && before.as_ref() != Some(&said) => {
                looks += 1;
                invocation.say(&format!(
                    "somebody else changes the project, too: looking again ({looks} of {MOST})"
                ));
            }
            Some(Remedy::Engine) if losses < MOST && invocation.was_reached() => {
                losses += 1;
                reach(invocation).await?;
            }
            _ => return Err(failure),
        }
        before = Some(said);
    }
}

/// Waits until the engine answers.
async fn reach(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.engine().await.is_ok() {
        invocation.say("the connection to the engine was lost: looking again");
        return Ok(());
    }
    let doing = "the engine is gone: waiting for it";
    let shown = Waiting::show(invocation.progress(), &invocation.screen, doing);
    invocation.tell_program(doing);
    let pauses = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(1))
        .without_max_times();
    let reached = (|| invocation.engine()).retry(pauses);
    let reached = tokio::time::timeout(AWAY, Box::pin(reached.into_future())).await;
    drop(shown);
    match reached {
        Ok(engine) => engine.map(drop)?,
        // With the reason why it does not answer.
        Err(_) => drop(invocation.engine().await?),
    }
    invocation.say("the engine is back: looking again");
    Ok(())
}

/// What was said of a failure.
fn said(failure: &Failure) -> Vec<String> {
    let messages = failure.messages().into_iter();
    let words = messages.flat_map(|message| [vec![message.text], message.causes].concat());
    words.collect()
}

async fn remedy(invocation: &Invocation, failure: &Failure) -> Option<Remedy> {
    let steps = match failure {
        Failure::Engine(error) | Failure::Build(BuildError::Engine(error)) => return of(error),
        Failure::Undone { .. } => return Some(Remedy::Look),
        Failure::Steps(steps)
        | Failure::Bases {
            failures: steps, ..
        } => steps,
        _ => return None,
    };
    let each: Vec<Option<Remedy>> = steps.iter().map(of_step).collect();
    if each.contains(&Some(Remedy::Engine)) || ended(steps) && invocation.engine().await.is_err() {
        return Some(Remedy::Engine);
    }
    let all = each.iter().all(|own| *own == Some(Remedy::Look));
    (all && !each.is_empty()).then_some(Remedy::Look)
}

/// An engine that is told to end takes its containers with it, and that may be seen first.
fn ended(steps: &[runtime::Failure]) -> bool {
    steps.iter().any(|step| {
        matches!(
            step.error,
            StepError::Exited { .. }
                | StepError::Unhealthy { .. }
                | StepError::EndedBeforeHook { .. }
                | StepError::Hook { .. }
        )
    })
}

fn of_step(failure: &runtime::Failure) -> Option<Remedy> {
    match &failure.error {
        StepError::Engine(error)
        | StepError::Build(BuildError::Engine(error))
        | StepError::HookRefused { source: error, .. } => of(error),
        _ => None,
    }
}

fn of(error: &EngineError) -> Option<Remedy> {
    if error.is_lost() {
        Some(Remedy::Engine)
    } else {
        error.is_overtaken().then_some(Remedy::Look)
    }
}
