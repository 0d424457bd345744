//! Ports: one that is published, and ranges of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One published port, or a range of them as written in `published`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `ingress` or `host`; the engine ignores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The host's address it is bound to; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    /// The container's port.
    pub target: u16,
    /// The host's port, or a range to choose from; chosen by the engine when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// What speaks on it, for people: `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// What the file says in place of `published`, where another was chosen since that is taken. Of no meaning to a container.
    #[serde(skip)]
    pub declared: Option<String>,
}

impl Port {
    /// The host's ports that it asks for; `None` where the engine is to choose among all.
    pub fn range(&self) -> Option<PortRange> {
        let range: PortRange = self.published.as_deref()?.parse().ok()?;
        (range.last > 0).then_some(range)
    }

    /// What is spoken below what is spoken: `tcp`, `udp` or `sctp`.
    pub fn transport(&self) -> String {
        match self.protocol.as_str() {
            "" => "tcp".to_owned(),
            protocol => protocol.to_lowercase(),
        }
    }

    /// The host's address, where it says one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host_ip.as_deref()?.parse().ok()
    }
}

/// Whether two addresses of one port cannot be had by two. None is every address, and so is an unspecified one of its kind.
pub fn addresses_meet(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return true;
    };
    let any = one.is_unspecified() || other.is_unspecified();
    one == other || any && one.is_ipv4() == other.is_ipv4()
}

/// Ports in a row: `3000-3005`, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

/// A text that is no port and no range of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPort {
    /// There is no number.
    #[error("a port is missing")]
    Missing,
    /// What stands for a number is none.
    #[error("`{0}` is not a port (0 to 65535)")]
    NoPort(String),
    /// The last is lower than the first.
    #[error("the range `{0}` ends before it starts")]
    Backwards(String),
}

impl PortRange {
    /// How many ports it has.
    pub fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            1 => write!(f, "{}", self.first),
            _ => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for PortRange {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        let port = |text: &str| match text {
            "" => Err(InvalidPort::Missing),
            _ if text.starts_with('+') => Err(InvalidPort::NoPort(text.to_owned())),
            _ => text
                .parse::<u16>()
                .map_err(|_| InvalidPort::NoPort(text.to_owned())),
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(InvalidPort::Backwards(text.to_owned()));
        }
        Ok(Self { first, last })
    }
}
