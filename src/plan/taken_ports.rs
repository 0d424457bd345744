//! Host ports that somebody has, and who.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::model::addresses_meet;

/// A host port that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The address, `None` for all of them.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Who has it.
    pub holder: Holder,
}

/// Who has a host port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holder {
    /// A container of the engine.
    Container {
        /// Its ID.
        id: String,
        /// Its name.
        name: String,
        /// The project that it belongs to.
        project: Option<String>,
        /// Its service in that project.
        service: Option<String>,
    },
    /// A process of this machine, as far as may be known.
    Process {
        /// Its number.
        pid: Option<u32>,
        /// Its name, without its arguments.
        command: Option<String>,
        /// The number of the user that it runs as.
        user: u32,
    },
    /// Another service of the same plan, which asks for it, too.
    Service(String),
}

impl Holder {
    /// Whether it is an engine's process in front of a container which this engine does not list as running: one that is being
    /// started, that of another engine, or one that an engine left behind when it was killed.
    pub fn is_proxy(&self) -> bool {
        matches!(self, Self::Process { command: Some(command), .. } if command == "docker-proxy")
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container {
                name,
                project: Some(project),
                ..
            } => write!(f, "container `{name}` of project `{project}`"),
            Self::Container { name, .. } => write!(f, "container `{name}`"),
            Self::Process {
                pid: Some(pid),
                command: Some(command),
                ..
            } => write!(f, "process `{command}` (pid {pid})"),
            Self::Process { pid: Some(pid), .. } => write!(f, "process {pid}"),
            Self::Process { user, .. } => write!(f, "a process of user {user}"),
            Self::Service(name) => write!(f, "service `{name}`"),
        }
    }
}

/// Who has which port.
#[derive(Default)]
pub(super) struct Ledger<'a> {
    taken: HashMap<(u16, &'a str), Vec<&'a Taken>>,
}

impl<'a> Ledger<'a> {
    pub(super) fn of(taken: impl Iterator<Item = &'a Taken>) -> Self {
        let mut ledger = Self::default();
        for own in taken {
            let key = (own.port, own.protocol.as_str());
            ledger.taken.entry(key).or_default().push(own);
        }
        ledger
    }

    /// Those that have a port at an address.
    pub(super) fn holders<'s>(
        &'s self,
        address: Option<IpAddr>,
        port: u16,
        protocol: &'s str,
    ) -> impl Iterator<Item = &'s Holder> {
        let taken: &HashMap<(u16, &'s str), Vec<&'s Taken>> = &self.taken;
        let held = taken.get(&(port, protocol)).into_iter().flatten();
        let held = held.filter(move |own| addresses_meet(own.address, address));
        held.map(|own| &own.holder)
    }
}
