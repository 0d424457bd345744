//! A folder of its own for one test, and larder run in it with an environment of its own.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with a project in it.
pub(crate) struct Sandbox {
    /// Holds the folder until the test ends.
    _keep: TempDir,
    root: PathBuf,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// An empty folder, and an engine that is not there: what needs none works all the same.
    pub(crate) fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().canonicalize().unwrap().join("hub");
        fs::create_dir(&root).unwrap();
        Self {
            _keep: keep,
            root,
            environment: vec![("DOCKER_HOST".into(), "unix:///nowhere/docker.sock".into())],
        }
    }

    /// A folder with a Compose file.
    pub(crate) fn with(compose: &str) -> Self {
        Self::new().file("compose.yaml", compose)
    }

    /// Adds a file.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// A command in the folder, with this sandbox's environment and no other.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", &self.root)
            .envs(self.environment.iter().cloned());
        command
    }

    /// Runs larder.
    pub(crate) fn run(&self, line: &str) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_larder"));
        command.args(line.split_whitespace()).output().unwrap()
    }

    /// Runs larder; all that it gave, the folder's own path left out.
    pub(crate) fn show(&self, line: &str) -> String {
        self.shown(&self.run(line))
    }

    /// All that a command gave, the folder's own path left out.
    pub(crate) fn shown(&self, output: &Output) -> String {
        let mut shown = String::new();
        let code = output.status.code();
        let code = code.map_or("by a signal".to_owned(), |code| code.to_string());
        let _ = writeln!(shown, "exit {code}");
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = String::from_utf8_lossy(bytes);
            if !text.is_empty() {
                let _ = write!(shown, "--- {name}\n{text}");
            }
        }
        shown.replace(self.root.to_str().unwrap(), "[hub]")
    }
}
