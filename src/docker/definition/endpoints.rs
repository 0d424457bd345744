//! How a container is attached to its networks.

use std::cmp::Reverse;
use std::collections::HashMap;

use bollard::models::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};

use crate::docker::ApiVersion;
use crate::model::{Attachment, Service};
use crate::runtime::ContainerSpec;

/// A container's networks: what is said when it is created, and what only afterwards.
#[derive(Debug, Default)]
pub(super) struct Networking {
    /// `HostConfig.NetworkMode`.
    pub(super) mode: String,
    /// Endpoints in the create call.
    pub(super) at_create: Option<NetworkingConfig>,
    /// Networks to be attached between create and start: an engine below API 1.44 takes one at create.
    pub(super) later: Vec<(String, EndpointSettings)>,
}

/// Puts a service's networks into the engine's words. `mode` is its `network_mode`, resolved.
pub(super) fn networking(
    spec: &ContainerSpec<'_>,
    service: &Service,
    mode: Option<&str>,
    api: ApiVersion,
) -> Networking {
    if let Some(mode) = mode {
        return Networking {
            mode: mode.to_owned(),
            ..Networking::default()
        };
    }
    let mut endpoints: Vec<(String, EndpointSettings)> = ordered(service)
        .into_iter()
        .map(|(key, attachment)| {
            let name = spec.project.network_name(key);
            (name, endpoint(spec, attachment))
        })
        .collect();
    let Some((first, _)) = endpoints.first() else {
        return Networking {
            mode: "none".to_owned(),
            ..Networking::default()
        };
    };
    let mode = first.clone();
    let later = if api.at_least("1.44") {
        Vec::new()
    } else {
        endpoints.split_off(1)
    };
    let endpoints: HashMap<String, EndpointSettings> = endpoints.into_iter().collect();
    Networking {
        mode,
        at_create: Some(NetworkingConfig {
            endpoints_config: Some(endpoints),
        }),
        later,
    }
}

/// The networks by priority, highest first, then by name (compose-go `NetworksByPriority`).
fn ordered(service: &Service) -> Vec<(&String, Option<&Attachment>)> {
    let mut networks: Vec<_> = service
        .networks
        .iter()
        .map(|(key, attachment)| (key, attachment.as_ref()))
        .collect();
    let priority = |attachment: Option<&Attachment>| attachment.and_then(|a| a.priority);
    networks.sort_by_key(|(key, attachment)| {
        (Reverse(priority(*attachment).unwrap_or_default()), *key)
    });
    networks
}

fn endpoint(spec: &ContainerSpec<'_>, attachment: Option<&Attachment>) -> EndpointSettings {
    // The final name, even while a container that is to be replaced still has it.
    let mut aliases = vec![
        spec.project.container_name(spec.service, spec.number),
        spec.service.to_owned(),
    ];
    let Some(attachment) = attachment else {
        return EndpointSettings {
            aliases: Some(aliases),
            ..EndpointSettings::default()
        };
    };
    for alias in &attachment.aliases {
        if !aliases.contains(alias) {
            aliases.push(alias.clone());
        }
    }
    let fixed = attachment.ipv4_address.is_some() || attachment.ipv6_address.is_some();
    EndpointSettings {
        aliases: Some(aliases),
        ipam_config: fixed.then(|| EndpointIpamConfig {
            ipv4_address: attachment.ipv4_address.clone(),
            ipv6_address: attachment.ipv6_address.clone(),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    }
}
