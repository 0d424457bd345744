//! What a person needs at the end of `up`: where the services answer, and how long it took.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::text::duration;
use super::{Screen, critical_path};
use crate::model::Project;
use crate::plan::{Observed, PublishedPort};
use crate::runtime::Leg;

/// A start that went well.
#[derive(Clone, Debug)]
pub struct Ready<'a> {
    /// The project.
    pub project: &'a Project,
    /// The services that were asked for, with all that they depend on.
    pub services: &'a BTreeSet<String>,
    /// The engine afterwards.
    pub observed: &'a Observed,
    /// How long it took.
    pub took: Duration,
    /// What made it as long as it was, first step first.
    pub path: &'a [Leg],
    /// What became of them.
    pub readout: Readout,
}

/// What became of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readout {
    /// Nothing had to be done.
    UpToDate,
    /// All are ready.
    Ready,
    /// All are started; nobody waited.
    Started,
    /// All are created, and none was started.
    Created,
}

/// The last line of a command: `3 services ready in 3.2 s`.
pub fn total(count: usize, noun: &str, how: &str, took: Duration) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let count = format!("{count} {noun}{plural}");
    format!("{} {how} in {}\n", count.bold(), duration(took))
}

impl Ready<'_> {
    /// Prints it for a person.
    pub fn print(&self, screen: &Screen) {
        screen.out(&self.text(screen.columns().unwrap_or(usize::MAX)));
    }

    /// Prints it for a program.
    pub fn print_json(&self, screen: &Screen) {
        screen.out(&format!("{}\n", self.json()));
    }

    fn text(&self, columns: usize) -> String {
        let mut out = String::new();
        let addresses: Vec<(&str, Vec<String>)> = self
            .services
            .iter()
            .map(|service| (service.as_str(), self.addresses(service)))
            .filter(|(_, addresses)| !addresses.is_empty())
            .collect();
        let width = addresses.iter().map(|(name, _)| name.chars().count()).max();
        let width = width.unwrap_or(0);
        for (service, addresses) in addresses {
            let addresses = addresses.join("  ");
            let _ = writeln!(out, "{service:width$}  {}", addresses.cyan());
        }
        let how = match self.readout {
            Readout::UpToDate => "up to date",
            Readout::Ready => "ready",
            Readout::Started => "started",
            Readout::Created => "created",
        };
        out += &total(self.services.len(), "service", how, self.took);
        out += &critical_path::text(self.path, columns);
        out
    }

    fn json(&self) -> Value {
        let services: serde_json::Map<String, Value> = self
            .services
            .iter()
            .map(|service| {
                let mut told = json!({"addresses": self.addresses(service)});
                let chosen = self.chosen(service);
                if !chosen.is_empty() {
                    told["chosen_ports"] = json!(chosen);
                }
                (service.clone(), told)
            })
            .collect();
        json!({
            "event": "report",
            "outcome": match self.readout {
                Readout::UpToDate => "up-to-date",
                Readout::Ready => "ready",
                Readout::Started => "started",
                Readout::Created => "created",
            },
            "critical_path": critical_path::json(self.path),
            "services": services,
            "took_ms": self.took.as_millis(),
            "schema": 1,
        })
    }

    /// The host ports that a service has in place of those that it declares.
    fn chosen(&self, service: &str) -> Vec<Value> {
        let service = self.project.services.get(service).into_iter();
        let ports = service.flat_map(|service| &service.ports);
        let chosen = ports.filter(|port| port.declared.is_some());
        let told = chosen.map(|port| {
            json!({
                "declared": port.declared,
                "published": port.published,
                "target": port.target,
                "protocol": port.transport(),
            })
        });
        told.collect()
    }

    /// Where a service answers on this machine, each address once.
    fn addresses(&self, service: &str) -> Vec<String> {
        let ports = self
            .observed
            .containers
            .iter()
            .filter(|container| container.service == service && !container.one_off)
            .filter(|container| container.state.is_running())
            .flat_map(|container| &container.ports);
        let mut seen = BTreeSet::new();
        ports
            .filter_map(|port| self.address(service, port))
            .filter(|address| seen.insert(address.clone()))
            .collect()
    }

    fn address(&self, service: &str, port: &PublishedPort) -> Option<String> {
        let published = port.published?;
        let host = match port.host_ip.as_deref() {
            None | Some("" | "0.0.0.0" | "::" | "127.0.0.1") => "localhost".to_owned(),
            Some(v6) if v6.contains(':') => format!("[{v6}]"),
            Some(v4) => v4.to_owned(),
        };
        if port.protocol != "tcp" {
            return Some(format!("{host}:{published}/{}", port.protocol));
        }
        let scheme = self.declared(service, port.target).or(guessed(port.target));
        Some(match scheme {
            Some(scheme) => format!("{scheme}://{host}:{published}"),
            None => format!("{host}:{published}"),
        })
    }

    /// What the Compose file says is spoken on a port.
    fn declared(&self, service: &str, target: u16) -> Option<&str> {
        let ports = &self.project.services.get(service)?.ports;
        let port = ports.iter().find(|port| port.target == target)?;
        port.app_protocol.as_deref()
    }
}

/// What is usually spoken on a container's port: HTTP, unless the port is known for something else (the
/// well-known ports of what stacks are made of). A wrong guess costs a click.
fn guessed(target: u16) -> Option<&'static str> {
    match target {
        443 | 8443 => Some("https"),
        21 | 22 | 25 | 53 | 389 | 587 | 636 | 1025 | 1433 | 1521 | 1883 | 2181 | 2379 | 3306
        | 4222 | 5432 | 5433 | 5672 | 6379 | 6432 | 9042 | 9092 | 11211 | 26257 | 27017 => None,
        _ => Some("http"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::ImageId;
    use crate::plan::{Container, Health, State};

    fn port(host_ip: &str, published: Option<u16>, target: u16) -> PublishedPort {
        PublishedPort {
            host_ip: Some(host_ip.to_owned()),
            published,
            target,
            protocol: "tcp".to_owned(),
        }
    }

    fn container(service: &str, ports: Vec<PublishedPort>) -> Container {
        Container {
            id: String::new(),
            name: String::new(),
            service: service.to_owned(),
            number: 1,
            one_off: false,
            image: ImageId(String::new()),
            image_name: String::new(),
            state: State::Running(Health::None),
            status: String::new(),
            created: 0,
            started: None,
            labels: BTreeMap::new(),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            shares: BTreeSet::new(),
            cut_off: None,
            ports,
        }
    }

    #[test]
    fn each_address_once_in_the_form_one_opens() {
        let observed = Observed {
            containers: vec![
                container(
                    "web",
                    vec![
                        port("0.0.0.0", Some(8080), 80),
                        port("::", Some(8080), 80),
                        port("0.0.0.0", None, 9000),
                    ],
                ),
                container("db", vec![port("10.0.0.7", Some(5442), 5432)]),
            ],
            ..Observed::default()
        };
        let services = ["web", "db", "worker"].map(ToOwned::to_owned).into();
        let ready = Ready {
            project: &Project::default(),
            services: &services,
            observed: &observed,
            took: Duration::from_millis(3210),
            path: &[],
            readout: Readout::Ready,
        };
        assert_eq!(
            anstream::adapter::strip_str(&ready.text(80)).to_string(),
            "db   10.0.0.7:5442\nweb  http://localhost:8080\n3 services ready in 3.2 s\n"
        );
    }
}
