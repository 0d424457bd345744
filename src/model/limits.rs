//! What a service may use, and how often it runs: `deploy`, its resources, and `ulimits`.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::Bytes;

/// A soft and a hard limit; one number where they are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Ulimit {
    /// Where the process is warned.
    pub soft: i64,
    /// Where it is stopped.
    pub hard: i64,
}

impl Serialize for Ulimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.soft == self.hard {
            return serializer.serialize_i64(self.soft);
        }
        let mut both = serializer.serialize_struct("Ulimit", 2)?;
        both.serialize_field("soft", &self.soft)?;
        both.serialize_field("hard", &self.hard)?;
        both.end()
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
    /// Everything else: devices, generic resources.
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
