//! What becomes of a container that is there: started, stopped, renamed, removed, looked at.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerState, HealthConfig, HealthStatusEnum};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, StartContainerOptions, StopContainerOptions,
    StopContainerOptionsBuilder,
};

use super::Docker;
use super::connect::CHANGE;
use super::error::{gone_is_fine, status};
use super::lines::plain;
use crate::model::{Healthcheck, Span};
use crate::plan::Health;
use crate::runtime::{CheckFailed, Condition, EngineError};

/// The grace period of a container that does not say its own (moby `DefaultStopTimeout`).
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long a stop may take beyond the grace period.
const BEYOND_GRACE: Duration = Duration::from_secs(30);

impl Docker {
    pub(super) async fn start_container(&self, container: &str) -> Result<(), EngineError> {
        let action = |name: &str| format!("starting container `{name}`");
        let call = self
            .client
            .start_container(container, None::<StartContainerOptions>);
        let started = self.call(CHANGE, &action(short(container)), call).await;
        self.named(container, action, started).await
    }

    pub(super) async fn stop_container(
        &self,
        container: &str,
        grace: Option<Duration>,
    ) -> Result<(), EngineError> {
        let action = |name: &str| format!("stopping container `{name}`");
        let limit = match self.patience(container, grace).await {
            Err(error) if status(&error) == Some(404) => return Ok(()),
            limit => limit?,
        };
        let client = self.patient(limit);
        let options =
            grace.map(|grace| StopContainerOptionsBuilder::new().t(seconds(grace)).build());
        let call = client.stop_container(container, options.or(None::<StopContainerOptions>));
        let stopped = gone_is_fine(self.call(limit, &action(short(container)), call).await);
        self.named(container, action, stopped).await
    }

    /// How long the engine may take to stop a container.
    async fn patience(
        &self,
        container: &str,
        grace: Option<Duration>,
    ) -> Result<Duration, EngineError> {
        let grace = match grace {
            Some(grace) => grace,
            None => grace_period(&self.look(container).await?),
        };
        Ok(grace + BEYOND_GRACE)
    }

    pub(super) async fn signal_container(
        &self,
        container: &str,
        signal: &str,
    ) -> Result<(), EngineError> {
        let action = |name: &str| format!("sending {signal} to container `{name}`");
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let call = self.client.kill_container(container, Some(options));
        let sent = self.call(CHANGE, &action(short(container)), call).await;
        self.named(container, action, sent).await
    }

    pub(super) async fn pause_container(&self, container: &str) -> Result<(), EngineError> {
        let action = |name: &str| format!("pausing container `{name}`");
        let call = self.client.pause_container(container);
        let paused = self.call(CHANGE, &action(short(container)), call).await;
        self.named(container, action, paused).await
    }

    pub(super) async fn unpause_container(&self, container: &str) -> Result<(), EngineError> {
        let action = |name: &str| format!("resuming container `{name}`");
        let call = self.client.unpause_container(container);
        let resumed = self.call(CHANGE, &action(short(container)), call).await;
        self.named(container, action, resumed).await
    }

    pub(super) async fn remove_container(
        &self,
        container: &str,
        volumes: bool,
    ) -> Result<(), EngineError> {
        let action = |name: &str| format!("removing container `{name}`");
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(volumes)
            .build();
        let call = self.client.remove_container(container, Some(options));
        let removed = match self.call(CHANGE, &action(short(container)), call).await {
            // "removal of container … is already in progress"
            Err(error) if status(&error) == Some(409) => self.wait_gone(container, error).await,
            other => gone_is_fine(other),
        };
        self.named(container, action, removed).await
    }

    /// Waits for a removal that somebody else began, since its name is free only when it is done.
    async fn wait_gone(&self, container: &str, error: EngineError) -> Result<(), EngineError> {
        for _ in 0..100 {
            match self.look(container).await {
                Err(error) if status(&error) == Some(404) => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        Err(error)
    }

    pub(super) async fn rename_container(
        &self,
        container: &str,
        name: &str,
    ) -> Result<(), EngineError> {
        let action = |own: &str| format!("renaming container `{own}` to `{name}`");
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        let call = self.client.rename_container(container, options);
        let renamed = self.call(CHANGE, &action(short(container)), call).await;
        self.named(container, action, renamed).await
    }

    pub(super) async fn condition(&self, container: &str) -> Result<Condition, EngineError> {
        let found = self.look(container).await?;
        Ok(condition(found))
    }

    pub(super) async fn look(
        &self,
        container: &str,
    ) -> Result<ContainerInspectResponse, EngineError> {
        let action = format!("looking at container `{}`", short(container));
        let look = || {
            self.client
                .inspect_container(container, None::<InspectContainerOptions>)
        };
        self.ask(&action, look).await
    }

    /// What the engine refused, told with the container's name: a person does not know its ID.
    async fn named(
        &self,
        container: &str,
        action: impl Fn(&str) -> String,
        result: Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        match result {
            Err(EngineError::Refused {
                status: Some(code),
                source,
                ..
            }) => Err(EngineError::Refused {
                action: action(&self.name(container).await),
                status: Some(code),
                source,
            }),
            other => other,
        }
    }

    /// A container's name for a message; what it was asked by where the engine does not say.
    async fn name(&self, container: &str) -> String {
        match self.look(container).await {
            Ok(found) => found
                .name
                .map(|name| name.trim_start_matches('/').to_owned()),
            Err(_) => None,
        }
        .unwrap_or_else(|| short(container).to_owned())
    }
}

/// An ID as people see it; a name stays as it is.
pub(super) fn short(container: &str) -> &str {
    let id = container.len() == 64 && container.bytes().all(|byte| byte.is_ascii_hexdigit());
    if id { &container[..12] } else { container }
}

/// How long a container has to end by itself.
pub(super) fn grace_period(found: &ContainerInspectResponse) -> Duration {
    let own = found.config.as_ref().and_then(|config| config.stop_timeout);
    own.map_or(DEFAULT_GRACE, |seconds| {
        Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)))
    })
}

