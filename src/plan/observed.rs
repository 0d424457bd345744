//! One snapshot of an engine, as data: what the docker room saw, before anybody decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::fingerprint::Platform;
use crate::model::{Digest, ImageId, Share, labels};

/// What is on the engine, taken by a constant number of calls.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The engine itself.
    pub engine: EngineFacts,
    /// The project's containers in every state, one-off ones included.
    pub containers: Vec<Container>,
    /// All tagged or labelled images.
    pub images: Vec<Image>,
    /// All networks.
    pub networks: Vec<Resource>,
    /// All volumes.
    pub volumes: Vec<Resource>,
    /// The containers that services name as whose something is, whoever made them: name → ID, `None` where there is none.
    /// Those of [`super::asked_containers`].
    pub others: BTreeMap<String, Option<String>>,
    /// The containers on networks that cannot do without these: name → their IDs, whoever made them. Those of [`super::asked_networks`].
    pub attached: BTreeMap<String, BTreeSet<String>>,
}

impl Observed {
    /// The image that larder built for a key ([`Image::is_for`]).
    pub fn image_for(&self, label: &str, key: &Digest, name: &str) -> Option<&Image> {
        let mut images = self.images.iter();
        images.find(|image| image.is_for(label, key, name))
    }

    /// The image under a name, as the engine lists it (`redis:7-alpine`).
    pub fn image_named(&self, name: &str) -> Option<&Image> {
        self.images
            .iter()
            .find(|image| image.names.iter().any(|own| own == name))
    }
}

/// The engine itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its own, lasting ID.
    pub id: String,
    /// Its version, `28.5.2`.
    pub version: String,
    /// The API version that larder talks, `1.41`.
    pub api: String,
    /// The platform it runs, `linux/amd64`.
    pub platform: String,
}

/// A container of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The engine's ID for it.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// The service it belongs to.
    pub service: String,
    /// Its number in the service, from 1.
    pub number: u32,
    /// Whether `run` made it.
    pub one_off: bool,
    /// The image it was created from.
    pub image: ImageId,
    /// The name under which it was created from it.
    pub image_name: String,
    /// What it is doing.
    pub state: State,
    /// The engine's own words for it: `Up 3 minutes (healthy)`.
    pub status: String,
    /// When it was created, seconds since 1970.
    pub created: i64,
    /// When it was started last, seconds and nanoseconds since 1970; known where [`super::asked_starts`] asks for it.
    pub started: Option<(i64, u32)>,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// The volumes mounted into it: target → the volume's name.
    pub volumes: BTreeMap<String, String>,
    /// The networks it is attached to: name → the ID it had when the container last ran, empty before that.
    pub networks: BTreeMap<String, String>,
    /// What it has of other containers, with the IDs (or names) of those.
    pub shares: BTreeSet<(Share, String)>,
    /// What it has lost, where it runs and the container that has it was started after it.
    pub cut_off: Option<Share>,
    /// Its published ports.
    pub ports: Vec<PublishedPort>,
}

impl Container {
    /// Whether it was started within the last few seconds, as the engine's words have it (go-units `HumanDuration`). A
    /// container that crashes again and again is, whenever it is seen running.
    pub fn is_young(&self) -> bool {
        const SECONDS: u32 = 3;
        match self.status.strip_prefix("Up ") {
            Some("Less than a second" | "1 second") => true,
            Some(up) => {
                let seconds = up.strip_suffix(" seconds").and_then(|n| n.parse().ok());
                seconds.is_some_and(|seconds: u32| seconds < SECONDS)
            }
            None => false,
        }
    }

    /// Whether its making was cut off, as its name has it: its networks, configs or secrets may be missing.
    pub fn is_unfinished(&self) -> bool {
        self.state == State::Created && labels::is_unfinished_name(&self.name)
    }

    /// Whether it was made to take the place of another, which is still there: it has docker compose's name for one on its way in.
    pub fn is_to_replace(&self, other: &Self) -> bool {
        let id = &other.id[..other.id.len().min(12)];
        let rest = self.name.strip_prefix(id);
        let beside = (&self.service, self.number) == (&other.service, other.number);
        self.state == State::Created && beside && rest.is_some_and(|rest| rest.starts_with('_'))
    }

    /// What it has of other containers that ends with their processes, and the IDs of those.
    pub fn hosts(&self) -> impl Iterator<Item = (Share, &str)> {
        let shares = self.shares.iter();
        let shares = shares.filter(|(share, _)| share.ends_with_process());
        shares.map(|(share, host)| (*share, host.as_str()))
    }

    /// The volumes that nobody named: target, and the engine's 64 hex digits. An engine below API 1.43 does not say
    /// more of them.
    pub fn anonymous_volumes(&self) -> impl Iterator<Item = (&String, &String)> {
        self.volumes
            .iter()
            .filter(|(_, name)| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

/// A port of a container that the host answers on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// The host's address, absent for a port that is only exposed.
    pub host_ip: Option<String>,
    /// The host's port, absent for a port that is only exposed.
    pub published: Option<u16>,
    /// The container's port.
    pub target: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Created, never started.
    Created,
    /// Running; health as far as the engine knows it.
    Running(Health),
    /// Frozen.
    Paused,
    /// Between two starts of its restart policy.
    Restarting,
    /// Ended with this code.
    Exited(i64),
    /// On its way out, or broken.
    Dead,
}

impl State {
    /// Whether a process of it is alive.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running(_) | Self::Paused | Self::Restarting)
    }

    /// Whether it ran, and no process of it is alive or about to be.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Exited(_) | Self::Dead)
    }
}

/// What the engine's health check said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has no health check.
    None,
    /// No verdict yet.
    Starting,
    /// The last probe passed.
    Healthy,
    /// Too many probes failed.
    Unhealthy,
}

/// An image on the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The engine's ID for it.
    pub id: ImageId,
    /// Its names with tags, familiar form.
    pub names: Vec<String>,
    /// Its names with registry digests: `python@sha256:…`.
    pub digests: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The platforms it is for; empty where nobody asked (see [`crate::plan::asked_platforms`]).
    pub platforms: Vec<Platform>,
    /// How long ago it got one of its names; `None` where nobody asked (see [`crate::plan::asked_ages`]), or nothing says.
    pub age: Option<Duration>,
}

impl Image {
    /// Whether it is for a platform that is asked for, where one is.
    pub fn fits(&self, asked: Option<&Platform>) -> bool {
        asked.is_none_or(|asked| self.platforms.iter().any(|own| asked.takes(own)))
    }

    /// Whether this is the image that larder built for a key: its label says so, and it still has the name
    /// that only larder gives. A label alone proves nothing, since every image built from this one inherits it.
    pub fn is_for(&self, label: &str, key: &Digest, name: &str) -> bool {
        self.labels
            .get(label)
            .is_some_and(|value| *value == key.to_string())
            && self.names.iter().any(|own| own == name)
    }
}

/// A network or a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The engine's ID for it; a volume's is its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}
