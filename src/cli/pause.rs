//! `larder pause` and `larder unpause`: containers frozen as they are, and going on.

use std::time::Instant;

use super::args::Services;
use super::invocation::Invocation;
use super::turn::{at_once, chosen, tell_off};
use crate::failure::Failure;
use crate::plan::{Action, Container, State};
use crate::runtime::Engine;

pub(super) async fn pause(invocation: &Invocation, args: &Services) -> Result<(), Failure> {
    let begun = Instant::now();
    // What waits for its restart is tried: the engine says what to do about it.
    let due = |state: State| matches!(state, State::Running(_) | State::Restarting);
    let act = |container| Action::Pause { container };
    let paused = each(invocation, args, "pause", due, act).await?;
    match paused {
        0 => invocation.note("nothing to pause"),
        count => invocation.total(count, "container", "paused", begun),
    }
}

pub(super) async fn unpause(invocation: &Invocation, args: &Services) -> Result<(), Failure> {
    let begun = Instant::now();
    let due = |state: State| state == State::Paused;
    let act = |container| Action::Unpause { container };
    let resumed = each(invocation, args, "unpause", due, act).await?;
    match resumed {
        0 => invocation.note("nothing to unpause"),
        count => invocation.total(count, "container", "unpaused", begun),
    }
}

/// Does it to the containers that are due; how many.
async fn each(
    invocation: &Invocation,
    args: &Services,
    verb: &str,
    due: impl Fn(State) -> bool,
    act: impl Fn(String) -> Action,
) -> Result<usize, Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let mut chosen: Vec<&Container> = chosen(&observed.containers, &named, &args.services)?;
    chosen.retain(|container| due(container.state));
    let all = (observed.containers.as_slice(), chosen.as_slice());
    tell_off(invocation, &named, &args.services, all, verb, |own| {
        due(own.state)
    });
    if !chosen.is_empty() {
        at_once(invocation, &engine, &named, &chosen, act).await?;
    }
    Ok(chosen.len())
}
