//! Networks and volumes in the engine's words.

use std::collections::BTreeMap;

use bollard::models::{Ipam as EngineIpam, IpamConfig, NetworkCreateRequest, VolumeCreateRequest};

use super::gate::{self, Gate};
use super::labels;
use crate::docker::ApiVersion;
use crate::model::{Ipam, Project, labels as keys};
use crate::runtime::EngineError;

/// The call that makes a network of the project.
///
/// # Errors
/// The engine is too old for part of it.
pub(in crate::docker) fn network_request(
    project: &Project,
    key: &str,
    api: ApiVersion,
) -> Result<NetworkCreateRequest, EngineError> {
    let network = project.networks.get(key).cloned().unwrap_or_default();
    let config = network.config();
    let gate = Gate {
        api,
        kind: "network",
        name: key,
    };
    Ok(NetworkCreateRequest {
        name: project.network_name(key),
        driver: network.driver,
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv4: gate.pass(&gate::NETWORK_IPV4, network.enable_ipv4)?,
        enable_ipv6: network.enable_ipv6,
        ipam: network.ipam.map(ipam),
        options: Some(network.driver_opts.into_iter().collect()),
        labels: Some(labels::of_shared(
            project,
            &network.labels,
            (&config, &project.network_hash(key)),
            (keys::NETWORK, key),
        )),
        ..NetworkCreateRequest::default()
    })
}

fn ipam(ipam: Ipam) -> EngineIpam {
    let filled =
        |map: BTreeMap<String, String>| (!map.is_empty()).then(|| map.into_iter().collect());
    EngineIpam {
        driver: ipam.driver,
        config: Some(
            ipam.config
                .into_iter()
                .map(|pool| IpamConfig {
                    subnet: pool.subnet,
                    ip_range: pool.ip_range,
                    gateway: pool.gateway,
                    auxiliary_addresses: filled(pool.aux_addresses),
                })
                .collect(),
        ),
        options: filled(ipam.options),
    }
}

/// The call that makes a volume of the project.
pub(in crate::docker) fn volume_request(project: &Project, key: &str) -> VolumeCreateRequest {
    let volume = project.volumes.get(key).cloned().unwrap_or_default();
    let config = volume.config();
    VolumeCreateRequest {
        name: Some(project.volume_name(key)),
        driver: volume.driver,
        driver_opts: Some(volume.driver_opts.into_iter().collect()),
        labels: Some(labels::of_shared(
            project,
            &volume.labels,
            (&config, &project.volume_hash(key)),
            (keys::VOLUME, key),
        )),
        ..VolumeCreateRequest::default()
    }
}
