//! `larder logs`, and the end of `larder up -a`: what containers print, in the order in which they printed it.
//! `reader` shows it, `merge` puts lines in order, `seen` knows what was shown, `follow` goes on with what comes.

mod follow;
mod merge;
mod reader;
mod seen;

use clap::Args;
use std::collections::BTreeSet;
use tokio::sync::watch;

use self::follow::Until;
use self::reader::{Part, Reader};
use super::invocation::Invocation;
use super::moment::{Moment, moment};
use super::number::at_least;
use super::prepare::Prepared;
use super::stack;
use crate::docker::Stamp;
use crate::failure::Failure;
use crate::plan::Container;
use crate::runtime::Engine;
use crate::settings::Progress;
use crate::term::{LogForm, LogText};

/// `larder logs`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Logs {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Go on printing what comes
    #[arg(short, long)]
    pub follow: bool,
    /// Of one service, the container with this number
    #[arg(long, value_name = "N", value_parser = at_least::<1, u32>)]
    pub index: Option<u32>,
    /// Without colours
    #[arg(long)]
    pub no_color: bool,
    /// Without the names of the containers in front
    #[arg(long)]
    pub no_log_prefix: bool,
    /// Lines as they were printed, with all that a terminal obeys
    #[arg(long)]
    pub raw: bool,
    /// What was printed since then: `2026-11-28T10:00:00Z`, seconds since 1970, or `10m` for ten minutes ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Moment>,
    /// What was printed before then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
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
        number => at_least::<0, usize>(number)
            .map(|lines| Tail(Some(lines)))
            .map_err(|said| format!("{said}, and not `all`")),
    }
}

pub(super) async fn logs(invocation: &Invocation, args: &Logs) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    // It listens before it looks: nothing starts unseen in between.
    let news = args.follow.then(|| engine.watch(&named.name));
    let listed = engine.list(Some(&named.name), true).await?;
    let containers: Vec<Container> = listed.into_iter().map(|own| own.container).collect();
    let services = &args.services;
    let mut chosen = stack::of_services(&containers, services, &named.services())?;
    if args.index.is_some() {
        let [service] = services.as_slice() else {
            return Err(Failure::Untold {
                text: "`--index` is for the containers of one service".to_owned(),
                hint: "name one: `larder logs --index 2 SERVICE`".to_owned(),
            });
        };
        chosen = stack::numbered(chosen, service, args.index)?;
    }
    if chosen.is_empty() {
        return invocation.note("no containers yet: `larder up` starts them");
    }
    let part = Part {
        last: args.tail.0,
        since: args.since.map(Moment::stamp),
        until: args.until.map(Moment::stamp),
    };
    let wanted = chosen
        .into_iter()
        .map(|container| (container, part.clone()));
    let form = LogForm::Text(LogText {
        times: args.timestamps,
        prefix: !args.no_log_prefix,
        colour: !args.no_color,
        raw: args.raw,
        apart: false,
    });
    let mut reader = Reader::new(invocation, &engine, &named.name, services.clone(), form);
    reader.number = args.index;
    let read = reader.history(wanted.collect()).await?;
    let Some(news) = news.filter(|_| read) else {
        return Ok(());
    };
    match args.until.map(Moment::ahead) {
        None => reader.follow(news, Until::Ended).await,
        // It is over already.
        Some(None) => Ok(()),
        Some(Some(left)) => {
            match tokio::time::timeout(left, reader.follow(news, Until::Ended)).await {
                Ok(ended) => ended,
                Err(_) => Ok(()),
            }
        }
    }
}

/// What the services of an `up` print: all of it, where the run started them, and what comes, where they ran before. It goes on
/// until all have ended, or until it is told that they are `stopped`.
pub(super) async fn follow(
    invocation: &Invocation,
    prepared: &Prepared,
    before: &[Container],
    stopped: Option<watch::Receiver<bool>>,
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
            None => Part::default(),
            Some(old) if old.state.is_running() => Part {
                last: Some(0),
                ..Part::default()
            },
            Some(_) => Part {
                since: Stamp::parse(&engine.inspect(&container.id).await?.started),
                ..Part::default()
            },
        };
        wanted.push((container, part));
    }
    let form = match prepared.settings.progress {
        Progress::Json => LogForm::Json,
        // As with docker compose, where `logs` has all on standard output.
        _ => LogForm::Text(LogText {
            apart: true,
            ..LogText::default()
        }),
    };
    let mut reader = Reader::new(invocation, engine, project, services, form);
    if reader.history(wanted).await? {
        let until = stopped.map_or(Until::Ended, Until::Told);
        reader.follow(news, until).await?;
    }
    Ok(())
}
