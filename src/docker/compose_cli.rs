//! The installed docker compose as a command: where it is, and what it prints. Knows nothing of what it is asked.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::Docker;
use super::program::answer;

/// Where docker looks for plugins behind the person's own folders (docker/cli `cli-plugins/manager`).
const FOLDERS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];
/// How long it may take. Some 50 ms are usual.
const LIMIT: Duration = Duration::from_secs(2);

/// The command.
#[derive(Clone, Debug)]
pub struct ComposeCli {
    program: PathBuf,
    identity: String,
}

impl Docker {
    /// The docker compose that `docker compose` would run; `None` where none is installed.
    pub fn compose_cli(&self) -> Option<ComposeCli> {
        let config = &self.config;
        let own =
            (!config.folder.as_os_str().is_empty()).then(|| config.folder.join("cli-plugins"));
        let extra = config.cli_plugins_extra_dirs.iter().cloned();
        let folders = extra.chain(own).chain(FOLDERS.map(PathBuf::from));
        folders
            .into_iter()
            .find_map(|folder| ComposeCli::of(&folder.join("docker-compose")))
    }
}

impl ComposeCli {
    fn of(program: &Path) -> Option<Self> {
        let found = fs_err::metadata(program).ok()?;
        if !found.is_file() || found.mode() & 0o111 == 0 {
            return None;
        }
        let (size, seconds, rest) = (found.size(), found.mtime(), found.mtime_nsec());
        Some(Self {
            program: program.to_owned(),
            identity: format!("{} {size} {seconds}.{rest:09}", program.display()),
        })
    }

    /// Which one it is: another version has another.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What it prints, run with this environment alone; `None` where it fails or takes too long, when it is killed.
    pub async fn run(
        &self,
        environment: &BTreeMap<String, String>,
        arguments: &[OsString],
        input: &str,
    ) -> Option<String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().envs(environment);
        let run = answer(&mut command, input);
        match tokio::time::timeout(LIMIT, run).await {
            Ok(Ok(output)) if output.status.success() => String::from_utf8(output.stdout).ok(),
            Ok(Ok(output)) => {
                tracing::debug!("docker compose ended with {}", output.status);
                None
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "docker compose does not run");
                None
            }
            Err(_) => {
                tracing::debug!("docker compose took too long");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(folder: &Path, text: &str) -> PathBuf {
        let program = folder.join("docker-compose");
        fs_err::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        program
    }

    #[tokio::test]
    async fn it_gets_what_it_is_asked_and_one_that_fails_or_hangs_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        for (text, said) in [
            ("echo $1; cat", Some("config\nasked")),
            ("echo no; exit 1", None),
            ("exec sleep 60", None),
        ] {
            let cli = ComposeCli::of(&script(folder.path(), text)).unwrap();
            let began = std::time::Instant::now();
            let answer = cli.run(&environment, &["config".into()], "asked").await;
            assert_eq!(answer.as_deref(), said, "{text}");
            assert!(began.elapsed() < LIMIT * 3, "{text}");
        }
    }

    #[test]
    fn another_version_is_another() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ComposeCli::of(&folder.path().join("docker-compose")).is_none());
        let program = script(folder.path(), "one");
        let one = ComposeCli::of(&program).unwrap();
        assert_eq!(ComposeCli::of(&program).unwrap().identity(), one.identity());
        script(folder.path(), "another");
        assert_ne!(ComposeCli::of(&program).unwrap().identity(), one.identity());
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(ComposeCli::of(&program).is_none());
    }
}
