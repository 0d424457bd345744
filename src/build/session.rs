//! A Dagger session: where it is found, opened once and shared by all builds of a run. Must not know what is
//! built in it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dagger_sdk::core::cli_session::{CliSession, DaggerSessionProc};
use dagger_sdk::core::connect_params::ConnectParams;
use dagger_sdk::core::graphql_client::{DefaultGraphQLClient, DynGraphQLClient};
use dagger_sdk::core::logger::Logger;
use dagger_sdk::{Config, Query, Selection};

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
        /// The SDK's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

struct Said<'a>(&'a [String]);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// An open session. It ends when the last of its queries is dropped.
pub(super) struct Session {
    process: Option<Arc<DaggerSessionProc>>,
    client: DynGraphQLClient,
}

impl Session {
    pub(super) async fn open(source: &DaggerSource, limit: Duration) -> Result<Self, SessionError> {
        let lines = Arc::new(Lines::default());
        let config = Config::builder()
            .logger(Arc::clone(&lines) as _)
            .timeout_ms(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
            .build();
        let (params, process) = match source {
            DaggerSource::Session { port, token } => (ConnectParams::new(*port, token), None),
            DaggerSource::Command(path) => {
                let session = CliSession::new();
                let opening = session.connect(&config, path);
                let (params, process) = tokio::time::timeout(limit, opening)
                    .await
                    .map_err(|_| SessionError::Late {
                        limit,
                        said: lines.last(),
                    })?
                    .map_err(|source| SessionError::Refused {
                        said: lines.last(),
                        source: source.into(),
                    })?;
                (params, Some(Arc::new(process)))
            }
        };
        Ok(Self {
            process,
            client: Arc::new(DefaultGraphQLClient::new(&params, &config)),
        })
    }

    /// The root of a query.
    pub(super) fn query(&self) -> Query {
        Query {
            proc: self.process.clone(),
            selection: Selection::default(),
            graphql_client: Arc::clone(&self.client),
        }
    }
}

/// How many lines of the `dagger` command an error shows.
const LAST_LINES: usize = 5;

/// Takes what the SDK and the `dagger` command would print: to the log, and the last lines for an error.
#[derive(Default)]
struct Lines(Mutex<VecDeque<String>>);

impl Lines {
    fn last(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }

    fn take(&self, line: &str) {
        let line = plain(line);
        tracing::debug!(target: "larder::dagger", "{line}");
        if line.trim().is_empty() {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl Logger for Lines {
    fn stdout(&self, output: &str) -> eyre::Result<()> {
        self.take(output);
        Ok(())
    }

    fn stderr(&self, output: &str) -> eyre::Result<()> {
        self.take(output);
        Ok(())
    }
}

/// A line without its colours (`ESC [ … letter`) and other control characters.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().skip(1).find(char::is_ascii_alphabetic);
        } else if !character.is_control() {
            out.push(character);
        }
    }
    out
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
    fn lines_lose_their_colours() {
        assert_eq!(
            plain("\u{1b}[95m1 : \u{1b}[0m\u{1b}[90;2m\u{1b}[0mconnect\r"),
            "1 : connect"
        );
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
