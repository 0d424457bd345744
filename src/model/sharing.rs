//! What a service's containers have of other containers: namespaces, volumes, links. Where it names a service, that one's
//! container must be there first; where it names a container, somebody else makes it.

use std::collections::BTreeSet;
use std::fmt;

use super::Service;

/// What one container has of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// `network_mode`.
    Network,
    /// `ipc`.
    Memory,
    /// `pid`.
    Processes,
    /// `volumes_from`.
    Volumes,
    /// `links` and `external_links` where the engine keeps them by container: on its own bridge. On other networks they go
    /// by name.
    Links,
}

impl Share {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Network,
        Self::Memory,
        Self::Processes,
        Self::Volumes,
        Self::Links,
    ];

    /// Whether it ends with the process of the other container, so that another start of it is another one.
    pub fn ends_with_process(self) -> bool {
        matches!(self, Self::Network | Self::Memory | Self::Processes)
    }

    /// The attribute that asks for it.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Network => "network_mode",
            Self::Memory => "ipc",
            Self::Processes => "pid",
            Self::Volumes => "volumes_from",
            Self::Links => "links",
        }
    }

    /// What the one does with the other, in front of its name.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Network => "shares the network of",
            Self::Memory => "shares the memory of",
            Self::Processes => "shares the processes of",
            Self::Volumes => "mounts the volumes of",
            Self::Links => "links to",
        }
    }

    /// What the other one is to the one that has it, behind "the container".
    pub fn whose(self) -> &'static str {
        match self {
            Self::Network => "whose network it shares",
            Self::Memory => "whose memory it shares",
            Self::Processes => "whose processes it shares",
            Self::Volumes => "whose volumes it mounts",
            Self::Links => "that it links to",
        }
    }
}

/// Who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner<'a> {
    /// A service of the project.
    Service(&'a str),
    /// A container by its name or ID, whoever made it.
    Container(&'a str),
}

impl<'a> Owner<'a> {
    /// The container's name or ID, where it is not a service's.
    pub fn container(self) -> Option<&'a str> {
        match self {
            Self::Container(name) => Some(name),
            Self::Service(_) => None,
        }
    }

    /// Of `service:NAME` or `container:NAME`.
    pub fn of_mode(mode: &'a str) -> Option<Self> {
        let service = mode.strip_prefix("service:").map(Self::Service);
        service.or_else(|| mode.strip_prefix("container:").map(Self::Container))
    }

    /// Of an entry of `volumes_from`, with its mode: `NAME[:MODE]` or `container:NAME[:MODE]`.
    pub fn of_volumes(entry: &'a str) -> (Self, Option<&'a str>) {
        let parts = |text: &'a str| match text.split_once(':') {
            Some((name, mode)) => (name, Some(mode)),
            None => (text, None),
        };
        if let Some(rest) = entry.strip_prefix("container:") {
            let (name, mode) = parts(rest);
            return (Self::Container(name), mode);
        }
        let (name, mode) = parts(entry);
        (Self::Service(name), mode)
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

/// What a container has of others as its label says it, `dev.larder.shares`: its network aside.
pub fn shares_label(shares: &BTreeSet<(Share, String)>) -> Option<String> {
    let said = shares.iter().filter(|(share, _)| *share != Share::Network);
    let said: Vec<String> = said
        .map(|(share, id)| format!("{}={id}", share.attribute()))
        .collect();
    (!said.is_empty()).then(|| said.join(","))
}

/// What such a label says.
pub fn shares_in(label: &str) -> impl Iterator<Item = (Share, String)> {
    label.split(',').filter_map(|entry| {
        let (attribute, id) = entry.split_once('=')?;
        let mut all = Share::ALL.into_iter();
        let share = all.find(|share| share.attribute() == attribute)?;
        Some((share, id.to_owned()))
    })
}

/// An entry of `links` or `external_links` as whom it names, and by which alias (docker/compose `getLinks`): without one
/// colon, and no more, all of it is both.
pub fn link(entry: &str) -> (&str, &str) {
    match entry.split_once(':') {
        Some((name, alias)) if !alias.contains(':') => (name, alias),
        _ => (entry, entry),
    }
}

/// An entry of `external_links` in the same way: of more than two parts the first is both.
pub fn external_link(entry: &str) -> (&str, &str) {
    match link(entry) {
        (name, alias) if name == alias => {
            let name = name.split(':').next().unwrap_or_default();
            (name, name)
        }
        parts => parts,
    }
}

impl Service {
    /// What its containers have of others, and whose it is.
    pub fn shares(&self) -> Vec<(Share, Owner<'_>)> {
        let modes = [
            (Share::Network, &self.network_mode),
            (Share::Memory, &self.ipc),
            (Share::Processes, &self.pid),
        ];
        let modes = modes
            .into_iter()
            .filter_map(|(share, mode)| Some((share, Owner::of_mode(mode.as_deref()?)?)));
        let volumes = self.volumes_from.iter();
        let volumes = volumes.map(|entry| (Share::Volumes, Owner::of_volumes(entry).0));
        let on_bridge = matches!(self.network_mode.as_deref(), Some("bridge" | "default"));
        let links = self.links.iter().map(|entry| Owner::Service(link(entry).0));
        let external = self.external_links.iter();
        let external = external.map(|entry| Owner::Container(external_link(entry).0));
        let links = links.chain(external).filter(|_| on_bridge);
        let links = links.map(|owner| (Share::Links, owner));
        modes.chain(volumes).chain(links).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_an_entry_names() {
        assert_eq!(Owner::of_volumes("db"), (Owner::Service("db"), None));
        assert_eq!(
            Owner::of_volumes("db:ro"),
            (Owner::Service("db"), Some("ro"))
        );
        let other = Owner::Container("x");
        assert_eq!(Owner::of_volumes("container:x"), (other, None));
        assert_eq!(Owner::of_volumes("container:x:rw"), (other, Some("rw")));
        assert_eq!(Owner::of_mode("host"), None);
        assert_eq!(Owner::of_mode("service:db"), Some(Owner::Service("db")));
        assert_eq!(link("db"), ("db", "db"));
        assert_eq!(link("db:x"), ("db", "x"));
        assert_eq!(link("db:x:y"), ("db:x:y", "db:x:y"));
    }

    #[test]
    fn a_label_says_what_is_shared() {
        let all = Share::ALL.map(|share| (share, format!("id of {share:?}")));
        let all = BTreeSet::from(all);
        let label = shares_label(&all).unwrap();
        let mut read: BTreeSet<_> = shares_in(&label).collect();
        read.insert((Share::Network, "id of Network".to_owned()));
        assert_eq!(read, all);
        let network = BTreeSet::from([(Share::Network, "x".to_owned())]);
        assert_eq!(shares_label(&network), None);
        assert_eq!(shares_in("").count(), 0);
    }
}
