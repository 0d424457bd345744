//! Reaching an engine: one cheap question that shows whether it answers and which API it has. What is asked
//! of it afterwards is in the other files.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OnceCell;

use super::address::{Address, Transport};
use super::config_file::ConfigFile;
use super::error::{Words, failed};
use crate::plan::EngineFacts;
use crate::runtime::EngineError;

/// How long an engine may take to say that it is there.
const FIRST_ANSWER: Duration = Duration::from_millis(1800);
/// How long a list or an inspection may take.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// How long a change may take that starts no process and moves no image.
pub(super) const CHANGE: Duration = Duration::from_secs(60);
/// What bollard waits for the head of an answer, in seconds.
const HEAD_SECONDS: u64 = 120;

/// A Docker Engine.
pub struct Docker {
    pub(super) client: bollard::Docker,
    pub(super) address: String,
    pub(super) api: ApiVersion,
    pub(super) config: ConfigFile,
    version: String,
    facts: OnceCell<EngineFacts>,
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
        let unreachable = |source| EngineError::Unreachable {
            address: address.text.clone(),
            source,
        };
        let greeting = tokio::time::timeout(FIRST_ANSWER, greet(&address));
        let greeting = match greeting.await {
            Ok(greeting) => greeting?,
            Err(_) => {
                return Err(unreachable(Box::new(Words(
                    "it does not answer in time".to_owned(),
                ))));
            }
        };
        let client = client(&address)
            .map_err(|error| failed(&address.text, "setting up the connection", error))?;
        Ok(Self {
            client,
            address: address.text,
            api: greeting.api,
            config,
            version: greeting.version,
            facts: OnceCell::new(),
        })
    }

    /// The engine's address, as a person would write it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// bollard's handle, for those who build on this engine. It waits 120 s for the head of an answer.
    pub fn client(&self) -> &bollard::Docker {
        &self.client
    }

    /// The API version that the engine speaks.
    pub fn api(&self) -> ApiVersion {
        self.api
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

/// What an engine says of itself in the head of every answer.
#[derive(Debug, PartialEq, Eq)]
struct Greeting {
    api: ApiVersion,
    version: String,
}

/// Asks the engine whether it is there. `/_ping` takes half a millisecond and `/version` twenty, and bollard
/// does not show the head of an answer, where `/_ping` says its version: so it is asked by hand, but for TLS.
async fn greet(address: &Address) -> Result<Greeting, EngineError> {
    let unreachable = |source: io::Error| EngineError::Unreachable {
        address: address.text.clone(),
        source: source.into(),
    };
    let answer = match &address.transport {
        Transport::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => ping(stream).await,
            Err(error) => Err(error),
        },
        Transport::Tcp(host) => match TcpStream::connect(host.as_str()).await {
            Ok(stream) => ping(stream).await,
            Err(error) => Err(error),
        },
        Transport::Tls(..) => return greet_over_tls(address).await,
    };
    let answer = answer.map_err(unreachable)?;
    Greeting::read(&answer).ok_or_else(|| {
        unreachable(io::Error::new(
            io::ErrorKind::InvalidData,
            "what answers there is no Docker Engine",
        ))
    })
}

async fn greet_over_tls(address: &Address) -> Result<Greeting, EngineError> {
    let failed = |error| failed(&address.text, "asking for the engine's version", error);
    let version = client(address)
        .map_err(failed)?
        .version()
        .await
        .map_err(failed)?;
    let api = version.api_version.unwrap_or_default();
    Ok(Greeting {
        api: api.parse().map_err(|error| EngineError::Unreachable {
            address: address.text.clone(),
            source: Box::new(error),
        })?,
        version: version.version.unwrap_or_default(),
    })
}

async fn ping(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    // Version 1.0 makes the engine close the connection behind its answer.
    stream
        .write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.take(16 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

impl Greeting {
    fn read(answer: &str) -> Option<Self> {
        let head = answer.split("\r\n\r\n").next()?;
        let header = |wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim())
        };
        // `Server: Docker/28.5.2 (linux)`
        let server = header("server").unwrap_or_default();
        let version = server.split_once('/').map_or("", |(_, rest)| rest);
        Some(Self {
            api: header("api-version")?.parse().ok()?,
            version: version
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

/// A version of the Docker Engine's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(u32, u32);

impl ApiVersion {
    /// Whether this version has what came with `other`.
    pub fn at_least(self, other: &str) -> bool {
        other.parse().is_ok_and(|other: Self| self >= other)
    }

    /// Refuses what came with a later version.
    pub(super) fn has(
        self,
        needs: &'static str,
        what: impl FnOnce() -> String,
    ) -> Result<(), EngineError> {
        if self.at_least(needs) {
            return Ok(());
        }
        Err(EngineError::TooOld {
            what: what(),
            needs,
            has: self.to_string(),
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl std::str::FromStr for ApiVersion {
    type Err = InvalidApiVersion;

    fn from_str(text: &str) -> Result<Self, InvalidApiVersion> {
        let invalid = || InvalidApiVersion(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(invalid)?;
        let number = |text: &str| text.parse().map_err(|_| invalid());
        Ok(Self(number(major)?, number(minor)?))
    }
}

/// The text is not an API version.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a version of the Docker Engine's API")]
pub struct InvalidApiVersion(String);

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text: &str| text.parse::<ApiVersion>().unwrap();
        assert!(version("1.100") > version("1.44"));
        assert!(!version("1.41").at_least("1.44"));
        assert!(version("1.44").at_least("1.44"));
        assert!("1".parse::<ApiVersion>().is_err());
    }

    #[test]
    fn the_head_of_a_ping_names_the_engine() {
        let answer = "HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24+dfsg1 (linux)\r\n\r\nOK";
        let greeting = Greeting::read(answer).unwrap();
        assert_eq!(greeting.api, ApiVersion(1, 41));
        assert_eq!(greeting.version, "20.10.24+dfsg1");
        assert_eq!(
            Greeting::read("HTTP/1.0 200 OK\r\nServer: nginx\r\n\r\nhello"),
            None
        );
    }

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
