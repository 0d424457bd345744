//! `larder logs`, and what `larder up` shows of logs: what containers print, in the order in which they printed it.
//! `reader` shows it, `merge` puts lines in order, `seen` knows what was shown, `follow` goes on with what comes.

mod follow;
mod merge;
mod reader;
mod seen;

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use self::follow::Until;
use self::reader::{Part, Reader};
use super::invocation::Invocation;
use super::moment::{Moment, moment};
use super::number::at_least;
use super::prepare::Prepared;
use super::stack;
use super::until_end::Begun;
use crate::docker::{Docker, Stamp};
use crate::failure::Failure;
use crate::model::Project;
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

/// From which moment on a container that does not run goes on, by its ID, where it has printed something.
pub(super) type Marks = BTreeMap<String, Stamp>;

/// Where containers go on that are about to be started. The engine's own moment of a start may come behind the first lines.
pub(super) async fn marks(engine: &Docker, containers: &[Container]) -> Marks {
    let still = containers.iter().filter(|own| !own.state.is_running());
    let marks = still.map(async |own| {
        // Where it is not known, what comes from now on is shown.
        let last = engine.last_moment(&own.id).await;
        let last = last.unwrap_or_else(|_| Some(Stamp::now()))?;
        let (seconds, rest) = last.since_epoch();
        let behind = Stamp::of_nanoseconds(seconds * 1_000_000_000 + i64::from(rest) + 1);
        Some((own.id.clone(), behind))
    });
    let marks: Vec<_> = stream::iter(marks).buffer_unordered(8).collect().await;
    marks.into_iter().flatten().collect()
}

/// What services of an `up` print: all of it, where the run started them, and what comes, where they ran before. `marks` were made
/// before.
pub(super) async fn follow(
    invocation: &Invocation,
    prepared: &Prepared,
    services: &BTreeSet<String>,
    before: &[Container],
    marks: &Marks,
) -> Result<(), Failure> {
    let (engine, project) = (&prepared.engine, &prepared.project);
    let news = engine.watch(&project.name);
    let form = form(prepared.settings.progress);
    let Some(mut reader) = reader(invocation, engine, project, services, form)? else {
        return Ok(());
    };
    let mut wanted = Vec::new();
    for container in &prepared.observed.containers {
        if !reader.wants(container) {
            continue;
        }
        let old = before.iter().find(|old| old.id == container.id);
        let part = match old {
            Some(old) if old.state.is_running() => Part {
                last: Some(0),
                ..Part::default()
            },
            _ => Part {
                since: marks.get(&container.id).cloned(),
                ..Part::default()
            },
        };
        wanted.push((container, part));
    }
    if reader.history(wanted).await? {
        reader.follow(news, Until::Ended).await?;
    }
    Ok(())
}

/// What services print while they are started and from then on, until it is told that all are `stopped`.
pub(super) async fn beside(
    invocation: &Invocation,
    begun: &Begun,
    stopped: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let (engine, project) = (&begun.engine, &begun.project);
    let news = engine.watch(&project.name);
    let form = form(begun.progress);
    let Some(mut reader) = reader(invocation, engine, project, &begun.attached, form)? else {
        return Ok(());
    };
    reader.without.clone_from(&begun.leaving);
    let before = begun.before.iter().filter(|own| reader.wants(own));
    let (running, still): (Vec<_>, Vec<_>) = before.partition(|own| own.state.is_running());
    for container in still {
        reader.pass_over(container, begun.marks.get(&container.id));
    }
    let nothing = Part {
        last: Some(0),
        ..Part::default()
    };
    let before = running.into_iter().map(|own| (own, nothing.clone()));
    let before = before.collect();
    if reader.history(before).await? {
        reader.follow(news, Until::Told(stopped)).await?;
    }
    Ok(())
}

/// Who shows what services of an `up` print; nobody, where none is to be shown.
fn reader<'a>(
    invocation: &'a Invocation,
    engine: &'a Docker,
    project: &'a Project,
    services: &BTreeSet<String>,
    form: LogForm,
) -> Result<Option<Reader<'a>>, Failure> {
    let shown = |name: &&String| project.services[*name].attach != Some(false);
    let services: Vec<String> = services.iter().filter(shown).cloned().collect();
    if services.is_empty() {
        invocation.note("no logs to follow: every service has `attach: false`")?;
        return Ok(None);
    }
    let reader = Reader::new(invocation, engine, &project.name, services, form);
    Ok(Some(reader))
}

/// In which form an `up` shows what is printed.
fn form(progress: Progress) -> LogForm {
    match progress {
        Progress::Json => LogForm::Json,
        // As with docker compose, where `logs` has all on standard output.
        _ => LogForm::Text(LogText {
            apart: true,
            ..LogText::default()
        }),
    }
}
