//! Where a Dagger session comes from: what the environment says and what is on PATH. Opens nothing.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// How one gets what is missing.
const INSTALLED: &str = "https://docs.dagger.io/install says how it is installed";

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
            format!(
                "no Dagger engine answers at `{socket}` (`_EXPERIMENTAL_DAGGER_RUNNER_HOST`; without that variable \
                 the `dagger` command starts one in Docker): {error}"
            )
        })?;
    }
    if let Some(path) = variable("_EXPERIMENTAL_DAGGER_CLI_BIN") {
        let path = PathBuf::from(path);
        return if is_command(&path) {
            Ok(DaggerSource::Command(path))
        } else {
            Err(format!(
                "`_EXPERIMENTAL_DAGGER_CLI_BIN` names `{}`, which is no command ({INSTALLED})",
                path.display()
            ))
        };
    }
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("dagger"))
        .find(|path| is_command(path))
        .map(DaggerSource::Command)
        .ok_or_else(|| format!("there is no `dagger` command on PATH ({INSTALLED})"))
}

fn is_command(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
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
}
