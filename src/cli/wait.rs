//! `larder wait`: until containers have ended. The exit code of the last one is larder's.

use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::down::{Down, down};
use super::invocation::Invocation;
use super::stack;
use crate::failure::{Failure, handed_on};
use crate::plan::{Container, State};
use crate::runtime::Engine;

/// `larder wait`.
#[derive(Args, Debug)]
pub struct Wait {
    /// The services
    #[arg(value_name = "SERVICE", required = true)]
    pub services: Vec<String>,
    /// Once all of them have ended, take the project down, with its orphans
    #[arg(long)]
    pub down_project: bool,
}

pub(super) async fn wait(invocation: &Invocation, args: &Wait) -> Result<u8, Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let chosen = stack::of_services(&observed.containers, &args.services, &named.services())?;
    // One that ended already has a code to tell, and one that never began has none.
    let begun: Vec<&Container> = chosen
        .into_iter()
        .filter(|container| container.state != State::Created)
        .collect();
    let there = |name: &&String| begun.iter().any(|own| own.service == **name);
    if let Some(missing) = args.services.iter().find(|name| !there(name)) {
        return Err(Failure::NotRunning(missing.clone()));
    }
    let waits = begun.into_iter();
    let waits = waits.map(async |own| (own, engine.ended(&own.id).await));
    let mut waits: FuturesUnordered<_> = waits.collect();
    let mut last = 0;
    while let Some((container, ended)) = waits.next().await {
        last = ended?;
        // As docker compose words it.
        let line = format!(
            "container \"{}\" exited with status code {last}\n",
            container.id
        );
        invocation.screen.out(&line);
    }
    if args.down_project {
        let all = Down {
            remove_orphans: true,
            ..Down::default()
        };
        down(invocation, &all).await?;
    }
    Ok(handed_on(last))
}
