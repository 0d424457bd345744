//! Ctrl-C, SIGTERM and SIGHUP in the middle of it, and readers that go away.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::proxy::{Fault, Rule};
use crate::rig::{LONGEST, Rig, ended, spread};

#[test]
fn a_signal_anywhere_finishes_what_is_in_flight() {
    let at = |method, path: &str, number, signal| Rule {
        method,
        path: path.to_owned(),
        number,
        fault: Fault::Signal(signal),
    };
    let points = [
        at("POST", "/networks/create", 0, Signal::INT),
        at("POST", "/volumes/create", 0, Signal::TERM),
        at("POST", "/containers/create", 1, Signal::INT),
        at("PUT", "/containers/*/archive", 0, Signal::TERM),
        at("POST", "/containers/*/start", 0, Signal::INT),
        at("POST", "/containers/*/exec", 0, Signal::TERM),
        at("POST", "/containers/*/start", 1, Signal::INT),
    ];
    spread("signal", &points, |rig, _, point| {
        let (output, proxy) = rig.through("up", Some(point));
        let after = format!("{point:?}: {}", rig.shown(&output));
        assert!(proxy.struck(), "{after}");
        assert_eq!(output.status.code(), Some(130), "{after}");
        assert!(
            after.contains("interrupted: finishing what is in flight"),
            "{after}"
        );
        rig.repair("0", &after);
        rig.stack.larder("down -v");
    });
}

/// A service that does not end when it is asked.
const STUBBORN: &str = "services: {app: {image: 'busybox:stable', command: [sh, -c, \"trap '' TERM; sleep 1000\"], \
                        stop_grace_period: 5s}}\n";

#[test]
fn the_second_signal_ends_at_once() {
    let rig = Rig::with("twice", STUBBORN);
    rig.stack.larder("up");
    let child = rig.command("stop").spawn().unwrap();
    let process = Pid::from_raw(child.id().cast_signed()).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    kill_process(process, Signal::INT).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    kill_process(process, Signal::INT).unwrap();
    let output = ended(child, LONGEST, "stop");
    assert_eq!(output.status.code(), Some(130), "{}", rig.shown(&output));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

/// What stops a stack and is killed meanwhile, before the container that does not end when it is asked has ended; when it was
/// begun.
fn cut_off(rig: &Rig, mut command: Command) -> Instant {
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "it ended");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(rig.inspected()[0]["State"]["Running"], true);
    begun
}

#[test]
fn a_stop_that_goes_on_behind_one_that_was_killed_is_waited_for() {
    let rig = Rig::with("stops", STUBBORN);
    let compose = || {
        let mut command = rig.stack.sandbox.command("docker");
        // Its plugins are there.
        command.env("HOME", std::env::var("HOME").unwrap_or_default());
        command.args(["compose", "stop"]).stderr(Stdio::null());
        command
    };
    let stops: [&dyn Fn() -> Command; 3] =
        [&|| rig.command("stop"), &|| rig.command("down"), &compose];
    for (stop, next) in stops.into_iter().zip(["up", "up", "start"]) {
        rig.stack.larder("up");
        let begun = cut_off(&rig, stop());
        let output = rig.stack.sandbox.run(next);
        let shown = rig.shown(&output);
        assert!(output.status.success(), "{shown}");
        assert!(shown.contains("waiting: app is being stopped\n"), "{shown}");
        // Longer than its grace period was to go on.
        std::thread::sleep(Duration::from_secs(8).saturating_sub(begun.elapsed()));
        assert_eq!(rig.inspected()[0]["State"]["Running"], true, "{shown}");
    }
}

#[test]
fn a_signal_that_stops_nothing_is_waited_for_no_longer_than_a_stop_takes() {
    let rig = Rig::with("survives", STUBBORN);
    rig.stack.larder("up");
    rig.stack.larder("kill -s WINCH");
    let begun = Instant::now();
    let shown = rig.stack.sandbox.show("up");
    assert!(shown.contains("1 service up to date"), "{shown}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{shown}");
    rig.stack.larder("kill -s TERM");
    let shown = rig.stack.sandbox.show("up");
    assert!(shown.contains("1 service up to date"), "{shown}");
    assert!(shown.contains("waiting: app is being stopped\n"), "{shown}");
    assert!(begun.elapsed() < Duration::from_secs(12), "{shown}");
    let shown = rig.stack.sandbox.show("up");
    assert!(!shown.contains("waiting"), "{shown}");
}

#[test]
fn a_wait_for_another_larder_ends_with_a_signal() {
    let rig = Rig::with("waits", STUBBORN);
    rig.stack.larder("up");
    let first = rig.command("stop").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let second = rig.command("up").spawn().unwrap();
    let process = Pid::from_raw(second.id().cast_signed()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let begun = Instant::now();
    kill_process(process, Signal::INT).unwrap();
    let output = ended(second, LONGEST, "up");
    let shown = rig.shown(&output);
    assert!(begun.elapsed() < Duration::from_secs(1), "{shown}");
    let process = first.id();
    assert!(shown.starts_with("exit 130\n"), "{shown}");
    let told = format!("waiting for `larder stop` (process {process}, begun ");
    assert!(shown.contains(&told), "{shown}");
    assert!(ended(first, LONGEST, "stop").status.success());
}

#[test]
fn readers_that_go_away_are_no_reason_to_fail() {
    let rig = Rig::new("readers");
    let larder = env!("CARGO_BIN_EXE_larder");
    for line in [
        "up 2>&1 | head -1",
        "up >&-",
        "up >&- 2>&-",
        "--progress json up | head -1",
    ] {
        let script = format!("{larder} {line}; echo \"${{PIPESTATUS[0]}}\" >> codes");
        let mut command = rig.stack.sandbox.command("bash");
        let child = command
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = child.stderr(Stdio::piped()).spawn().unwrap();
        let output = ended(child, LONGEST, line);
        let shown = rig.shown(&output);
        assert!(!shown.contains("panicked"), "{line}: {shown}");
        rig.note_volumes();
        rig.repair("0", line);
        rig.stack.larder("down -v");
    }
    let codes = std::fs::read_to_string(rig.stack.sandbox.path().join("codes")).unwrap();
    assert_eq!(codes, "0\n0\n0\n0\n");
}

#[test]
fn a_terminal_that_is_closed_ends_it_and_no_more() {
    let rig = Rig::new("hangup");
    let rule = Rule {
        method: "POST",
        path: "/containers/create".to_owned(),
        number: 1,
        fault: Fault::Signal(Signal::HUP),
    };
    let (output, _) = rig.through("up", Some(&rule));
    assert_eq!(output.status.signal(), Some(1), "{}", rig.shown(&output));
    rig.repair("0", "SIGHUP");
}
