//! `larder rm`: containers removed that do not run, once somebody agreed.

use clap::Args;
use std::collections::BTreeSet;
use std::time::Instant;

use super::carry_out::carry_out_on;
use super::checkouts::check_removal;
use super::down::add_handed_over;
use super::invocation::{Invocation, Named};
use super::rounds::rounds_on;
use super::turn::{Turn, chosen, plan_of, tell_off};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::plan::{Container, Observed};
use crate::runtime::Engine;

/// `larder rm`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Rm {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Stop those that run, and remove them, too
    #[arg(short, long)]
    pub stop: bool,
    /// Remove their anonymous volumes, too
    #[arg(short, long)]
    pub volumes: bool,
    /// Accepted and changes nothing, as in docker compose
    #[arg(short, long, hide = true)]
    pub all: bool,
}

pub(super) async fn rm(invocation: &Invocation, args: &Rm) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut named = invocation.named()?;
    let mut meant = None;
    if !args.force {
        meant = agreed(invocation, args, &named).await?;
        if meant.is_none() {
            return Ok(());
        }
        // A person takes a while.
        invocation.read_again(&mut named)?;
    }
    rounds_on(invocation, named, async |engine, named| {
        round((invocation, engine), args, named, meant.as_ref(), begun).await
    })
    .await
}

/// The containers whose removal somebody agreed to; `None` where they did not.
async fn agreed(
    invocation: &Invocation,
    args: &Rm,
    named: &Named,
) -> Result<Option<BTreeSet<String>>, Failure> {
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let going = going(&observed, named, args)?;
    let asked: Vec<&str> = going.iter().map(|own| own.name.as_str()).collect();
    if !asked.is_empty() {
        let question = format!("remove {}?", asked.join(", "));
        let agreed = invocation.screen.ask(&question);
        if !agreed.ok_or(Failure::NobodyToAsk)? {
            return Ok(None);
        }
    }
    Ok(Some(going.iter().map(|own| own.id.clone()).collect()))
}

/// Removes those that were meant. Another command may have changed the project meanwhile: what was started runs.
async fn round(
    (invocation, engine): (&Invocation, &Docker),
    args: &Rm,
    named: &Named,
    meant: Option<&BTreeSet<String>>,
    begun: Instant,
) -> Result<(), Failure> {
    let observed = engine.observe(&named.name).await?;
    let mut going = going(&observed, named, args)?;
    let due = |own: &Container| args.stop || !own.state.is_running();
    let all = (observed.containers.as_slice(), going.as_slice());
    tell_off(invocation, named, &args.services, all, "rm", due);
    going.retain(|own| meant.is_none_or(|meant| meant.contains(&own.id)));
    if going.is_empty() {
        return invocation.note("nothing to remove: `-s` stops what runs");
    }
    check_removal(invocation, named.project.as_ref(), &going)?;
    let turn = Turn::Remove {
        grace: None,
        volumes: args.volumes,
    };
    let mut plan = plan_of(going.clone(), named, turn);
    if args.volumes {
        add_handed_over(&mut plan, &going, named);
    }
    carry_out_on(invocation, engine, named, &[], &plan).await?;
    invocation.total(going.len(), "container", "removed", begun)
}

/// The containers to remove.
fn going<'a>(
    observed: &'a Observed,
    named: &Named,
    args: &Rm,
) -> Result<Vec<&'a Container>, Failure> {
    let mut going = chosen(&observed.containers, named, &args.services)?;
    going.retain(|container| args.stop || !container.state.is_running());
    Ok(going)
}
