//! `larder logs`: what containers print, interleaved as it comes.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::SelectAll;

use super::args::Logs;
use super::interrupt;
use super::invocation::Invocation;
use super::prepare::Prepared;
use super::stack;
use crate::docker::{Docker, LogOptions};
use crate::failure::Failure;
use crate::plan::Container;
use crate::runtime::Engine;
use crate::term::LogLines;

pub(super) async fn logs(invocation: &Invocation, args: &Logs) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let chosen = stack::of_services(&observed.containers, &args.services, &named.services())?;
    let options = LogOptions {
        follow: args.follow,
        tail: args.tail.0,
        timestamps: args.timestamps,
        ..LogOptions::default()
    };
    print(invocation, &engine, &named.name, &chosen, &options).await
}

/// What the services of an `up` print from now on, until somebody interrupts.
pub(super) async fn follow(invocation: &Invocation, prepared: &Prepared) -> Result<(), Failure> {
    let containers = &prepared.observed.containers;
    let names: Vec<String> = prepared.services.iter().cloned().collect();
    let chosen = stack::of_services(containers, &names, &BTreeSet::from_iter(names.clone()))?;
    let options = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let name = &prepared.project.name;
    print(invocation, &prepared.engine, name, &chosen, &options).await
}

/// Prints until every container has ended, nobody reads any more, or somebody interrupts.
async fn print(
    invocation: &Invocation,
    engine: &Docker,
    project: &str,
    containers: &[&Container],
    options: &LogOptions,
) -> Result<(), Failure> {
    let names: Vec<String> = containers.iter().map(|c| short(project, c)).collect();
    let lines = LogLines::new(&invocation.screen, &names);
    let mut streams: SelectAll<_> = containers
        .iter()
        .enumerate()
        .map(|(number, container)| {
            engine
                .logs(&container.id, options)
                .map(move |line| (number, line))
                .boxed()
        })
        .collect();
    let show = async {
        while let Some((number, line)) = streams.next().await {
            if !lines.print(number, &line?.text) {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = show => ended,
        () = interrupt::pressed() => Err(Failure::Interrupted),
    }
}

/// A container's name as docker compose's logs show it: without the project in front.
fn short(project: &str, container: &Container) -> String {
    let own = container.name.strip_prefix(project);
    let own = own.and_then(|rest| rest.strip_prefix('-'));
    own.unwrap_or(&container.name).to_owned()
}
