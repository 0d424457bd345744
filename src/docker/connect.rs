//! Reaching an engine: one cheap question that shows whether it answers and which API it has. What is asked
//! of it afterwards is in the other files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use tokio::sync::OnceCell;

use super::ApiVersion;
use super::address::{Address, Transport};
use super::config_file::ConfigFile;
use super::error::failed;
use super::greeting::greet;
use crate::plan::EngineFacts;
use crate::runtime::EngineError;

/// How long an engine may take to say that it is there.
pub(super) const FIRST_ANSWER: Duration = Duration::from_millis(1800);
/// How long a list or an inspection may take before the engine is asked whether it is still there.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// The same for a change that starts no process and moves no image.
pub(super) const CHANGE: Duration = Duration::from_mins(1);
/// What bollard waits for the head of an answer.
pub(super) const HEAD: Duration = Duration::from_mins(2);
const HEAD_SECONDS: u64 = HEAD.as_secs();

/// A Docker Engine.
pub struct Docker {
    pub(super) client: bollard::Docker,
    pub(super) address: Address,
    pub(super) api: ApiVersion,
    pub(super) config: ConfigFile,
    version: String,
    facts: OnceCell<EngineFacts>,
    identity: OnceCell<String>,
}

impl Docker {
    /// Reaches the engine that the environment, the current Docker context or the usual socket name.
    ///
    /// bollard sends paths without a version, so every call speaks the engine's own API version; what an
    /// older one does not have is left out or refused where it would be asked for.
    ///
    /// # Errors
    /// Nobody answers within two seconds, or the address is one that larder cannot speak to.
    pub async fn connect(environment: &BTreeMap<String, String>) -> Result<Self, EngineError> {
        let config = ConfigFile::read(environment);
        let address = Address::find(environment, &config)?;
        let unreachable = |source: io::Error| EngineError::Unreachable {
            address: address.text.clone(),
            source: source.into(),
        };
        let greeting = tokio::time::timeout(FIRST_ANSWER, greet(&address));
        let greeting = match greeting.await {
            Ok(greeting) => greeting?,
            Err(_) => {
                return Err(unreachable(io::Error::from(io::ErrorKind::TimedOut)));
            }
        };
        let client = client(&address)
            .map_err(|error| failed(&address.text, "setting up the connection", error))?;
        Ok(Self {
            client,
            address,
            api: greeting.api,
            config,
            version: greeting.version,
            facts: OnceCell::new(),
            identity: OnceCell::new(),
        })
    }

    /// The engine's address, as a person would write it.
    pub fn address(&self) -> &str {
        &self.address.text
    }

    /// bollard's handle, for those who build on this engine. It waits 120 s for the head of an answer.
    pub fn client(&self) -> &bollard::Docker {
        &self.client
    }

    /// The API version that the engine speaks.
    pub fn api(&self) -> ApiVersion {
        self.api
    }

    /// What tells this engine from others, for as long as it keeps its state: the ID of a network that each engine has of its
    /// own, which it says sooner than anything else. Where there is none it is known by its address.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn identity(&self) -> Result<String, EngineError> {
        let asked = self.identity.get_or_try_init(|| async {
            let own = || self.client.inspect_network("none", None);
            match self.ask("asking which engine it is", own).await {
                Ok(network) => Ok(network.id.unwrap_or_default()),
                Err(EngineError::Refused { .. }) => Ok(self.address.text.clone()),
                Err(error) => Err(error),
            }
        });
        asked.await.cloned()
    }

    /// Everything about the engine itself. The first call costs the engine some ten milliseconds (it runs its
    /// helper programs for their versions), so nothing on the way of an unchanged start makes it.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn facts(&self) -> Result<&EngineFacts, EngineError> {
        self.facts
            .get_or_try_init(|| async {
                let info = self
                    .call(QUICK, "asking for the engine's facts", self.client.info())
                    .await?;
                let os = info.os_type.unwrap_or_default();
                let machine = info.architecture.unwrap_or_default();
                Ok(EngineFacts {
                    id: info.id.unwrap_or_default(),
                    platform: format!("{os}/{}", go_arch(&machine)),
                    ..self.known_facts()
                })
            })
            .await
    }

    /// What is known of the engine without asking.
    pub(super) fn known_facts(&self) -> EngineFacts {
        self.facts.get().cloned().unwrap_or_else(|| EngineFacts {
            version: self.version.clone(),
            api: self.api.to_string(),
            ..EngineFacts::default()
        })
    }

    /// A handle that waits long enough for the head of an answer that takes up to `limit`.
    pub(super) fn patient(&self, limit: Duration) -> bollard::Docker {
        let beyond = limit.saturating_add(Duration::from_secs(1));
        self.client.clone().with_timeout(beyond)
    }
}

/// The proxy variables that the user's Docker settings have for builds on the engine of an environment; none where its
/// address cannot be used.
pub fn proxies(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let config = ConfigFile::read(environment);
    let address = Address::find(environment, &config);
    address.map_or_else(
        |_| BTreeMap::new(),
        |address| config.proxy_variables(&address.text),
    )
}

/// Go's name for what `uname -m` calls a machine, as image platforms are written.
fn go_arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i686" | "i386" => "386",
        other => other,
    }
}

fn client(address: &Address) -> Result<bollard::Docker, bollard::errors::Error> {
    let version = API_DEFAULT_VERSION;
    match &address.transport {
        Transport::Unix(path) => {
            bollard::Docker::connect_with_unix(&path.to_string_lossy(), HEAD_SECONDS, version)
        }
        Transport::Tcp(host) => bollard::Docker::connect_with_http(host, HEAD_SECONDS, version),
        Transport::Tls(host, folder) => {
            let file = |name: &str| Path::join(folder, name);
            bollard::Docker::connect_with_ssl(
                host,
                &file("key.pem"),
                &file("cert.pem"),
                &file("ca.pem"),
                HEAD_SECONDS,
                version,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    async fn refusal(host: &str) -> (EngineError, Duration) {
        let environment = BTreeMap::from([("DOCKER_HOST".to_owned(), host.to_owned())]);
        let start = Instant::now();
        let Err(error) = Docker::connect(&environment).await else {
            panic!("{host} answered");
        };
        (error, start.elapsed())
    }

    #[tokio::test]
    async fn no_engine_is_known_within_two_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("none.sock");
        let deaf = folder.path().join("deaf.sock");
        // Listens, and never accepts: the connection stands and no answer comes.
        let _listener = std::os::unix::net::UnixListener::bind(&deaf).unwrap();
        for host in [
            format!("unix://{}", socket.display()),
            "tcp://127.0.0.1:1".to_owned(),
            format!("unix://{}", deaf.display()),
        ] {
            let (error, took) = refusal(&host).await;
            assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
            assert!(took < Duration::from_secs(2), "{host}: {took:?}");
        }
    }
}
