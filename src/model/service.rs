//! A service: one kind of container, and everything the Compose file says about running it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attachment, Blkio, Build, Bytes, Cpu, CredentialSpec, Deploy, Device, DeviceRequest,
    FileReference, Healthcheck, Hook, Mount, OneOff, Port, PullPolicy, RestartPolicy, Scarcity,
    Span, Ulimit,
};

/// A service in canonical form: long syntax, paths absolute, environment resolved.
///
/// Attributes that larder does not carry out yet stay in `other`: printed by `config`, part of the config
/// hash, and named in a warning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Notes for whoever runs the container (API 1.43).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Whether an attached `up` shows what it prints, unless it is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<bool>,
    /// Its share of the disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_config: Option<Box<Blkio>>,
    /// How its image is built; `None` for one that is only pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// Linux capabilities added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Linux capabilities dropped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// Whose control groups it sees: `host` or `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The control group that its own lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// Replaces the image's CMD: `None` keeps it, an empty list clears it.
    pub command: Option<Vec<String>>,
    /// Configs mounted into the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<FileReference>,
    /// A container name of its own, in place of `<project>-<service>-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// Its share of the processors.
    #[serde(
        flatten,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::rare::deserialize"
    )]
    pub cpu: Option<Box<Cpu>>,
    /// CPUs it may use at most.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "super::limits::go_number"
    )]
    pub cpus: Option<f64>,
    /// What a Windows container signs in to its domain with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_spec: Option<CredentialSpec>,
    /// The services it waits for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub depends_on: BTreeMap<String, Dependency>,
    /// Replicas and resource limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Box<Deploy>>,
    /// What it may do with devices that it is not given: `c 1:3 mr`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_cgroup_rules: Vec<String>,
    /// Devices of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// DNS servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Options of its resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_opt: Vec<String>,
    /// Domains in which it looks for short names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// The container's domain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Replaces the image's ENTRYPOINT (and drops its CMD): `None` keeps it.
    pub entrypoint: Option<Vec<String>>,
    /// The container's environment, `env_file` merged in; a `None` value removes the image's variable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Option<String>>,
    /// Ports open to the other containers: `80`, `80/udp`, `3000-3005`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    /// Containers of others, under names of its own: `CONTAINER[:ALIAS]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_links: Vec<String>,
    /// Lines for the container's hosts file: name to addresses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", with = "super::hosts")]
    pub extra_hosts: BTreeMap<String, Vec<String>>,
    /// Graphics cards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<DeviceRequest>,
    /// More groups of its user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_add: Vec<String>,
    /// When it counts as healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The container's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The image to run, or the name given to the built one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Whether an init process reaps zombies; `None` leaves it to the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// Whose shared memory it has: `shareable`, `private`, `host`, `none`, or another container's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<String>,
    /// How a Windows engine keeps containers apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// Labels on the container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Other services under names of its own: `SERVICE[:ALIAS]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// The log driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Its hardware address, in the first of its networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Memory limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_limit: Option<Bytes>,
    /// Memory reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_reservation: Option<Bytes>,
    /// What happens when memory gets scarce.
    #[serde(
        flatten,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::rare::deserialize"
    )]
    pub scarcity: Option<Box<Scarcity>>,
    /// `none`, `host`, `bridge`, or another container's; excludes `networks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// The networks it is attached to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, Option<Box<Attachment>>>,
    /// Whose processes it sees: `host`, or another container's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
    /// The number of processes it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    /// `os[/arch[/variant]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Published ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// What is run in a container right after its start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_start: Vec<Hook>,
    /// What is run in a container before it is stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_stop: Vec<Hook>,
    /// Whether it runs with all the engine's privileges.
    #[serde(skip_serializing_if = "is_off")]
    pub privileged: Option<bool>,
    /// The profiles that switch it on; none means always on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// When the engine pulls the image: `always`, `missing`, `never`, `build`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<String>,
    /// Whether its root file system is read-only.
    #[serde(skip_serializing_if = "is_off")]
    pub read_only: Option<bool>,
    /// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
    /// What runs its processes: `runc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// How many containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// Secrets mounted into the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<FileReference>,
    /// Options for the kernel's security modules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// The size of `/dev/shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<Bytes>,
    /// Whether standard input stays open.
    #[serde(skip_serializing_if = "is_off")]
    pub stdin_open: Option<bool>,
    /// How long it may take to stop before it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<Span>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Options of the engine's storage driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_opt: BTreeMap<String, String>,
    /// Kernel parameters of its namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// In-memory file systems: `path[:options]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<String>,
    /// Whether it has a terminal.
    #[serde(skip_serializing_if = "is_off")]
    pub tty: Option<bool>,
    /// Resource limits of its processes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Whether it gets the engine's socket and the credentials of whoever calls.
    #[serde(skip_serializing_if = "is_off")]
    pub use_api_socket: Option<bool>,
    /// The user it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whose users it has: `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    /// Whose host name it has: `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uts: Option<String>,
    /// What is mounted into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Mount>,
    /// Whose volumes it has too: `SERVICE[:MODE]`, `container:NAME[:MODE]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<String>,
    /// The folder its process starts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What is different about its container, where one is run once.
    #[serde(skip)]
    pub one_off: Option<Box<OneOff>>,
    /// Everything else, `x-*` included, in canonical form.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Service {
    /// The template that its image is built from: `x-larder: template:`.
    pub fn template(&self) -> Option<&str> {
        self.other.get("x-larder")?.get("template")?.as_str()
    }

    /// How many containers the service has: `scale`, else `deploy.replicas`, else one.
    pub fn replicas(&self) -> u32 {
        let deployed = self.deploy.as_ref().and_then(|deploy| deploy.replicas);
        self.scale.or(deployed).unwrap_or(1)
    }

    /// Whether its containers have a network of their own, whose ports the host can answer on.
    pub fn publishes(&self) -> bool {
        let mode = self.network_mode.as_deref().unwrap_or_default();
        !matches!(mode, "host" | "none") && !mode.contains(':')
    }

    /// When the engine starts its containers again: `deploy.restart_policy`, else `restart`. A text that is no policy
    /// was refused when the file was read.
    pub fn restarts(&self) -> Option<RestartPolicy> {
        let deployed = self.deploy.as_ref();
        match deployed.and_then(|deploy| deploy.restart_policy.as_ref()) {
            Some(deployed) => {
                let policy = deployed.condition.as_deref()?.parse().ok()?;
                Some(match policy {
                    RestartPolicy::OnFailure(_) => RestartPolicy::OnFailure(deployed.max_attempts),
                    other => other,
                })
            }
            None => self.restart.as_deref()?.parse().ok(),
        }
    }

    /// Its networks by priority, highest first, then by name (compose-go `NetworksByPriority`). The first one is the
    /// container's own.
    pub fn networks_by_priority(&self) -> Vec<(&String, Option<&Attachment>)> {
        let networks = self.networks.iter();
        let mut networks: Vec<_> = networks
            .map(|(key, attachment)| (key, attachment.as_deref()))
            .collect();
        let priority = |attachment: Option<&Attachment>| attachment?.priority;
        networks.sort_by_key(|(key, attachment)| {
            (Reverse(priority(*attachment).unwrap_or_default()), *key)
        });
        networks
    }

    /// When an image that it only names is pulled; a text that is no policy was refused when the file was read.
    pub fn pulls(&self) -> PullPolicy {
        let policy = self.pull_policy.as_deref();
        policy
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    /// Whether the Compose file itself declares a health check that runs. An image may bring one too.
    pub fn declares_health(&self) -> bool {
        self.healthcheck
            .as_ref()
            .is_some_and(|check| !check.is_disabled() && check.test.is_some())
    }
}

