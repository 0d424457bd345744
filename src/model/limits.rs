//! What a service may use, and how often it runs: `deploy`, its resources, and `ulimits`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{Bytes, DeviceRequest, Span, omit};

/// A soft and a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ulimit {
    /// One number for both.
    Single(i64),
    /// Each of its own.
    Both {
        /// Where the process is warned.
        #[serde(default)]
        soft: i64,
        /// Where it is stopped.
        #[serde(default)]
        hard: i64,
    },
}

impl Ulimit {
    /// Where the process is warned.
    pub fn soft(self) -> i64 {
        match self {
            Self::Single(limit) => limit,
            Self::Both { soft, .. } => soft,
        }
    }

    /// Where it is stopped.
    pub fn hard(self) -> i64 {
        match self {
            Self::Single(limit) => limit,
            Self::Both { hard, .. } => hard,
        }
    }
}

/// `deploy`: the part of it that docker compose carries out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deploy {
    /// How many containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Limits and reservations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// When the engine starts its containers again; stands over the service's `restart`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<DeployRestart>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `deploy.restart_policy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeployRestart {
    /// `none`, `on-failure` or `any`, and the words of `restart`; none restarts nothing.
    #[serde(skip_serializing_if = "omit::blank")]
    pub condition: Option<String>,
    /// The pause before a restart; no engine has it for a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// How many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The time in which a start must succeed; no engine has it for a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `deploy.resources`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What it may use at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// What is kept free for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservations: Option<Limits>,
}

/// One side of `deploy.resources`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// CPUs.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "go_number")]
    pub cpus: Option<f64>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<i64>,
    /// Devices that a driver gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceRequest>,
    /// Everything else: generic resources.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A number as Go prints it: without a fraction where there is none.
#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)] // serde hands over this
pub(super) fn go_number<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        #[allow(clippy::cast_possible_truncation)] // checked to be whole and small
        Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            serializer.serialize_i64(*number as i64)
        }
        Some(number) => serializer.serialize_f64(*number),
        None => serializer.serialize_none(),
    }
}
