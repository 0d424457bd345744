//! A Dagger session: opened once, shared by all builds of a run, listened to for signs of life. Must not know what is built
//! in it.

use std::error::Error as StdError;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dagger_sdk::core::connect_params::ConnectParams;
use dagger_sdk::core::graphql_client::{DefaultGraphQLClient, DynGraphQLClient};
use dagger_sdk::{Config, HostServiceOpts, Id, NetworkProtocol, PortForward, Query, Selection};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use super::depot::Depot;
use super::failure::lost;
use super::narration::Narration;
use super::secrets::InUse;
use super::source::DaggerSource;
use crate::build::resume::Rewritten;
use crate::runtime::Progress;

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It took too long.
    #[error("no Dagger engine answered within {} s{}", .limit.as_secs(), Said(.said))]
    Late {
        /// How long it was waited for.
        limit: Duration,
        /// The last lines of the `dagger` command.
        said: Vec<String>,
    },
    /// The `dagger` command gave up.
    #[error("the `dagger` command opened no session{}", Said(.said))]
    Refused {
        /// The last lines of the `dagger` command.
        said: Vec<String>,
        /// What it ended with.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

struct Said<'a>(&'a [String]);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// How often a session is asked for a sign of life, and how long it may take.
const PULSE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(40));

/// An open session. It ends when it is dropped.
pub(super) struct Session {
    client: DynGraphQLClient,
    narration: Arc<Mutex<Narration>>,
    secrets: InUse,
    depot: OnceCell<Option<Reached>>,
    /// Whether Dagger pushes to larder.
    pushes: AtomicBool,
    /// Lives as long as the session: killed when dropped.
    _process: Option<Child>,
}

impl Session {
    /// Opens a session, within `limit`: without an engine the `dagger` command waits for ever.
    pub(super) async fn open(source: &DaggerSource, limit: Duration) -> Result<Self, SessionError> {
        let narration = Arc::new(Mutex::new(Narration::default()));
        let (params, process) = match source {
            DaggerSource::Session { port, token } => (ConnectParams::new(*port, token), None),
            DaggerSource::Command(path) => {
                let opening = start(path, &narration);
                let opened = tokio::time::timeout(limit, opening).await;
                let said = || told(&narration).last_lines();
                let opened = opened.map_err(|_| SessionError::Late {
                    limit,
                    said: said(),
                })?;
                let (params, process) = opened.map_err(|source| SessionError::Refused {
                    said: said(),
                    source,
                })?;
                (params, Some(process))
            }
        };
        let config = Config::builder()
            .timeout_ms(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
            .build();
        Ok(Self {
            client: Arc::new(DefaultGraphQLClient::new(&params, &config)),
            narration,
            secrets: InUse::default(),
            depot: OnceCell::new(),
            pushes: AtomicBool::new(true),
            _process: process,
        })
    }

    /// The root of a query.
    pub(super) fn query(&self) -> Query {
        Query {
            proc: None,
            selection: Selection::default(),
            graphql_client: Arc::clone(&self.client),
        }
    }

    /// The secrets that its builds use.
    pub(super) fn secrets(&self) -> &InUse {
        &self.secrets
    }

    /// Where images can be pushed to, unless that was found not to work.
    pub(super) async fn depot(&self) -> Option<&Reached> {
        let open = || async { Reached::open(&self.query()).await };
        let reached = self.depot.get_or_init(open).await;
        let pushes = self.pushes.load(Ordering::Relaxed);
        reached.as_ref().filter(|_| pushes)
    }

    /// Nothing is pushed to larder any more.
    pub(super) fn without_depot(&self) {
        self.pushes.store(false, Ordering::Relaxed);
    }

    /// Waits until the session is lost; why. The `dagger` command goes on when its engine is frozen.
    pub(super) async fn lost(&self) -> String {
        let (pause, limit) = PULSE;
        loop {
            tokio::time::sleep(pause).await;
            match tokio::time::timeout(limit, self.query().version()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return lost(&error),
                Err(_) => {
                    let silent = (pause + limit).as_secs();
                    return format!("no sign of life for {silent} s");
                }
            }
        }
    }

    /// Reports what the session says about a build, until the result is dropped.
    pub(super) fn listen(&self, dockerfile: Rewritten, progress: Progress) -> Listening {
        Listening {
            number: told(&self.narration).listen(dockerfile, progress),
            narration: Arc::clone(&self.narration),
        }
    }
}

/// Larder's own registry, and how Dagger's engine reaches it.
pub(super) struct Reached {
    pub(super) depot: Depot,
    pub(super) service: Id,
}

impl Reached {
    async fn open(query: &Query) -> Option<Self> {
        let depot = Depot::open().await.ok()?;
        let port = isize::try_from(depot.port()).ok()?;
        let port = PortForward {
            backend: port,
            frontend: port,
            protocol: NetworkProtocol::Tcp,
        };
        let host = HostServiceOpts {
            host: Some("127.0.0.1"),
        };
        let service = query.host().service_opts(vec![port], host).id().await;
        let service = service.ok()?;
        Some(Self { depot, service })
    }
}

/// A build that hears what the session says about it.
pub(super) struct Listening {
    number: usize,
    narration: Arc<Mutex<Narration>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        told(&self.narration).forget(self.number);
    }
}

fn told(narration: &Mutex<Narration>) -> std::sync::MutexGuard<'_, Narration> {
    narration.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the `dagger` command and reads where its session listens. Not by the SDK, which downloads a `dagger`
/// of its own when this one does not start (`core/engine.rs`) and leaves the process alone when it is dropped.
async fn start(
    path: &Path,
    narration: &Arc<Mutex<Narration>>,
) -> Result<(ConnectParams, Child), Box<dyn StdError + Send + Sync>> {
    let mut process = Command::new(path)
        .args(["session", "--label", "dagger.io/sdk.name:rust"])
        .env("NO_COLOR", "1")
        .env("DAGGER_PROGRESS", "plain")
        // Starting a stack is no occasion to call home.
        .env("DAGGER_NO_NAG", "1")
        .env("DAGGER_NO_UPDATE_CHECK", "1")
        .env("DO_NOT_TRACK", "1")
        // It ends when this pipe does.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) else {
        return Err("its output cannot be read".into());
    };
    let narration = Arc::clone(narration);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            tracing::debug!(target: "larder::dagger", "{line}");
            told(&narration).take(&line);
        }
    });
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Ok(params) = serde_json::from_str(&line) {
            return Ok((params, process));
        }
    }
    Err(format!("it ended with {}", process.wait().await?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_that_says_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let command = folder.path().join("dagger");
        std::fs::write(&command, "#!/bin/sh\necho trying >&2\ncat >/dev/null\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&command, mode).unwrap();
        let source = DaggerSource::Command(command);
        let late = Session::open(&source, Duration::from_millis(300)).await;
        let text = late.err().unwrap().to_string();
        assert!(text.contains("trying"), "{text}");
    }
}