/// Whole seconds, as the engine counts them.
fn seconds(grace: Duration) -> i32 {
    grace.as_secs().try_into().unwrap_or(i32::MAX)
}

fn condition(found: ContainerInspectResponse) -> Condition {
    let state = found.state.unwrap_or_default();
    let config = found.config.unwrap_or_default();
    Condition {
        running: state.running.unwrap_or_default(),
        exit_code: state.exit_code.unwrap_or_default(),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        restarts: found
            .restart_count
            .and_then(|count| count.try_into().ok())
            .unwrap_or_default(),
        restarting: state.restarting.unwrap_or_default(),
        health: verdict(&state, config.healthcheck.as_ref()),
        probes: state
            .health
            .as_ref()
            .and_then(|health| health.log.as_ref())
            .map_or(0, Vec::len),
        check: last_check(&state),
        started: state.started_at.unwrap_or_default(),
        pid: state
            .pid
            .and_then(|pid| pid.try_into().ok())
            .filter(|pid| *pid != 0),
        healthcheck: config.healthcheck.and_then(healthcheck),
        exposed: config
            .exposed_ports
            .unwrap_or_default()
            .iter()
            .filter_map(|port| tcp(port))
            .collect(),
    }
}

/// The number of an exposed port, `80/tcp`, when it is a TCP one.
fn tcp(port: &str) -> Option<u16> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    (protocol == "tcp").then(|| number.parse().ok())?
}

/// So many probes in a row fail until the engine says "unhealthy", where nothing else is said (moby `daemon/health.go`).
const RETRIES: i64 = 3;

/// The engine's verdict. It calls one that was paused unhealthy, too, until its next probe (moby
/// `container.Health.CloseMonitorChannel`): that is none, and no probes failed so often.
fn verdict(state: &ContainerState, check: Option<&HealthConfig>) -> Option<Health> {
    let health = state.health.as_ref()?;
    let retries = check.and_then(|check| check.retries);
    let retries = retries.filter(|retries| *retries > 0).unwrap_or(RETRIES);
    let failed = health.failing_streak.unwrap_or(retries);
    match health.status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY if failed < retries => Some(Health::Starting),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => None,
    }
}

/// What the health check said last, where it failed.
fn last_check(state: &ContainerState) -> Option<CheckFailed> {
    let health = state.health.as_ref()?;
    // What it said of an earlier start is still there.
    health.failing_streak.filter(|streak| *streak > 0)?;
    let last = health.log.as_ref()?.last()?;
    let code = last.exit_code.filter(|code| *code != 0)?;
    let output = last.output.as_deref().unwrap_or_default();
    let lines: Vec<String> = output.lines().map(plain).collect();
    Some(CheckFailed {
        code,
        output: lines.join("\n"),
    })
}

/// The effective health check; `None` where there is none or it is switched off.
fn healthcheck(check: HealthConfig) -> Option<Healthcheck> {
    let span = |nanoseconds: Option<i64>| nanoseconds.filter(|n| *n != 0).map(Span);
    let check = Healthcheck {
        test: Some(check.test.filter(|test| !test.is_empty())?),
        interval: span(check.interval),
        timeout: span(check.timeout),
        retries: check
            .retries
            .filter(|retries| *retries != 0)
            .and_then(|retries| retries.try_into().ok()),
        start_period: span(check.start_period),
        start_interval: span(check.start_interval),
        disable: false,
    };
    (!check.is_disabled()).then_some(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_the_engines_default() {
        let check = |test: &[&str]| HealthConfig {
            test: Some(test.iter().map(ToString::to_string).collect()),
            interval: Some(0),
            timeout: Some(2_000_000_000),
            ..HealthConfig::default()
        };
        let read = healthcheck(check(&["CMD", "true"])).unwrap();
        assert_eq!(
            (read.interval, read.timeout),
            (None, Some(Span(2_000_000_000)))
        );
        assert_eq!(healthcheck(check(&["NONE"])), None);
        assert_eq!(healthcheck(check(&[])), None);
    }

    #[test]
    fn a_name_is_never_cut() {
        assert_eq!(short("larder-test-1-api-1"), "larder-test-1-api-1");
        assert_eq!(short(&"a".repeat(64)), "aaaaaaaaaaaa");
    }
}