/// One entry of `depends_on`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// What must be true before the dependent starts.
    pub condition: Condition,
    /// Whether the start fails when the dependency is missing or fails.
    #[serde(default = "yes")]
    pub required: bool,
    /// Whether the dependent restarts when the dependency is recreated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

fn yes() -> bool {
    true
}

/// Switches that are off unless somebody turns them on are printed only when they are on.
#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)] // serde hands over this
pub(super) fn is_off(switch: &Option<bool>) -> bool {
    *switch != Some(true)
}

/// What a dependent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// The container runs.
    #[serde(rename = "service_started")]
    Started,
    /// Its health check passed.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// It ended with code 0.
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

impl Service {
    /// The files of its seccomp profiles, as written: relative to the project's folder.
    pub fn seccomp_profiles(&self) -> impl Iterator<Item = &str> {
        let options = self.security_opt.iter();
        options.filter_map(|option| match security_option(option) {
            ("seccomp", "" | "unconfined" | "builtin") => None,
            ("seccomp", path) => Some(path),
            _ => None,
        })
    }
}

/// An entry of `security_opt` as its key and its value (docker/compose `parseSecurityOpts`: `=`, or `:` of old).
pub fn security_option(option: &str) -> (&str, &str) {
    let parts = option.split_once('=').or_else(|| option.split_once(':'));
    parts.unwrap_or((option, ""))
}

/// `logging`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    /// The engine's log driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Its options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}
