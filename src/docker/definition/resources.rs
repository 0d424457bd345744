//! What of its host a container may use: processors, memory, disks, devices (docker/compose `getDeployResources`).

use bollard::models::{
    DeviceMapping, DeviceRequest as EngineRequest, HostConfig, ResourcesBlkioWeightDevice,
    ResourcesUlimits, ThrottleDevice,
};

use crate::model::{Blkio, Cpu, DeviceRate, DeviceRequest, Limits, Scarcity, Service};

/// A host configuration with a service's resources in it.
pub(super) fn with_resources(host: HostConfig, service: &Service) -> HostConfig {
    let host = with_limits(host, service);
    let host = with_scarcity(host, service.scarcity.as_deref());
    let host = match &service.cpu {
        Some(cpu) => with_cpu(host, cpu),
        None => host,
    };
    let host = match &service.blkio_config {
        Some(blkio) => with_blkio(host, blkio),
        None => host,
    };
    HostConfig {
        cgroup_parent: service.cgroup_parent.clone(),
        device_cgroup_rules: filled(&service.device_cgroup_rules),
        devices: Some(devices(service)),
        device_requests: Some(requests(service)).filter(|all| !all.is_empty()),
        ulimits: Some(ulimits(service)),
        ..host
    }
}

/// `deploy.resources` over the service's own attributes.
fn with_limits(host: HostConfig, service: &Service) -> HostConfig {
    let none = Limits::default();
    let (limits, reserved) = deployed(service);
    let (limits, reserved) = (limits.unwrap_or(&none), reserved.unwrap_or(&none));
    let positive = |limit: &i64| *limit > 0;
    HostConfig {
        memory: limits.memory.or(service.mem_limit).map(|size| size.0),
        memory_reservation: reserved
            .memory
            .or(service.mem_reservation)
            .map(|size| size.0),
        nano_cpus: limits.cpus.or(service.cpus).map(nano),
        pids_limit: limits
            .pids
            .filter(positive)
            .or(service.pids_limit)
            .filter(|limit| *limit != 0),
        ..host
    }
}

/// `deploy.resources`: the limits, and what is reserved.
fn deployed(service: &Service) -> (Option<&Limits>, Option<&Limits>) {
    let deploy = service.deploy.as_ref();
    let resources = deploy.and_then(|deploy| deploy.resources.as_ref());
    (
        resources.and_then(|resources| resources.limits.as_ref()),
        resources.and_then(|resources| resources.reservations.as_ref()),
    )
}

fn with_cpu(host: HostConfig, cpu: &Cpu) -> HostConfig {
    HostConfig {
        cpu_count: cpu.count,
        cpu_percent: cpu.percent.map(hundredths),
        cpu_period: cpu.period,
        cpu_quota: cpu.quota,
        cpu_realtime_period: cpu.realtime_period,
        cpu_realtime_runtime: cpu.realtime_runtime,
        cpu_shares: cpu.shares,
        cpuset_cpus: cpu.set.clone(),
        ..host
    }
}

fn with_scarcity(host: HostConfig, scarcity: Option<&Scarcity>) -> HostConfig {
    let none = Scarcity::default();
    let scarcity = scarcity.unwrap_or(&none);
    HostConfig {
        memory_swap: scarcity.with_swap.map(|size| size.0),
        memory_swappiness: scarcity
            .swappiness
            .map(|size| size.0)
            .filter(|swappiness| *swappiness != 0),
        // Said either way, as docker compose says it: an engine may tell "no" from nothing.
        oom_kill_disable: Some(scarcity.never_killed.unwrap_or_default()),
        oom_score_adj: scarcity.score,
        ..host
    }
}

fn with_blkio(host: HostConfig, blkio: &Blkio) -> HostConfig {
    let rates = |rates: &[DeviceRate]| {
        let rates = rates.iter().map(|device| ThrottleDevice {
            path: Some(device.path.clone()),
            rate: Some(device.rate.0),
        });
        Some(rates.collect())
    };
    let weights = blkio.weight_device.iter();
    let weights = weights.map(|device| ResourcesBlkioWeightDevice {
        path: Some(device.path.clone()),
        weight: Some(device.weight.into()),
    });
    HostConfig {
        blkio_weight: Some(blkio.weight),
        blkio_weight_device: Some(weights.collect()),
        blkio_device_read_bps: rates(&blkio.device_read_bps),
        blkio_device_read_iops: rates(&blkio.device_read_iops),
        blkio_device_write_bps: rates(&blkio.device_write_bps),
        blkio_device_write_iops: rates(&blkio.device_write_iops),
        ..host
    }
}

