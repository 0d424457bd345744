//! `HostConfig`: everything about a container that depends on its host.

use bollard::models::{
    HostConfig, HostConfigLogConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use super::mounts::Storage;
use super::{Surroundings, ports};
use crate::model::{self, Limits, Service};

/// A service's host configuration.
pub(super) fn host(
    service: &Service,
    surroundings: &Surroundings,
    network_mode: String,
    storage: Storage,
) -> HostConfig {
    let host = HostConfig {
        binds: Some(storage.binds),
        mounts: Some(storage.mounts),
        tmpfs: Some(storage.tmpfs),
        cap_add: Some(service.cap_add.clone()),
        cap_drop: Some(service.cap_drop.clone()),
        network_mode: Some(network_mode),
        port_bindings: Some(ports::bindings(service)),
        init: service.init,
        privileged: service.privileged,
        readonly_rootfs: service.read_only,
        restart_policy: service.restarts().map(restart_policy),
        shm_size: service.shm_size.map(|size| size.0),
        sysctls: Some(service.sysctls.clone().into_iter().collect()),
        dns: Some(service.dns.clone()),
        extra_hosts: Some(extra_hosts(service)),
        security_opt: Some(surroundings.security_opt.clone()),
        // Empty lists take the engine's own away (`systempaths=unconfined`).
        masked_paths: surroundings.unconfined_paths.then(Vec::new),
        readonly_paths: surroundings.unconfined_paths.then(Vec::new),
        log_config: service.logging.as_ref().map(|logging| HostConfigLogConfig {
            typ: logging.driver.clone(),
            config: Some(logging.options.clone().into_iter().collect()),
        }),
        ulimits: Some(
            service
                .ulimits
                .iter()
                .map(|(name, limit)| ResourcesUlimits {
                    name: Some(name.clone()),
                    soft: Some(limit.soft()),
                    hard: Some(limit.hard()),
                })
                .collect(),
        ),
        ..HostConfig::default()
    };
    with_limits(host, service)
}

/// `deploy.resources` over the service's own attributes (docker/compose `getDeployResources`).
fn with_limits(host: HostConfig, service: &Service) -> HostConfig {
    let none = Limits::default();
    let resources = service
        .deploy
        .as_ref()
        .and_then(|deploy| deploy.resources.as_ref());
    let limits = resources.and_then(|r| r.limits.as_ref()).unwrap_or(&none);
    let reserved = resources
        .and_then(|r| r.reservations.as_ref())
        .unwrap_or(&none);
    HostConfig {
        memory: limits.memory.or(service.mem_limit).map(|size| size.0),
        memory_reservation: reserved
            .memory
            .or(service.mem_reservation)
            .map(|size| size.0),
        nano_cpus: limits.cpus.or(service.cpus).map(nano),
        pids_limit: limits
            .pids
            .or(service.pids_limit)
            .filter(|limit| *limit != 0),
        ..host
    }
}

#[allow(clippy::cast_possible_truncation)] // docker compose truncates, and no host has 9 billion CPUs
fn nano(cpus: f64) -> i64 {
    (cpus * 1e9) as i64
}

fn restart_policy(policy: model::RestartPolicy) -> RestartPolicy {
    let (name, attempts) = match policy {
        model::RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        model::RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        model::RestartPolicy::OnFailure(times) => (RestartPolicyNameEnum::ON_FAILURE, times),
        model::RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
    };
    RestartPolicy {
        name: Some(name),
        maximum_retry_count: attempts.map(i64::from),
    }
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
