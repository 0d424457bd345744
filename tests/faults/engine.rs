//! An engine that ends while larder waits, and comes back or not; one whose disk is full. On an engine of the test's own.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{LONGEST, ended, thorough};
use crate::sandbox::Sandbox;

/// An engine takes a while on a busy machine: one at a time.
static ONE: Mutex<()> = Mutex::new(());

/// A database that takes some seconds, and what waits for it.
const SLOW: &str = "\
services:
  db:
    image: busybox:stable
    command: [sh, -c, 'sleep 4; touch /go; exec sleep 1000']
    stop_signal: SIGKILL
    network_mode: none
    volumes: ['data:/data']
    healthcheck: {test: [CMD, test, -e, /go], interval: 1s, start_period: 1m}
  app:
    image: busybox:stable
    command: [sleep, '1000']
    stop_signal: SIGKILL
    network_mode: none
    depends_on: {db: {condition: service_healthy}}
volumes: {data: }
";

struct Private {
    folder: PathBuf,
    running: Option<Child>,
    sandbox: Sandbox,
}

impl Private {
    /// Nothing where there can be no such engine, which is said aloud.
    fn start(compose: &str) -> Option<Self> {
        let missing = ["dockerd", "mkfs.ext4", "unshare", "mount"]
            .into_iter()
            .find(|program| {
                let found = Command::new("which").arg(program).output();
                !found.is_ok_and(|found| found.status.success())
            });
        let root = rustix::process::geteuid().is_root();
        if let Some(why) = missing.or((!root).then_some("root")) {
            eprintln!("NOT RUN: an engine of its own needs {why}");
            return None;
        }
        // Sockets have short paths.
        let folder = tempfile::Builder::new()
            .prefix("larder-engine-")
            .tempdir()
            .unwrap()
            .keep();
        let host = format!("unix://{}/sock", folder.display());
        let sandbox = Sandbox::with(compose).env("DOCKER_HOST", &host);
        let mut engine = Self {
            folder,
            running: None,
            sandbox,
        };
        engine.run();
        if !engine.answers(Duration::from_mins(1)) {
            let log = std::fs::read_to_string(engine.folder.join("log")).unwrap_or_default();
            eprintln!("NOT RUN: an engine of its own does not start here: {log}");
            return None;
        }
        // From the engine that the other tests use.
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let script = "DOCKER_HOST=$0 docker save busybox:stable | docker load";
        let loaded = engine
            .sandbox
            .command("bash")
            .args(["-c", script, &host])
            .output()
            .unwrap();
        assert!(loaded.status.success(), "{loaded:?}");
        Some(engine)
    }

    fn run(&mut self) {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/faults/private-engine.sh"
        );
        let running = Command::new(script)
            .arg(&self.folder)
            .stdin(Stdio::null())
            .spawn();
        self.running = Some(running.unwrap());
    }

    fn answers(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if self.docker(&["info"]).status.success() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    fn docker(&self, arguments: &[&str]) -> Output {
        self.sandbox
            .command("docker")
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Ends the engine; it is gone when this returns.
    fn end(&mut self, signal: Signal) {
        if let Some(mut running) = self.running.take() {
            let pid = Pid::from_raw(running.id().cast_signed()).unwrap();
            let _ = kill_process(pid, signal);
            running.wait().unwrap();
        }
    }

    /// Begins an `up`, and lets it wait for the database.
    fn waiting(&self) -> Child {
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_larder"));
        let child = command
            .arg("up")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        let begun = Instant::now();
        while !String::from_utf8_lossy(&self.docker(&["ps", "-q"]).stdout).contains('\n') {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "db is not started"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(300));
        child
    }

    fn up(&self) -> String {
        self.sandbox.show("up")
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let ids = self.docker(&["ps", "-aq"]).stdout;
        for id in String::from_utf8_lossy(&ids).split_whitespace() {
            let _ = self.docker(&["rm", "-f", id]);
        }
        self.end(Signal::TERM);
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/faults/private-engine.sh"
        );
        let _ = Command::new(script).arg(&self.folder).arg("end").output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn an_engine_that_comes_back_is_waited_for() {
    let _one = ONE.lock();
    let Some(mut engine) = Private::start(SLOW) else {
        return;
    };
    let all = [
        (Signal::KILL, 5),
        (Signal::TERM, 1),
        (Signal::KILL, 1),
        (Signal::TERM, 5),
    ];
    let some = if thorough() { &all[..] } else { &all[..2] };
    for (signal, away) in some {
        let child = engine.waiting();
        engine.end(*signal);
        std::thread::sleep(Duration::from_secs(*away));
        engine.run();
        let output = ended(child, LONGEST, "up while its engine ends");
        let shown = engine.sandbox.shown(&output);
        assert!(output.status.success(), "{signal:?}, {away} s: {shown}");
        assert!(
            shown.contains("engine is gone: waiting for it"),
            "{signal:?}, {away} s: {shown}"
        );
        assert!(
            shown.contains("the engine is back: looking again"),
            "{shown}"
        );
        assert!(
            engine.up().contains("2 services up to date"),
            "{signal:?}, {away} s: {shown}"
        );
        let down = engine.sandbox.show("down -v");
        assert!(down.starts_with("exit 0"), "{down}");
    }
}

#[test]
fn an_engine_that_does_not_come_back_is_given_up_after_half_a_minute() {
    let _one = ONE.lock();
    let Some(mut engine) = Private::start(SLOW) else {
        return;
    };
    let child = engine.waiting();
    engine.end(Signal::KILL);
    let begun = Instant::now();
    let output = ended(child, LONGEST, "up without an engine");
    let took = begun.elapsed();
    let shown = engine.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(
        shown.contains("error: no Docker Engine answers at unix://"),
        "{shown}"
    );
    assert!((28..40).contains(&took.as_secs()), "{took:?}: {shown}");
    // It comes back after all.
    engine.run();
    assert!(engine.answers(Duration::from_mins(1)));
    let shown = engine.up();
    assert!(shown.starts_with("exit 0"), "{shown}");
}

#[test]
fn a_full_disk_is_told_of_and_no_harm_when_it_has_room_again() {
    let _one = ONE.lock();
    let Some(engine) = Private::start(&SLOW.replace("sleep 4; ", "")) else {
        return;
    };
    let large = engine.folder.join("mnt/filler");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", large.display()))
        .output();
    assert!(!filled.unwrap().status.success(), "the disk has no end");
    let shown = engine.up();
    assert!(shown.starts_with("exit 1"), "{shown}");
    assert!(shown.contains("no space left on device"), "{shown}");
    assert!(shown.contains("hint: the engine's disk is full"), "{shown}");
    std::fs::remove_file(large).unwrap();
    let shown = engine.up();
    assert!(shown.starts_with("exit 0"), "{shown}");
    assert!(engine.up().contains("2 services up to date"), "{shown}");
}
