//! A service's share of the processors: `cpu_*` and `cpuset`. (`cpus` is the service's own, and `deploy` may say it.)

use serde::{Deserialize, Serialize};

use super::limits::go_number;

/// How much of which processors a service gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// How many processors, for a Windows engine.
    #[serde(rename = "cpu_count", skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// How much of them in percent, for a Windows engine.
    #[serde(
        rename = "cpu_percent",
        skip_serializing_if = "Option::is_none",
        serialize_with = "go_number"
    )]
    pub percent: Option<f64>,
    /// The scheduler's period, in microseconds.
    #[serde(rename = "cpu_period", skip_serializing_if = "Option::is_none")]
    pub period: Option<i64>,
    /// What it may use of a period, in microseconds.
    #[serde(rename = "cpu_quota", skip_serializing_if = "Option::is_none")]
    pub quota: Option<i64>,
    /// The period of the real-time scheduler, in microseconds.
    #[serde(rename = "cpu_rt_period", skip_serializing_if = "Option::is_none")]
    pub realtime_period: Option<i64>,
    /// What it may use of such a period, in microseconds.
    #[serde(rename = "cpu_rt_runtime", skip_serializing_if = "Option::is_none")]
    pub realtime_runtime: Option<i64>,
    /// Its weight against other containers.
    #[serde(rename = "cpu_shares", skip_serializing_if = "Option::is_none")]
    pub shares: Option<i64>,
    /// The processors it may run on: `0-2,4`.
    #[serde(rename = "cpuset", skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
}
