//! Ports: what containers open to each other, and what the host answers on.

use std::collections::BTreeSet;

use bollard::models::{PortBinding, PortMap};

use crate::model::{PortRange, Service};

/// `ExposedPorts`: those of `expose` and the targets of `ports`, sorted, ranges spelled out.
pub(super) fn exposed(service: &Service) -> Vec<String> {
    let exposed = service.expose.iter().flat_map(|entry| spelled_out(entry));
    let published = service.ports.iter().map(key);
    let all: BTreeSet<String> = exposed.chain(published).collect();
    all.into_iter().collect()
}

/// `PortBindings`. A published range stays one: the engine picks a free port of it.
pub(super) fn bindings(service: &Service) -> PortMap {
    let mut bindings = PortMap::new();
    for port in &service.ports {
        bindings
            .entry(key(port))
            .or_default()
            .get_or_insert_default()
            .push(PortBinding {
                host_ip: port.host_ip.clone(),
                host_port: port.published.clone(),
            });
    }
    bindings
}

fn key(port: &crate::model::Port) -> String {
    let protocol = match port.protocol.as_str() {
        "" => "tcp".to_owned(),
        protocol => protocol.to_lowercase(),
    };
    format!("{}/{protocol}", port.target)
}

/// `3000-3002/udp` as three ports; what is none was refused when the file was read.
fn spelled_out(entry: &str) -> Vec<String> {
    let (range, protocol) = entry.split_once('/').unwrap_or((entry, ""));
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    match range.parse::<PortRange>() {
        Ok(PortRange { first, last }) => (first..=last)
            .map(|port| format!("{port}/{protocol}"))
            .collect(),
        Err(_) => vec![entry.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Port;

    fn port(published: Option<&str>, target: u16, protocol: &str) -> Port {
        Port {
            published: published.map(ToOwned::to_owned),
            target,
            protocol: protocol.to_owned(),
            ..Port::default()
        }
    }

    #[test]
    fn one_target_may_have_several_host_ports() {
        let service = Service {
            ports: vec![
                port(Some("5442"), 5432, "tcp"),
                port(Some("5443"), 5432, "tcp"),
                port(None, 53, "UDP"),
            ],
            expose: vec!["3000-3001".to_owned(), "53/udp".to_owned()],
            ..Service::default()
        };
        let bindings = bindings(&service);
        let hosts: Vec<_> = bindings["5432/tcp"]
            .as_ref()
            .unwrap()
            .iter()
            .map(|binding| binding.host_port.as_deref().unwrap())
            .collect();
        assert_eq!(hosts, ["5442", "5443"]);
        assert_eq!(bindings["53/udp"].as_ref().unwrap()[0].host_port, None);
        assert_eq!(
            exposed(&service),
            ["3000/tcp", "3001/tcp", "53/udp", "5432/tcp"]
        );
    }
}
