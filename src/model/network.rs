//! The project's top-level resources: networks, volumes, configs and secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, omit};

/// A network of the project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// The engine's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who made it: somebody else when true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// `bridge`, `overlay`, …; the engine's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The driver's options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// Address management.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipam: Option<Ipam>,
    /// Whether it has no way out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// Whether containers of no service may join it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub attachable: bool,
    /// Whether it has IPv4 addresses (API 1.48).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    /// Whether it has IPv6 addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Network {
    /// larder's hash of what it is made from, as its label has it.
    pub fn config(&self) -> Digest {
        Digest::of_tree("larder-network-v1", self)
    }
}

/// `ipam`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ipam {
    /// The driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Its address pools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<IpamPool>,
    /// The driver's options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// One pool of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IpamPool {
    /// The subnet, `10.0.0.0/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The part of it that containers get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// The gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Addresses kept for others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aux_addresses: BTreeMap<String, String>,
}

/// How a service is attached to a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// More names it answers to there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// A fixed address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
    /// A fixed address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<String>,
    /// More addresses, valid on its link alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub link_local_ips: Vec<String>,
    /// A fixed hardware address (API 1.44; below that one for the whole container).
    #[serde(skip_serializing_if = "omit::blank")]
    pub mac_address: Option<String>,
    /// The interface's name in the container (API 1.49).
    #[serde(skip_serializing_if = "omit::blank")]
    pub interface_name: Option<String>,
    /// Options for the network's driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// Which network's gateway is the container's, highest first (API 1.48).
    #[serde(skip_serializing_if = "omit::zero")]
    pub gw_priority: Option<i64>,
    /// The order in which networks are attached, highest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A named volume of the project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// The engine's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who made it: somebody else when true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// The driver, `local` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The driver's options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Volume {
    /// larder's hash of what it is made from, as its label has it.
    pub fn config(&self) -> Digest {
        Digest::of_tree("larder-volume-v1", self)
    }
}

/// A config or a secret: content under a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileObject {
    /// Its name for other tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file it is read from, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The variable it is read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What that variable held when the project was loaded; `None` when it is not set. Never written out:
    /// `docker compose config` prints the variable's name, too.
    #[serde(rename = "#value", skip_serializing)]
    pub value: Option<String>,
    /// The content itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Who made it: somebody else when true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl FileObject {
    /// The key of [`Self::value`] in a tree; no Compose file can have it.
    pub const VALUE: &str = "#value";

    /// The text itself; `None` where it is a file's, somebody else's, or a variable's that is not set.
    pub fn text(&self) -> Option<&str> {
        self.content.as_deref().or(self.value.as_deref())
    }

    /// Whether a variable is there and empty: docker compose then puts no file into a container, not even an
    /// empty one (`pkg/compose/secrets.go`).
    pub fn is_empty_variable(&self) -> bool {
        self.environment.is_some() && self.value.as_deref() == Some("")
    }
}
