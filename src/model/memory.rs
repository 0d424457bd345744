//! What happens when memory gets scarce: swapping, and whom the kernel kills. (`mem_limit` and `mem_reservation` are the
//! service's own, and `deploy` may say them.)

use serde::{Deserialize, Serialize};

use super::{Bytes, omit};

/// A service when memory gets scarce.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scarcity {
    /// How eagerly its memory is swapped out, 0 to 100; a size for compose-go, and 0 is as if it were not there.
    #[serde(rename = "mem_swappiness", skip_serializing_if = "omit::no_bytes")]
    pub swappiness: Option<Bytes>,
    /// Memory and swap together; -1 for no limit.
    #[serde(rename = "memswap_limit", skip_serializing_if = "omit::no_bytes")]
    pub with_swap: Option<Bytes>,
    /// Whether the kernel leaves it alone.
    #[serde(rename = "oom_kill_disable", skip_serializing_if = "Option::is_none")]
    pub never_killed: Option<bool>,
    /// How early it is chosen, -1000 to 1000.
    #[serde(rename = "oom_score_adj", skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
}
