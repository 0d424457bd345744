//! `larder port`: where ports of a service's containers are published on the host.

use clap::Args;
use serde_json::{Value, json};

use super::args::Report;
use super::invocation::Invocation;
use super::number::at_least;
use super::stack;
use crate::failure::Failure;
use crate::plan::{Container, PublishedPort};
use crate::runtime::Engine;

/// `larder port`.
#[derive(Args, Debug)]
pub struct Port {
    /// The service
    pub service: String,
    /// The port in the container; all that are published when none is given
    #[arg(value_name = "PRIVATE_PORT", value_parser = at_least::<1, u16>)]
    pub number: Option<u16>,
    /// Its protocol: tcp, udp or sctp; for one port, tcp where it is not said
    #[arg(long, value_parser = protocol)]
    pub protocol: Option<String>,
    /// The number of the container, where the service has several
    #[arg(long, value_name = "N", value_parser = at_least::<1, u32>)]
    pub index: Option<u32>,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
}

fn protocol(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if ["tcp", "udp", "sctp"].contains(&lower.as_str()) {
        Ok(lower)
    } else {
        Err("neither tcp, udp nor sctp".to_owned())
    }
}

pub(super) async fn port(invocation: &Invocation, args: &Port) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let service = std::slice::from_ref(&args.service);
    let mut containers = stack::of_services(&observed.containers, service, &named.services())?;
    containers.retain(|container| container.state.is_running());
    if containers.is_empty() {
        return Err(Failure::NotRunning(args.service.clone()));
    }
    containers = stack::numbered(containers, &args.service, args.index)?;
    let found = match args.number {
        None => all(&containers, args.protocol.as_deref()),
        Some(port) => {
            let protocol = args.protocol.as_deref().unwrap_or("tcp");
            vec![one(containers[0], port, protocol)?]
        }
    };
    match args.format {
        Report::Text if args.number.is_some() => {
            let addresses = found.iter().map(|(_, port)| format!("{}\n", address(port)));
            invocation.screen.out(&addresses.collect::<String>());
        }
        Report::Text => invocation.screen.out(&text(&found, containers.len() > 1)),
        Report::Json => {
            let ports: Vec<Value> = found.into_iter().map(object).collect();
            let document = json!({"schema": 1, "ports": ports});
            invocation.screen.out(&format!("{document:#}\n"));
        }
    }
    Ok(())
}

/// A published port, and the container whose it is.
type Found<'a> = (&'a Container, &'a PublishedPort);

fn all<'a>(containers: &[&'a Container], protocol: Option<&str>) -> Vec<Found<'a>> {
    let ports = containers.iter().flat_map(|own| {
        let published = own.ports.iter().filter(|port| port.published.is_some());
        published.map(|port| (*own, port))
    });
    let asked = |(_, port): &Found<'_>| protocol.is_none_or(|asked| asked == port.protocol);
    ports.filter(asked).collect()
}

fn one<'a>(container: &'a Container, port: u16, protocol: &str) -> Result<Found<'a>, Failure> {
    let all = all(&[container], None);
    let same = all.iter().copied();
    let same = same.filter(|(_, own)| own.target == port && own.protocol == protocol);
    // Where there is one for each family, the older one's is what scripts expect.
    let is_v6 = |(_, own): &Found<'_>| own.host_ip.as_deref().is_some_and(|ip| ip.contains(':'));
    same.min_by_key(is_v6).ok_or_else(|| {
        let known = all.iter();
        let mut known: Vec<String> = known.map(|(_, own)| inner(own)).collect();
        known.dedup();
        Failure::NotPublished {
            port: format!("{port}/{protocol}"),
            container: container.name.clone(),
            known,
        }
    })
}

/// As `docker port` has it; where there are several containers, with their names in front.
fn text(found: &[Found<'_>], several: bool) -> String {
    let lines = found.iter().map(|(container, port)| {
        let line = format!("{} -> {}\n", inner(port), address(port));
        if several {
            format!("{}: {line}", container.name)
        } else {
            line
        }
    });
    lines.collect()
}

fn object((container, port): Found<'_>) -> Value {
    json!({
        "service": container.service,
        "container": container.name,
        "number": container.number,
        "target": port.target,
        "protocol": port.protocol,
        "host_ip": port.host_ip,
        "published": port.published,
    })
}

/// `80/tcp`.
fn inner(port: &PublishedPort) -> String {
    format!("{}/{}", port.target, port.protocol)
}

/// `0.0.0.0:8080`.
fn address(port: &PublishedPort) -> String {
    let published = port.published.unwrap_or_default();
    match port.host_ip.as_deref().unwrap_or_default() {
        v6 if v6.contains(':') => format!("[{v6}]:{published}"),
        host => format!("{host}:{published}"),
    }
}
