//! What a command does, done over where another look may mend it: somebody else was quicker, or the engine went away. A round
//! looks, decides and carries out from the beginning, just as the command would if it were called again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::invocation::{Invocation, Named};
use super::offers::built_instead;
use crate::docker::Docker;
use crate::failure::Failure;
use crate::plan::{Action, Holder};
use crate::runtime::{self, BuildError, Engine, EngineError, StepError};
use crate::term::{Message, Waiting};

/// So often it is looked again because others were quicker, and so often because the engine was lost.
const MOST: u32 = 3;
/// The shortest and the longest time that others are given to finish before the first look; longer each time.
const STANDS_BACK: (u64, u64) = (200, 1500);
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

/// Carries out rounds until one ends well, or in a way that another one would not mend. `project` is the one whose containers
/// they are about.
pub(super) async fn rounds<T>(
    invocation: &Invocation,
    project: Option<&str>,
    mut round: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (mut looks, mut losses) = (0, 0);
    let mut before = None;
    loop {
        let failure = match Box::pin(round()).await {
            // Nothing was done yet.
            Err(Failure::Waited) => continue,
            Err(failure) => failure,
            done => return done,
        };
        if turns_away(invocation, &failure) {
            continue;
        }
        let said = said(&failure);
        match remedy(invocation, project, &failure).await {
            // The same again is an answer.
            Some(Remedy::Look) if looks < MOST && (said.is_none() || before != said) => {
                looks += 1;
                let why = why(&failure);
                invocation.say(&format!("{why}: looking again ({looks} of {MOST})"));
                tokio::time::sleep(standing_back() * looks).await;
            }
            Some(Remedy::Engine) if losses < MOST && invocation.was_reached() => {
                losses += 1;
                reach(invocation).await?;
            }
            _ => return Err(failure),
        }
        before = said;
    }
}

/// Whether images of larder's own could not be pulled: each is built from now on, which is said.
fn turns_away(invocation: &Invocation, failure: &Failure) -> bool {
    let Failure::Steps(steps) = failure else {
        return false;
    };
    let mut turned = false;
    for failure in steps {
        let StepError::Engine(error) = &failure.error else {
            continue;
        };
        if let Action::Pull {
            image,
            expected: Some(expected),
            ..
        } = &failure.step.action
            && !error.is_lost()
            && invocation.shunned().add_refused(&expected.name)
        {
            let why = Message::of(error);
            let why = why.causes.last().unwrap_or(&why.text);
            invocation.warning(&built_instead(image, why));
            turned = true;
        }
    }
    turned
}

/// Rounds on the containers of a project that are there. Its files are read anew in each but the first, and there is
/// another one where somebody who changed it was waited for.
pub(super) async fn rounds_on<T>(
    invocation: &Invocation,
    named: Named,
    mut round: impl AsyncFnMut(&Docker, &Named) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let name = named.name.clone();
    let (mut named, mut begun) = (named, false);
    rounds(invocation, Some(&name), async || {
        if std::mem::replace(&mut begun, true) {
            invocation.read_again(&mut named)?;
        }
        let engine = invocation.engine_to_change(&named.name).await?;
        if invocation.has_waited() {
            return Err(Failure::Waited);
        }
        round(&engine, &named).await
    })
    .await
}

/// Why another look may mend a failure.
fn why(failure: &Failure) -> String {
    if let Failure::Ports(conflicts) = failure {
        let mut conflicts = conflicts.iter().map(|(conflict, _)| conflict);
        if let Some(conflict) = conflicts.find(|own| own.holder.is_proxy()) {
            let ports = conflict.range;
            return format!("port {ports} may be of a container that is being started");
        }
    }
    "somebody else changes the project, too".to_owned()
}

