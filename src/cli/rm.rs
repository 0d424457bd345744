//! `larder rm`: containers removed that do not run, once somebody agreed.

use clap::Args;
use std::collections::BTreeSet;
use std::time::Instant;

use super::carry_out::carry_out_on;
use super::checkouts::check_removal;
use super::down::add_handed_over;
use super::invocation::{Invocation, Named};
use super::turn::{Turn, chosen, plan_of};
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
    let named = invocation.named()?;
    let mut engine = invocation.engine().await?;
    let mut observed = engine.observe(&named.name).await?;
    let going = going(&observed, &named, args)?;
    let meant: BTreeSet<String> = going.iter().map(|own| own.id.clone()).collect();
    if going.is_empty() {
        return invocation.note("nothing to remove: `-s` stops what runs");
    }
    if !args.force {
        let asked: Vec<&str> = going.iter().map(|own| own.name.as_str()).collect();
        let question = format!("remove {}?", asked.join(", "));
        match invocation.screen.ask(&question) {
            None => return Err(Failure::NobodyToAsk),
            Some(false) => return Ok(()),
            Some(true) => {}
        }
    }
    // A person takes a while, and so may another command that changes the project: what was started meanwhile runs.
    engine = invocation.engine_to_change(&named.name).await?;
    observed = engine.observe(&named.name).await?;
    let mut going = self::going(&observed, &named, args)?;
    going.retain(|own| meant.contains(&own.id));
    check_removal(invocation, named.project.as_ref(), &going)?;
    let turn = Turn::Remove {
        grace: None,
        volumes: args.volumes,
    };
    let mut plan = plan_of(going.clone(), &named, turn);
    if args.volumes {
        add_handed_over(&mut plan, &going, &named);
    }
    carry_out_on(invocation, &engine, &named, &[], &plan).await?;
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
