//! One container's definition: what is said when it is created, and what must follow before it starts.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{ContainerCreateBody, EndpointSettings, HealthConfig};

use super::gate::{self, Gate};
use super::sharing::Sharing;
use super::{api_socket, endpoints, files, host, labels, mounts, ports};
use crate::docker::ApiVersion;
use crate::model::{Healthcheck, Service, Span};
use crate::runtime::{ContainerSpec, EngineError};

/// What a definition depends on beside the project.
#[derive(Debug)]
pub(in crate::docker) struct Surroundings {
    /// What the engine speaks.
    pub(in crate::docker) api: ApiVersion,
    /// Proxy variables, underneath the service's own environment.
    pub(in crate::docker) proxies: BTreeMap<String, String>,
    /// What it has of other containers.
    pub(in crate::docker) sharing: Sharing,
    /// Where the containers whose volumes it has too have something mounted.
    pub(in crate::docker) mounted_by_others: BTreeSet<String>,
    /// The text of a `config.json` with credentials, where the service asks for it.
    pub(in crate::docker) api_credentials: Option<String>,
    /// The service's `security_opt`, files read.
    pub(in crate::docker) security_opt: Vec<String>,
    /// Whether `/proc` and `/sys` are shown in full.
    pub(in crate::docker) unconfined_paths: bool,
    /// The volumes that the image declares, where that decides what is handed over.
    pub(in crate::docker) image_volumes: BTreeSet<String>,
}

/// One container in the engine's words.
#[derive(Debug)]
pub(in crate::docker) struct Definition {
    /// The create call.
    pub(in crate::docker) body: ContainerCreateBody,
    /// `os/arch[/variant]`, where one is asked for.
    pub(in crate::docker) platform: Option<String>,
    /// Its hardware address, where no endpoint has it: a field of the create call that bollard does not know, as later
    /// engines have it no more.
    pub(in crate::docker) mac_address: Option<String>,
    /// The networks that it is attached to afterwards, by their names.
    pub(in crate::docker) networks: Vec<(String, EndpointSettings)>,
    /// The archive that is unpacked at its root afterwards.
    pub(in crate::docker) files: Option<Vec<u8>>,
}

/// Puts a container into the engine's words.
///
/// # Errors
/// The engine is too old for part of it, or the project does not have the service.
pub(in crate::docker) fn definition(
    spec: &ContainerSpec<'_>,
    surroundings: &Surroundings,
) -> Result<Definition, EngineError> {
    let service = spec.definition()?;
    let gate = Gate {
        api: surroundings.api,
        kind: "service",
        name: spec.service,
    };
    let networking = endpoints::networking(spec, service, &surroundings.sharing, gate)?;
    let mounts = mounts::mounts(spec, service, surroundings, gate)?;
    let credentials = surroundings.api_credentials.as_deref();
    let files = files::archive(spec.project, service, credentials);
    let files = files.map_err(|error| EngineError::Refused {
        action: format!("defining container `{}`", spec.name),
        status: None,
        source: error.into(),
    })?;
    let interactive = service.one_off.as_ref().is_some_and(|own| own.interactive);
    let body = ContainerCreateBody {
        hostname: service.hostname.clone(),
        domainname: service.domainname.clone(),
        user: service.user.clone(),
        attach_stdin: interactive.then_some(true),
        stdin_once: interactive.then_some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        exposed_ports: Some(ports::exposed(service)),
        tty: service.tty,
        open_stdin: service.stdin_open,
        env: Some(environment(service, &surroundings.proxies)),
        cmd: service.command.clone(),
        entrypoint: service.entrypoint.clone(),
        healthcheck: match &service.healthcheck {
            Some(check) => Some(healthcheck(check, gate)?),
            None => None,
        },
        image: Some(spec.project.image_name(spec.service)),
        working_dir: service.working_dir.clone(),
        labels: Some(labels::of_container(spec, service, &surroundings.sharing)),
        stop_signal: service.stop_signal.clone(),
        // Whole seconds, cut off: `500ms` is 0 and kills at once (docker/compose `ToSeconds`).
        stop_timeout: service.stop_grace_period.map(|span| span.0 / 1_000_000_000),
        network_disabled: (surroundings.sharing.network_mode.as_deref() == Some("disabled"))
            .then_some(true),
        host_config: Some(host::host(
            service,
            surroundings,
            networking.mode,
            mounts,
            gate,
        )?),
        networking_config: networking.at_create,
        ..ContainerCreateBody::default()
    };
    Ok(Definition {
        body,
        platform: service.platform.clone(),
        networks: networking.later,
        mac_address: networking.mac_address,
        files,
    })
}

/// `NAME=value` in name order; a name alone takes the image's variable away (moby `ReplaceOrAppendEnvValues`).
fn environment(service: &Service, proxies: &BTreeMap<String, String>) -> Vec<String> {
    let mut all: BTreeMap<&str, Option<&str>> = proxies
        .iter()
        .map(|(name, value)| (name.as_str(), Some(value.as_str())))
        .collect();
    if api_socket::asks(service) {
        let (name, value) = api_socket::variable();
        all.insert(name, Some(value));
    }
    all.extend(
        service
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref())),
    );
    all.into_iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.to_owned(),
        })
        .collect()
}

/// Nanoseconds throughout; what is left out is the image's.
fn healthcheck(check: &Healthcheck, gate: Gate<'_>) -> Result<HealthConfig, EngineError> {
    if check.is_disabled() {
        return Ok(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        });
    }
    let nanoseconds = |span: Option<Span>| span.map(|span| span.0);
    let start_interval = nanoseconds(check.start_interval);
    Ok(HealthConfig {
        test: check.test.clone(),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        retries: check.retries.and_then(|retries| retries.try_into().ok()),
        start_period: nanoseconds(check.start_period),
        start_interval: gate.pass(&gate::START_INTERVAL, start_interval)?,
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