/// How long to stand back for others. By chance, so that of two that stand in each other's way one is first.
fn standing_back() -> Duration {
    let (least, most) = STANDS_BACK;
    // Seeded anew each time.
    let chance = RandomState::new().hash_one(most);
    Duration::from_millis(least + chance % (most - least))
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

/// What the engine said of a failure.
fn said(failure: &Failure) -> Option<Vec<String>> {
    if matches!(failure, Failure::Undone { .. }) {
        return None;
    }
    let messages = failure.messages().into_iter();
    let words = messages.flat_map(|message| [vec![message.text], message.causes].concat());
    Some(words.collect())
}

async fn remedy(
    invocation: &Invocation,
    project: Option<&str>,
    failure: &Failure,
) -> Option<Remedy> {
    let steps = match failure {
        Failure::Engine(error) | Failure::Build(BuildError::Engine(error)) => return of(error),
        Failure::Undone { .. } => return Some(Remedy::Look),
        // It may be of a container that is being started, which may be the project's own.
        Failure::Ports(conflicts) => {
            let mut holders = conflicts.iter().map(|(conflict, _)| &conflict.holder);
            return holders.any(Holder::is_proxy).then_some(Remedy::Look);
        }
        Failure::Steps(steps)
        | Failure::Bases {
            failures: steps, ..
        } => steps,
        _ => return None,
    };
    let (own, others): (Vec<_>, Vec<_>) = steps.iter().partition(|step| ended(step));
    let each: Vec<Option<Remedy>> = others.into_iter().map(of_step).collect();
    if each.contains(&Some(Remedy::Engine)) {
        return Some(Remedy::Engine);
    }
    if !own.is_empty() {
        // An engine that is told to end takes its containers with it, and that may be seen first.
        let Ok(engine) = invocation.engine().await else {
            return Some(Remedy::Engine);
        };
        for step in own {
            let service = step.step.service.as_deref().unwrap_or_default();
            let taken = was_taken(&engine, project?, service, &step.error).await;
            if !taken.unwrap_or(false) {
                return None;
            }
        }
    }
    if each.iter().any(|own| *own != Some(Remedy::Look)) {
        return None;
    }
    for holder in steps.iter().filter_map(name_holder) {
        let engine = invocation.engine().await.ok()?;
        if is_foreign(&engine, project?, &holder).await.unwrap_or(true) {
            return None;
        }
    }
    Some(Remedy::Look)
}

/// The container that has the name which a step would give: `… is already in use by container "3e3b…"`.
fn name_holder(failure: &runtime::Failure) -> Option<String> {
    let StepError::Engine(EngineError::Refused { source, .. }) = &failure.error else {
        return None;
    };
    let words = source.to_string();
    let (_, rest) = words.split_once("in use by container \"")?;
    Some(rest.split('"').next()?.to_owned())
}

/// Whether a container is there and not the project's: it does not go by looking again.
async fn is_foreign(engine: &Docker, project: &str, container: &str) -> Result<bool, EngineError> {
    let Some(there) = engine.container_named(container).await? else {
        return Ok(false);
    };
    let observed = engine.observe(project).await?;
    Ok(!observed.containers.iter().any(|own| own.id == there))
}

/// Whether a step failed as its container ended.
fn ended(failure: &runtime::Failure) -> bool {
    matches!(
        failure.error,
        StepError::Exited { .. }
            | StepError::Unhealthy { .. }
            | StepError::EndedBeforeHook { .. }
            | StepError::Hook { .. }
    )
}

/// Whether a container that ended did so as somebody else removes it, or makes another in its place. Who is killed may be about
/// to be removed.
async fn was_taken(
    engine: &Docker,
    project: &str,
    service: &str,
    error: &StepError,
) -> Result<bool, EngineError> {
    let killed = matches!(
        error,
        StepError::Exited {
            code: 137 | 143,
            ..
        }
    );
    let looks = if killed { 5 } else { 1 };
    for look in 0..looks {
        if look > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let observed = engine.observe(project).await?;
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        let own = observed.containers.iter();
        for own in own.filter(|own| !own.one_off && own.service == service) {
            *counts.entry(own.number).or_default() += 1;
        }
        if counts.is_empty() || counts.values().any(|count| *count > 1) {
            return Ok(true);
        }
    }
    Ok(false)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PortRange;
    use crate::plan::Conflict;

    #[test]
    fn what_may_have_a_port_is_said_before_it_is_looked_again() {
        let conflict = Conflict {
            service: "web".to_owned(),
            index: None,
            range: PortRange {
                first: 8080,
                last: 8080,
            },
            protocol: "tcp".to_owned(),
            holder: Holder::Process {
                pid: Some(71),
                command: Some("docker-proxy".to_owned()),
                user: 0,
            },
            free: None,
            once: false,
        };
        assert_eq!(
            why(&Failure::Ports(vec![(conflict, None)])),
            "port 8080 may be of a container that is being started"
        );
        let service = "web".to_owned();
        let undone = why(&Failure::Undone { service });
        assert!(undone.starts_with("somebody else"), "{undone}");
    }
}