/// The devices that are paths.
fn devices(service: &Service) -> Vec<DeviceMapping> {
    let devices = service.devices.iter();
    let paths = devices.filter(|device| device.interface_name().is_none());
    paths
        .map(|device| DeviceMapping {
            path_on_host: device.source.clone(),
            path_in_container: device.target.clone(),
            cgroup_permissions: device.permissions.clone(),
        })
        .collect()
}

/// The devices that are asked for: of `deploy`, by name, and graphics cards, in docker compose's order.
fn requests(service: &Service) -> Vec<EngineRequest> {
    let (_, reserved) = deployed(service);
    let reserved = reserved.map_or(&[][..], |reserved| &reserved.devices);
    let named = service.devices.iter();
    let named: Vec<String> = named
        .filter_map(|device| device.interface_name())
        .map(str::to_owned)
        .collect();
    let named = (!named.is_empty()).then(|| EngineRequest {
        driver: Some("cdi".to_owned()),
        device_ids: Some(named),
        ..EngineRequest::default()
    });
    let gpus = service.gpus.iter().map(|gpu| {
        let mut capabilities = gpu.capabilities.clone().unwrap_or_default();
        capabilities.push("gpu".to_owned());
        request(gpu, capabilities)
    });
    reserved
        .iter()
        .map(|device| request(device, device.capabilities.clone().unwrap_or_default()))
        .chain(named)
        .chain(gpus)
        .collect()
}

fn request(device: &DeviceRequest, capabilities: Vec<String>) -> EngineRequest {
    EngineRequest {
        driver: device.driver.clone(),
        count: device.count,
        device_ids: device.device_ids.as_deref().and_then(filled),
        capabilities: Some(vec![capabilities]),
        options: (!device.options.is_empty()).then(|| device.options.clone().into_iter().collect()),
    }
}

fn ulimits(service: &Service) -> Vec<ResourcesUlimits> {
    let limits = service.ulimits.iter();
    limits
        .map(|(name, limit)| ResourcesUlimits {
            name: Some(name.clone()),
            soft: Some(limit.soft()),
            hard: Some(limit.hard()),
        })
        .collect()
}

fn filled(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

#[allow(clippy::cast_possible_truncation)] // docker compose has 32 bits, and no host has 9 billion CPUs
fn nano(cpus: f64) -> i64 {
    (cpus as f32 * 1e9) as i64
}

#[allow(clippy::cast_possible_truncation)] // docker compose has 32 bits
fn hundredths(percent: f64) -> i64 {
    (percent as f32 * 100.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Deploy, Device, Resources};

    fn device(source: &str) -> Device {
        Device {
            source: Some(source.to_owned()),
            target: Some(source.to_owned()),
            permissions: Some("rwm".to_owned()),
            ..Device::default()
        }
    }

    fn asked(capability: &str) -> DeviceRequest {
        DeviceRequest {
            capabilities: Some(vec![capability.to_owned()]),
            count: Some(-1),
            ..DeviceRequest::default()
        }
    }

    #[test]
    fn devices_are_given_by_path_and_asked_for_by_name_and_driver() {
        let reservations = Limits {
            devices: vec![asked("tpu")],
            ..Limits::default()
        };
        let service = Service {
            devices: vec![
                device("/dev/fuse"),
                device("a.org/b=c"),
                device("a.org/b=d"),
            ],
            gpus: vec![asked("compute")],
            deploy: Some(Box::new(Deploy {
                resources: Some(Resources {
                    limits: None,
                    reservations: Some(reservations),
                }),
                ..Deploy::default()
            })),
            ..Service::default()
        };
        let host = with_resources(HostConfig::default(), &service);
        let paths = host.devices.unwrap();
        let paths: Vec<_> = paths.iter().map(|d| d.path_on_host.as_deref()).collect();
        assert_eq!(paths, [Some("/dev/fuse")]);
        let [reserved, named, gpu] = &host.device_requests.unwrap()[..] else {
            panic!("three requests");
        };
        let capabilities =
            |request: &EngineRequest| request.capabilities.clone().unwrap()[0].clone();
        assert_eq!(capabilities(reserved), ["tpu"]);
        assert_eq!(named.driver.as_deref(), Some("cdi"));
        assert_eq!(
            named.device_ids.as_deref().unwrap(),
            ["a.org/b=c", "a.org/b=d"]
        );
        assert_eq!(capabilities(gpu), ["compute", "gpu"]);
    }

    #[test]
    fn numbers_of_processors_have_32_bits_as_docker_compose_has_them() {
        assert_eq!(nano(0.5), 500_000_000);
        assert_eq!(nano(1.7), 1_700_000_000);
        // 0.123456789 is 123456790 in nanoseconds of 32 bits, and so it is for docker compose.
        assert_eq!(nano(0.123_456_789), 123_456_792);
        assert_eq!(hundredths(33.3), 3330);
    }
}
