//! `larder ps`: the project's containers.

use clap::Args;
use serde_json::{Value, json};

use super::args::Listing;
use super::invocation::Invocation;
use crate::failure::Failure;
use crate::plan::{Container, Health, PublishedPort, State};
use crate::runtime::Engine;
use crate::term::table;

/// `larder ps`.
#[derive(Args, Debug)]
pub struct Ps {
    /// List stopped containers too
    #[arg(short, long)]
    pub all: bool,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Listing,
}

pub(super) async fn ps(invocation: &Invocation, args: &Ps) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let mut containers: Vec<&Container> = observed
        .containers
        .iter()
        .filter(|container| args.all || (container.state.is_running() && !container.one_off))
        .collect();
    containers.sort_by_key(|container| &container.name);
    match args.format {
        Listing::Table => {
            let rows: Vec<[String; 5]> = containers.into_iter().map(row).collect();
            let header = ["NAME", "IMAGE", "SERVICE", "STATUS", "PORTS"];
            invocation.screen.out(&table(header, &rows));
        }
        Listing::Json => {
            let containers: Vec<Value> = containers.into_iter().map(object).collect();
            let document = json!({"schema": 1, "containers": containers});
            invocation.screen.out(&format!("{document:#}\n"));
        }
    }
    Ok(())
}

fn row(container: &Container) -> [String; 5] {
    let ports: Vec<String> = container.ports.iter().map(port).collect();
    [
        container.name.clone(),
        container.image_name.clone(),
        container.service.clone(),
        container.status.clone(),
        ports.join(", "),
    ]
}

fn object(container: &Container) -> Value {
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
        "service": container.service,
        "number": container.number,
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
