//! One container's definition: what is said when it is created, and what must follow before it starts.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{ContainerCreateBody, EndpointSettings, HealthConfig};

use super::{endpoints, files, host, labels, mounts, ports};
use crate::docker::ApiVersion;
use crate::docker::error::Words;
use crate::model::{Healthcheck, Service, Span};
use crate::runtime::{ContainerSpec, EngineError};

/// What a definition depends on beside the project.
#[derive(Debug)]
pub(in crate::docker) struct Surroundings {
    /// What the engine speaks.
    pub(in crate::docker) api: ApiVersion,
    /// Proxy variables, underneath the service's own environment.
    pub(in crate::docker) proxies: BTreeMap<String, String>,
    /// The service's `network_mode`, a service in it resolved to its container.
    pub(in crate::docker) network_mode: Option<String>,
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
    let refused = |source| EngineError::Refused {
        action: format!("defining container `{}`", spec.name),
        status: None,
        source,
    };
    let Some(service) = spec.project.services.get(spec.service) else {
        let words = format!("the project has no service `{}`", spec.service);
        return Err(refused(Box::new(Words(words))));
    };
    let api = surroundings.api;
    let networking =
        endpoints::networking(spec, service, surroundings.network_mode.as_deref(), api);
    let mounts = mounts::mounts(spec, service, &surroundings.image_volumes, api)?;
    let files = files::archive(spec.project, service).map_err(|error| refused(error.into()))?;
    let body = ContainerCreateBody {
        hostname: service.hostname.clone(),
        user: service.user.clone(),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        exposed_ports: Some(ports::exposed(service)),
        tty: service.tty,
        open_stdin: service.stdin_open,
        env: Some(environment(service, &surroundings.proxies)),
        cmd: service.command.clone(),
        entrypoint: service.entrypoint.clone(),
        healthcheck: service
            .healthcheck
            .as_ref()
            .map(|check| healthcheck(check, spec.service, api)),
        image: Some(spec.project.image_name(spec.service)),
        working_dir: service.working_dir.clone(),
        labels: Some(labels::of_container(spec, service)),
        stop_signal: service.stop_signal.clone(),
        // Whole seconds, cut off: `500ms` is 0 and kills at once (docker/compose `ToSeconds`).
        stop_timeout: service.stop_grace_period.map(|span| span.0 / 1_000_000_000),
        host_config: Some(host::host(service, surroundings, networking.mode, mounts)),
        networking_config: networking.at_create,
        ..ContainerCreateBody::default()
    };
    Ok(Definition {
        body,
        platform: service.platform.clone(),
        networks: networking.later,
        files,
    })
}

/// `NAME=value` in name order; a name alone takes the image's variable away (moby `ReplaceOrAppendEnvValues`).
fn environment(service: &Service, proxies: &BTreeMap<String, String>) -> Vec<String> {
    let mut all: BTreeMap<&str, Option<&str>> = proxies
        .iter()
        .map(|(name, value)| (name.as_str(), Some(value.as_str())))
        .collect();
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
fn healthcheck(check: &Healthcheck, service: &str, api: ApiVersion) -> HealthConfig {
    if check.is_disabled() {
        return HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        };
    }
    let nanoseconds = |span: Option<Span>| span.map(|span| span.0);
    let mut start_interval = nanoseconds(check.start_interval);
    if start_interval.is_some() && !api.at_least("1.44") {
        // Nothing is lost by it: larder probes a starting container itself.
        tracing::warn!(
            "`healthcheck.start_interval` of service `{service}` is left out: it needs a Docker Engine \
             with API 1.44 or later, and this one has {api}"
        );
        start_interval = None;
    }
    HealthConfig {
        test: check.test.clone(),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        retries: check.retries.and_then(|retries| retries.try_into().ok()),
        start_period: nanoseconds(check.start_period),
        start_interval,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
