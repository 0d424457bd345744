//! `larder logs`, and the end of `larder up -a`: what containers print, in the order in which they printed it.
//! `reader` shows it, `merge` puts lines in order, `seen` knows what was shown, `follow` goes on with what comes.

mod follow;
mod merge;
mod reader;
mod seen;

use clap::Args;
use std::collections::BTreeSet;

use self::reader::{Part, Reader};
use super::invocation::Invocation;
use super::prepare::Prepared;
use super::stack;
use crate::docker::Stamp;
use crate::failure::Failure;
use crate::plan::Container;
use crate::runtime::Engine;
use crate::settings::Progress;
use crate::term::LogForm;

/// `larder logs`.
#[derive(Args, Debug)]
pub struct Logs {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Go on printing what comes
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines of each container; `all` for all of them
    #[arg(short = 'n', long, value_name = "N", default_value = "all", value_parser = tail)]
    pub tail: Tail,
    /// Show when each line was printed
    #[arg(short, long)]
    pub timestamps: bool,
}

/// How many of the last lines; `None` for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail(pub Option<usize>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => number
            .parse()
            .map(|lines| Tail(Some(lines)))
            .map_err(|_| "neither a number of lines nor `all`".to_owned()),
    }
}

pub(super) async fn logs(invocation: &Invocation, args: &Logs) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    // It listens before it looks: nothing starts unseen in between.
    let news = args.follow.then(|| engine.watch(&named.name));
    let observed = engine.observe(&named.name).await?;
    let services = &args.services;
    let chosen = stack::of_services(&observed.containers, services, &named.services())?;
    if chosen.is_empty() {
        return invocation.note("no containers yet: `larder up` starts them");
    }
    let part = args.tail.0.map_or(Part::All, Part::Last);
    let wanted = chosen
        .into_iter()
        .map(|container| (container, part.clone()));
    let form = LogForm::Text {
        times: args.timestamps,
    };
    let mut reader = Reader::new(invocation, &engine, &named.name, services.clone(), form);
    let read = reader.history(wanted.collect()).await?;
    match news {
        Some(news) if read => reader.follow(news).await,
        _ => Ok(()),
    }
}

/// What the services of an `up` print: all of it, where the run started them, and what comes, where they ran before.
pub(super) async fn follow(
    invocation: &Invocation,
    prepared: &Prepared,
    before: &[Container],
) -> Result<(), Failure> {
    let engine = &prepared.engine;
    let project = &prepared.project.name;
    let shown = |name: &&String| prepared.project.services[*name].attach != Some(false);
    let services: Vec<String> = prepared.services.iter().filter(shown).cloned().collect();
    if services.is_empty() {
        return invocation.note("no logs to follow: every service has `attach: false`");
    }
    let news = engine.watch(project);
    let containers = &prepared.observed.containers;
    let chosen = stack::of_services(
        containers,
        &services,
        &BTreeSet::from_iter(services.clone()),
    )?;
    let mut wanted = Vec::new();
    for container in chosen {
        let old = before.iter().find(|old| old.id == container.id);
        let part = match old {
            None => Part::All,
            Some(old) if old.state.is_running() => Part::Last(0),
            Some(_) => {
                let started = engine.inspect(&container.id).await?.started;
                Stamp::parse(&started).map_or(Part::All, Part::Since)
            }
        };
        wanted.push((container, part));
    }
    invocation.note("following the logs: Ctrl-C ends that, and the services go on")?;
    let form = match prepared.settings.progress {
        Progress::Json => LogForm::Json,
        _ => LogForm::Text { times: false },
    };
    let mut reader = Reader::new(invocation, engine, project, services, form);
    if reader.history(wanted).await? {
        reader.follow(news).await?;
    }
    Ok(())
}
