//! What matters of an engine to who wonders why something does not work: read once, and judged elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Docker;
use super::address::Transport;
use super::config_file::ConfigFile;
use super::connect::QUICK;
use super::stamp::Stamp;
use crate::runtime::{EngineAccess, EngineError};

/// An engine's own words about itself.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// Its version.
    pub version: String,
    /// The API that larder talks.
    pub api: String,
    /// What it runs on: `Debian GNU/Linux 12 (bookworm)`.
    pub system: String,
    /// Its storage driver: `overlay2`.
    pub store: String,
    /// Whether containerd keeps its images.
    pub containerd: bool,
    /// Its folder.
    pub folder: Option<PathBuf>,
    /// Its time, in seconds since 1970.
    pub time: Option<i64>,
    /// Its processors.
    pub processors: i64,
    /// Its memory, in bytes.
    pub memory: u64,
    /// The version of its control groups.
    pub cgroups: Option<String>,
    /// Whether a container's `mem_limit` holds.
    pub limits_memory: bool,
}

/// How an engine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a socket of this machine.
    Socket(PathBuf),
    /// Over a network, protected or not.
    Network {
        /// Whether both sides show certificates.
        tls: bool,
    },
}

impl Docker {
    /// Asks the engine about itself.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn examine(&self) -> Result<Examination, EngineError> {
        let call = self.client.info();
        let info = self
            .call(QUICK, "asking for the engine's facts", call)
            .await?;
        let status = info.driver_status.unwrap_or_default();
        let time = info.system_time.as_deref().and_then(Stamp::parse);
        Ok(Examination {
            version: info.server_version.unwrap_or_default(),
            api: self.api.to_string(),
            system: info.operating_system.unwrap_or_default(),
            store: info.driver.unwrap_or_default(),
            containerd: status
                .iter()
                .any(|pair| pair.iter().any(|text| text.contains("io.containerd"))),
            folder: info.docker_root_dir.map(PathBuf::from),
            time: time.map(|stamp| stamp.seconds),
            processors: info.ncpu.unwrap_or_default(),
            memory: info
                .mem_total
                .and_then(|bytes| bytes.try_into().ok())
                .unwrap_or_default(),
            cgroups: info.cgroup_version.map(|version| version.to_string()),
            limits_memory: info.memory_limit.unwrap_or_default(),
        })
    }

    /// The registries that the engine speaks to without TLS, beside this machine's own.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn plain_registries(&self) -> Result<BTreeSet<String>, EngineError> {
        let call = self.client.info();
        let info = self.call(QUICK, "asking for the engine's registries", call);
        let registries = info.await?.registry_config.unwrap_or_default();
        let known = registries.index_configs.unwrap_or_default().into_iter();
        let plain = known.filter(|(_, own)| own.secure == Some(false));
        Ok(plain.map(|(host, _)| host).collect())
    }

    /// Opens the gRPC of the BuildKit inside the engine, and leaves it.
    ///
    /// # Errors
    /// The engine has none.
    pub async fn reach_buildkit(&self) -> Result<(), EngineError> {
        self.access().upgrade("/grpc", Vec::new()).await.map(drop)
    }

    /// How it is reached.
    pub fn way(&self) -> Way {
        match &self.address.transport {
            Transport::Unix(path) => Way::Socket(path.clone()),
            Transport::Tcp(_) => Way::Network { tls: false },
            Transport::Tls(..) => Way::Network { tls: true },
        }
    }

    /// The process behind the engine's socket, where it is one of this machine and in its network.
    pub async fn process(&self) -> Option<u32> {
        self.on_this_network().await
    }
}

/// Who says where the engine is, in the order of [`Docker::connect`].
pub fn named_by(environment: &BTreeMap<String, String>) -> String {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if set("DOCKER_HOST").is_some() {
        return "`DOCKER_HOST`".to_owned();
    }
    let config = ConfigFile::read(environment);
    let context = set("DOCKER_CONTEXT").or(config.current_context.as_ref());
    match context.filter(|name| *name != "default" && !name.is_empty()) {
        Some(name) => format!("Docker context `{name}`"),
        None => "the usual socket".to_owned(),
    }
}

/// The processes of builds that were there before the engine was: it does not know them, and nobody ends them. An engine that
/// was killed leaves them.
pub fn orphans(engine: u32) -> Vec<u32> {
    let Some(begun) = begun(engine) else {
        return Vec::new();
    };
    let processes = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<u32> = processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid| is_of_build(*pid) && begun_before(*pid, begun))
        .collect();
    found.sort_unstable();
    found
}

fn is_of_build(pid: u32) -> bool {
    let cgroup = fs_err::read_to_string(Path::new("/proc").join(pid.to_string()).join("cgroup"));
    cgroup.is_ok_and(|cgroup| cgroup.contains(":/docker/buildkit/"))
}

fn begun_before(pid: u32, moment: u64) -> bool {
    begun(pid).is_some_and(|begun| begun < moment)
}

/// When a process was started, in ticks since the machine was (proc(5), `stat`, field 22).
fn begun(pid: u32) -> Option<u64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_was_started_after_its_parent() {
        let own = begun(std::process::id()).unwrap();
        assert!(begun(std::os::unix::process::parent_id()).unwrap() <= own);
        assert_eq!(begun(u32::MAX), None);
    }
}
