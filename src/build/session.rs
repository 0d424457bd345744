//! A Dagger session: where it is found, opened once and shared by all builds of a run. Must not know what is
//! built in it.

use std::error::Error as StdError;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dagger_sdk::core::connect_params::ConnectParams;
use dagger_sdk::core::graphql_client::{DefaultGraphQLClient, DynGraphQLClient};
use dagger_sdk::{Config, Query, Selection};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::narration::Narration;
use super::resume::Rewritten;
use crate::runtime::Progress;

/// Where a Dagger session comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum DaggerSource {
    /// A session that is open, as `dagger run` hands it to what it starts.
    Session {
        /// The port on this machine.
        port: u64,
        /// What lets one in.
        token: String,
    },
    /// The `dagger` command, which opens one.
    Command(PathBuf),
}

impl std::fmt::Debug for DaggerSource {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session { port, .. } => write!(f, "session on port {port}"),
            Self::Command(path) => write!(f, "command {}", path.display()),
        }
    }
}

/// Where a session would come from, in the SDK's own order (`core/engine.rs`), with the `dagger` on PATH in place
/// of the download that the SDK ends with. Opens nothing.
///
/// # Errors
/// One sentence for a person: why there is none.
pub fn available(variable: impl Fn(&str) -> Option<String>) -> Result<DaggerSource, String> {
    let port = variable("DAGGER_SESSION_PORT").and_then(|port| port.parse().ok());
    if let (Some(port), Some(token)) = (port, variable("DAGGER_SESSION_TOKEN")) {
        return Ok(DaggerSource::Session { port, token });
    }
    let engine = variable("_EXPERIMENTAL_DAGGER_RUNNER_HOST");
    if let Some(socket) = engine
        .as_deref()
        .and_then(|host| host.strip_prefix("unix://"))
    {
        UnixStream::connect(socket).map_err(|error| {
            format!("no Dagger engine answers at `{socket}` (`_EXPERIMENTAL_DAGGER_RUNNER_HOST`): {error}")
        })?;
    }
    if let Some(path) = variable("_EXPERIMENTAL_DAGGER_CLI_BIN") {
        let path = PathBuf::from(path);
        return if is_command(&path) {
            Ok(DaggerSource::Command(path))
        } else {
            Err(format!(
                "`_EXPERIMENTAL_DAGGER_CLI_BIN` names `{}`, which is no command",
                path.display()
            ))
        };
    }
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("dagger"))
        .find(|path| is_command(path))
        .map(DaggerSource::Command)
        .ok_or_else(|| "there is no `dagger` command on PATH".to_owned())
}

fn is_command(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

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

/// An open session. It ends when it is dropped.
pub(super) struct Session {
    client: DynGraphQLClient,
    narration: Arc<Mutex<Narration>>,
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

    /// Reports what the session says about a build, until the result is dropped.
    pub(super) fn listen(&self, dockerfile: Rewritten, progress: Progress) -> Listening {
        Listening {
            number: told(&self.narration).listen(dockerfile, progress),
            narration: Arc::clone(&self.narration),
        }
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
    use std::collections::BTreeMap;

    fn found(variables: &[(&str, &str)]) -> Result<DaggerSource, String> {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        available(|name| variables.get(name).map(ToString::to_string))
    }

    #[test]
    fn an_open_session_comes_before_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let command = folder.path().join("dagger");
        std::fs::write(&command, "").unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(found(&[("PATH", path)]).is_err());
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&command, mode).unwrap();
        let by_path = DaggerSource::Command(command.clone());
        assert_eq!(found(&[("PATH", path)]), Ok(by_path.clone()));
        assert_eq!(
            found(&[("PATH", path), ("DAGGER_SESSION_PORT", "1")]),
            Ok(by_path)
        );
        let open = [
            ("PATH", path),
            ("DAGGER_SESSION_PORT", "1"),
            ("DAGGER_SESSION_TOKEN", "t"),
        ];
        assert!(matches!(
            found(&open),
            Ok(DaggerSource::Session { port: 1, .. })
        ));
    }

    #[test]
    fn a_command_that_is_named_and_missing_is_not_replaced_by_another() {
        let error = found(&[
            ("_EXPERIMENTAL_DAGGER_CLI_BIN", "/none"),
            ("PATH", "/usr/bin"),
        ]);
        assert!(error.unwrap_err().contains("/none"));
    }

    #[test]
    fn an_engine_whose_socket_nobody_answers_is_not_there() {
        let sh = ("_EXPERIMENTAL_DAGGER_CLI_BIN", "/bin/sh");
        let nobody = ("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "unix:///none.sock");
        assert!(found(&[sh]).is_ok());
        assert!(found(&[sh, nobody]).unwrap_err().contains("/none.sock"));
    }

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
