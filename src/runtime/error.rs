//! Why a step failed, with what a person needs to see of it.

use std::time::Duration;

use super::build_error::BuildError;
use super::engine_error::EngineError;
use crate::model::HookTime;
use crate::plan::Readiness;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The engine refused or went away.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A container ended before it was ready.
    #[error("service `{service}` ended with code {code}{}", ended_how(*.out_of_memory, *.restarts))]
    Exited {
        /// The service.
        service: String,
        /// The code its process ended with.
        code: i64,
        /// Whether the kernel killed it for its memory limit.
        out_of_memory: bool,
        /// How often its restart policy had started it again.
        restarts: u64,
        /// The last lines it printed.
        output: Vec<String>,
    },
    /// The engine gave up on a container's health.
    #[error("service `{service}` is unhealthy")]
    Unhealthy {
        /// The service.
        service: String,
        /// What its health check said last.
        #[source]
        check: Option<CheckFailed>,
        /// The last lines it printed.
        output: Vec<String>,
    },
    /// Somebody waits for health that nobody checks.
    #[error("service `{service}` has no health check, and another waits until it is healthy")]
    NoHealthcheck {
        /// The service.
        service: String,
    },
    /// A wait took too long.
    #[error("service `{service}` was not {until} after {} s", .after.as_secs())]
    TimedOut {
        /// The service.
        service: String,
        /// What was waited for.
        until: Readiness,
        /// How long.
        after: Duration,
        /// What its health check said last.
        #[source]
        check: Option<CheckFailed>,
        /// The last lines it printed.
        output: Vec<String>,
    },
    /// A hook failed.
    #[error("`{time}` hook {number} of service `{service}`, `{command}`, ended with code {code}")]
    Hook {
        /// The service.
        service: String,
        /// When it was run.
        time: HookTime,
        /// Which it is, from 1.
        number: usize,
        /// The program that was run; what it was told may be secret.
        command: String,
        /// Its exit code.
        code: i64,
        /// The last lines it printed.
        output: Vec<String>,
    },
    /// A hook could not be run.
    #[error("`{time}` hook {number} of service `{service}`, `{command}`, cannot be run")]
    HookRefused {
        /// The service.
        service: String,
        /// When it was to be run.
        time: HookTime,
        /// Which it is, from 1.
        number: usize,
        /// What was to be run.
        command: String,
        /// What the engine says.
        #[source]
        source: EngineError,
    },
    /// A container ended before its hooks had run.
    #[error(
        "service `{service}` ended with code {code} before its `post_start` hook {number} was done"
    )]
    EndedBeforeHook {
        /// The service.
        service: String,
        /// The hook, from 1.
        number: usize,
        /// The code its process ended with.
        code: i64,
        /// The last lines it printed.
        output: Vec<String>,
    },
    /// Something is not removed, as somebody has it.
    #[error("{kind} `{name}` is still in use and stays")]
    InUse {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The run was told to end; nobody failed.
    #[error("interrupted")]
    Interrupted,
    /// The plan does not hold together: larder's own fault.
    #[error("the plan is broken: {what}")]
    Broken {
        /// What is missing.
        what: String,
    },
}

/// A health check that failed when the engine ran it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its health check {}{}", check_ended(*.code), said(.output))]
pub struct CheckFailed {
    /// Its exit code; -1 when it could not be run, or took too long.
    pub code: i64,
    /// What it printed, or why it could not be run.
    pub output: String,
}

/// How a health check ended; the engine has -1 for one that it could not run, or not to its end.
fn check_ended(code: i64) -> String {
    if code < 0 {
        "was not run to its end".to_owned()
    } else {
        format!("ended with code {code}")
    }
}

/// The last lines of what a health check printed.
fn said(output: &str) -> String {
    const LINES: usize = 3;
    let lines: Vec<&str> = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() {
        String::new()
    } else {
        format!(": {}", last.join("\n"))
    }
}

fn ended_how(out_of_memory: bool, restarts: u64) -> String {
    let memory = if out_of_memory {
        ", killed for its memory limit"
    } else {
        ""
    };
    match restarts {
        0 => memory.to_owned(),
        1 => format!("{memory}, after one restart"),
        more => format!("{memory}, after {more} restarts"),
    }
}

impl StepError {
    /// The last lines that the container or the build printed.
    pub fn output(&self) -> &[String] {
        match self {
            Self::Exited { output, .. }
            | Self::Unhealthy { output, .. }
            | Self::TimedOut { output, .. }
            | Self::Hook { output, .. }
            | Self::EndedBeforeHook { output, .. }
            | Self::Build(BuildError::Instruction { output, .. }) => output,
            _ => &[],
        }
    }

    /// What a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Exited {
                out_of_memory: true,
                ..
            } => "raise its `mem_limit`".to_owned(),
            Self::Exited { service, .. }
            | Self::Unhealthy { service, .. }
            | Self::TimedOut { service, .. } => {
                format!("`larder logs {service}` shows all that it printed")
            }
            Self::Hook {
                time: HookTime::PostStart,
                service,
                ..
            } => format!("the container of `{service}` was stopped: the next `up` starts it anew"),
            Self::EndedBeforeHook { service, .. } => {
                format!("hooks run beside its process, so `{service}` must stay up meanwhile")
            }
            Self::NoHealthcheck { service } => format!("add a `healthcheck` to `{service}`"),
            Self::InUse {
                kind: "network",
                name,
            } => format!(
                "`docker network inspect {name}` shows who is on it; `docker network disconnect -f {name} CONTAINER` takes one off"
            ),
            _ => return Vec::new(),
        };
        vec![hint]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_is_told_with_its_last_words() {
        let told = |output: &str| {
            let output = output.to_owned();
            CheckFailed { code: 1, output }.to_string()
        };
        assert_eq!(told(" \n"), "its health check ended with code 1");
        assert_eq!(
            told("one\ntwo\nthree\n\nfour\n"),
            "its health check ended with code 1: two\nthree\nfour"
        );
    }
}
