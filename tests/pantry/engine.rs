//! An engine of the test's own, that of another machine as far as images go: its own disk, its own network, and nothing pulled.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::Sandbox;
use crate::shop::has;

/// Runs an engine in a folder, or takes its disk away.
const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/faults/private-engine.sh"
);

pub(crate) struct Second {
    folder: PathBuf,
    running: Child,
    /// A folder on that machine.
    pub(crate) sandbox: Sandbox,
}

impl Second {
    /// Nothing where there can be no such engine, which is said aloud.
    pub(crate) fn start(compose: &str) -> Option<Self> {
        let needed = ["dockerd", "mkfs.ext4", "unshare", "nsenter", "mount", "ip"];
        let missing = needed.into_iter().find(|program| !has(program));
        let root = rustix::process::geteuid().is_root();
        if let Some(why) = missing.or((!root).then_some("root")) {
            eprintln!("NOT RUN: an engine of its own needs {why}");
            return None;
        }
        // Sockets have short paths.
        let folder = tempfile::Builder::new().prefix("larder-engine-").tempdir();
        let folder = folder.unwrap().keep();
        let host = format!("unix://{}/sock", folder.display());
        let mut running = Command::new(SCRIPT);
        let running = running.arg(&folder).stdin(Stdio::null());
        let engine = Self {
            running: running.spawn().unwrap(),
            sandbox: Sandbox::with(compose).env("DOCKER_HOST", &host),
            folder,
        };
        let begun = Instant::now();
        while !engine.docker(&["info"]).status.success() {
            if begun.elapsed() > Duration::from_mins(1) {
                let log = std::fs::read_to_string(engine.folder.join("log")).unwrap_or_default();
                eprintln!("NOT RUN: an engine of its own does not start here: {log}");
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let up = engine
            .inside("ip")
            .args(["link", "set", "lo", "up"])
            .output();
        assert!(up.unwrap().status.success());
        Some(engine)
    }

    /// The process whose network is the engine's.
    pub(crate) fn process(&self) -> u32 {
        self.running.id()
    }

    /// A command in the engine's network.
    fn inside(&self, program: &str) -> Command {
        let mut command = self.sandbox.command("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.process()));
        command.arg(program);
        command
    }

    /// Runs larder on that machine.
    pub(crate) fn run(&self, line: &str) -> Output {
        let mut command = self.inside(env!("CARGO_BIN_EXE_larder"));
        command.args(line.split_whitespace()).output().unwrap()
    }

    /// Runs larder, which must succeed; its standard output, and all that it gave.
    pub(crate) fn larder(&self, line: &str) -> (String, String) {
        let output = self.run(line);
        let shown = self.sandbox.shown(&output);
        assert!(output.status.success(), "{line}: {shown}");
        (String::from_utf8(output.stdout).unwrap(), shown)
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Output {
        let mut command = self.sandbox.command("docker");
        command.args(arguments).output().unwrap()
    }

    /// The names of all images, sorted.
    pub(crate) fn images(&self) -> Vec<String> {
        let listed = self.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let listed = String::from_utf8(listed.stdout).unwrap();
        let mut names: Vec<String> = listed.lines().map(ToOwned::to_owned).collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let ids = self.docker(&["ps", "-aq"]).stdout;
        for id in String::from_utf8_lossy(&ids).split_whitespace() {
            let _ = self.docker(&["rm", "-f", id]);
        }
        let pid = Pid::from_raw(self.running.id().cast_signed()).unwrap();
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.running.wait();
        let _ = Command::new(SCRIPT).arg(&self.folder).arg("end").output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
