//! `HostConfig`: everything about a container that depends on its host.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    HostConfig, HostConfigCgroupnsModeEnum, HostConfigIsolationEnum, HostConfigLogConfig,
    RestartPolicy, RestartPolicyNameEnum,
};

use super::gate::{self, Gate};
use super::mounts::Storage;
use super::resources::with_resources;
use super::{Surroundings, ports};
use crate::model::{self, Service};
use crate::runtime::EngineError;

/// A service's host configuration.
///
/// # Errors
/// The engine is too old for part of it.
pub(super) fn host(
    service: &Service,
    surroundings: &Surroundings,
    network_mode: String,
    storage: Storage,
    gate: Gate<'_>,
) -> Result<HostConfig, EngineError> {
    let annotations = (!service.annotations.is_empty()).then(|| to_map(&service.annotations));
    let sharing = &surroundings.sharing;
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let host = HostConfig {
        annotations: gate.pass(&gate::ANNOTATIONS, annotations)?,
        volumes_from: some(&sharing.volumes_from),
        links: some(&sharing.links),
        binds: Some(storage.binds),
        mounts: Some(storage.mounts),
        tmpfs: Some(storage.tmpfs),
        cap_add: Some(capabilities(&service.cap_add)),
        cap_drop: Some(capabilities(&service.cap_drop)),
        network_mode: Some(network_mode),
        port_bindings: Some(ports::bindings(service)),
        init: service.init,
        ipc_mode: sharing.ipc_mode.clone(),
        pid_mode: sharing.pid_mode.clone(),
        uts_mode: service.uts.clone(),
        userns_mode: service.userns_mode.clone(),
        cgroupns_mode: cgroup_namespace(service),
        isolation: isolation(service),
        runtime: service.runtime.clone(),
        auto_remove: service.one_off.as_ref().map(|own| own.remove),
        group_add: Some(service.group_add.clone()),
        storage_opt: (!service.storage_opt.is_empty()).then(|| to_map(&service.storage_opt)),
        privileged: service.privileged,
        readonly_rootfs: service.read_only,
        restart_policy: restart_policy(service),
        shm_size: service.shm_size.map(|size| size.0),
        sysctls: Some(to_map(&service.sysctls)),
        dns: Some(service.dns.clone()),
        dns_options: Some(service.dns_opt.clone()),
        dns_search: Some(service.dns_search.clone()),
        extra_hosts: Some(extra_hosts(service)),
        security_opt: Some(surroundings.security_opt.clone()),
        // Empty lists take the engine's own away (`systempaths=unconfined`).
        masked_paths: surroundings.unconfined_paths.then(Vec::new),
        readonly_paths: surroundings.unconfined_paths.then(Vec::new),
        log_config: service.logging.as_ref().map(|logging| HostConfigLogConfig {
            typ: logging.driver.clone(),
            config: Some(to_map(&logging.options)),
        }),
        ..HostConfig::default()
    };
    Ok(with_resources(host, service))
}

/// `deploy.restart_policy`, also where it has no condition and so restarts nothing, else `restart`.
fn restart_policy(service: &Service) -> Option<RestartPolicy> {
    let deployed = service.deploy.as_ref();
    let deployed = deployed.and_then(|deploy| deploy.restart_policy.as_ref());
    let (name, attempts) = match service.restarts() {
        None if deployed.is_none() => return None,
        None => (RestartPolicyNameEnum::EMPTY, None),
        Some(model::RestartPolicy::No) => (RestartPolicyNameEnum::NO, None),
        Some(model::RestartPolicy::Always) => (RestartPolicyNameEnum::ALWAYS, None),
        Some(model::RestartPolicy::OnFailure(times)) => (RestartPolicyNameEnum::ON_FAILURE, times),
        Some(model::RestartPolicy::UnlessStopped) => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
    };
    // With any other policy the engine refuses it.
    let attempts = deployed.map_or(attempts, |deployed| deployed.max_attempts);
    Some(RestartPolicy {
        name: Some(name),
        maximum_retry_count: attempts.map(i64::from),
    })
}

/// Names in full, sorted, each once, as docker's own client writes them (moby `client/container_create.go`): the engine
/// keeps what it is given, and shows it.
fn capabilities(names: &[String]) -> Vec<String> {
    let names: BTreeSet<String> = names
        .iter()
        .map(|name| {
            let name = name.to_uppercase();
            let is_whole = name == "ALL" || name.starts_with("CAP_");
            if is_whole {
                name
            } else {
                format!("CAP_{name}")
            }
        })
        .collect();
    names.into_iter().collect()
}

fn cgroup_namespace(service: &Service) -> Option<HostConfigCgroupnsModeEnum> {
    service.cgroup.as_deref()?.parse().ok()
}

fn isolation(service: &Service) -> Option<HostConfigIsolationEnum> {
    service.isolation.as_ref()?.to_lowercase().parse().ok()
}

fn to_map(texts: &BTreeMap<String, String>) -> HashMap<String, String> {
    texts.clone().into_iter().collect()
}

fn extra_hosts(service: &Service) -> Vec<String> {
    service
        .extra_hosts
        .iter()
        .flat_map(|(name, addresses)| {
            addresses
                .iter()
                .map(move |address| format!("{name}:{address}"))
        })
        .collect()
}
