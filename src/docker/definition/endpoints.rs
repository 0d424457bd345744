//! How a container is attached to its networks.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};

use super::gate::{self, Gate};
use super::sharing::Sharing;
use crate::model::{Attachment, Service};
use crate::runtime::{ContainerSpec, EngineError};

/// The option of every driver that names the interface.
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

/// A container's networks: what is said when it is created, and what only afterwards.
#[derive(Debug, Default)]
pub(super) struct Networking {
    /// `HostConfig.NetworkMode`.
    pub(super) mode: String,
    /// Endpoints in the create call.
    pub(super) at_create: Option<NetworkingConfig>,
    /// Networks to be attached between create and start: an engine below API 1.44 takes one at create.
    pub(super) later: Vec<(String, EndpointSettings)>,
    /// The hardware address of the container as a whole: below API 1.44 an endpoint has none of its own.
    pub(super) mac_address: Option<String>,
}

/// Puts a service's networks into the engine's words.
///
/// # Errors
/// The engine is too old for part of it.
pub(super) fn networking(
    spec: &ContainerSpec<'_>,
    service: &Service,
    sharing: &Sharing,
    gate: Gate<'_>,
) -> Result<Networking, EngineError> {
    let modern = gate.api.at_least("1.44");
    let own_mac = service.mac_address.as_ref();
    if let Some(mode) = sharing.network_mode.as_deref() {
        return Ok(Networking {
            at_create: own_mac
                .filter(|_| modern)
                .and_then(|mac| bridged(mode, mac)),
            mode: mode.to_owned(),
            mac_address: own_mac.filter(|_| !modern).cloned(),
            ..Networking::default()
        });
    }
    let mut endpoints = Vec::new();
    let mut mac_address = None;
    for (number, (key, attachment)) in service.networks_by_priority().into_iter().enumerate() {
        let mut endpoint = endpoint(spec, service, attachment, gate)?;
        let mac = attachment.and_then(|attachment| attachment.mac_address.as_ref());
        if number == 0 {
            let mac = mac.or(own_mac).cloned();
            (endpoint.mac_address, mac_address) = if modern { (mac, None) } else { (None, mac) };
        } else {
            endpoint.mac_address = gate.pass(&gate::ENDPOINT_MAC, mac.cloned())?;
        }
        endpoint.links = (!sharing.links.is_empty()).then(|| sharing.links.clone());
        endpoints.push((spec.project.network_name(key), endpoint));
    }
    let Some((first, _)) = endpoints.first() else {
        return Ok(Networking {
            mode: "none".to_owned(),
            ..Networking::default()
        });
    };
    let mode = first.clone();
    let later = if modern {
        Vec::new()
    } else {
        endpoints.split_off(1)
    };
    let endpoints: HashMap<String, EndpointSettings> = endpoints.into_iter().collect();
    Ok(Networking {
        mode,
        at_create: Some(NetworkingConfig {
            endpoints_config: Some(endpoints),
        }),
        later,
        mac_address,
    })
}

/// A hardware address in the engine's own network: from API 1.44 on an endpoint has it, also where there is no other
/// reason to name one.
fn bridged(mode: &str, mac: &str) -> Option<NetworkingConfig> {
    let endpoint = EndpointSettings {
        mac_address: Some(mac.to_owned()),
        ..EndpointSettings::default()
    };
    ["bridge", "default"]
        .contains(&mode)
        .then(|| NetworkingConfig {
            endpoints_config: Some([(mode.to_owned(), endpoint)].into()),
        })
}

fn endpoint(
    spec: &ContainerSpec<'_>,
    service: &Service,
    attachment: Option<&Attachment>,
    gate: Gate<'_>,
) -> Result<EndpointSettings, EngineError> {
    // Nobody who asks for the service gets to one that is run once.
    let shows = service.one_off.as_ref().is_none_or(|own| own.aliases);
    // The final name, even while a container that is to be replaced still has it.
    let mut aliases = vec![spec.project.container_name(spec.service, spec.number)];
    if shows {
        aliases.push(spec.service.to_owned());
    }
    let Some(attachment) = attachment else {
        return Ok(EndpointSettings {
            aliases: Some(aliases),
            ..EndpointSettings::default()
        });
    };
    for alias in attachment.aliases.iter().filter(|_| shows) {
        if !aliases.contains(alias) {
            aliases.push(alias.clone());
        }
    }
    let mut options: BTreeMap<String, String> = attachment.driver_opts.clone();
    let interface = attachment.interface_name.clone();
    if let Some(name) = gate.pass(&gate::INTERFACE_NAME, interface)? {
        options.insert(INTERFACE.to_owned(), name);
    }
    Ok(EndpointSettings {
        aliases: Some(aliases),
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: attachment.ipv4_address.clone(),
            ipv6_address: attachment.ipv6_address.clone(),
            link_local_ips: (!attachment.link_local_ips.is_empty())
                .then(|| attachment.link_local_ips.clone()),
        }),
        driver_opts: (!options.is_empty()).then(|| options.into_iter().collect()),
        gw_priority: gate.pass(
            &gate::GATEWAY_PRIORITY,
            attachment.gw_priority.filter(|priority| *priority != 0),
        )?,
        ..EndpointSettings::default()
    })
}
