//! Ctrl-C and SIGTERM while no plan is carried out.

use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// Sends a signal to `larder up` while it waits for an engine that takes the connection and says nothing.
fn interrupted(signal: &str) -> (Option<i32>, String) {
    let mut sandbox = Sandbox::with("services: {app: {image: 'redis:7-alpine'}}\n");
    let socket = sandbox.path().join("engine.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    sandbox.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.arg("up").stdout(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let (_held, _) = engine.accept().unwrap();
    let begun = Instant::now();
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn one_signal_ends_what_is_not_a_plan() {
    for signal in ["-INT", "-TERM"] {
        let (code, said) = interrupted(signal);
        assert_eq!(code, Some(130), "{signal}: {said}");
        assert_eq!(said, "", "{signal}");
    }
}
