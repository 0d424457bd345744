//! `larder ps`: the project's containers.

use clap::Args;
use serde_json::{Value, json};

use super::args::{Listing, listing};
use super::invocation::{Invocation, Named};
use super::moment::Moment;
use crate::docker::{Listed, Stamp};
use crate::failure::Failure;
use crate::model::UnknownService;
use crate::plan::{Container, Health, PublishedPort, State};
use crate::term::{roughly, table, visible};

/// The states that an engine knows.
const STATES: [&str; 7] = [
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
];
/// So much of a command is shown (docker/cli `formatter.Ellipsis`).
const COMMAND: usize = 20;

/// `larder ps`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Ps {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// List stopped containers, and those of `run`, too
    #[arg(short, long)]
    pub all: bool,
    /// List those of a status: `status=exited`
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter)]
    pub filter: Option<String>,
    /// The format: table or json
    #[arg(long, value_parser = listing, default_value = "table", hide_default_value = true)]
    pub format: Listing,
    /// Show commands in full
    #[arg(long)]
    pub no_trunc: bool,
    /// Whether containers of services that no Compose file defines are listed
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(hide_possible_values = true)]
    pub orphans: bool,
    /// Print IDs alone
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the names of the services alone
    #[arg(long = "services", conflicts_with = "quiet")]
    pub names: bool,
    /// List those of a status: created, running, paused, restarting, removing, exited or dead
    #[arg(long, value_name = "STATUS", value_parser = STATES, hide_possible_values = true)]
    pub status: Vec<String>,
}

/// `status=STATUS`; the status without the rest.
fn filter(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some(("status", status)) if STATES.contains(&status) => Ok(status.to_owned()),
        Some(("status", status)) => Err(format!(
            "`{status}` is no status: there are {}",
            STATES.join(", ")
        )),
        Some((key, _)) => Err(format!("`{key}` is no filter: there is `status`")),
        None => Err("a filter is KEY=VALUE".to_owned()),
    }
}

pub(super) async fn ps(invocation: &Invocation, args: &Ps) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let statuses: Vec<&String> = args.status.iter().chain(&args.filter).collect();
    let all = args.all || !statuses.is_empty();
    let looks_at_all = all || !args.services.is_empty();
    let mut listed = engine.list(Some(&named.name), looks_at_all).await?;
    check(&named, &args.services, &listed)?;
    listed.retain(|own| {
        let container = &own.container;
        let service = &container.service;
        let running = container.state.is_running() && !container.one_off;
        let known = args.orphans || named.is_on(service) || named.is_off(service);
        (all || running)
            && (args.services.is_empty() && known || args.services.contains(service))
            && (statuses.is_empty() || statuses.contains(&&own.state))
    });
    listed.sort_by(|a, b| a.container.name.cmp(&b.container.name));
    show(invocation, args, &listed);
    Ok(())
}

/// Refuses a service that neither a container nor the file has.
fn check(named: &Named, services: &[String], listed: &[Listed]) -> Result<(), UnknownService> {
    let mut known = named.services();
    known.extend(listed.iter().map(|own| own.container.service.clone()));
    match services.iter().find(|name| !known.contains(*name)) {
        Some(name) => Err(UnknownService {
            name: name.clone(),
            known: known.into_iter().collect(),
        }),
        None => Ok(()),
    }
}

fn show(invocation: &Invocation, args: &Ps, listed: &[Listed]) {
    let screen = &invocation.screen;
    let containers = listed.iter().map(|own| &own.container);
    if args.quiet {
        containers.for_each(|own| screen.out(&format!("{}\n", own.id)));
    } else if args.names {
        let mut seen: Vec<&String> = Vec::new();
        for own in containers {
            if !seen.contains(&&own.service) {
                seen.push(&own.service);
                screen.out(&format!("{}\n", visible(&own.service)));
            }
        }
    } else if args.format == Listing::Json {
        let containers: Vec<Value> = listed.iter().map(object).collect();
        let document = json!({"schema": 1, "containers": containers});
        screen.out(&format!("{document:#}\n"));
    } else {
        let rows: Vec<[String; 7]> = listed.iter().map(|own| row(own, args)).collect();
        let header = [
            "NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS",
        ];
        screen.out(&table(header, &rows));
    }
}

fn row(listed: &Listed, args: &Ps) -> [String; 7] {
    let container = &listed.container;
    let ports: Vec<String> = container.ports.iter().map(port).collect();
    let mut command = listed.command.clone();
    if !args.no_trunc && command.chars().count() > COMMAND - 2 {
        command = command.chars().take(COMMAND - 3).chain(['…']).collect();
    }
    let age = Moment::now().0.saturating_sub(container.created);
    [
        container.name.clone(),
        image(container),
        format!("\"{command}\""),
        container.service.clone(),
        format!("{} ago", roughly(age.try_into().unwrap_or(0))),
        container.status.clone(),
        ports.join(", "),
    ]
}

/// The name of a container's image. An engine has its ID there where another image has the name by now.
fn image(container: &Container) -> String {
    if container.image_name == container.image.0 {
        return container.image.short().to_owned();
    }
    container.image_name.clone()
}

fn object(listed: &Listed) -> Value {
    let container = &listed.container;
    let ports: Vec<Value> = container
        .ports
        .iter()
        .map(|port| {
            json!({
                "host_ip": port.host_ip,
                "published": port.published,
                "target": port.target,
                "protocol": port.protocol,
            })
        })
        .collect();
    json!({
        "id": container.id,
        "name": container.name,
        "image": container.image_name,
        "command": listed.command,
        "service": container.service,
        "number": container.number,
        "one_off": container.one_off,
        "created": Stamp::of_seconds(container.created).text,
        "status": container.status,
        "running": container.state.is_running(),
        "state": state(container.state),
        "health": health(container.state),
        "exit_code": exit_code(container.state),
        "ports": ports,
    })
}

/// A state in the engine's word for it.
fn state(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running(_) => "running",
        State::Paused => "paused",
        State::Restarting => "restarting",
        State::Exited(_) => "exited",
        State::Dead => "dead",
    }
}

/// What its health check says, where it runs and has one.
fn health(state: State) -> Option<&'static str> {
    match state {
        State::Running(Health::Healthy) => Some("healthy"),
        State::Running(Health::Unhealthy) => Some("unhealthy"),
        State::Running(Health::Starting) => Some("starting"),
        _ => None,
    }
}

fn exit_code(state: State) -> Option<i64> {
    match state {
        State::Exited(code) => Some(code),
        _ => None,
    }
}

/// A port as `docker ps` shows it: `0.0.0.0:5442->5432/tcp`.
fn port(port: &PublishedPort) -> String {
    let inner = format!("{}/{}", port.target, port.protocol);
    match (port.host_ip.as_deref().unwrap_or_default(), port.published) {
        (_, None) => inner,
        ("", Some(published)) => format!("{published}->{inner}"),
        (v6, Some(published)) if v6.contains(':') => format!("[{v6}]:{published}->{inner}"),
        (host, Some(published)) => format!("{host}:{published}->{inner}"),
    }
}
